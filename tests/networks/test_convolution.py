import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ganmix.networks import build
from keras_ganmix.networks.convolution import Conv2D, Conv2DTranspose

# class, filters, kernel size, strides, images
CASES = [
    (Conv2D, 3, 3, 1, (6, 4, 5)),  # to images
    (Conv2D, 1, 3, 1, (2, 2, 7)),
    (Conv2D, 5, 3, 1, (4, 6, 3)),  # from images
    (Conv2D, 5, 4, 2, (4, 6, 1)),
    (Conv2D, 3, 3, 1, (6, 4, 3)),  # from and to images
    (Conv2DTranspose, 3, 4, 2, (4, 2, 5)),
    (Conv2DTranspose, 1, 4, 2, (2, 6, 7)),
    (Conv2D, 3, 3, 1, (5, 4, 6)),  # all others are left to Keras
    (Conv2D, 5, 5, 2, (4, 6, 3)),
    (Conv2DTranspose, 3, 5, 2, (4, 2, 5)),
    (Conv2DTranspose, 8, 4, 2, (4, 2, 5)),
]


def pair(cls, filters, kernel_size, strides, shape, **kwargs):
    """Ours and Keras' layer with the same weights."""
    layers = []
    for made in (cls, getattr(keras.layers, cls.__name__)):
        layer = made(
            filters, kernel_size, strides=strides, padding="same", **kwargs
        )
        layer.build((None, *shape))
        layers.append(layer)
    ours, reference = layers
    reference.set_weights(ours.get_weights())
    return ours, reference


def derivatives(layer, x, weights):
    """Value, gradients, and the gradients of a gradient penalty."""
    kernel = layer.kernel.value
    with tf.GradientTape(persistent=True) as outer:
        outer.watch(x)
        with tf.GradientTape(persistent=True) as inner:
            inner.watch(x)
            y = layer(x)
            loss = tf.reduce_sum(tf.tanh(y) * weights)
        at_x, at_kernel = inner.gradient(loss, [x, kernel])
        penalty = tf.reduce_sum(at_x**2) + tf.reduce_sum(at_kernel**2)
    return [y, at_x, at_kernel, *outer.gradient(penalty, [x, kernel])]


@pytest.mark.parametrize("case", CASES)
def test_equals_keras_in_value_and_derivatives_of_both_orders(case):
    *_, shape = case
    ours, reference = pair(*case, bias_initializer="normal", activation="tanh")
    rng = np.random.default_rng(0)
    x = tf.constant(rng.normal(size=(2, *shape)), tf.float32)
    weights = rng.normal(size=reference(x).shape).astype("float32")
    got = derivatives(ours, x, weights)
    expected = derivatives(reference, x, weights)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("case", [CASES[0], CASES[3], CASES[5]])
def test_any_batch_size_in_a_graph(case, jit):
    *_, shape = case
    ours, reference = pair(*case)

    def gradients(layer, x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x) ** 2)
        return tape.gradient(loss, [x, layer.kernel.value])

    signature = [tf.TensorSpec((None, *shape))]
    graph = tf.function(
        lambda x: gradients(ours, x), signature, jit_compile=jit
    )
    for batch in (1, 3):
        rng = np.random.default_rng(batch)
        x = tf.constant(rng.normal(size=(batch, *shape)), tf.float32)
        expected = gradients(reference, x)
        for a, b in zip(graph(x), expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_only_float32_is_computed_in_another_way():
    ours, reference = pair(*CASES[0], dtype="mixed_bfloat16")
    x = tf.random.stateless_normal((2, *CASES[0][-1]), (0, 0))
    assert ours(x).dtype == tf.bfloat16
    assert np.array_equal(ours(x).numpy(), reference(x).numpy())


@pytest.mark.parametrize("family", ["dcgan", "sngan"])
def test_images_are_made_in_blocks(family):
    """What the layers are for: hardly a convolution to 3 channels is left."""
    shape = (32, 32, 3)
    generator = build("generator", family, image_shape=shape, width=8)
    discriminator = build("discriminator", family, image_shape=shape, width=8)

    @tf.function
    def gradient(latents):
        with tf.GradientTape() as tape:
            images = generator(latents, training=True)
            tape.watch(images)
            logits = discriminator(images, training=True)
        return tape.gradient(logits, images)

    graph = gradient.get_concrete_function(tf.TensorSpec((4, 128))).graph
    made = [
        op.outputs[0].shape[-1]
        for op in graph.get_operations()
        if op.type in ("Conv2D", "Conv2DBackpropInput")
    ]
    assert made.count(12) == 2  # 3 channels of 2 x 2 pixels
    assert made.count(3) == (family == "sngan")  # the shortcut, 1 x 1


@pytest.mark.parametrize("cls", [Conv2D, Conv2DTranspose])
def test_weights_files_of_the_layers_of_keras_fit(cls, tmp_path):
    case = (cls, 3, 3 if cls is Conv2D else 4, 1 if cls is Conv2D else 2)
    ours, reference = (
        keras.Sequential([keras.Input((4, 4, 5)), layer])
        for layer in pair(*case, (4, 4, 5))
    )
    reference.set_weights([w + 1 for w in reference.get_weights()])
    path = tmp_path / "model.weights.h5"
    reference.save_weights(path)
    ours.load_weights(path)
    for a, b in zip(ours.weights, reference.weights, strict=True):
        assert np.array_equal(a, b)
    ours.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert type(again.layers[-1]) is cls
