"""Residual GAN for the Wasserstein loss with a gradient penalty."""

import keras
from keras import layers as kl

from keras_ganmix.networks import checks, resnet
from keras_ganmix.networks.inputs import images_and_labels
from keras_ganmix.networks.layers import logits

_MAX_MULTIPLE = 8  # 512 channels at width 64, as in the authors' code.


def generator(
    image_shape,
    latent_dim=128,
    width=None,
    num_classes=None,
    synchronized=False,
):
    """Residual blocks that double the size, with batch normalisation.

    Up to 32 pixels all layers have `width` channels (128 in the paper);
    above, the last block has `width` (64 in the authors' code) and each one
    before twice as many, up to 8 * width. 32 and 64 pixels are the authors'
    networks; the other sizes continue them. With classes, the blocks' batch
    normalisation is conditional.

    The first and last layers and the shortcuts are Glorot uniform, the
    blocks' 3 x 3 kernels Glorot uniform times sqrt(2), as in the authors'
    code.

    References:

    - [Gulrajani et al. 2017](https://arxiv.org/abs/1704.00028), appendix F

    Args:
        image_shape: (size, size, channels), size one of `networks.SIZES`.
        latent_dim: size of a latent vector.
        width: see above; None for the authors'.
        num_classes: number of classes, or None.
        synchronized: whether batch statistics are those of all replicas.

    Returns:
        `keras.Model`: latents (B, latent_dim)[, labels (B,)] to images in
        [-1, 1], float32.

    Raises:
        ValueError: for arguments out of range.
    """
    size, channels = checks.image_shape(image_shape, "wgan_gp")
    if width is None:
        width = 128 if size <= 32 else 64
    checks.positive("width", width)
    return resnet.generator(
        (size, size, channels),
        resnet.generator_widths(size, width, _MAX_MULTIPLE),
        latent_dim,
        num_classes,
        synchronized,
        name="wgan_gp_generator",
    )


def discriminator(image_shape, width=None, num_classes=None, layer_norm=True):
    """Residual blocks that halve the size, with layer normalisation.

    Up to 32 pixels all layers have `width` channels (128 in the paper);
    above, the first block has `width` (64 in the authors' code) and each
    next one twice as many, up to 8 * width. The last map is averaged over
    its pixels (above 32 pixels our reading: the authors' 64-pixel critic
    begins with a plain convolution and ends with a dense layer on the map).
    With classes, the logit has a projection term (Miyato & Koyama 2018; the
    paper's class-conditional critic is an auxiliary classifier).

    Layer normalisation is over height, width and channels, with a scale and
    an offset per channel; none in the first block. The gradient penalty
    needs scores that do not depend on the rest of the batch, so there is no
    batch normalisation. Initial values are as in `generator`.

    References:

    - [Gulrajani et al. 2017](https://arxiv.org/abs/1704.00028), section 4
      and appendix F

    Args:
        image_shape: (size, size, channels), size one of `networks.SIZES`.
        width: see above; None for the authors'.
        num_classes: number of classes, or None.
        layer_norm: False for the paper's CIFAR-10 critic, which has none.

    Returns:
        `keras.Model`: images[, labels (B,)] to float32 logits (B, 1).

    Raises:
        ValueError: for arguments out of range.
    """
    size, channels = checks.image_shape(image_shape, "wgan_gp")
    if width is None:
        width = 128 if size <= 32 else 64
    checks.positive("width", width)
    shape = (size, size, channels)
    images, labels, inputs = images_and_labels(shape, num_classes)

    def layer_normalize(x, name):
        # One group: all of an image's values, as the authors' Layernorm.
        return kl.GroupNormalization(1, epsilon=1e-5, name=name)(x)

    features = resnet.discriminator_body(
        images,
        resnet.discriminator_blocks(size, width, _MAX_MULTIPLE),
        lambda layer: layer,
        layer_normalize if layer_norm else resnet.identity,
    )
    pooled = kl.GlobalAveragePooling2D(dtype="float32", name="pool")(features)
    outputs = logits(
        pooled, labels, num_classes, kernel_initializer=resnet.glorot()
    )
    return keras.Model(inputs, outputs, name="wgan_gp_discriminator")
