import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ganmix.networks.normalization import (
    BatchNormalization,
    ConditionalBatchNormalization,
)


def images(seed=0, shape=(4, 5, 3, 2)):
    rng = np.random.default_rng(seed)
    return rng.normal(1.0, 2.0, size=shape).astype("float32")


def pair(**kwargs):
    """Ours and Keras' layer with the same weights."""
    ours = BatchNormalization(momentum=0.7, epsilon=1e-3, **kwargs)
    reference = keras.layers.BatchNormalization(
        momentum=0.7, epsilon=1e-3, **kwargs
    )
    for layer in (ours, reference):
        layer.build((None, 5, 3, 2))
        if layer.scale:
            layer.gamma.assign([0.5, -2.0])
            layer.beta.assign([1.0, 3.0])
    return ours, reference


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_equals_keras_in_value_gradient_and_running_statistics(
    training, affine
):
    results = []
    for layer in pair(center=affine, scale=affine):
        x = tf.constant(images())
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=training)
            loss = tf.reduce_sum(tf.square(y) * images(1))
        sources = [x, *[w.value for w in layer.trainable_weights]]
        results.append([y, *tape.gradient(loss, sources), *layer.weights])
    for got, expected in zip(*results, strict=True):
        np.testing.assert_allclose(got, expected, rtol=2e-4, atol=2e-4)


def test_second_derivatives_equal_those_of_keras():
    results = []
    for layer in pair():
        x = tf.constant(images())
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                loss = tf.reduce_sum(layer(x, training=True) ** 3)
            gradient = inner.gradient(loss, x)
            penalty = tf.reduce_sum(gradient**2)
        results.append(outer.gradient(penalty, x))
    np.testing.assert_allclose(*results, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_statistics_are_float32_under_mixed_precision(dtype):
    layer = BatchNormalization(dtype=dtype)
    y = layer(images() + 50.0, training=True)
    assert y.dtype == dtype.removeprefix("mixed_")
    assert {w.dtype for w in layer.weights} == {"float32"}
    y = np.float32(y)
    assert np.isfinite(y).all()
    np.testing.assert_allclose(y.std(axis=(0, 1, 2)), [1.0, 1.0], atol=0.1)


@pytest.mark.parametrize("training", [True, False])
def test_conditional_normalisation_equals_a_loop(training):
    layer = ConditionalBatchNormalization(3, momentum=0.8)
    x, labels = images(), np.array([2, 0, 2, 1], "int32")
    layer([x, labels])
    rng = np.random.default_rng(2)
    gamma = rng.normal(size=(3, 2)).astype("float32")
    beta = rng.normal(size=(3, 2)).astype("float32")
    layer.gamma.assign(gamma)
    layer.beta.assign(beta)
    got = layer([x, labels], training=training)
    expected = np.empty_like(x)
    for channel in range(2):
        values = x[..., channel]
        mean = values.mean() if training else 0.0
        variance = values.var() if training else 1.0
        for i, label in enumerate(labels):
            normalized = (values[i] - mean) / np.sqrt(variance + 2e-5)
            expected[i, ..., channel] = (
                gamma[label, channel] * normalized + beta[label, channel]
            )
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
    running = layer.normalization.moving_mean
    seen = 0.2 * x.mean(axis=(0, 1, 2)) if training else [0.0, 0.0]
    np.testing.assert_allclose(running, seen, rtol=1e-4)


def test_conditional_gradients_are_dense_and_per_class():
    layer = ConditionalBatchNormalization(3)
    inputs = [images(), np.array([0, 0, 2, 2], "int32")]
    layer(inputs)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(inputs, training=True) * images(1))
    gradient = tape.gradient(loss, layer.beta.value)
    assert isinstance(gradient, tf.Tensor)
    expected = np.zeros((3, 2))
    expected[0] = images(1)[:2].sum(axis=(0, 1, 2))
    expected[2] = images(1)[2:].sum(axis=(0, 1, 2))
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-4)


def test_conditional_save_and_load(tmp_path):
    x = keras.Input((5, 3, 2))
    labels = keras.Input((), dtype="int32")
    layer = ConditionalBatchNormalization(3, momentum=0.5, epsilon=1e-3)
    model = keras.Model([x, labels], layer([x, labels]))
    inputs = [images(), np.array([0, 1, 2, 0], "int32")]
    model(inputs, training=True)
    layer.gamma.assign(np.arange(6).reshape(3, 2))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.layers[-1].get_config() == layer.get_config()
    np.testing.assert_array_equal(loaded(inputs), model(inputs))


@pytest.mark.parametrize("conditional", [False, True])
def test_synchronized_statistics_are_those_of_all_replicas(conditional):
    devices = [d.name for d in tf.config.list_logical_devices("CPU")]
    if len(devices) < 2:
        pytest.skip("needs two logical CPU devices")
    strategy = tf.distribute.MirroredStrategy(
        devices[:2], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )
    labels = np.array([0, 1, 1, 0], "int32")
    with strategy.scope():
        if conditional:
            layer = ConditionalBatchNormalization(2, synchronized=True)
            layer.build([(None, 5, 3, 2), (None,)])
        else:
            layer = BatchNormalization(synchronized=True)
            layer.build((None, 5, 3, 2))

    @tf.function
    def step(x, labels):
        inputs = [x, labels] if conditional else x
        return layer(inputs, training=True)

    def part(array):
        def value(context):
            replica = context.replica_id_in_sync_group
            return tf.constant(array[2 * replica : 2 * replica + 2])

        return strategy.experimental_distribute_values_from_function(value)

    got = strategy.run(step, args=(part(images()), part(labels)))
    got = np.concatenate(strategy.experimental_local_results(got))
    x = images()
    mean, std = x.mean(axis=(0, 1, 2)), x.std(axis=(0, 1, 2))
    np.testing.assert_allclose(got, (x - mean) / std, rtol=1e-3, atol=1e-3)
