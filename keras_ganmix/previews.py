"""What there is to see of each regularizer: one function for each class.

Pictures are made with the functions and the random numbers of the next
discriminator step, so that they show what training does.
"""

import numpy as np
from keras import ops

from keras_ganmix import building, regularizers
from keras_ganmix.ops.similarity import (
    cosine_matrix,
    diversity_penalty,
    mode_seeking_ratio,
)
from keras_ganmix.ops.tiles import inverse_permutation, shuffle_tiles
from keras_ganmix.regularizers.base import Weight
from keras_ganmix.regularizers.diversity import select_features
from keras_ganmix.regularizers.mode_seeking import pairs_of_fakes
from keras_ganmix.scene import Scene, restore
from keras_ganmix.utils.panels import (
    COLUMNS,
    Lines,
    Matrix,
    Panel,
    Points,
    Strip,
)


def panels(recipe, source, run=None):
    """The panels of a recipe, one for each regularizer.

    Args:
        recipe: the `Recipe`.
        source: its `data.Source`.
        run: `RunFolder` of a run whose networks are used, or `None` for
            untrained networks, and other real images in the place of fakes.

    Returns:
        List of `utils.panels.Panel`, in the order of the recipe.

    Raises:
        ValueError: if the recipe, its data and the run do not fit.
    """
    gan = building.build_gan(recipe, source)
    step = None if run is None else restore(gan, run)
    scene = Scene(gan, building.build_dataset(recipe, source, gan), step)
    if not gan.regularizers:
        return [_plain(scene)]
    made = {r.name: r for r in gan.regularizers}
    names = [section.name or section.type for section in recipe.regularizers]
    return [panel_of(made[name], scene) for name in names]


def panel_of(regularizer, scene):
    """The panel of one regularizer.

    Args:
        regularizer: one of the scene's GAN.
        scene: `Scene`.
    """
    kinds = [kind for kind in type(regularizer).__mro__ if kind in PANELS]
    if kinds:
        note, rows = PANELS[kinds[0]](regularizer, scene)
    else:
        note, rows = "There is no picture of this regularizer.", []
    if regularizer.is_inert:
        note = f"Switched off: all of its weights are 0. {note}"
    title = type(regularizer).__name__
    if regularizer.name != title:
        title = f"{regularizer.name} ({title})"
    return Panel(title, _details(regularizer), note, _side_by_side(rows))


# From tensors to rows.


def _array(tensor):
    return np.asarray(ops.cast(tensor, "float32"))


def _row(label, images, captions=(), values=None, **options):
    """Images as a strip, points as a plot; arguments as theirs."""
    images = _array(images)
    if images.ndim == 2:
        values = None if values is None else _array(values)
        return Points(label.replace("\n", " "), images, values)
    return Strip(label, images[:COLUMNS], tuple(captions[:COLUMNS]), **options)


def _side_by_side(rows):
    """Joins neighbouring plots, which are not strips, to lists."""
    joined = []
    for row in rows:
        if isinstance(row, Strip):
            joined.append(row)
        elif joined and isinstance(joined[-1], list):
            joined[-1].append(row)
        else:
            joined.append([row])
    return joined


def _details(regularizer):
    words = []
    for argument in regularizer.get_config():
        value = getattr(regularizer, argument)
        if argument == "name":
            continue
        if isinstance(value, Weight):
            shown = f"{value.value:g}"
            shown += f", warmup {value.warmup}" * bool(value.warmup)
            shown += f", every {value.every}" * (value.every > 1)
        elif isinstance(value, (list, tuple)):
            shown = "+".join(value)
        else:
            shown = f"{value:g}" if isinstance(value, float) else str(value)
        words.append(f"{argument}={shown}")
    return "   ".join(words)


def _plain(scene):
    rows = [
        _row("real", scene.context.real.images),
        _row(scene.fake, scene.context.fake.images),
    ]
    note = f"The discriminator sees images as they are. {scene.fakes}"
    return Panel("No regularizers", "", note, _side_by_side(rows))


# One function for each class: (regularizer, scene) -> note, rows.


def _sample_mixing(regularizer, scene):
    own = scene.context.of(regularizer.name)
    mode = regularizer.mode_for(own.loss)
    real, fake = own.real.seen, own.fake.seen

    def mix(a, b):
        return regularizer.mix(a, b, own.draws, fold=mode == "as_fake")

    mixed, share = mix(real, fake)
    share = _array(share)
    rows = [_row("real", real), _row(scene.fake, fake)]
    if len(real.shape) == 4:
        # Mixing 1 with 0 gives the mask that was used.
        mask, _ = mix(ops.ones_like(real), ops.zeros_like(fake))
        label = "mask M\nwhite: real\nblack: fake"
        rows.append(_row(label, mask, kind="share"))
    captions = [f"λ = {number:.2f}" for number in share]
    rows.append(
        _row("mixture\nλ: share of\nthe real", mixed, captions, values=share)
    )
    return f"Mode with this loss: {mode}. {scene.fakes}", rows


