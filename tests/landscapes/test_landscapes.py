"""Losses along directions, and angles between gradients."""

import statistics
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_ganmix as kgm
from keras_ganmix.gradients.angles import angles, cosine, ratio
from keras_ganmix.gradients.names import SIDES
from keras_ganmix.gradients.terms import Terms, state_of
from keras_ganmix.landscapes import measuring, report, summaries
from keras_ganmix.landscapes.directions import Weights, filter_axes
from keras_ganmix.networks.spectral_norm import SpectralNormalization
from keras_ganmix.regularizers import Deshuffle, Rotation
from keras_ganmix.regularizers.base import Regularizer

FEW = measuring.Protocol(points=5, directions=2, batches=2)


@keras.saving.register_keras_serializable(package="tests")
class Bowl(Regularizer):
    """Half the squared length of all weights of one side."""

    def __init__(self, weight=1.0, generator_weight=1.0):
        super().__init__(weight, generator_weight, name="Bowl")

    def bind(self, gan):
        # Not a list of layers, which Keras would take for its own.
        self.networks = lambda: (gan.discriminator, gan.generator)
        return gan

    def _loss(self, network):
        squares = [
            tf.reduce_sum(tf.square(v)) for v in network.trainable_variables
        ]
        return tf.add_n(squares) / 2

    def discriminator_loss(self, context):
        return self._loss(self.networks()[0])

    def generator_loss(self, context):
        return self._loss(self.networks()[1])


def variables_of(gan):
    layers = [gan.generator, gan.discriminator, *gan.regularizers]
    return [v.numpy() for layer in layers for v in layer.variables]


