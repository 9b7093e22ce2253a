import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ganmix.networks import dcgan, layers, mlp


def test_maxout_equals_a_loop():
    layer = layers.Maxout(3, 4)
    x = np.random.default_rng(0).normal(size=(5, 2)).astype("float32")
    got = layer(x)
    kernel, bias = np.array(layer.dense.kernel), np.array(layer.dense.bias)
    for i in range(5):
        for unit in range(3):
            pieces = [
                x[i] @ kernel[:, 4 * unit + piece] + bias[4 * unit + piece]
                for piece in range(4)
            ]
            np.testing.assert_allclose(
                got[i, unit], max(pieces), rtol=1e-4, atol=1e-6
            )
    again = layers.Maxout.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


def test_label_embedding_is_a_table_with_a_dense_gradient():
    layer = layers.LabelEmbedding(4, 3)
    labels = np.array([3, 0, 3], "int32")
    table = np.array(layer.embeddings if layer(labels) is not None else None)
    np.testing.assert_allclose(layer(labels), table[labels], rtol=1e-6)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(labels))
    gradient = tape.gradient(loss, layer.embeddings.value)
    assert isinstance(gradient, tf.Tensor)
    np.testing.assert_allclose(gradient[:, 0], [1.0, 0.0, 0.0, 2.0])


def test_global_sum_pooling():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype("float32")
    got = layers.GlobalSumPooling2D()(x)
    np.testing.assert_allclose(got, x.sum(axis=(1, 2)), rtol=1e-5, atol=1e-5)


def test_projection_equals_its_formula():
    features = keras.Input((6,))
    labels = keras.Input((), dtype="int32")
    model = keras.Model([features, labels], layers.logits(features, labels, 3))
    rng = np.random.default_rng(0)
    model.get_layer("logits").bias.assign([0.7])
    h = rng.normal(size=(4, 6)).astype("float32")
    y = np.array([2, 0, 1, 2], "int32")
    w = np.array(model.get_layer("logits").kernel)[:, 0]
    v = np.array(model.get_layer("class_embedding").embeddings)
    expected = [[h[i] @ w + 0.7 + h[i] @ v[y[i]]] for i in range(4)]
    np.testing.assert_allclose(model([h, y]), expected, rtol=1e-4, atol=1e-5)


def test_a_pack_is_a_sample_beside_those_before_it():
    x = np.random.default_rng(0).normal(size=(5, 2)).astype("float32")
    got = layers.Pack(3)(x)
    for i in range(5):
        np.testing.assert_array_equal(
            got[i], np.concatenate([x[i], x[i - 1], x[i - 2]])
        )
    images = keras.Input((8, 8, 3))
    assert layers.Pack(2)(images).shape == (None, 8, 8, 6)
    again = layers.Pack.from_config(layers.Pack(3).get_config())
    assert again.size == 3


@pytest.mark.parametrize("family", [mlp, dcgan])
def test_a_packed_logit_depends_on_the_sample_before(family):
    keras.utils.set_random_seed(0)
    arguments = {"width": 16, "packing": 2}
    if family is dcgan:
        arguments["normalization"] = "none"
    model = family.discriminator((16, 16, 1), **arguments)
    x = np.random.default_rng(0).normal(size=(6, 16, 16, 1)).astype("float32")
    before = np.array(model(x))
    x[2] += 1.0
    changed = (np.array(model(x)) != before).reshape(-1)
    np.testing.assert_array_equal(changed, [0, 0, 1, 1, 0, 0])
    with pytest.raises(ValueError, match="packing"):
        family.discriminator((16, 16, 1), packing=0)
