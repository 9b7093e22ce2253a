import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_ganmix as kgm
from keras_ganmix import losses
from keras_ganmix.context import Context, Samples
from keras_ganmix.discriminator import DiscriminatorView
from keras_ganmix.ops import transforms
from keras_ganmix.ops.random import Draws
from keras_ganmix.regularizers import (
    DAG,
    R1,
    R2,
    GradientPenalty,
    Weight,
)

ALL = ["rotation", "flipping", "fliprot", "cropping", "translation", "cutout"]


def make_discriminator(num_classes=None, batch_norm=False, size=8):
    """Two convolutions, a spatial map of 2 x 2 x 5, one dense layer."""
    kl = keras.layers
    images = keras.Input((size, size, 1))
    x = kl.Conv2D(4, 3, 2, "same", activation="relu")(images)
    if batch_norm:
        x = kl.BatchNormalization()(x)
    x = kl.Conv2D(5, 3, 2, "same", activation="relu")(x)
    x = kl.Flatten(name="flatten")(x)
    logits = kl.Dense(1)(x)
    if num_classes is None:
        return keras.Model(images, logits)
    labels = keras.Input((), dtype="int32")
    vectors = kl.Embedding(num_classes, x.shape[-1])(labels)
    logits = kl.Add()([logits, kl.Dot(1)([x, vectors])])
    return keras.Model([images, labels], logits)


def context_of(
    tiny,
    dag,
    num_classes=None,
    batch_norm=False,
    loss="logistic",
    penalties=(),
    n=6,
    step=0,
):
    keras.utils.set_random_seed(2)
    model = make_discriminator(num_classes, batch_norm)
    view = DiscriminatorView(model)
    if not dag.built:
        dag.build((8, 8, 1), view.feature_shape, 4, num_classes)
    if dag.heads == "per_transform":
        bias = np.linspace(-1, 1, len(dag.names)).astype("float32")
        dag.transform_heads.bias.assign(bias)
    labels = None if num_classes is None else tf.range(n) % num_classes
    real = Samples(tf.constant(tiny.images(n, seed=1)), view, labels)
    fake = Samples(tf.constant(tiny.images(n, seed=2)), view, labels)
    step, loss = tf.constant(step, tf.int64), losses.get(loss)
    draws = Draws(0, 0)
    return Context(real, fake, view, None, loss, step, draws, list(penalties))


def copies_of(dag, images, draws):
    """Pairs (copy, head), one transform after the other."""
    policies = [dag.policy] if isinstance(dag.policy, str) else dag.policy
    first = 0 if dag.normalize == "official" else 1
    copies = []
    for policy in policies:
        for transform in transforms.transforms(policy)[first:]:
            uniforms = draws.uniform(
                f"{policy}/{transform.name}",
                (images.shape[0], transform.uniforms or 1),
            )
            copies.append(transform(images, uniforms).numpy())
    return copies


def slow_logits(dag, context, images, labels, head):
    """Logits of one head, image by image, in numpy after the trunk."""
    features = context.discriminator.features(images, labels).numpy()
    heads = dag.transform_heads
    kernel, bias = heads.kernel.numpy().astype("float64"), heads.bias.numpy()
    logits = []
    for i, feature in enumerate(features.astype("float64")):
        phi = {
            "average": feature.mean(axis=(0, 1)),
            "sum": feature.sum(axis=(0, 1)),
            "flatten": feature.ravel(),
        }[dag.pooling]
        w = kernel[:, head]
        v = np.zeros_like(w)
        if labels is not None:
            v = heads.embedding.numpy()[int(labels[i])].astype("float64")
        if dag.spectral_norm:
            w = w / np.linalg.norm(w)
            v = v / max(np.linalg.norm(v), 1e-30)
        logits.append(w @ phi + v @ phi + bias[head])
    return np.array(logits, "float32")[:, None]


def shares_of(dag):
    policies = [dag.policy] if isinstance(dag.policy, str) else dag.policy
    counts = [len(transforms.transforms(policy)) for policy in policies]
    if dag.normalize == "official":
        return np.concatenate([np.full(k, 1 / k) for k in counts])
    return np.concatenate([np.full(k - 1, 1 / (k - 1)) for k in counts])


