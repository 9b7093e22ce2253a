"""GDPP: against numpy's eigenvectors, its gradient, cost."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ganmix.regularizers import GDPP


def features(n=6, size=10, seed=0):
    return np.random.default_rng(seed).normal(size=(n, size)).astype("float32")


def reference(real, fake, magnitude_weight, signed=False):
    def kernel(x):
        x = x.reshape(len(x), -1).astype(float)
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        return np.linalg.eigh(x @ x.T)

    real_values, real_vectors = kernel(real)
    fake_values, fake_vectors = kernel(fake)
    weights = real_values - real_values.min()
    weights /= weights.max()
    total = magnitude_weight * np.mean((real_values - fake_values) ** 2)
    for i, weight in enumerate(weights):
        overlap = real_vectors[:, i] @ fake_vectors[:, i]
        total -= weight * (overlap if signed else abs(overlap))
    return total


@pytest.mark.parametrize("magnitude_weight", [0, 1e-4, 1.0])
def test_loss_is_that_of_numpy(given, magnitude_weight):
    real, fake = features(), features(seed=1)
    method = GDPP(magnitude_weight=magnitude_weight)
    value = method.generator_loss(given(real=real, features=fake))
    assert float(value) == pytest.approx(
        reference(real, fake, magnitude_weight), rel=1e-4
    )


def test_maps_can_be_pooled(given):
    real, fake = features(5, 2 * 2 * 7), features(5, 2 * 2 * 7, seed=1)
    real, fake = real.reshape(5, 2, 2, 7), fake.reshape(5, 2, 2, 7)
    context = given(real=real, features=fake)
    for which, chosen in (
        ("flattened", (real, fake)),
        ("pooled", (real.mean((1, 2)), fake.mean((1, 2)))),
    ):
        value = GDPP(features=which).generator_loss(context)
        assert float(value) == pytest.approx(reference(*chosen, 1e-4), rel=1e-4)


def test_equal_batches_are_the_minimum(given):
    real = features()
    method = GDPP(magnitude_weight=1.0)
    best = float(method.generator_loss(given(real=real, features=real)))
    assert best == pytest.approx(reference(real, real, 1.0), rel=1e-5)
    for seed in range(1, 6):
        other = given(real=real, features=features(seed=seed))
        assert float(method.generator_loss(other)) > best


def test_gradient_is_that_of_differences(given):
    real, fake = features(), features(seed=1)
    direction = features(seed=2)

    def value(t):
        return reference(real, fake + t * direction.astype(float), 1.0)

    expected = (value(1e-4) - value(-1e-4)) / 2e-4
    moved = tf.constant(fake)
    with tf.GradientTape() as tape:
        tape.watch(moved)
        context = given(real=real, features=fake)
        context.fake.features = moved
        loss = GDPP(magnitude_weight=1.0).generator_loss(context)
    found = np.sum(tape.gradient(loss, moved) * direction)
    assert found == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("collapsed", ["real", "fake", "both"])
def test_finite_where_eigenvalues_coincide(given, collapsed):
    same = np.ones((6, 4), "float32")
    real = features(6, 4) if collapsed == "fake" else same
    fake = tf.constant(features(6, 4) if collapsed == "real" else same)
    with tf.GradientTape() as tape:
        tape.watch(fake)
        context = given(real=real, features=fake)
        context.fake.features = fake
        loss = GDPP().generator_loss(context)
    assert np.isfinite(loss)
    assert np.isfinite(tape.gradient(loss, fake)).all()


def test_one_pass_over_real_images(tiny, step_of):
    method = GDPP()
    step = step_of(tiny.gan([method]))
    context = step.context(method)
    assert context.fake.features is not None  # judged for the plain loss
    assert step.passes == 1
    method.generator_loss(context)
    assert step.passes == 2
    assert step.gradients("generator", method)["generator"] > 0


def test_xla_gives_the_same(given):
    real, fake = features(4), features(4, seed=1)

    @tf.function(jit_compile=True)
    def loss_and_gradient(moved):
        with tf.GradientTape() as tape:
            tape.watch(moved)
            context = given(real=real, features=fake)
            context.fake.features = moved
            loss = GDPP().generator_loss(context)
        return loss, tape.gradient(loss, moved)

    loss, gradient = loss_and_gradient(tf.constant(fake))
    assert float(loss) == pytest.approx(reference(real, fake, 1e-4), rel=1e-4)
    plain = tf.constant(fake)
    with tf.GradientTape() as tape:
        tape.watch(plain)
        context = given(real=real, features=fake)
        context.fake.features = plain
        expected = GDPP().generator_loss(context)
    np.testing.assert_allclose(
        gradient, tape.gradient(expected, plain), atol=1e-4
    )


def test_configuration_round_trip():
    method = GDPP(0.5, 1.0, True, "pooled", "gdpp")
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(method)
    )
    assert again.get_config() == method.get_config()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weight": -1}, r"GDPP\.weight: -1"),
        ({"magnitude_weight": -1}, r"GDPP\.magnitude_weight: -1"),
        ({"features": "flat"}, r"GDPP\.features 'flat'.*flattened"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        GDPP(**arguments)


def test_batch_of_one(given):
    one = np.ones((1, 4), "float32")
    with pytest.raises(ValueError, match="batch of 1 is too small"):
        GDPP().generator_loss(given(real=one, features=one))
