"""Wide residual networks: their size, their layers, their frozen head."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_ganmix.networks import wide_resnet


def trained_size(model):
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


@pytest.mark.parametrize(
    "depth, width, millions", [(40, 1, 0.6), (40, 2, 2.2), (16, 8, 11.0)]
)
def test_sizes_are_those_of_the_papers_table(depth, width, millions):
    model = wide_resnet.classifier((32, 32, 3), 10, depth, width)
    assert round(trained_size(model) / 1e6, 1) == millions


def test_groups_halve_the_map_and_widen_it():
    model = wide_resnet.classifier((28, 28, 1), 10, depth=16, width=2)
    shapes = [
        model.get_layer(f"group_{g}_block_{b}").output.shape[1:]
        for g in (1, 2, 3)
        for b in (1, 2)
    ]
    wanted = [(28, 28, 32), (14, 14, 64), (7, 7, 128)]
    assert shapes == [s for s in wanted for _ in range(2)]
    assert model.get_layer("pooled").output.shape == (None, 128)
    assert model.output.shape == (None, 10)
    convolutions = [
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D) and layer.kernel_size[0] == 3
    ]
    # The depth counts these, the shortcuts' two or three and the head less.
    assert len(convolutions) == 16 - 3


def test_without_its_convolutions_a_block_is_its_shortcut():
    model = wide_resnet.classifier((8, 8, 1), 2, depth=10, width=1)
    block = model.get_layer("group_1_block_1")
    before = keras.Model(model.input, model.get_layer("conv_in").output)
    after = keras.Model(model.input, block.output)
    kernel = model.get_layer("group_1_block_1_conv_2").kernel
    kernel.assign(ops.zeros_like(kernel))
    images = np.random.default_rng(0).uniform(-1, 1, (2, 8, 8, 1))
    np.testing.assert_array_equal(before(images), after(images))


def test_the_head_is_the_length_along_orthonormal_axes():
    head = wide_resnet.OrthogonalHead(10, seed=3)
    features = np.random.default_rng(0).normal(size=(5, 64)).astype("float32")
    logits = ops.convert_to_numpy(head(features))
    axes = ops.convert_to_numpy(head.axes)
    np.testing.assert_allclose(axes @ axes.T, np.eye(10), atol=1e-6)
    expected = [[abs(np.dot(a, f)) for a in axes] for f in features]
    np.testing.assert_allclose(logits, expected, atol=1e-5)
    assert not head.trainable_variables and len(head.weights) == 1


def test_features_of_an_orthogonal_head_have_length_1():
    model = wide_resnet.classifier((8, 8, 1), 4, 10, 1, orthogonal_head=True)
    features = keras.Model(model.input, model.get_layer("features").output)
    images = np.random.default_rng(0).uniform(-1, 1, (3, 8, 8, 1))
    length = np.linalg.norm(features(images), axis=1)
    np.testing.assert_allclose(length, 1.0, atol=1e-5)
    axes = model.get_layer("head").axes
    assert all(v is not axes for v in model.trainable_variables)


def test_a_saved_network_gives_the_same_logits(tmp_path):
    model = wide_resnet.classifier((8, 8, 1), 4, 10, 1, orthogonal_head=True)
    model.save(tmp_path / "network.keras")
    again = keras.saving.load_model(tmp_path / "network.keras")
    images = np.random.default_rng(0).uniform(-1, 1, (3, 8, 8, 1))
    np.testing.assert_array_equal(model(images), again(images))


def test_heads_have_float32_logits_under_mixed_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = wide_resnet.classifier((8, 8, 1), 4, 10, 1, True)
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.get_layer("conv_in").compute_dtype == "bfloat16"
    logits = model(np.zeros((1, 8, 8, 1)))
    assert keras.backend.standardize_dtype(logits.dtype) == "float32"


@pytest.mark.parametrize(
    "change, words",
    [
        ({"depth": 12}, "depth: 12 is not 6 n"),
        ({"depth": 4}, "depth: 4"),
        ({"width": 0}, "width: 0"),
        ({"num_classes": 1}, "num_classes: 1"),
        ({"image_shape": (3, 8, 1)}, "at least 4 x 4"),
        ({"image_shape": (2,)}, r"image_shape: \(2,\)"),
        ({"num_classes": 65, "orthogonal_head": True}, "use at least 2"),
    ],
)
def test_what_cannot_be_is_refused(change, words):
    arguments = {
        "image_shape": (8, 8, 1),
        "num_classes": 10,
        "depth": 10,
        "width": 1,
    }
    with pytest.raises(ValueError, match=words):
        wide_resnet.classifier(**{**arguments, **change})