def _adaptive_mix(regularizer, scene):
    own = scene.context.of(regularizer.name)
    kind = "real" if "real" in regularizer.apply_to else "fake"
    images = getattr(own, kind).seen
    made = regularizer.mixture(own, kind)
    ratio = _array(made["ratio"])
    captions = [f"λ = {number:.2f}" for number in ratio]
    note = f"Pairs of {kind} images."
    if kind == "real":
        note += " Fakes are mixed with fakes in the same way."
    else:
        note += f" {scene.fakes}"
    return note, [
        _row(f"a ({kind})", images),
        _row(
            f"b ({kind},\nof the same\nbatch)",
            ops.take(images, made["partner"], axis=0),
        ),
        _row("λ a + (1 - λ) b", made["images"], captions, values=ratio),
    ]


def _dag(regularizer, scene):
    own = scene.context.of(regularizer.name)
    prepared = own.prepared(regularizer)
    copies = {"real": prepared["copies"]}
    note = "Each head compares reals and fakes that were transformed alike."
    if regularizer.real_only:
        note = "real_only: fakes are compared as they are."
        shape = ops.shape(copies["real"])
        copies["fake"] = ops.broadcast_to(own.fake.images[:, None], shape)
    else:
        copies["fake"] = regularizer.copies(
            own.fake.images, prepared.get("uniforms")
        )
    intact = {kind: _array(getattr(own, kind).images) for kind in copies}
    copies = {kind: _array(images) for kind, images in copies.items()}
    shared = regularizer.heads == "shared"
    rows, policies = [], [policy for policy, _ in regularizer.names]
    for policy in dict.fromkeys(policies):
        heads = [k for k, name in enumerate(policies) if name == policy]
        headers = ["intact"]
        for k in heads:
            head = "own head" if shared else f"head {k}"
            headers.append(f"{head}:\n{regularizer.names[k][1]}")
        if intact["real"].ndim == 2:
            # Points of a ring look alike after rotation, but for a colour.
            for kind, points in intact.items():
                angle = np.arctan2(points[:, 1], points[:, 0])
                moved = [points, *(copies[kind][:, k] for k in heads)]
                rows += [
                    _row(f"{kind}, {header}", x, values=angle)
                    for header, x in zip(headers, moved, strict=True)
                ]
            continue
        for i in range(2 if len(set(policies)) == 1 else 1):
            for kind, label in (("real", "real"), ("fake", scene.fake)):
                images = [intact[kind][i], *copies[kind][i, heads]]
                first = i == 0 and kind == "real"
                rows.append(
                    Strip(
                        label,
                        np.stack(images)[:COLUMNS],
                        headers=tuple(headers) if first else (),
                    )
                )
    return f"{note} {scene.fakes}", rows