CASES = [
    {},
    {"policy": ["fliprot", "cropping"]},
    {"policy": ALL},
    {"policy": ["translation", "flipping"], "normalize": "official"},
    {"pooling": "sum", "spectral_norm": True},
    {"pooling": "flatten"},
]


@pytest.mark.parametrize("loss", ["hinge", "relativistic_average_logistic"])
@pytest.mark.parametrize("num_classes", [None, 3])
@pytest.mark.parametrize("kwargs", CASES)
def test_concatenated_pass_equals_a_loop_over_heads(
    tiny, kwargs, num_classes, loss
):
    dag = DAG(**kwargs)
    context = context_of(tiny, dag, num_classes, loss=loss)
    labels, draws = context.real.labels, context.draws
    reals = copies_of(dag, context.real.images, draws)
    fakes = copies_of(dag, context.fake.images, draws)
    shares = shares_of(dag)
    assert len(reals) == len(shares) == len(dag.names)
    expected_d = expected_g = 0.0
    for k, share in enumerate(shares):
        real = slow_logits(dag, context, reals[k], labels, k)
        fake = slow_logits(dag, context, fakes[k], labels, k)
        expected_d += share * context.loss.discriminator(real, fake)
        expected_g += share * context.loss.generator(fake, real)
    value = dag.discriminator_loss(context)
    np.testing.assert_allclose(value, expected_d, atol=3e-7, rtol=3e-7)
    value = dag.generator_loss(context)
    np.testing.assert_allclose(value, expected_g, atol=3e-7, rtol=3e-7)


def test_batch_statistics_are_those_of_one_copy(tiny):
    """With batch normalisation the copies are judged one after the other."""
    dag = DAG()
    context = context_of(tiny, dag, batch_norm=True)
    reals = copies_of(dag, context.real.images, context.draws)
    fakes = copies_of(dag, context.fake.images, context.draws)
    expected = np.mean(
        [
            context.loss.discriminator(
                slow_logits(dag, context, reals[k], None, k),
                slow_logits(dag, context, fakes[k], None, k),
            )
            for k in range(3)
        ]
    )
    value = dag.discriminator_loss(context)
    np.testing.assert_allclose(value, expected, rtol=1e-6)


def test_heads_do_not_share_weights(tiny):
    """Each head's term has no gradient in any other head's column."""
    dag = DAG(["rotation", "cropping"])
    context = context_of(tiny, dag)
    copies = dag.prepare(context.real.images, context.draws)["copies"]
    heads = dag.transform_heads
    for k in range(len(dag.names)):
        with tf.GradientTape() as tape:
            logits = dag.judge_all(context.discriminator, copies, None)
            value = tf.reduce_sum(logits[:, k])
        kernel, bias = tape.gradient(
            value, [heads.kernel.value, heads.bias.value]
        )
        touched = np.flatnonzero(np.abs(kernel).max(axis=0))
        np.testing.assert_array_equal(touched, [k])
        np.testing.assert_array_equal(np.flatnonzero(bias), [k])


def test_names_and_offsets():
    dag = DAG(["rotation", "cutout", "flipping"])
    dag.build((8, 8, 1), (2, 2, 5))
    assert dag.names == (
        ("rotation", "rotate_90"),
        ("rotation", "rotate_180"),
        ("rotation", "rotate_270"),
        ("cutout", "cutout"),
        ("flipping", "flip_up_down"),
        ("flipping", "flip_left_right"),
        ("flipping", "flip_both"),
    )


@pytest.mark.parametrize("real_only", [False, True])
@pytest.mark.parametrize("heads", ["per_transform", "shared"])
def test_ablations(tiny, heads, real_only):
    dag = DAG(heads=heads, real_only=real_only)
    context = context_of(tiny, dag)
    reals = copies_of(dag, context.real.images, context.draws)
    fakes = copies_of(dag, context.fake.images, context.draws)
    if real_only:
        fakes = [context.fake.images] * 3
    judge = context.discriminator.logits
    if heads == "per_transform":
        judge = None
    d = g = 0.0
    for k in range(3):
        if judge is None:
            real = slow_logits(dag, context, reals[k], None, k)
            fake = slow_logits(dag, context, fakes[k], None, k)
        else:
            real, fake = judge(reals[k]), judge(fakes[k])
        d += context.loss.discriminator(real, fake) / 3
        g += context.loss.generator(fake) / 3
    np.testing.assert_allclose(dag.discriminator_loss(context), d, rtol=1e-6)
    np.testing.assert_allclose(dag.generator_loss(context), g, rtol=1e-6)
    assert bool(dag.trainable_variables) == (heads == "per_transform")


