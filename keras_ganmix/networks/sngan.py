"""Residual GAN with spectral normalisation."""

import keras

from keras_ganmix.networks import checks, resnet
from keras_ganmix.networks.inputs import images_and_labels
from keras_ganmix.networks.layers import GlobalSumPooling2D, logits
from keras_ganmix.networks.spectral_norm import SpectralNormalization

_MAX_MULTIPLE = 16  # 1024 channels at width 64, as in the papers.


def generator(
    image_shape,
    latent_dim=128,
    width=None,
    num_classes=None,
    synchronized=False,
):
    """Residual blocks that double the size, with batch normalisation.

    Up to 32 pixels all layers have `width` channels (256 in the paper);
    above, the last block has `width` (64 in the paper) and each one before
    twice as many, up to 16 * width. 32, 48 and 128 pixels are the papers'
    networks for CIFAR-10, STL-10 and ImageNet; the other sizes continue
    them. With classes, the blocks' batch normalisation is conditional.

    The first and last layers and the shortcuts are Glorot uniform, the
    blocks' 3 x 3 kernels Glorot uniform times sqrt(2), as in the authors'
    code.

    References:

    - [Miyato et al. 2018](https://arxiv.org/abs/1802.05957), tables 4-6
    - [Miyato & Koyama 2018](https://arxiv.org/abs/1802.05637), figure 14

    Args:
        image_shape: (size, size, channels), size one of `networks.SIZES`.
        latent_dim: size of a latent vector.
        width: see above; None for the papers'.
        num_classes: number of classes, or None.
        synchronized: whether batch statistics are those of all replicas.

    Returns:
        `keras.Model`: latents (B, latent_dim)[, labels (B,)] to images in
        [-1, 1], float32.

    Raises:
        ValueError: for arguments out of range.
    """
    size, channels = checks.image_shape(image_shape, "sngan")
    if width is None:
        width = 256 if size <= 32 else 64
    checks.positive("width", width)
    return resnet.generator(
        (size, size, channels),
        resnet.generator_widths(size, width, _MAX_MULTIPLE),
        latent_dim,
        num_classes,
        synchronized,
        name="sngan_generator",
    )


def discriminator(image_shape, width=None, num_classes=None):
    """Residual blocks that halve the size, spectrally normalised.

    Up to 32 pixels all layers have `width` channels (128 in the paper);
    above, the first block has `width` (64 in the papers) and each next one
    twice as many, up to 16 * width. 32, 48 and 128 pixels are the papers'
    networks for CIFAR-10, STL-10 and ImageNet; the other sizes continue
    them. The last map is summed over its pixels. With classes, the logit
    has a projection term.

    Every kernel, the class embedding included, is used divided by its
    spectral norm; for the layers that upsample or pool, that is the norm of
    the 3 x 3 kernel. Initial values are as in `generator`.

    References:

    - [Miyato et al. 2018](https://arxiv.org/abs/1802.05957), tables 4-6
    - [Miyato & Koyama 2018](https://arxiv.org/abs/1802.05637), figure 14

    Args:
        image_shape: (size, size, channels), size one of `networks.SIZES`.
        width: see above; None for the papers'.
        num_classes: number of classes, or None.

    Returns:
        `keras.Model`: images[, labels (B,)] to float32 logits (B, 1).

    Raises:
        ValueError: for arguments out of range.
    """
    size, channels = checks.image_shape(image_shape, "sngan")
    if width is None:
        width = 128 if size <= 32 else 64
    checks.positive("width", width)
    shape = (size, size, channels)
    images, labels, inputs = images_and_labels(shape, num_classes)

    def make(layer):
        return SpectralNormalization(layer, name=layer.name)

    features = resnet.discriminator_body(
        images,
        resnet.discriminator_blocks(size, width, _MAX_MULTIPLE),
        make,
        resnet.identity,
    )
    pooled = GlobalSumPooling2D(dtype="float32", name="pool")(features)
    outputs = logits(
        pooled, labels, num_classes, make, kernel_initializer=resnet.glorot()
    )
    return keras.Model(inputs, outputs, name="sngan_discriminator")