def _deshuffle(regularizer, scene):
    own = scene.context.of(regularizer.name)
    made = own.prepared(regularizer)
    grid, images = regularizer.grid, own.real.images
    classes = np.asarray(made["classes"])
    orders = regularizer.table[classes]
    # Without the border by which shuffled images are padded.
    height, width = (grid * (n // grid) for n in images.shape[1:3])
    top, left = ((n - n // grid * grid + 1) // 2 for n in images.shape[1:3])
    tiles = made["images"][:, top : top + height, left : left + width]
    back = shuffle_tiles(tiles, inverse_permutation(orders), grid)

    def marks(orders):
        centre = (np.arange(grid) + 0.5) / grid
        places = [(x, y) for y in centre for x in centre]
        return [
            [(*place, str(t)) for place, t in zip(places, order, strict=True)]
            for order in orders[:COLUMNS]
        ]

    in_place = np.tile(np.arange(grid * grid), (len(orders), 1))
    captions = [f"class {k}" for k in classes]
    return (
        "From real images the discriminator learns to tell the class; fakes "
        "are shuffled in the same way for the generator.",
        [
            _row("intact,\ntiles numbered", images, marks=marks(in_place)),
            _row("shuffled", made["images"], captions, marks=marks(orders)),
            _row("as the\ndiscriminator\nsees it", made["images"]),
            _row("put back by\nthe class", back),
        ],
    )


def _rotation(regularizer, scene):
    own = scene.context.of(regularizer.name)
    made = own.prepared(regularizer)
    images = own.real.images
    index = regularizer.select(images.shape[0])
    if index is not None:
        images = ops.take(images, index, axis=0)
    captions = [f"class {k}: {90 * k}°" for k in np.asarray(made["classes"])]
    return (
        "Counter-clockwise. From real images the discriminator learns to tell "
        "the class; fakes are rotated in the same way for the generator.",
        [_row("intact", images), _row("rotated", made["images"], captions)],
    )


def _augment(regularizer, scene):
    images = scene.context.real.images
    rows = [_row("before", images)]
    for i in range(3):
        draws = scene.draws(i).scope(regularizer.name).scope("real")
        label = f"draw {i + 1}"
        rows.append(_row(label, regularizer.augment(images, draws)))
    return "Real images; fakes are augmented in the same way.", rows


def _adaptive_augment(regularizer, scene):
    images = scene.context.real.images
    draws = scene.draws(0).scope(regularizer.name).scope("real")
    now = float(regularizer.probability.numpy())
    rows = [_row("before", images)]
    for probability in sorted({now, 0.25, 0.5, 1.0}):
        label = f"p = {probability:.2f}"
        label += "\n(as of now)" * (probability == now)
        regularizer.probability.assign(probability)
        rows.append(_row(label, regularizer.augment(images, draws)))
    regularizer.probability.assign(now)
    return (
        f"Real images; p is {now:.2f} now and follows overfitting. Fakes are "
        "augmented in the same way.",
        rows,
    )


def _consistency(regularizer, scene):
    if regularizer.kind == "zcr":
        own = scene.made.of(regularizer.name)
        note = (
            f"Fakes of the {scene.generator}. The discriminator is to give "
            "G(z) and G(z + noise) one logit, the generator to make them "
            "differ."
        )
        images = _array(own.fake.images)
        others = _array(regularizer.neighbours(own))
        change = np.abs(images - others)
        if images.ndim == 2:
            label = "G(z), coloured by |G(z) - G(z + noise)|"
            return note, [_row(label, images, values=change.sum(axis=1))]
        change = change.mean(axis=-1, keepdims=True)
        return note, [
            _row("G(z)", images),
            _row("G(z + noise)", others),
            _row("|difference|\nbright: large", change, kind="heat"),
        ]
    own = scene.context.of(regularizer.name)
    rows = [
        _row("real x", own.real.images),
        _row("T(x)", own.prepared(regularizer)),
    ]
    note = "The discriminator is to give the two of a column one logit."
    if regularizer.kind == "bcr":
        fakes = own.fake.images
        changed = regularizer.change(fakes, own.draws.scope("fake"))
        rows += [_row(scene.fake, fakes), _row("T(fake)", changed)]
        note += f" {scene.fakes}"
    return note, rows


def _gradient_rows(label, images, gradient):
    gradient = _array(gradient)
    size = np.sqrt(np.square(gradient).sum(axis=-1, keepdims=True))
    norms = np.sqrt(np.square(gradient).reshape(len(size), -1).sum(axis=1))
    if gradient.ndim == 2:
        return [_row(f"{label}, coloured by |grad D|", images, values=norms)]
    captions = [f"norm {norm:.2g}" for norm in norms]
    return [
        _row(label, images),
        _row("|grad D| there\nbright: large", size, captions, kind="heat"),
    ]


def _slope(scene, where):
    trained = scene.context is scene.made
    what = "the logit" if trained else "the logit of an untrained discriminator"
    part = "pixel" if len(scene.gan.image_shape) == 3 else "coordinate"
    return f"How much {what} changes with each {part} of {where}."


def _r1(regularizer, scene):
    real = scene.context.of(regularizer.name).real
    rows = _gradient_rows("real", real.images, real.image_gradient)
    return _slope(scene, "a real image"), rows


def _r2(regularizer, scene):
    fake = scene.context.of(regularizer.name).fake
    rows = _gradient_rows(scene.fake, fake.images, fake.image_gradient)
    return f"{_slope(scene, 'a fake')} {scene.fakes}", rows


def _gradient_penalty(regularizer, scene):
    own = scene.context.of(regularizer.name)
    real, fake = own.real.images, own.fake.images
    points = regularizer.points(real, fake, own.draws)
    gradient = own.samples(points, own.real.labels).image_gradient
    rows = [_row("real x", real)]
    note = _slope(scene, "a point x^ near a real image")
    if regularizer.kind == "wgan_gp":
        rows.append(_row(scene.fake, fake))
        where = "a point x^ between a real image and a fake"
        note = f"{_slope(scene, where)} {scene.fakes}"
    rows += _gradient_rows("x^", points, gradient)
    return note, rows


def _fakes_numbered(scene, fake):
    if len(fake.images.shape) == 2:
        return [_row("fakes", fake.images)]
    return [_row("fakes", fake.images, [str(i) for i in range(COLUMNS)])]


def _term(regularizer, context):
    value = float(regularizer.generator_loss(context))
    return f"The term of this batch is {value:.3g}."


def _diversity_penalty(regularizer, scene):
    own = scene.made.of(regularizer.name)
    latents = own.fake.latents
    features = select_features(own.fake.features, regularizer.features)
    if regularizer.center:
        features = features - ops.mean(features, axis=0, keepdims=True)
    n = min(COLUMNS, len(latents))
    pairs = np.full((n, n), np.nan)
    for i in range(n):
        for j in range(i):
            rows = [i, j]
            pairs[i, j] = pairs[j, i] = diversity_penalty(
                ops.take(latents, rows, axis=0),
                ops.take(features, rows, axis=0),
                regularizer.scale,
                regularizer.latent_weighting,
                regularizer.threshold,
            )
    return (
        f"Fakes of the {scene.generator}. Unlike latents (left) whose features "
        f"are alike (middle) cost (right). {_term(regularizer, own)}",
        [
            *_fakes_numbered(scene, own.fake),
            Matrix("cosines of latents", _array(cosine_matrix(latents[:n]))),
            Matrix("cosines of features", _array(cosine_matrix(features[:n]))),
            Matrix("cost of a pair", pairs, 0, max(2.0, np.nanmax(pairs))),
        ],
    )


def _gdpp(regularizer, scene):
    own = scene.made.of(regularizer.name)
    kernels = {
        kind: _array(
            cosine_matrix(
                select_features(
                    getattr(own, kind).features, regularizer.features
                )
            )
        )
        for kind in ("real", "fake")
    }
    eigenvalues = {
        kind: np.maximum(np.linalg.eigvalsh(kernel)[::-1], 1e-6)
        for kind, kernel in kernels.items()
    }
    n = COLUMNS
    return (
        f"Fakes of the {scene.generator}. The generator matches the "
        "eigenvalues and eigenvectors of the fakes' matrix to the reals'. "
        f"{_term(regularizer, own)}",
        [
            _row("reals", own.real.images, [str(i) for i in range(n)]),
            *_fakes_numbered(scene, own.fake),
            Matrix("cosines of real features", kernels["real"][:n, :n]),
            Matrix("cosines of fake features", kernels["fake"][:n, :n]),
            Lines("eigenvalues, whole batch", eigenvalues),
        ],
    )


def _mode_seeking(regularizer, scene):
    own = scene.made.of(regularizer.name)
    images, latents = own.fake.images, own.fake.latents
    note = (
        f"Pairs of fakes of the {scene.generator}. r is the distance of their "
        "images relative to that of their latents; the generator makes it "
        f"large. {_term(regularizer, own)}"
    )
    if len(images.shape) == 2:
        return f"{note} Pairs of points are not drawn.", []
    pairs = np.stack(pairs_of_fakes(images, own.fake.labels))[:, :COLUMNS]
    captions = []
    for first, second in pairs.T:
        ratio = mode_seeking_ratio(
            images[first], images[second], latents[first], latents[second]
        )
        captions.append(f"r = {float(ratio):.2f}")
    first, second = (ops.take(images, index, axis=0) for index in pairs)
    return note, [_row("G(z1)", first), _row("G(z2)", second, captions)]


def _lecam(regularizer, scene):
    return (
        "Nothing to see: images are left as they are. Logits of real images "
        "are pulled to the running mean of the fakes' logits, and the other "
        "way round.",
        [],
    )


PANELS = {
    regularizers.SampleMixing: _sample_mixing,
    regularizers.AdaptiveMix: _adaptive_mix,
    regularizers.DAG: _dag,
    regularizers.Deshuffle: _deshuffle,
    regularizers.Rotation: _rotation,
    regularizers.DiffAugment: _augment,
    regularizers.AdaptiveAugment: _adaptive_augment,
    regularizers.Consistency: _consistency,
    regularizers.R1: _r1,
    regularizers.R2: _r2,
    regularizers.GradientPenalty: _gradient_penalty,
    regularizers.DiversityPenalty: _diversity_penalty,
    regularizers.ModeSeeking: _mode_seeking,
    regularizers.GDPP: _gdpp,
    regularizers.LeCam: _lecam,
}