@pytest.mark.parametrize("policy", [ALL, "rotation"])
def test_gradient_routing(tiny, policy):
    """G's gradient passes transform, trunk and head, and reaches all pixels."""
    dag = DAG(policy)
    context = context_of(tiny, dag, n=4)
    trunk = context.discriminator.model.trainable_variables
    fakes = tf.Variable(context.fake.images)
    with tf.GradientTape(persistent=True) as tape:
        context.fake.images = tf.convert_to_tensor(fakes)
        value = dag.generator_loss(context)
    gradient = tape.gradient(value, fakes).numpy()
    assert (np.abs(gradient) > 0).mean() > 0.5
    h, index = 1e-2, np.unravel_index(np.abs(gradient).argmax(), (4, 8, 8, 1))
    values = []
    for sign in (1, -1):
        moved = fakes.numpy()
        moved[index] += sign * h
        context.fake.images = tf.constant(moved)
        values.append(dag.generator_loss(context).numpy())
    np.testing.assert_allclose(
        (values[0] - values[1]) / (2 * h), gradient[index], rtol=0.05
    )
    with tf.GradientTape() as tape:
        value = dag.discriminator_loss(context)
    gradients = tape.gradient(value, trunk + dag.trainable_variables)
    *of_trunk, kernel, bias, of_kernel, of_bias = gradients
    assert all(np.abs(g).max() > 0 for g in [*of_trunk, of_kernel, of_bias])
    assert kernel is None and bias is None  # the discriminator's own head


def test_every_penalty_is_applied_to_every_head(tiny):
    """With its own weight, and lazy ones in their steps only."""
    penalties = [
        R1(2.0),
        R2(Weight(0.5, every=2)),
        GradientPenalty(weight=3.0, name="gp"),
    ]
    dag = DAG()
    for step in (0, 1):
        context = context_of(tiny, dag, penalties=penalties, step=step)
        without = context_of(tiny, dag, step=step)
        value = dag.discriminator_loss(context)
        value -= dag.discriminator_loss(without)
        reals = copies_of(dag, context.real.images, context.draws)
        fakes = copies_of(dag, context.fake.images, context.draws)
        expected = 0.0
        for k in range(3):

            def judge(images, k=k, view=context.discriminator):
                return dag.transform_heads.one(view.features(images), None, k)

            draws = context.draws.scope("gp").scope(f"head_{k}")
            for penalty, weight in zip(
                penalties, (2.0, 1.0 if step == 0 else 0.0, 3.0), strict=True
            ):
                args = tf.constant(reals[k]), tf.constant(fakes[k]), draws
                expected += weight * penalty.penalty(judge, *args) / 3
        np.testing.assert_allclose(value, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("batch_norm", "normalize", "images_per_step", "passes"),
    [
        (False, "k-1", (2 + 6, 1 + 3), (3, 2)),
        (True, "k-1", (2 + 6, 1 + 3), (8, 4)),
        (False, "official", (2 + 8, 1 + 4), (3, 2)),
    ],
)
def test_trunk_passes(
    tiny, monkeypatch, batch_norm, normalize, images_per_step, passes
):
    """K - 1 batches of reals and fakes, K if official."""
    calls = []
    features = DiscriminatorView.features

    def counted(self, images, *args, **kwargs):
        calls.append(int(images.shape[0]))
        return features(self, images, *args, **kwargs)

    monkeypatch.setattr(DiscriminatorView, "features", counted)
    dag = DAG(normalize=normalize)
    for i, side in enumerate(("discriminator", "generator")):
        context = context_of(tiny, dag, batch_norm=batch_norm)
        calls.clear()
        if side == "discriminator":
            assert context.real.logits.shape == (6, 1)
        assert context.fake.logits.shape == (6, 1)
        getattr(dag, f"{side}_loss")(context)
        assert sum(calls) == images_per_step[i] * 6
        assert len(calls) == passes[i]


