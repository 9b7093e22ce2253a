import numpy as np
import pytest

from keras_ganmix.networks import mlp


def count(model):
    return sum(int(np.prod(w.shape)) for w in model.trainable_weights)


def test_pacgan_networks():
    """4 x 400 with batch normalisation; 3 x 200 maxout of 5 pieces."""
    generator = mlp.generator((2,), 2, 400, 4, batch_norm=True)
    norm = 2 * 400
    assert count(generator) == (
        2 * 400 + 3 * 400 * 400 + 4 * norm + 400 * 2 + 2
    )
    discriminator = mlp.discriminator((2,), 200, 3, maxout_pieces=5)
    maxout = [n * 1000 + 1000 for n in (2, 200, 200)]
    assert count(discriminator) == sum(maxout) + 201


def test_points_are_linear_and_images_tanh():
    points = mlp.generator((2,), hidden=4)
    points.get_layer("outputs").bias.assign([50.0, -50.0])
    outputs = np.array(points(np.zeros((1, 2), "float32")))
    np.testing.assert_allclose(outputs, [[50.0, -50.0]])
    images = mlp.generator((4, 4, 1), hidden=4)
    assert images.output_shape == (None, 4, 4, 1)
    images.get_layer("outputs").bias.assign(np.full(16, 50.0))
    np.testing.assert_allclose(
        images(np.zeros((1, 2), "float32")), np.ones((1, 4, 4, 1))
    )
    assert mlp.discriminator((4, 4, 1), 4).output_shape == (None, 1)


def test_orthogonal_gain():
    model = mlp.generator((2,), 8, hidden=8, orthogonal_gain=0.8)
    kernel = np.array(model.get_layer("dense_2").kernel)
    np.testing.assert_allclose(kernel @ kernel.T, 0.64 * np.eye(8), atol=1e-5)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "tanh"])
def test_hidden_layers_equal_numpy(activation):
    functions = {
        "relu": lambda x: np.maximum(x, 0),
        "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
        "tanh": np.tanh,
    }
    model = mlp.discriminator((2,), 5, 2, activation)
    x = np.random.default_rng(0).normal(size=(3, 2)).astype("float32")
    w1, b1, w2, b2, w3, b3 = model.get_weights()
    f = functions[activation]
    expected = f(f(x @ w1 + b1) @ w2 + b2) @ w3 + b3
    np.testing.assert_allclose(model(x), expected, rtol=1e-4, atol=1e-5)


def test_width_is_another_name_of_hidden():
    assert count(mlp.generator(width=9)) == count(mlp.generator(hidden=9))
    a, b = mlp.discriminator(width=9), mlp.discriminator(hidden=9)
    assert count(a) == count(b)


def test_classes_are_inputs():
    generator = mlp.generator((2,), 3, 8, num_classes=4)
    discriminator = mlp.discriminator((2,), 8, num_classes=4)
    assert generator.input_shape == [(None, 3), (None,)]
    assert discriminator.input_shape == [(None, 2), (None,)]
    x = np.ones((4, 3), "float32")
    points = np.array(generator([x, np.arange(4, dtype="int32")]))
    assert len(np.unique(points[:, 0])) == 4
