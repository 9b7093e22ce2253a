"""The residual blocks that `sngan` and `wgan_gp` share.

The shortcut's 1 x 1 convolution is done at the smaller size: it commutes
with nearest-neighbour upsampling and with average pooling.

Both papers' code starts 3 x 3 kernels of the blocks from a Glorot uniform
distribution times sqrt(2), all others from a Glorot uniform one.
"""

import keras
from keras import initializers
from keras import layers as kl

from keras_ganmix.networks import checks
from keras_ganmix.networks.convolution import Conv2D
from keras_ganmix.networks.inputs import latents_and_labels
from keras_ganmix.networks.normalization import (
    BatchNormalization,
    ConditionalBatchNormalization,
)
from keras_ganmix.networks.resampling import ConvPool2D, UpsampleConv2D


def glorot():
    """Glorot uniform: shortcuts, first and last layers."""
    return initializers.GlorotUniform()


def residual():
    """Glorot uniform times sqrt(2): the 3 x 3 kernels of a block."""
    return initializers.VarianceScaling(2.0, "fan_avg", "uniform")


def generator(image_shape, widths, latent_dim, num_classes, synchronized, name):
    """From latents, and classes, to images in [-1, 1].

    Args:
        image_shape: (size, size, channels), size one of `SIZES`.
        widths: channels of the first map and after each block.
        latent_dim: size of a latent vector.
        num_classes: number of classes, with which the blocks' batch
            normalisation is conditional, or None.
        synchronized: whether batch statistics are those of all replicas.
        name: of the model.

    Returns:
        `keras.Model`.
    """
    latents, labels, inputs = latents_and_labels(latent_dim, num_classes)

    def batch_norm(x, name):
        return BatchNormalization(synchronized=synchronized, name=name)(x)

    def conditional(x, name):
        return ConditionalBatchNormalization(
            num_classes, synchronized=synchronized, name=name
        )([x, labels])

    normalize = batch_norm if labels is None else conditional
    size, _, channels = image_shape
    start, _ = checks.doublings(size)
    x = kl.Dense(
        start * start * widths[0], kernel_initializer=glorot(), name="dense"
    )(latents)
    x = kl.Reshape((start, start, widths[0]), name="reshape")(x)
    for i, filters in enumerate(widths[1:], 1):
        x = _up_block(x, filters, normalize, f"block_{i}")
    x = batch_norm(x, "norm_out")
    x = kl.ReLU(name="relu_out")(x)
    x = Conv2D(
        channels,
        3,
        padding="same",
        kernel_initializer=glorot(),
        name="conv_out",
    )(x)
    images = kl.Activation("tanh", dtype="float32", name="images")(x)
    return keras.Model(inputs, images, name=name)


def discriminator_body(x, blocks, make, normalize):
    """From images to the last feature map, after its ReLU.

    Args:
        x: images (B, H, W, C).
        blocks: list of (filters, whether to halve the size); the first is
            the one without activation and normalisation before it, and
            always halves.
        make: function layer -> layer, for spectral normalisation.
        normalize: function (tensor, name) -> tensor.

    Returns:
        Tensor (B, h, w, filters of the last block).
    """
    (first, _), *rest = blocks
    x = _first_block(x, first, make, "block_1")
    for i, (filters, down) in enumerate(rest, 2):
        x = _down_block(x, filters, down, make, normalize, f"block_{i}")
    return kl.ReLU(name="features")(x)


def identity(x, name):
    """Normalisation that does nothing."""
    return x


def _up_block(x, filters, normalize, name):
    h = normalize(x, f"{name}_norm_1")
    h = kl.ReLU(name=f"{name}_relu_1")(h)
    h = UpsampleConv2D(
        filters, kernel_initializer=residual(), name=f"{name}_conv_1"
    )(h)
    h = normalize(h, f"{name}_norm_2")
    h = kl.ReLU(name=f"{name}_relu_2")(h)
    h = Conv2D(
        filters,
        3,
        padding="same",
        kernel_initializer=residual(),
        name=f"{name}_conv_2",
    )(h)
    shortcut = Conv2D(
        filters, 1, kernel_initializer=glorot(), name=f"{name}_shortcut"
    )(x)
    shortcut = kl.UpSampling2D(name=f"{name}_upsample")(shortcut)
    return kl.Add(name=name)([h, shortcut])


def _first_block(x, filters, make, name):
    h = make(
        Conv2D(
            filters,
            3,
            padding="same",
            kernel_initializer=residual(),
            name=f"{name}_conv_1",
        )
    )(x)
    h = kl.ReLU(name=f"{name}_relu_2")(h)
    h = make(
        ConvPool2D(
            filters, kernel_initializer=residual(), name=f"{name}_conv_2"
        )
    )(h)
    shortcut = kl.AveragePooling2D(2, name=f"{name}_pool")(x)
    shortcut = make(
        Conv2D(filters, 1, kernel_initializer=glorot(), name=f"{name}_shortcut")
    )(shortcut)
    return kl.Add(name=name)([h, shortcut])


def _down_block(x, filters, down, make, normalize, name):
    hidden = x.shape[-1]
    h = normalize(x, f"{name}_norm_1")
    h = kl.ReLU(name=f"{name}_relu_1")(h)
    h = make(
        Conv2D(
            hidden,
            3,
            padding="same",
            kernel_initializer=residual(),
            name=f"{name}_conv_1",
        )
    )(h)
    h = normalize(h, f"{name}_norm_2")
    h = kl.ReLU(name=f"{name}_relu_2")(h)
    second = ConvPool2D if down else Conv2D
    h = make(
        second(
            filters,
            kernel_size=3,
            padding="same",
            kernel_initializer=residual(),
            name=f"{name}_conv_2",
        )
    )(h)
    shortcut = x
    if down:
        shortcut = kl.AveragePooling2D(2, name=f"{name}_pool")(shortcut)
    if down or filters != hidden:
        shortcut = make(
            Conv2D(
                filters,
                1,
                kernel_initializer=glorot(),
                name=f"{name}_shortcut",
            )
        )(shortcut)
    return kl.Add(name=name)([h, shortcut])


def generator_widths(size, width, most):
    """Channels of a generator's first map and after each of its blocks.

    Up to 32 pixels all are `width`; above, each block halves them down to
    `width`, from at most `most * width`.
    """
    _, n = checks.doublings(size)
    if size <= 32:
        return [width] * (n + 1)
    blocks = [width * min(2 ** (n - i), most) for i in range(1, n + 1)]
    return [width * min(2**n, most), *blocks]


def discriminator_blocks(size, width, most):
    """Channels of a discriminator's blocks, and which halve the size.

    Up to 32 pixels two blocks halve and two do not, all of `width`; above,
    blocks halve down to at most 4 x 4 and double the channels, up to
    `most * width`, and a last one keeps the size.
    """
    if size <= 32:
        return [(width, True)] * 2 + [(width, False)] * 2
    blocks, multiple = [], 1
    while size > 4:
        blocks.append((width * multiple, True))
        size, multiple = size // 2, min(2 * multiple, most)
    return [*blocks, (width * multiple, False)]