def test_class_vectors_are_shared_by_the_heads(tiny):
    dag = DAG()
    context = context_of(tiny, dag, num_classes=3)
    images = context.real.images
    heads, view = dag.transform_heads, context.discriminator

    def logits(label):
        features = view.features(images, tf.fill((6,), label))
        return heads.every(features, tf.fill((6,), label)).numpy()

    difference = logits(1) - logits(0)
    assert np.abs(difference).max() > 1e-3
    np.testing.assert_allclose(
        difference, np.repeat(difference[:, :1], 3, axis=1), atol=1e-6
    )


@pytest.mark.parametrize("lazy", [(1, 1), (1, 4), (2, 4), (4, 4)])
def test_lazy_penalties_of_heads_keep_their_weight(tiny, lazy):
    """The mean over steps is that of terms that are computed in each."""
    own, inner = lazy
    found = []
    for step in range(4):
        terms = []
        for weight in (3.0, 0.0):
            penalty = R1(Weight(weight, every=inner))
            dag = DAG(weight=Weight(1.0, every=own))
            context = context_of(tiny, dag, penalties=[penalty], step=step)
            value, active, _ = dag.term("discriminator", context)
            terms.append(float(value) * float(active))
        found.append(terms[0] - terms[1])
    dag = DAG(weight=1.0)
    with_it = context_of(tiny, dag, penalties=[R1(3.0)])
    expected = float(dag.discriminator_loss(with_it))
    expected -= float(_without_penalty(tiny))
    assert np.mean(found) == pytest.approx(expected, rel=1e-4)


def _without_penalty(tiny):
    dag = DAG(weight=1.0)
    return dag.discriminator_loss(context_of(tiny, dag))


@pytest.mark.parametrize("jit", [False, True])
def test_fakes_are_changed_as_the_pipeline_changed_the_reals(tiny, jit):
    """Also if the compiled step would draw other numbers."""
    dag = DAG("cutout", where="pipeline")
    gan = tiny.gan([dag], jit_compile=jit)
    ones = np.ones((8, 8, 8, 1), "float32")
    data = tf.data.Dataset.from_tensors(ones).repeat()
    batch, *_ = (next(iter(gan.prepare(data))),)
    made = batch["prepared"][dag.name]
    fakes = tf.function(dag.copies, jit_compile=jit)(ones, made["uniforms"])
    np.testing.assert_array_equal(fakes, made["copies"])
    gan.fit(gan.prepare(data), steps_per_epoch=1, verbose=0)


def test_real_and_fake_share_random_transforms(tiny):
    dag = DAG(["translation", "cutout"])
    context = context_of(tiny, dag)
    ones = tf.ones_like(context.real.images)
    made = dag.prepare(ones, context.draws)
    a = made["copies"].numpy()
    b = dag.copies(2 * ones, made["uniforms"]).numpy()
    np.testing.assert_array_equal(2 * a, b)
    assert len(np.unique(a.reshape(6, -1), axis=0)) > 1  # per sample


