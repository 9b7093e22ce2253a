"""Deep convolutional GAN."""

import keras
from keras import layers as kl

from keras_ganmix.networks import checks
from keras_ganmix.networks.convolution import Conv2D, Conv2DTranspose
from keras_ganmix.networks.inputs import images_and_labels, latents_and_labels
from keras_ganmix.networks.layers import LabelEmbedding, logits, packed
from keras_ganmix.networks.normalization import BatchNormalization
from keras_ganmix.networks.spectral_norm import SpectralNormalization

_MAX_MULTIPLE = 16  # 1024 channels at width 64, as in the paper.


def generator(
    image_shape,
    latent_dim=128,
    width=64,
    num_classes=None,
    kernel_size=4,
    synchronized=False,
):
    """Strided transposed convolutions with batch normalisation and ReLU.

    From a dense 4 x 4 map (7 x 7 for 28 pixels, 6 x 6 for 48 and 96) each
    layer doubles the size and halves the channels, down to `width` in the
    last hidden layer; the first map has at most 16 * width channels. The
    paper's network for 64 pixels is `width=128, kernel_size=5,
    latent_dim=100`. At 32 pixels and width 64 it has 1.18 M parameters.

    With classes, a learned vector per class (of the latents' size, standard
    normal at first) is put beside the latents: conditioning at the input as
    in [Mirza & Osindero 2014](https://arxiv.org/abs/1411.1784).

    Kernels are N(0, 0.02), scales of the batch normalisation N(1, 0.02), as
    in the authors' code.

    References:

    - [Radford et al. 2015](https://arxiv.org/abs/1511.06434)

    Args:
        image_shape: (size, size, channels), size one of `networks.SIZES`.
        latent_dim: size of a latent vector.
        width: channels of the last hidden layer.
        num_classes: number of classes, or None.
        kernel_size: 4, or 5 as in the paper.
        synchronized: whether batch statistics are those of all replicas.

    Returns:
        `keras.Model`: latents (B, latent_dim)[, labels (B,)] to images in
        [-1, 1], float32.

    Raises:
        ValueError: for arguments out of range.
    """
    size, channels = checks.image_shape(image_shape, "dcgan")
    checks.positive("width", width)
    checks.positive("kernel_size", kernel_size)
    start, n = checks.doublings(size)
    widths = _widths(width, n)[::-1]
    latents, labels, inputs = latents_and_labels(latent_dim, num_classes)
    x = latents
    if labels is not None:
        embedding = LabelEmbedding(
            num_classes,
            latent_dim,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=1.0),
            name="class_embedding",
        )(labels)
        x = kl.Concatenate(name="latents_and_class")([x, embedding])
    x = kl.Dense(
        start * start * widths[0],
        use_bias=False,
        kernel_initializer=_normal(),
        name="dense",
    )(x)
    x = kl.Reshape((start, start, widths[0]), name="reshape")(x)
    x = _batch_norm("norm_0", synchronized)(x)
    x = kl.ReLU(name="relu_0")(x)
    for i, filters in enumerate(widths[1:], 1):
        x = Conv2DTranspose(
            filters,
            kernel_size,
            strides=2,
            padding="same",
            use_bias=False,
            kernel_initializer=_normal(),
            name=f"conv_{i}",
        )(x)
        x = _batch_norm(f"norm_{i}", synchronized)(x)
        x = kl.ReLU(name=f"relu_{i}")(x)
    x = Conv2DTranspose(
        channels,
        kernel_size,
        strides=2,
        padding="same",
        kernel_initializer=_normal(),
        name="conv_out",
    )(x)
    x = kl.Activation("tanh", dtype="float32", name="images")(x)
    return keras.Model(inputs, x, name="dcgan_generator")


def discriminator(
    image_shape,
    width=64,
    num_classes=None,
    kernel_size=4,
    normalization="batch",
    synchronized=False,
    packing=1,
):
    """Strided convolutions with batch normalisation and LeakyReLU(0.2).

    Each layer halves the size and doubles the channels, from `width` in the
    first up to at most 16 * width, down to 4 x 4 (7 x 7 for 28 pixels,
    6 x 6 for 48 and 96), then one dense layer. No normalisation in the first
    layer. At 32 pixels and width 64 it has 0.66 M parameters. With classes,
    the logit has a projection term (Miyato & Koyama 2018; our reading: on
    the flattened map).

    Kernels are N(0, 0.02), scales of the batch normalisation N(1, 0.02), as
    in the authors' code.

    References:

    - [Radford et al. 2015](https://arxiv.org/abs/1511.06434)

    Args:
        image_shape: (size, size, channels), size one of `networks.SIZES`.
        width: channels of the first layer.
        num_classes: number of classes, or None.
        kernel_size: 4, or 5 as in the paper.
        normalization: `"batch"` as in the paper; `"spectral"` (in all
            layers) or `"none"` for losses with a gradient penalty, which
            batch statistics would couple.
        synchronized: whether batch statistics are those of all replicas.
        packing: samples that are judged together, 1 or more, see
            `layers.Pack`. The logit of a sample then depends on others of
            its batch, as with batch statistics.

    Returns:
        `keras.Model`: images[, labels (B,)] to float32 logits (B, 1).

    Raises:
        ValueError: for arguments out of range.
    """
    size, channels = checks.image_shape(image_shape, "dcgan")
    checks.positive("width", width)
    checks.positive("kernel_size", kernel_size)
    checks.choice("normalization", normalization, checks.NORMALIZATIONS)
    _, n = checks.doublings(size)

    def make(layer):
        if normalization == "spectral":
            return SpectralNormalization(layer, name=layer.name)
        return layer

    shape = (size, size, channels)
    images, labels, inputs = images_and_labels(shape, num_classes)
    x = packed(images, packing)
    for i, filters in enumerate(_widths(width, n)):
        batch_norm = normalization == "batch" and i > 0
        x = make(
            Conv2D(
                filters,
                kernel_size,
                strides=2,
                padding="same",
                use_bias=not batch_norm,
                kernel_initializer=_normal(),
                name=f"conv_{i}",
            )
        )(x)
        if batch_norm:
            x = _batch_norm(f"norm_{i}", synchronized)(x)
        x = kl.LeakyReLU(0.2, name=f"relu_{i}")(x)
    x = kl.Flatten(name="flatten")(x)
    outputs = logits(x, labels, num_classes, make, kernel_initializer=_normal())
    return keras.Model(inputs, outputs, name="dcgan_discriminator")


def _widths(width, n):
    return [width * min(2**i, _MAX_MULTIPLE) for i in range(n)]


def _normal():
    return keras.initializers.RandomNormal(stddev=0.02)


def _batch_norm(name, synchronized):
    return BatchNormalization(
        gamma_initializer=keras.initializers.RandomNormal(1.0, 0.02),
        synchronized=synchronized,
        name=name,
    )
