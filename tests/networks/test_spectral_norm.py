import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ganmix.networks.resampling import ConvPool2D
from keras_ganmix.networks.spectral_norm import SpectralNormalization


def dense():
    return keras.layers.Dense(5, bias_initializer="normal"), (3, 7)


def conv():
    layer = keras.layers.Conv2D(
        5, 3, padding="same", activation="tanh", bias_initializer="normal"
    )
    return layer, (2, 6, 6, 4)


def conv_pool():
    return ConvPool2D(5, use_bias=False), (2, 6, 6, 4)


def embedding():
    return keras.layers.Embedding(6, 5), None


CASES = [dense, conv, conv_pool, embedding]


def wrapped(case, steps=0, **kwargs):
    """A built wrapper, its inputs, and its kernel as a matrix."""
    layer, shape = case()
    rng = np.random.default_rng(0)
    if shape is None:
        inputs = np.array([0, 5, 3], "int32")
    else:
        inputs = rng.normal(size=shape).astype("float32")
    sn = SpectralNormalization(layer, **kwargs)
    sn(inputs)
    sn.kernel.assign(rng.normal(size=sn.kernel.shape))
    for _ in range(steps):
        sn(inputs, training=True)
    kernel = np.array(sn.kernel)
    return sn, inputs, kernel.reshape(-1, kernel.shape[-1])