def test_pipeline_equals_step(tiny):
    gans = [
        tiny.gan(
            [DAG(["rotation", "translation"], where=where)],
            loss="relativistic_average_hinge",
        )
        for where in ("step", "pipeline")
    ]
    for gan in gans:
        gan.fit(gan.prepare(tiny.dataset()), steps_per_epoch=2, verbose=0)
    for gan in gans[1:]:
        for a, b in zip(gans[0].variables, gan.variables, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize(
    ("loss", "kwargs"),
    [
        ("hinge", {}),
        ("relativistic_pairing", {"num_classes": 3, "channels": 3}),
        ("wasserstein", {"num_classes": 3}),
        pytest.param(
            "wasserstein",
            {"num_classes": 3, "jit_compile": True},
            marks=pytest.mark.long,
        ),
    ],
)
def test_trains_with_a_lazy_penalty(tiny, loss, kwargs):
    channels = kwargs.get("channels", 1)
    num_classes = kwargs.get("num_classes")
    gan = tiny.gan(
        [DAG(["rotation", "cutout"]), R1(Weight(5.0, every=2))],
        loss=loss,
        **kwargs,
    )
    before = gan.regularizers[0].transform_heads.kernel.numpy()
    data = tiny.dataset(channels=channels, num_classes=num_classes)
    history = gan.fit(data, steps_per_epoch=3, verbose=0).history
    assert np.isfinite(history["discriminator/DAG"]).all()
    assert np.isfinite(history["generator/DAG"]).all()
    kernel = gan.regularizers[0].transform_heads.kernel.numpy()
    assert (np.abs(kernel - before).max(axis=0) > 0).all()


def test_replicas_equal_one_device(tiny):
    """Per-sample losses, deterministic and random transforms, a penalty."""

    def make():
        regularizers = [DAG(["rotation", "cutout"]), GradientPenalty()]
        return tiny.gan(regularizers, num_classes=3)

    gan = make()
    with tiny.strategy().scope():
        mirrored = make()
    for one in (gan, mirrored):
        data = tiny.dataset(num_classes=3)
        one.fit(data, steps_per_epoch=3, verbose=0)
    for a, b in zip(gan.variables, mirrored.variables, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(tiny, policy):
    keras.mixed_precision.set_global_policy(policy)
    try:
        gan = tiny.gan([DAG("fliprot"), R1()], loss="hinge")
        history = gan.fit(tiny.dataset(), steps_per_epoch=3, verbose=0).history
        assert gan.regularizers[0].transform_heads.kernel.dtype == "float32"
    finally:
        keras.mixed_precision.set_global_policy("float32")
    reference = tiny.gan([DAG("fliprot"), R1()], loss="hinge").fit(
        tiny.dataset(), steps_per_epoch=3, verbose=0
    )
    for name in ("discriminator/DAG", "generator/DAG", "discriminator/R1"):
        np.testing.assert_allclose(
            history[name], reference.history[name], rtol=0.1, atol=0.02
        )


def test_save_and_load(tiny, tmp_path):
    gan = tiny.gan([DAG(["rotation", "flipping"], spectral_norm=True)])
    gan.fit(tiny.dataset(), steps_per_epoch=1, verbose=0)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    assert loaded.regularizers[0].get_config() == (
        gan.regularizers[0].get_config()
    )
    for a, b in zip(gan.variables, loaded.variables, strict=True):
        np.testing.assert_array_equal(a, b)


def test_points_are_rotated_about_the_origin():
    dag = DAG("rotation")
    dag.build((2,), (7,))
    points = np.random.default_rng(0).normal(size=(5, 2)).astype("float32")
    copies = dag.prepare(tf.constant(points), Draws(0, 0))["copies"].numpy()
    complex_points = points[:, 0] + 1j * points[:, 1]
    for k in range(3):
        rotated = complex_points * 1j ** (k + 1)
        expected = np.stack([rotated.real, rotated.imag], axis=1)
        np.testing.assert_allclose(copies[:, k], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"policy": "rotate"}, r"DAG\.policy 'rotate'.*'rotation'"),
        ({"policy": []}, r"DAG\.policy: \[\] is not allowed"),
        ({"policy": ["cutout", "cutout"]}, r"each once"),
        ({"normalize": "k"}, r"DAG\.normalize 'k'.*'k-1'"),
        ({"heads": "share"}, r"DAG\.heads 'share'.*'shared'"),
        ({"pooling": "mean"}, r"DAG\.pooling 'mean'"),
        ({"where": "pipe"}, r"DAG\.where 'pipe'"),
        ({"weight": -0.2}, r"DAG\.weight: -0\.2"),
        ({"generator_weight": "x"}, r"DAG\.generator_weight: 'x'"),
    ],
)
def test_bad_input(kwargs, message):
    with pytest.raises(ValueError, match=message):
        kgm.regularizers.DAG(**kwargs)


def test_bad_shapes():
    for policy in ("rotation", "fliprot"):
        with pytest.raises(ValueError, match=rf"{policy}.*square.*8 x 6"):
            DAG(policy).build((8, 6, 1), (4, 3, 2))
    DAG(["flipping", "cropping"]).build((8, 6, 1), (4, 3, 2))
    with pytest.raises(ValueError, match=r"'cropping'.*\(2,\).*'rotation'"):
        DAG("cropping").build((2,), (7,))
