"""Regularizers together: what each may and may not change of the others."""

import itertools
import random

import keras
import numpy as np
import pytest

import keras_ganmix as kgm
from keras_ganmix import regularizers as r
from keras_ganmix.networks.spectral_norm import SpectralNormalization
from keras_ganmix.regularizers import Regularizer, Weight

# Every regularizer as it is used, small enough for 8 x 8 images.
MAKERS = {
    "SampleMixing": r.SampleMixing,
    "AdaptiveMix": r.AdaptiveMix,
    "DAG": r.DAG,
    "DiversityPenalty": r.DiversityPenalty,
    "ModeSeeking": r.ModeSeeking,
    "GDPP": r.GDPP,
    "Deshuffle": lambda **k: r.Deshuffle(grid=2, permutations=4, **k),
    "Rotation": r.Rotation,
    "R1": r.R1,
    "R2": r.R2,
    "GradientPenalty": r.GradientPenalty,
    "Consistency": lambda **k: r.Consistency(kind="bcr", **k),
    "DiffAugment": r.DiffAugment,
    "AdaptiveAugment": lambda **k: r.AdaptiveAugment(
        initial_probability=0.5, **k
    ),
    "LeCam": r.LeCam,
}
NAMES = sorted(MAKERS)
# What takes long: the five papers' each time, the others in long runs.
PAPERS = ("AdaptiveMix", "DAG", "Deshuffle", "DiversityPenalty", "SampleMixing")
SOME = [
    name if name in PAPERS else pytest.param(name, marks=pytest.mark.long)
    for name in NAMES
]
LOSSES = (
    "logistic",
    "minimax",
    "hinge",
    "least_squares",
    "wasserstein",
    "relativistic_average_logistic",
    "relativistic_average_least_squares",
    "relativistic_average_hinge",
    "relativistic_pairing",
)


def weights_of(gan):
    return [
        np.array(w)
        for model in (gan.generator, gan.discriminator)
        for w in model.weights
    ]


def run(tiny, regularizers, steps=2, data=None, **kwargs):
    """Trains a tiny GAN; returns it and the history of its last epoch."""
    channels = kwargs.get("channels", 1)
    classes = kwargs.get("num_classes")
    gan = tiny.gan(regularizers, **kwargs)
    data = data or tiny.dataset(
        n=16 * steps, batch=8, channels=channels, num_classes=classes
    )
    history = gan.fit(data, steps_per_epoch=steps, verbose=0).history
    for name, values in history.items():
        assert np.isfinite(values).all(), name
    for weight in weights_of(gan):
        assert np.isfinite(weight).all()
    return gan, {name: values[-1] for name, values in history.items()}


def arguments_of(name):
    return MAKERS[name]().get_config().keys()


def test_every_regularizer_is_tested():
    bases = {"Regularizer", "SelfSupervision", "Weight"}
    assert set(r.__all__) - bases == set(MAKERS)


@pytest.fixture(scope="module")
def plain(tiny):
    """Weights of a GAN without regularizers after two steps."""
    return weights_of(run(tiny, [], run_eagerly=True)[0])