@pytest.mark.parametrize("case", CASES)
def test_sigma_converges_to_the_largest_singular_value(case):
    sn, _, matrix = wrapped(case, steps=100)
    expected = np.linalg.svd(matrix, compute_uv=False)[0]
    np.testing.assert_allclose(sn.sigma(), expected, rtol=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_output_is_the_layer_with_a_divided_kernel(case):
    sn, inputs, _ = wrapped(case, steps=3)
    got = np.array(sn(inputs))
    plain, _ = case()
    plain(inputs)
    weights = [np.array(w) for w in sn.layer.get_weights()]
    plain.set_weights([weights[0] / np.array(sn.sigma()), *weights[1:]])
    np.testing.assert_allclose(got, plain(inputs), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_gradient_is_orthogonal_to_the_kernel(case, training):
    sn, inputs, _ = wrapped(case, steps=1)
    target = np.random.default_rng(1).normal(size=sn(inputs).shape)
    with tf.GradientTape() as tape:
        outputs = sn(inputs, training=training)
        loss = tf.reduce_sum(outputs * target.astype("float32"))
    gradient = np.float64(tape.gradient(loss, sn.kernel.value))
    kernel = np.float64(sn.kernel)
    scale = np.linalg.norm(gradient) * np.linalg.norm(kernel)
    assert scale > 0
    assert abs(np.sum(gradient * kernel)) < 1e-6 * scale


def test_gradient_matches_finite_differences():
    """With u converged, d loss / d W is that of W / sigma_max(W)."""
    sn, inputs, matrix = wrapped(dense, steps=200)
    bias = np.float64(sn.layer.bias)
    target = np.random.default_rng(1).normal(size=(3, 5))

    def loss(matrix):
        sigma = np.linalg.svd(matrix, compute_uv=False)[0]
        return np.sum((inputs @ matrix / sigma + bias) * target)

    with tf.GradientTape() as tape:
        outputs = sn(inputs)
        value = tf.reduce_sum(outputs * target.astype("float32"))
    got = tape.gradient(value, sn.kernel.value)
    expected = np.zeros(matrix.shape)
    for i in np.ndindex(*matrix.shape):
        step = np.zeros(matrix.shape)
        step[i] = 1e-5
        matrix64 = matrix.astype("float64")
        expected[i] = (loss(matrix64 + step) - loss(matrix64 - step)) / 2e-5
    np.testing.assert_allclose(got, expected, rtol=2e-3, atol=2e-4)


def test_only_training_calls_change_u_and_none_changes_the_kernel():
    sn, inputs, matrix = wrapped(conv)
    before = np.array(sn.u)
    sn(inputs, training=False)
    np.testing.assert_array_equal(sn.u, before)
    sn(inputs, training=True)
    v = matrix @ before
    u = matrix.T @ (v / np.linalg.norm(v))
    np.testing.assert_allclose(sn.u, u / np.linalg.norm(u), rtol=1e-5)
    np.testing.assert_array_equal(
        np.array(sn.kernel).reshape(matrix.shape), matrix
    )


def test_power_iterations_are_repeated_training_calls():
    one, inputs, _ = wrapped(dense)
    three, _, _ = wrapped(dense, power_iterations=3)
    three.u.assign(one.u)
    for _ in range(3):
        one(inputs, training=True)
    three(inputs, training=True)
    np.testing.assert_allclose(three.u, one.u, rtol=1e-5)


def test_u_is_a_weight_but_not_trained():
    sn, _, _ = wrapped(conv)
    assert [w.name for w in sn.trainable_weights] == ["kernel", "bias"]
    assert [w.name for w in sn.non_trainable_weights] == ["u"]
    assert sn.u.aggregation == "none"


@pytest.mark.parametrize("jit", [False, True])
def test_graph_and_xla_agree_with_eager(jit):
    eager, inputs, _ = wrapped(conv)
    compiled, _, _ = wrapped(conv)
    compiled.set_weights(eager.get_weights())

    @tf.function(jit_compile=jit)
    def call(inputs):
        return compiled(inputs, training=True)

    for _ in range(3):
        got, expected = call(inputs), eager(inputs, training=True)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(compiled.u, eager.u, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_save_and_load(case, tmp_path):
    layer, shape = case()
    dtype = "int32" if shape is None else "float32"
    shape = () if shape is None else shape[1:]
    model = keras.Sequential(
        [keras.Input(shape, dtype=dtype), SpectralNormalization(layer, 2, 1e-9)]
    )
    inputs = np.ones((2, *shape), dtype)
    model(inputs, training=True)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.layers[-1].get_config() == model.layers[-1].get_config()
    np.testing.assert_array_equal(loaded.layers[-1].u, model.layers[-1].u)
    np.testing.assert_array_equal(loaded(inputs), model(inputs))


def test_sigma_is_float32_under_mixed_precision():
    """A norm whose squares overflow float16 is still exact."""
    layer = keras.layers.Dense(64, dtype="mixed_float16")
    sn = SpectralNormalization(layer)
    inputs = np.ones((2, 256), "float32")
    sn(inputs)
    sn.kernel.assign(np.full((256, 64), 100.0))
    outputs = sn(inputs, training=True)
    np.testing.assert_allclose(sn.sigma(), 100 * np.sqrt(256 * 64), rtol=1e-5)
    assert sn.kernel.dtype == "float32"
    assert outputs.dtype == tf.float16
    np.testing.assert_allclose(outputs, np.full((2, 64), 2.0), rtol=2e-3)


def test_replicas_keep_one_u():
    devices = [d.name for d in tf.config.list_logical_devices("CPU")]
    if len(devices) < 2:
        pytest.skip("needs two logical CPU devices")
    strategy = tf.distribute.MirroredStrategy(
        devices[:2], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )
    with strategy.scope():
        sn = SpectralNormalization(keras.layers.Dense(5))
        sn.build((None, 7))
    reference = SpectralNormalization(keras.layers.Dense(5))
    reference.build((None, 7))
    reference.set_weights([np.array(w) for w in sn.get_weights()])
    inputs = np.ones((3, 7), "float32")

    @tf.function
    def step():
        return strategy.run(lambda: sn(inputs, training=True))

    step()
    reference(inputs, training=True)
    for u in strategy.experimental_local_results(sn.u.value):
        np.testing.assert_allclose(u, reference.u, rtol=1e-5)


def test_zero_kernel_gives_zeros():
    sn, inputs, _ = wrapped(dense)
    sn.kernel.assign(np.zeros((7, 5)))
    sn.layer.bias.assign(np.zeros(5))
    np.testing.assert_array_equal(sn(inputs, training=True), np.zeros((3, 5)))


def test_other_layers_are_refused():
    with pytest.raises(ValueError, match="BatchNormalization cannot"):
        SpectralNormalization(keras.layers.BatchNormalization())
    with pytest.raises(ValueError, match="power_iterations: 0"):
        SpectralNormalization(keras.layers.Dense(1), power_iterations=0)
    with pytest.raises(ValueError, match="channels_last"):
        SpectralNormalization(
            keras.layers.Conv2D(1, 3, data_format="channels_first")
        )
