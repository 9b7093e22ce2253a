"""Properties of every family's generator and discriminator."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ganmix import networks

FAMILIES = ("dcgan", "sngan", "wgan_gp")


def count(model):
    return sum(int(np.prod(w.shape)) for w in model.trainable_weights)


def tiny(kind, name, size=16, channels=3, **kwargs):
    shape = (size, size, channels)
    if kind == "generator":
        kwargs = {"latent_dim": 8, **kwargs}
    return networks.build(kind, name, image_shape=shape, width=2, **kwargs)


def batch(model, n=3):
    """Random inputs for a model."""
    rng = np.random.default_rng(0)
    inputs = [
        rng.integers(0, 2, n).astype("int32")
        if x.dtype == "int32"
        else rng.uniform(-1, 1, size=(n, *x.shape[1:])).astype("float32")
        for x in model.inputs
    ]
    return inputs if len(inputs) > 1 else inputs[0]


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("size", networks.SIZES)
def test_shapes(size, name):
    channels = 1 + size % 3
    generator = tiny("generator", name, size, channels)
    assert generator.input_shape == (None, 8)
    assert generator.output_shape == (None, size, size, channels)
    discriminator = tiny("discriminator", name, size, channels)
    assert discriminator.input_shape == (None, size, size, channels)
    assert discriminator.output_shape == (None, 1)
    last = [x for x in discriminator.layers if len(x.output.shape) == 4][-1]
    assert last.output.shape[1] <= 8


def dcgan_32_generator(w=64, z=128, c=3):
    """Kernels, scale and offset of each layer, written out."""
    return (
        z * 16 * 4 * w
        + 2 * 4 * w
        + 16 * 4 * w * 2 * w
        + 2 * 2 * w
        + 16 * 2 * w * w
        + 2 * w
        + 16 * w * c
        + c
    )


def dcgan_32_discriminator(w=64, c=3):
    return (
        16 * c * w
        + w
        + 16 * w * 2 * w
        + 2 * 2 * w
        + 16 * 2 * w * 4 * w
        + 2 * 4 * w
        + 16 * 4 * w
        + 1
    )


def conv(k, inputs, outputs):
    return k * k * inputs * outputs + outputs


def sngan_32_generator(w, z=128, c=3):
    block = conv(3, w, w) * 2 + conv(1, w, w) + 2 * 2 * w
    return z * 16 * w + 16 * w + 3 * block + 2 * w + conv(3, w, c)


def sngan_32_discriminator(w, c=3):
    first = conv(3, c, w) + conv(3, w, w) + conv(1, c, w)
    second = 2 * conv(3, w, w) + conv(1, w, w)
    return first + second + 4 * conv(3, w, w) + w + 1


def sngan_imagenet_discriminator(w=64, c=3):
    """Miyato & Koyama's 128-pixel network, block by block."""
    total = conv(3, c, w) + conv(3, w, w) + conv(1, c, w)
    for a, b in ((1, 2), (2, 4), (4, 8), (8, 16)):
        total += conv(3, a * w, a * w) + conv(3, a * w, b * w)
        total += conv(1, a * w, b * w)
    return total + 2 * conv(3, 16 * w, 16 * w) + 16 * w + 1


@pytest.mark.parametrize(
    "kind, name, size, expected",
    [
        ("generator", "dcgan", 32, dcgan_32_generator()),
        ("discriminator", "dcgan", 32, dcgan_32_discriminator()),
        ("generator", "sngan", 32, sngan_32_generator(256)),
        ("discriminator", "sngan", 32, sngan_32_discriminator(128)),
        ("discriminator", "sngan", 128, sngan_imagenet_discriminator()),
        ("generator", "wgan_gp", 32, sngan_32_generator(128)),
    ],
)
def test_parameters_of_the_papers_networks(kind, name, size, expected):
    model = networks.build(kind, name, image_shape=(size, size, 3))
    assert count(model) == expected


def test_sngan_32_has_the_published_size():
    """4.28 M and 1.05 M, counted by hand from the authors' layers."""
    assert sngan_32_generator(256) == 4_276_739
    assert sngan_32_discriminator(128) == 1_053_825


@pytest.mark.parametrize("layer_norm", [False, True])
def test_layer_norm_of_wgan_gp_skips_the_first_block(layer_norm):
    model = networks.build(
        "discriminator",
        "wgan_gp",
        image_shape=(32, 32, 3),
        layer_norm=layer_norm,
    )
    norms = 6 * 2 * 128 if layer_norm else 0
    assert count(model) == sngan_32_discriminator(128) + norms
    names = [x.name for x in model.layers if "norm" in x.name]
    assert not any(name.startswith("block_1") for name in names)