def assert_equal(before, after):
    for a, b in zip(before, after, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture(scope="module")
def bowl(tiny):
    regularizer = Bowl()
    gan = regularizer.bind(tiny.gan([regularizer]))
    return Terms(gan, tiny.dataset(), 2)


def test_the_curve_of_a_bowl_is_its_parabola(bowl):
    before = variables_of(bowl.gan)
    for side in SIDES:
        weights = Weights(bowl.gan, side)
        curves = measuring.lines(bowl, side, FEW)["Bowl"]
        flat = np.concatenate([v.ravel() for v in weights.values])
        for number, curve in enumerate(curves):
            direction = weights.direction(FEW.seed, number)
            d = np.concatenate([x.ravel() for x in direction])
            a = FEW.alphas
            # |w + a d|^2 / 2
            expected = (flat @ flat + 2 * a * (flat @ d) + a**2 * (d @ d)) / 2
            np.testing.assert_allclose(curve, expected, rtol=1e-5)
            found = summaries.describe(a, curve)
            assert found["sharpness"] == pytest.approx(d @ d, rel=1e-3)
            assert found["rise"] == pytest.approx(d @ d / 2, rel=1e-3)
            assert found["concavity"] == 0
    assert_equal(before, variables_of(bowl.gan))


def test_a_plane_holds_the_line_and_orthogonal_directions(bowl):
    weights = Weights(bowl.gan, "discriminator")
    first = weights.direction(0, 0)
    second = weights.direction(0, FEW.directions, first)
    own = filter_axes(bowl.gan.discriminator)
    for i, (a, b) in enumerate(zip(first, second, strict=True)):
        axes = own[i]
        if axes is not None:
            others = tuple(x for x in range(a.ndim) if x not in axes)
            np.testing.assert_allclose((a * b).sum(axis=others), 0, atol=1e-6)
    before = variables_of(bowl.gan)
    surfaces = measuring.plane(bowl, "discriminator", FEW)
    line = measuring.lines(bowl, "discriminator", FEW)["adversarial"][0]
    np.testing.assert_allclose(surfaces["adversarial"][2], line, rtol=1e-6)
    assert_equal(before, variables_of(bowl.gan))

    f, d1, d2 = (
        np.concatenate([x.ravel() for x in arrays])
        for arrays in (weights.values, first, second)
    )
    a, b = FEW.alphas, FEW.alphas[:, None]
    # |f + a d1 + b d2|^2 / 2, rows along the second direction.
    expected = f @ f + 2 * a * (f @ d1) + 2 * b * (f @ d2)
    expected = expected + a**2 * (d1 @ d1) + b**2 * (d2 @ d2)
    np.testing.assert_allclose(surfaces["Bowl"], expected / 2, rtol=1e-5)


@pytest.mark.parametrize("measure", [measuring.lines, measuring.plane])
def test_weights_are_put_back_when_measuring_fails(bowl, measure, monkeypatch):
    before, calls, values = variables_of(bowl.gan), [], bowl.values

    def fail(side):
        calls.append(variables_of(bowl.gan))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return values(side)

    monkeypatch.setattr(bowl, "values", fail)
    with pytest.raises(KeyboardInterrupt):
        measure(bowl, "generator", FEW)
    assert not np.array_equal(calls[-1][0], before[0])  # had been moved
    assert_equal(before, variables_of(bowl.gan))


def test_a_direction_has_the_length_of_each_filter(tiny):
    gan = tiny.gan([Deshuffle(grid=2, permutations=4)])
    for side, axis in (("discriminator", -1), ("generator", None)):
        weights = Weights(gan, side)
        direction = weights.direction(3, 1)
        for v, w, d in zip(
            weights.variables, weights.values, direction, strict=True
        ):
            if w.ndim == 1:
                assert not d.any()
                continue
            # The generator has a transposed convolution.
            own = -2 if axis is None and w.ndim == 4 else -1
            w, d = (np.moveaxis(x, own, 0) for x in (w, d))
            w, d = (x.reshape(len(x), -1) for x in (w, d))
            np.testing.assert_allclose(
                np.linalg.norm(w, axis=1),
                np.linalg.norm(d, axis=1),
                rtol=1e-5,
                err_msg=v.path,
            )
    assert len(weights.variables) == len(gan.generator.trainable_variables)


def test_directions_of_shared_variables_do_not_depend_on_regularizers(tiny):
    plain = Weights(tiny.gan(), "discriminator")
    other = Weights(
        tiny.gan([Rotation(), Deshuffle(grid=2, permutations=4)]),
        "discriminator",
    )
    assert len(other.variables) == len(plain.variables) + 4  # two heads
    a, b = plain.direction(0, 0), other.direction(0, 0)
    assert_equal(a, b[: len(a)])
    assert not np.array_equal(a[0], plain.direction(0, 1)[0])
    assert not np.array_equal(a[0], plain.direction(1, 0)[0])


@pytest.mark.parametrize(
    "layer, shape, expected",
    [
        (keras.layers.DepthwiseConv2D(3, depth_multiplier=2), 4, (2, 3)),
        (keras.layers.Embedding(5, 3), None, (0,)),
        (keras.layers.Dense(4), 3, (1,)),
        (keras.layers.BatchNormalization(), 3, None),
    ],
)
def test_filters_of_layers(layer, shape, expected):
    layer.build((None, 8, 8, shape) if shape == 4 else (None, shape))
    assert filter_axes(layer)[0] == expected


def normalised_gan(tiny):
    """A GAN whose discriminator's convolution has no scale of its own."""
    keras.utils.set_random_seed(0)
    images = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(4, 3, 2, "same", use_bias=False)(images)
    x = keras.layers.BatchNormalization(epsilon=1e-9)(x)
    x = keras.layers.Flatten()(keras.layers.LeakyReLU()(x))
    discriminator = keras.Model(images, keras.layers.Dense(1)(x))
    gan = kgm.GAN(tiny.generator(), discriminator)
    gan.compile()
    return gan


def test_rescaled_filters_have_the_same_curve(tiny):
    # What the normalisation is for: section 4 of the paper.
    terms = Terms(normalised_gan(tiny), tiny.dataset(), 2)
    kernel = terms.gan.discriminator.trainable_variables[0]
    before = measuring.lines(terms, "discriminator", FEW)["adversarial"]
    kernel.assign(kernel.numpy() * [0.1, 1.0, 3.0, 20.0])
    after = measuring.lines(terms, "discriminator", FEW)["adversarial"]
    np.testing.assert_allclose(after, before, rtol=1e-3)
    assert np.ptp(before) > 0.05  # or all would be equal


def test_lines_go_through_the_terms_at_the_weights(bowl):
    values = bowl.values("generator")
    curves = measuring.lines(bowl, "generator", FEW)
    assert curves.keys() == values.keys()
    for name, curve in curves.items():
        middle = curve[:, len(FEW.alphas) // 2]
        np.testing.assert_allclose(middle, np.mean(values[name]), rtol=1e-6)
    assert FEW.alphas[2] == 0.0


def test_nothing_of_a_gan_is_changed(tiny):
    keras.utils.set_random_seed(0)
    images = keras.Input((8, 8, 1))
    conv = keras.layers.Conv2D(4, 3, 2, "same")
    x = SpectralNormalization(conv)(images)
    x = keras.layers.BatchNormalization()(x)
    own = keras.layers.Conv2D(4, 3, 2, "same")
    x = keras.layers.SpectralNormalization(own)(x)
    x = keras.layers.Dropout(0.3)(keras.layers.Flatten()(x))
    discriminator = keras.Model(images, keras.layers.Dense(1)(x))
    rotation = Rotation(spectral_norm=True)
    gan = kgm.GAN(tiny.generator(), discriminator, [rotation])
    gan.compile()
    terms = Terms(gan, tiny.dataset(), 2)
    before = variables_of(gan)
    kinds = {v.name for v in state_of(gan)}
    assert {"u", "moving_mean", "seed_generator_state"} <= kinds
    measuring.lines(terms, "discriminator", FEW)
    measuring.lines(terms, "generator", FEW)
    numbers = angles(terms)
    assert_equal(before, variables_of(gan))
    assert angles(terms) == numbers


@pytest.mark.parametrize(
    "wrapper", [SpectralNormalization, keras.layers.SpectralNormalization]
)
def test_spectral_norms_fit_the_moved_weights(tiny, wrapper, monkeypatch):
    # A spectrally normalised layer knows no length of its kernel.
    images = keras.Input((8, 8, 1))
    layer = wrapper(keras.layers.Dense(4, use_bias=False))
    x = layer(keras.layers.Flatten()(images))
    gan = kgm.GAN(
        tiny.generator(),
        keras.Model(images, keras.layers.Dense(1)(keras.layers.ReLU()(x))),
    )
    gan.compile()
    layer.kernel.assign(np.diag([1.0, 5, 1, 1]).repeat(16, axis=0))
    (vector,) = layer.non_trainable_variables

    def value(start):
        vector.assign(np.reshape(start, vector.shape))
        values = Terms(gan, tiny.dataset(), 1).values("discriminator")
        return values["adversarial"][0]

    left = [1.0, 1e-3, 1e-3, 1e-3]  # by another kernel
    found, exact = value(left), value([0.0, 1, 0, 0])
    monkeypatch.setattr("keras_ganmix.gradients.terms._ITERATIONS", 0)
    assert found == pytest.approx(exact, rel=1e-5)
    assert value(left) != pytest.approx(exact, rel=1e-3)


def test_cosines_against_a_hand_computation():
    a = [np.array([3.0, 0.0]), np.array([[4.0]]), None]
    b = [np.array([0.0, 5.0]), np.array([[12.0]]), np.array([7.0])]
    assert cosine(a, b) == pytest.approx(48 / (5 * 13))
    assert ratio(a, b) == pytest.approx(5 / 13)
    assert cosine(a, a) == pytest.approx(1)
    assert cosine(a, [-2 * a[0], -2 * a[1], None]) == pytest.approx(-1)
    assert np.isnan(cosine(a, [0 * a[0], 0 * a[1], None]))
    assert np.isnan(ratio(a, [np.array([np.inf, 1.0]), a[1], None]))


@keras.saving.register_keras_serializable(package="tests")
class Same(Regularizer):
    """The adversarial loss once more."""

    def __init__(self, weight=0.25, generator_weight=0.5):
        super().__init__(weight, generator_weight, name="Same")

    def discriminator_loss(self, context):
        return self.discriminator_adversarial(context)

    def generator_loss(self, context):
        return self.generator_adversarial(context)


def test_a_term_lies_along_itself(tiny):
    numbers = angles(Terms(tiny.gan([Same()]), tiny.dataset(), 2))
    for side, weight in (("discriminator", 0.25), ("generator", 0.5)):
        assert numbers[f"{side}/Same/cosine"] == pytest.approx(1)
        assert numbers[f"{side}/Same/mean_cosine"] == pytest.approx(1)
        assert numbers[f"{side}/Same/cosine_spread"] < 1e-6
        assert numbers[f"{side}/Same/ratio"] == pytest.approx(weight)


def test_scaled_gradients_that_overflow_are_scaled_less(tiny):
    numbers = []
    for scale in (1.0, 2.0**126):
        gan = tiny.gan([Same()])
        for side in SIDES:
            inner = getattr(gan, f"{side}_optimizer")
            optimizer = keras.optimizers.LossScaleOptimizer(inner, scale)
            optimizer.build(inner._trainable_variables)
            setattr(gan, f"{side}_optimizer", optimizer)
        numbers.append(angles(Terms(gan, tiny.dataset(), 1)))
    assert numbers[1] == pytest.approx(
        numbers[0], rel=1e-4, abs=1e-5, nan_ok=True
    )


def test_gradients_of_the_bowl_are_its_weights(bowl):
    for side in SIDES:
        network = getattr(bowl.gan, side)
        for found in bowl.gradients(side):
            for gradient, v in zip(
                found["Bowl"], network.trainable_variables, strict=True
            ):
                np.testing.assert_allclose(gradient, v.numpy(), rtol=1e-6)


def test_spreads_are_those_of_a_sample(tiny):
    terms = Terms(tiny.gan([Rotation()]), tiny.dataset(), 3)
    numbers = angles(terms)
    batches = list(terms.gradients("discriminator"))
    pairs = [(found["Rotation"], found["adversarial"]) for found in batches]
    for key, of in (("cosine", cosine), ("ratio", ratio)):
        values = [of(*pair) for pair in pairs]
        found = numbers[f"discriminator/Rotation/{key}_spread"]
        assert found == pytest.approx(statistics.stdev(values))
    numbers = angles(Terms(terms.gan, tiny.dataset(), 1))
    assert np.isnan(numbers["discriminator/Rotation/cosine_spread"])
    assert np.isfinite(numbers["discriminator/Rotation/cosine"])


def test_the_head_of_the_logits_is_not_shared(tiny):
    gan = tiny.gan([Deshuffle(grid=2, permutations=4)])
    (found,) = Terms(gan, tiny.dataset(), 1).gradients("discriminator")
    shared = [g is not None for g in found["Deshuffle"]]
    assert shared == [True, True, False, False]  # convolution, then dense
    assert all(g is not None for g in found["adversarial"])


def test_summaries_of_known_curves():
    alphas = np.linspace(-1, 1, 5)
    hill = summaries.describe(alphas, 3 - alphas**2)
    assert hill["concavity"] == 1 and hill["sharpness"] == pytest.approx(-2)
    assert hill["at_zero"] == 3 and hill["range"] == pytest.approx(1)
    mean, spread = summaries.summarize(alphas, [alphas**2, 3 * alphas**2])[
        "sharpness"
    ]
    assert mean == pytest.approx(4) and spread == pytest.approx(np.sqrt(8))
    broken = summaries.describe(alphas, [np.inf, 1, 0, 1, 2])
    assert broken["at_zero"] == 0 and not np.isfinite(broken["rise"])


def test_a_row_of_several_runs_is_over_their_means():
    alphas = np.linspace(-1, 1, 5)
    looks = [
        types.SimpleNamespace(
            subject=types.SimpleNamespace(arm=arm),
            step=3,
            lines={
                side: {"adversarial": np.outer(bends, alphas**2 / 2)}
                for side in SIDES
            },
        )
        for arm, bends in (("two", [1, 9]), ("two", [4, 4]), ("one", [1, 9]))
    ]
    heads, rows = report.summary_rows(looks, alphas)
    place = heads.index("sharpness")
    found = {row[1]: row[place] for row in rows if row[0].startswith("d")}
    # Sample standard deviations: of 5 and 4, not of 1, 9, 4, 4; of 1 and 9.
    assert found == {"two": "4.5 ± 0.71", "one": "5 ± 5.7"}


def test_a_loss_that_is_not_finite_has_no_landscape(tiny):
    terms = Terms(tiny.gan(), tiny.dataset(), 1)
    kernel = terms.gan.discriminator.trainable_variables[0]
    kernel.assign(kernel.numpy() * np.nan)
    with pytest.raises(
        measuring.NotFiniteLossError, match=r"discriminator/adversarial is NaN"
    ):
        measuring.lines(terms, "discriminator", FEW)
