"""Where a discriminator is cut, and that cutting changes nothing."""

import keras
import numpy as np
import pytest

from keras_ganmix.discriminator import DiscriminatorView

layers = keras.layers


def convolutional():
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, 2, "same"),
            layers.BatchNormalization(),
            layers.LeakyReLU(0.2, name="last_map"),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )


def residual():
    x = images = keras.Input((8, 8, 3))
    for i in range(2):
        y = layers.Conv2D(3, 3, padding="same")(x)
        x = layers.Add(name=f"sum_{i}")([x, y])
    x = layers.ReLU(name="last_map")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(images, layers.Dense(1)(x))


def projection():
    images, labels = keras.Input((8, 8, 3)), keras.Input((), dtype="int32")
    x = layers.Conv2D(4, 3, 2, "same", name="last_map")(images)
    h = layers.GlobalAveragePooling2D()(x)
    y = layers.Embedding(5, 4)(labels)
    logits = layers.Add()([layers.Dense(1)(h), layers.Dot(-1)([y, h])])
    return keras.Model([images, labels], logits)


def fully_convolutional():
    """Ends with a valid convolution to one 1 x 1 map, as in DCGAN's code."""
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, 2, "same", name="last_map"),
            layers.Conv2D(1, 4),
            layers.Flatten(),
        ]
    )


def nested():
    backbone = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(4, 3)], name="last_map"
    )
    return keras.Sequential(
        [keras.Input((8, 8, 3)), backbone, layers.Flatten(), layers.Dense(1)]
    )


def perceptron():
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Flatten(),
            layers.Dense(5),
            layers.ReLU(name="last_map"),
            layers.Dense(1),
        ]
    )


def labels_in_the_trunk():
    images, labels = keras.Input((8, 8, 3)), keras.Input((), dtype="int32")
    plane = layers.Reshape((8, 8, 1))(layers.Embedding(5, 64)(labels))
    x = layers.Concatenate()([images, plane])
    x = layers.Conv2D(4, 3, name="last_map")(x)
    x = layers.Dense(1)(layers.Flatten()(x))
    return keras.Model([images, labels], x)


@pytest.mark.parametrize(
    "make",
    [
        convolutional,
        residual,
        projection,
        fully_convolutional,
        nested,
        perceptron,
        labels_in_the_trunk,
    ],
)
def test_cut(make):
    model = make()
    view = DiscriminatorView(model)
    expected = model.get_layer("last_map").output.shape[1:]
    assert view.feature_shape == tuple(expected)
    images = np.random.default_rng(0).normal(size=(3, 8, 8, 3))
    labels = np.array([0, 1, 4]) if len(model.inputs) > 1 else None
    inputs = images if labels is None else [images, labels]
    features = view.features(images, labels, training=False)
    assert tuple(features.shape[1:]) == view.feature_shape
    whole = model(inputs, training=False)
    np.testing.assert_allclose(
        view.head(features, labels, training=False), whole, atol=1e-6
    )
    np.testing.assert_allclose(
        view.logits(images, labels, training=False), whole, atol=1e-6
    )


def test_feature_layer_chooses_the_cut():
    model = residual()
    view = DiscriminatorView(model, feature_layer="sum_0")
    images = np.ones((2, 8, 8, 3), "float32")
    probe = keras.Model(model.inputs, model.get_layer("sum_0").output)
    np.testing.assert_array_equal(view.features(images), probe(images))
    np.testing.assert_allclose(
        view.head(view.features(images)), model(images), atol=1e-6
    )


def test_a_branch_is_no_cut():
    model = residual()
    branch = next(x.name for x in model.layers if x.name.startswith("conv2d"))
    with pytest.raises(ValueError, match=r"goes around it.*Layers: .*sum_1"):
        DiscriminatorView(model, feature_layer=branch)


def test_what_cannot_be_cut_names_its_layers():
    linear = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Flatten(), layers.Dense(1, name="only")]
    )
    view = DiscriminatorView(linear)
    if view.has_features:  # the flattened image is a vector, and may be cut
        assert view.feature_shape == (192,)
    images = keras.Input((8, 8, 3))
    left = layers.Dense(1)(layers.Flatten()(layers.Conv2D(2, 3)(images)))
    right = layers.Dense(1)(layers.Flatten()(layers.Conv2D(2, 5)(images)))
    two = keras.Model(images, layers.Add(name="sum")([left, right]))
    view = DiscriminatorView(two)
    assert not view.has_features
    with pytest.raises(ValueError, match=r"R needs features.*sum \(1,\)"):
        view.require_features("R")
    assert view.logits(np.ones((2, 8, 8, 3))).shape == (2, 1)


def test_subclassed_model_with_features():
    class Discriminator(keras.Model):
        def __init__(self):
            super().__init__()
            self.convolution = layers.Conv2D(2, 3)
            self.flatten = layers.Flatten()
            self.dense = layers.Dense(1)

        def features(self, images, training=False):
            return self.convolution(images)

        def head(self, features, training=False):
            return self.dense(self.flatten(features))

        def call(self, images, training=False):
            return self.head(self.features(images))

    model = Discriminator()
    images = np.ones((2, 8, 8, 3), "float32")
    expected = model(images)
    view = DiscriminatorView(model)
    np.testing.assert_array_equal(view.head(view.features(images)), expected)