def test_layer_norm_of_wgan_gp_is_over_the_whole_image():
    model = tiny("discriminator", "wgan_gp")
    layer = model.get_layer("block_3_norm_1")
    x = np.random.default_rng(0).normal(3.0, 2.0, size=layer.input.shape[1:])
    x = x[None].astype("float32")
    expected = (x - x.mean()) / np.sqrt(x.var() + 1e-5)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("classes", [None, 4])
@pytest.mark.parametrize("kind", networks.KINDS)
@pytest.mark.parametrize("name", FAMILIES)
def test_gradients_outputs_and_saving(name, kind, classes, tmp_path):
    """One test for all: building and tracing is what costs."""
    model = tiny(kind, name, num_classes=classes)
    assert len(model.inputs) == (1 if classes is None else 2)
    inputs = batch(model, 4)
    outputs = model(inputs, training=True)
    weights = tf.random.stateless_normal(outputs.shape, [0, 1])
    with tf.GradientTape() as tape:
        outputs = model(inputs, training=True)
        loss = tf.reduce_sum(outputs * weights)
    variables = [w.value for w in model.trainable_weights]
    for variable, gradient in zip(
        model.trainable_weights, tape.gradient(loss, variables), strict=True
    ):
        assert isinstance(gradient, tf.Tensor), variable.path
        assert np.any(gradient), variable.path
    if kind == "generator":
        assert np.abs(outputs).max() <= 1.0
        model.get_layer("conv_out").bias.assign([100.0, -100.0, 0.0])
        extreme = np.array(model(inputs))
        np.testing.assert_array_equal(extreme[..., 0], 1.0)
        np.testing.assert_array_equal(extreme[..., 1], -1.0)
    expected = np.array(model(inputs))
    path = tmp_path / "model.keras"
    model.save(path)
    np.testing.assert_array_equal(
        keras.saving.load_model(path)(inputs), expected
    )
    clone = keras.models.clone_model(model)
    assert [w.path for w in clone.weights] == [w.path for w in model.weights]
    assert not {id(w) for w in clone.weights} & {id(w) for w in model.weights}
    clone.set_weights(model.get_weights())
    np.testing.assert_array_equal(clone(inputs), expected)


@pytest.mark.parametrize("kind", networks.KINDS)
@pytest.mark.parametrize("name", FAMILIES)
def test_labels_change_the_output_once_trained(name, kind):
    model = tiny(kind, name, num_classes=3)
    rng = np.random.default_rng(0)
    for weight in model.trainable_weights:
        # Positive, so that no ReLU of these few is dead; small, for tanh.
        fan = np.prod(weight.shape[:-1])
        weight.assign(rng.uniform(size=weight.shape) / fan)
    first, _ = batch(model)
    outputs = [
        np.array(model([abs(first), np.full(3, label, "int32")]))
        for label in range(3)
    ]
    assert not np.allclose(outputs[0], outputs[1])
    assert not np.allclose(outputs[1], outputs[2])


@pytest.mark.parametrize("kind", networks.KINDS)
@pytest.mark.parametrize("name", FAMILIES)
def test_mixed_precision_gives_finite_float32(name, kind):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = tiny(kind, name, num_classes=2)
    finally:
        keras.config.set_dtype_policy(before)
    for training in (False, True):
        outputs = model(batch(model), training=training)
        assert outputs.dtype == tf.float32
        assert np.isfinite(outputs).all()
    maps = [x.output for x in model.layers if len(x.output.shape) == 4]
    assert maps[-2].dtype == "float16"
    assert {w.dtype for w in model.weights} == {"float32"}


def test_spectral_dcgan_normalises_every_kernel():
    model = tiny("discriminator", "dcgan", normalization="spectral")
    kernels = [w for w in model.trainable_weights if w.name == "kernel"]
    us = [w for w in model.non_trainable_weights if w.name == "u"]
    assert len(kernels) == len(us) == 3
    assert len(model.non_trainable_weights) == 3


@pytest.mark.parametrize("name", FAMILIES)
def test_first_layers_are_initialised_as_in_the_paper(name):
    model = networks.build("generator", name, image_shape=(32, 32, 3), width=64)
    kernel = np.array(model.get_layer("dense").kernel)
    if name == "dcgan":
        expected = 0.02
    else:
        expected = np.sqrt(2 / sum(kernel.shape))
        block = np.array(model.get_layer("block_1_conv_1").kernel)
        fan = 9 * (block.shape[2] + block.shape[3])
        assert block.std() == pytest.approx(np.sqrt(4 / fan), rel=0.05)
    assert kernel.std() == pytest.approx(expected, rel=0.02)
