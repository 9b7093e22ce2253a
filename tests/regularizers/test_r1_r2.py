import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_ganmix as kgm
from keras_ganmix import losses
from keras_ganmix.context import Context, Samples
from keras_ganmix.discriminator import DiscriminatorView
from keras_ganmix.ops.random import Draws
from keras_ganmix.regularizers import R1, R2, Weight


class Quadratic(keras.layers.Layer):
    """D(x) = x^T A x / 2 + b^T x, whose gradient is (A + A^T) x / 2 + b."""

    def __init__(self, a, b):
        super().__init__()
        self.a, self.b = tf.constant(a), tf.constant(b)

    def call(self, x):
        product = tf.einsum("bi,ij,bj->b", x, self.a, x) / 2
        return (product + tf.linalg.matvec(x, self.b))[:, None]


@pytest.fixture
def quadratic():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(3, 3)), rng.normal(size=3)
    points = keras.Input((3,))
    layer = Quadratic(a.astype("float32"), b.astype("float32"))
    model = keras.Model(points, layer(points))
    real, fake = rng.normal(size=(2, 5, 3)).astype("float32")

    def expected(x):
        return np.mean(np.sum(((a + a.T) / 2 @ x.T + b[:, None]) ** 2, axis=0))

    view = DiscriminatorView(model)
    samples = [Samples(tf.constant(x), view) for x in (real, fake)]
    context = Context(
        *samples,
        view,
        None,
        losses.get("logistic"),
        tf.constant(0, tf.int64),
        Draws(0, 0),
        [],
    )
    return context, expected(real), expected(fake)


@pytest.mark.parametrize("cls", [R1, R2])
def test_closed_form_of_a_quadratic_discriminator(quadratic, cls):
    context, *expected = quadratic
    expected = expected[cls is R2]
    regularizer = cls()
    value = regularizer.discriminator_loss(context)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    value = regularizer.penalty(
        context.discriminator.logits,
        context.real.images,
        context.fake.images,
        context.draws,
    )
    np.testing.assert_allclose(value, expected, rtol=1e-5)


def one_step(tiny, regularizers):
    """The discriminator's weights after a step of SGD, and the logs."""
    gan = tiny.gan(regularizers)
    history = gan.fit(
        tiny.dataset(), epochs=1, steps_per_epoch=1, verbose=0
    ).history
    weights = [w.numpy() for w in gan.discriminator.trainable_variables]
    return weights, {k: v[0] for k, v in history.items()}


def test_gradient_in_a_gan_equals_finite_differences(tiny):
    plain, _ = one_step(tiny, [])
    with_r1, logs = one_step(tiny, [R1(weight=2.0)])
    images = next(iter(tiny.dataset()))
    discriminator = tiny.gan([]).discriminator

    def term():
        x = tf.constant(images)
        with tf.GradientTape() as tape:
            tape.watch(x)
            logits = discriminator(x, training=True)
        slope = tape.gradient(logits, x).numpy().astype("float64")
        return np.mean(np.sum(slope**2, axis=(1, 2, 3)))

    np.testing.assert_allclose(logs["discriminator/R1"], term(), rtol=1e-5)
    dense = discriminator.trainable_variables[-2]
    start, index, h = dense.numpy(), (2, 0), 1e-2
    values = []
    for sign in (1, -1):
        moved = start.copy()
        moved[index] += sign * h
        dense.assign(moved)
        values.append(term())
    dense.assign(start)
    slope = (values[0] - values[1]) / (2 * h)
    moved = plain[-2][index] - with_r1[-2][index]
    np.testing.assert_allclose(moved, 0.05 * 2.0 * slope, rtol=1e-3)


@pytest.mark.parametrize("cls", [R1, R2])
def test_only_the_discriminator_is_touched(tiny, cls):
    """The generator's step is as without it, given the same discriminator."""
    steps = {}
    for key, regularizers in (("plain", []), ("with", [cls(weight=3.0)])):
        gan = tiny.gan(regularizers)
        gan.discriminator_optimizer.learning_rate = 0.0
        gan.fit(tiny.dataset(), steps_per_epoch=1, verbose=0)
        steps[key] = gan.generator.get_weights()
    for a, b in zip(steps["plain"], steps["with"], strict=True):
        np.testing.assert_array_equal(a, b)


def test_lazy_steps_have_n_times_the_weight(tiny):
    """With every=3 steps 0 and 3 are penalised, threefold, and no others."""
    lazy = tiny.gan([R1(weight=Weight(0.5, every=3))])
    dense = tiny.gan([R1(weight=1.5)])
    plain = tiny.gan([])
    batch = next(iter(tiny.dataset()))
    for step in range(4):
        state = [g.discriminator.get_weights() for g in (lazy, dense, plain)]
        for gan in (dense, plain):
            gan.discriminator.set_weights(state[0])
            gan.generator.set_weights(lazy.generator.get_weights())
            gan.step.assign(step)
        for gan in (lazy, dense, plain):
            gan.train_on_batch(batch)
        other = dense if step in (0, 3) else plain
        for a, b in zip(
            lazy.discriminator.get_weights(),
            other.discriminator.get_weights(),
            strict=True,
        ):
            np.testing.assert_allclose(a, b, atol=1e-7)


def test_two_penalties_share_the_gradient(tiny):
    """R1 twice, one of them lazy: the tape serves both."""
    gan = tiny.gan([R1(), R1(weight=Weight(1.0, every=2), name="lazy")])
    history = gan.fit(tiny.dataset(), steps_per_epoch=1, verbose=0).history
    assert history["discriminator/R1"] == history["discriminator/lazy"]
    assert history["discriminator/R1"][0] > 0


@pytest.mark.parametrize(
    ("num_classes", "jit_compile"),
    [pytest.param(None, True, marks=pytest.mark.long), (3, False)],
)
def test_trains(tiny, jit_compile, num_classes):
    gan = tiny.gan(
        [R1(weight=Weight(5.0, every=2)), R2()],
        num_classes=num_classes,
        jit_compile=jit_compile,
    )
    history = gan.fit(
        tiny.dataset(num_classes=num_classes), steps_per_epoch=3, verbose=0
    ).history
    assert all(np.isfinite(v).all() for v in history.values())
    assert history["discriminator/R1"][0] > 0
    assert history["discriminator/R2"][0] > 0


def test_extra_trunk_passes(tiny, monkeypatch):
    calls = []
    features = DiscriminatorView.features

    def counted(self, images, *args, **kwargs):
        calls.append(images.shape[0])
        return features(self, images, *args, **kwargs)

    monkeypatch.setattr(DiscriminatorView, "features", counted)
    gan = tiny.gan([R1(), R2()], run_eagerly=True)
    gan.train_on_batch(next(iter(tiny.dataset())))
    assert calls == [8, 8, 8]  # real, fake; fake in the generator's step


def test_config_and_bad_input():
    r1 = kgm.regularizers.R1(weight={"value": 2.0, "every": 4}, name="r")
    copy = R1.from_config(r1.get_config())
    assert copy.weight == Weight(2.0, every=4) and copy.name == "r"
    with pytest.raises(ValueError, match=r"R1\.weight: -1 .*at least 0"):
        R1(weight=-1)
    with pytest.raises(ValueError, match=r"R2\.weight: nan"):
        R2(weight=float("nan"))