@pytest.mark.parametrize("name", NAMES)
def test_weight_zero_is_absence_bit_for_bit(tiny, plain, name):
    zeros = {k: 0.0 for k in arguments_of(name) if k.endswith("weight")}
    zeros.pop("magnitude_weight", None)
    if name == "AdaptiveMix":
        zeros["logits"] = "plain"
    if not zeros:
        pytest.skip(f"{name} has no weight; leave it out instead")
    regularizer = MAKERS[name](**zeros)
    assert regularizer.is_inert
    with_it, history = run(tiny, [regularizer], run_eagerly=True)
    for a, b in zip(plain, weights_of(with_it), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not any(name in key for key in history)


@pytest.mark.parametrize("name", NAMES)
def test_each_alone_reports_and_acts(tiny, plain, name):
    regularizer = MAKERS[name]()
    gan, history = run(tiny, [regularizer], run_eagerly=True)
    for side in ("discriminator", "generator"):
        weight = getattr(regularizer, f"{side}_weight")
        assert (f"{side}/{name}" in history) == (not weight.is_zero)
    for report in regularizer.reports:
        assert f"{name}/{report}" in history
    changed = [
        not np.array_equal(a, b)
        for a, b in zip(plain, weights_of(gan), strict=True)
    ]
    assert any(changed)


def together():
    return [MAKERS[name]() for name in NAMES if name != "AdaptiveMix"]


def test_order_does_not_matter(tiny):
    forward, history = run(tiny, together(), run_eagerly=True)
    backward, other = run(tiny, together()[::-1], run_eagerly=True)
    for a, b in zip(weights_of(forward), weights_of(backward), strict=True):
        np.testing.assert_array_equal(a, b)
    assert history == other


class Probe(Regularizer):
    """Reports a number that it draws and one of the batch's latents."""

    reports = ("drawn", "latent")

    def __init__(self):
        super().__init__(1.0)

    def discriminator_loss(self, context):
        context.report("drawn", context.draws.normal("x", (1,))[0])
        context.report("latent", context.fake.latents[0, 0])
        return keras.ops.sum(context.real.logits) * 0.0


@pytest.fixture(scope="module")
def alone(tiny):
    """What the probe reports without others."""
    return run(tiny, [Probe()], run_eagerly=True)[1]


@pytest.mark.parametrize("name", NAMES)
def test_adding_one_changes_no_draw_of_another(tiny, alone, name):
    _, beside = run(tiny, [Probe(), MAKERS[name]()], run_eagerly=True)
    for report in ("Probe/drawn", "Probe/latent"):
        assert alone[report] == beside[report]


@pytest.mark.parametrize(
    "pair",
    [
        ("AdaptiveMix", {}, "SampleMixing", {"apply": "replace"}),
        ("AdaptiveMix", {}, "SampleMixing", {"apply": "ramp"}),
    ],
)
def test_two_that_replace_judging_are_refused(tiny, pair):
    first, a, second, b = pair
    with pytest.raises(
        ValueError, match=r"AdaptiveMix and SampleMixing both replace"
    ):
        tiny.gan([MAKERS[first](**a), MAKERS[second](**b)])
    tiny.gan([MAKERS[first](), MAKERS[second](apply="add")])


def test_equal_names_are_refused(tiny):
    with pytest.raises(ValueError, match="2 are named 'R1'"):
        tiny.gan([r.R1(), r.R1()])
    gan, history = run(
        tiny, [r.R1(), r.R1(weight=1.0, name="other")], run_eagerly=True
    )
    assert "discriminator/other" in history
    assert [x.name for x in gan.regularizers] == ["R1", "other"]


# Each regularizer along each axis.


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(tiny, name, policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        gan, _ = run(tiny, [MAKERS[name]()], run_eagerly=True)
    finally:
        keras.config.set_dtype_policy(before)
    scaled = isinstance(
        gan.discriminator_optimizer, keras.optimizers.LossScaleOptimizer
    )
    assert scaled == (policy == "mixed_float16")


@pytest.mark.parametrize("name", NAMES)
def test_conditional_and_colour(tiny, name):
    kwargs = {"num_classes": 3, "channels": 3, "steps": 1}
    run(tiny, [MAKERS[name]()], run_eagerly=True, **kwargs)


@pytest.mark.parametrize("name", NAMES)
def test_save_and_load(tiny, name, tmp_path):
    """A loaded model goes on with the same bits, heads included."""
    gan, _ = run(tiny, [MAKERS[name]()], run_eagerly=True, optimizer="adam")
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    assert (
        loaded.regularizers[0].get_config() == gan.regularizers[0].get_config()
    )
    for model in (gan, loaded):
        model.fit(tiny.dataset(), steps_per_epoch=1, verbose=0)
    for a, b in zip(gan.variables, loaded.variables, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["DAG", "Deshuffle"])
def test_save_and_load_of_a_conditional_gan(tiny, name, tmp_path):
    arguments = {"num_classes": 3, "run_eagerly": True}
    gan, _ = run(tiny, [MAKERS[name]()], optimizer="adam", **arguments)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    for a, b in zip(gan.variables, loaded.variables, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(
        gan.generate(4, seed=0), loaded.generate(4, seed=0)
    )


def test_a_head_without_gradient_stays(tiny):
    task = r.Deshuffle(grid=2, permutations=4, discriminator_weight=0.0)
    gan = tiny.gan([task], run_eagerly=True)
    before = [np.array(w) for w in task.weights]
    gan.fit(tiny.dataset(), steps_per_epoch=2, verbose=0)
    for a, b in zip(before, task.weights, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss(tiny, loss):
    """All that add terms, at once, with each adversarial loss."""
    run(tiny, together(), steps=1, loss=loss, run_eagerly=True)
    run(tiny, [r.AdaptiveMix()], steps=1, loss=loss, run_eagerly=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", SOME)
def test_graph_with_an_unknown_batch_and_xla_agree(tiny, name):
    """XLA draws other numbers than the graph, so only the mean is compared."""
    data = tiny.dataset(n=16, batch=8, repeat=False).unbatch().batch(8)
    run(tiny, [MAKERS[name]()], data=data.repeat())
    run(tiny, [MAKERS[name]()], jit_compile=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", SOME)
def test_two_replicas(tiny, name):
    with tiny.strategy().scope():
        gan = tiny.gan([MAKERS[name]()])
    gan.fit(tiny.dataset(batch=16), steps_per_epoch=2, verbose=0)
    for weight in gan.variables:
        assert np.isfinite(np.array(weight)).all(), weight.path


@pytest.mark.slow
@pytest.mark.parametrize(
    "seed",
    [0, *(pytest.param(s, marks=pytest.mark.long) for s in range(1, 6))],
)
def test_sampled_pairs_of_methods_and_axes(tiny, seed):
    numbers = random.Random(seed)
    pairs = list(itertools.combinations(NAMES, 2))
    for first, second in numbers.sample(pairs, 2):
        kwargs = {
            "loss": numbers.choice(LOSSES),
            "num_classes": numbers.choice([None, 3]),
            "channels": numbers.choice([1, 3]),
            "discriminator_steps": numbers.choice([1, 2]),
            "jit_compile": numbers.choice([False, True]),
        }
        run(tiny, [MAKERS[first](), MAKERS[second]()], **kwargs)


# Weights.


class One(Regularizer):
    """A term that is 1 for either side."""

    def discriminator_loss(self, context):
        return keras.ops.sum(context.real.logits) * 0.0 + 1.0

    def generator_loss(self, context):
        return keras.ops.sum(context.fake.logits) * 0.0 + 1.0


def total(tiny, weight, steps):
    """Sum over steps of the weighted term, from the logged losses."""
    regularizer = One(discriminator_weight=weight)
    _, history = run(tiny, [regularizer], steps=steps)
    adversarial = history["discriminator/adversarial"]
    return steps * (history["discriminator_loss"] - adversarial)


def test_warm_up_is_linear(tiny):
    got = total(tiny, Weight(2.0, warmup=4), steps=6)
    assert got == pytest.approx(2 * (0 + 0.25 + 0.5 + 0.75 + 1 + 1), rel=1e-4)


def test_lazy_term_has_n_times_its_weight_in_every_nth_step(tiny):
    got = total(tiny, {"value": 0.5, "every": 3}, steps=7)
    assert got == pytest.approx(0.5 * 3 * 3, rel=1e-4)  # steps 0, 3 and 6


def test_lazy_gradient_equals_the_ordinary_one_in_its_steps(tiny):
    """In step 0 the lazy R1 acts with n times its weight."""
    lazy, history = run(tiny, [r.R1(Weight(1.0, every=4))], steps=1)
    full, other = run(tiny, [r.R1(4.0)], steps=1)
    for a, b in zip(weights_of(lazy), weights_of(full), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-7)
    assert history["discriminator/R1"] == pytest.approx(
        other["discriminator/R1"], rel=1e-5
    )


@pytest.mark.parametrize(
    "arguments", [(-1,), ("a",), (float("inf"),), (1, -1), (1, 0, 0), (True,)]
)
def test_bad_weights(arguments):
    with pytest.raises(ValueError, match="is not allowed"):
        Weight(*arguments)


@pytest.mark.slow
def test_lazy_terms_with_spectral_norm_on_two_replicas(tiny):
    """A pass in a conditional branch updates `u` there, on each replica."""
    with tiny.strategy().scope():
        images = keras.Input((8, 8, 1))
        x = SpectralNormalization(keras.layers.Conv2D(6, 4, 2, "same"))(images)
        x = keras.layers.Flatten()(keras.layers.LeakyReLU(0.2)(x))
        x = SpectralNormalization(keras.layers.Dense(1))(x)
        gan = kgm.GAN(
            tiny.generator(),
            keras.Model(images, x),
            [r.GradientPenalty(weight=Weight(10.0, every=2))],
        )
        gan.compile(loss="hinge")
    gan.fit(tiny.dataset(batch=16), steps_per_epoch=2, verbose=0)
    for weight in gan.discriminator.weights:
        values = getattr(weight.value, "values", [weight.value])
        for other in values[1:]:
            np.testing.assert_allclose(values[0], other, atol=1e-6)
