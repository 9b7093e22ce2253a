import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ganmix.networks.resampling import ConvPool2D, UpsampleConv2D


def results(call, layer, x):
    """Value, gradients, and the gradient of a gradient penalty."""
    x = tf.constant(x)
    with tf.GradientTape(persistent=True) as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = call(x)
            loss = tf.reduce_sum(tf.tanh(y))
        penalty = tf.reduce_sum(inner.gradient(loss, x) ** 2)
    kernel = layer.kernel.value
    return [
        y,
        outer.gradient(loss, x),
        outer.gradient(loss, kernel),
        outer.gradient(penalty, kernel),
    ]


@pytest.mark.parametrize("size", [(4, 6), (7, 7), (1, 1)])
def test_upsampling_convolution_equals_two_layers(size):
    fused = UpsampleConv2D(3, bias_initializer="normal")
    plain = keras.layers.Conv2D(3, 3, padding="same")
    upsample = keras.layers.UpSampling2D()
    x = np.random.default_rng(0).normal(size=(2, *size, 5)).astype("float32")
    assert fused(x).shape == (2, 2 * size[0], 2 * size[1], 3)
    plain(upsample(x))
    plain.set_weights(fused.get_weights())
    got = results(fused, fused, x)
    expected = results(lambda x: plain(upsample(x)), plain, x)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [(4, 6), (14, 14), (2, 2)])
def test_pooling_convolution_equals_two_layers(size):
    fused = ConvPool2D(3, bias_initializer="normal")
    plain = keras.layers.Conv2D(3, 3, padding="same")
    pool = keras.layers.AveragePooling2D(2)
    x = np.random.default_rng(0).normal(size=(2, *size, 5)).astype("float32")
    assert fused(x).shape == (2, size[0] // 2, size[1] // 2, 3)
    plain(x)
    plain.set_weights(fused.get_weights())
    got = results(fused, fused, x)
    expected = results(lambda x: pool(plain(x)), plain, x)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("cls", [UpsampleConv2D, ConvPool2D])
def test_unsupported_arguments_are_refused(cls):
    for arguments in (
        {"kernel_size": 5},
        {"strides": 2},
        {"padding": "valid"},
        {"data_format": "channels_first"},
    ):
        with pytest.raises(ValueError, match=next(iter(arguments))):
            cls(3, **arguments)


def test_odd_sizes_cannot_be_halved():
    with pytest.raises(ValueError, match="height 7 is odd"):
        ConvPool2D(3)(np.zeros((1, 7, 8, 2), "float32"))


@pytest.mark.parametrize("cls", [UpsampleConv2D, ConvPool2D])
def test_config_round_trip(cls):
    layer = cls(3, use_bias=False, activation="tanh", name="here")
    again = cls.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
