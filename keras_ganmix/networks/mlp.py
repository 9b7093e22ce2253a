"""Dense networks for points in the plane, or small images."""

import math

import keras
from keras import layers as kl

from keras_ganmix.networks import checks
from keras_ganmix.networks.inputs import images_and_labels, latents_and_labels
from keras_ganmix.networks.layers import (
    LabelEmbedding,
    Maxout,
    logits,
    packed,
)


def generator(
    image_shape=(2,),
    latent_dim=2,
    hidden=128,
    layers=2,
    activation="relu",
    batch_norm=False,
    maxout_pieces=None,
    orthogonal_gain=None,
    num_classes=None,
    synchronized=False,
    width=None,
):
    """Dense layers from latents to points or images.

    The output is linear for points (one dimension) and tanh for images.
    With classes, a learned vector per class (of the latents' size, standard
    normal at first) is put beside the latents.

    The generator of PacGAN's 2-D experiments is
    `generator((2,), 2, hidden=400, layers=4, batch_norm=True)`.

    Kernels are Glorot uniform, or orthogonal times `orthogonal_gain` (0.8 in
    the 2-D experiments of [Metz et al. 2017](https://arxiv.org/abs/1611.02163)).

    References:

    - [Lin et al. 2018, PacGAN](https://arxiv.org/abs/1712.04086)

    Args:
        image_shape: shape of a sample, (2,) for points.
        latent_dim: size of a latent vector.
        hidden: units per hidden layer.
        layers: number of hidden layers.
        activation: `"relu"`, `"leaky_relu"` (slope 0.2) or `"tanh"`; not
            used with maxout.
        batch_norm: whether to normalise before each activation.
        maxout_pieces: use maxout layers of so many pieces.
        orthogonal_gain: gain of orthogonal kernels; None for Glorot uniform.
        num_classes: number of classes, or None.
        synchronized: whether batch statistics are those of all replicas.
        width: the other families' name for `hidden`, which it replaces.

    Returns:
        `keras.Model`: latents (B, latent_dim)[, labels (B,)] to
        (B, *image_shape).

    Raises:
        ValueError: for arguments out of range.
    """
    image_shape = checks.any_shape(image_shape)
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
    x = _hidden_layers(
        x,
        hidden if width is None else width,
        layers,
        activation,
        batch_norm,
        maxout_pieces,
        orthogonal_gain,
        synchronized,
    )
    x = kl.Dense(
        math.prod(image_shape),
        kernel_initializer=_initializer(orthogonal_gain),
        dtype="float32",
        name="outputs",
    )(x)
    if len(image_shape) > 1:
        x = kl.Activation("tanh", dtype="float32", name="tanh")(x)
        x = kl.Reshape(image_shape, dtype="float32", name="images")(x)
    return keras.Model(inputs, x, name="mlp_generator")


def discriminator(
    image_shape=(2,),
    hidden=128,
    layers=2,
    activation="relu",
    batch_norm=False,
    maxout_pieces=None,
    orthogonal_gain=None,
    num_classes=None,
    synchronized=False,
    width=None,
    packing=1,
):
    """Dense layers from points or images to a logit.

    There is no spatial map in it: the last hidden layer, "hidden_N", is the
    natural place for features. With classes, the logit has a projection
    term (Miyato & Koyama 2018).

    The discriminator of PacGAN's 2-D experiments is
    `discriminator((2,), hidden=200, layers=3, maxout_pieces=5)`, with
    `packing=2` for their PacGAN2.

    Args:
        image_shape: shape of a sample, (2,) for points.
        hidden: units per hidden layer.
        layers: number of hidden layers.
        activation: `"relu"`, `"leaky_relu"` (slope 0.2) or `"tanh"`; not
            used with maxout.
        batch_norm: whether to normalise before each activation.
        maxout_pieces: use maxout layers of so many pieces.
        orthogonal_gain: gain of orthogonal kernels; None for Glorot uniform.
        num_classes: number of classes, or None.
        synchronized: whether batch statistics are those of all replicas.
        width: the other families' name for `hidden`, which it replaces.
        packing: samples that are judged together, 1 or more, see
            `layers.Pack`. The logit of a sample then depends on others of
            its batch, as with batch statistics.

    Returns:
        `keras.Model`: (B, *image_shape)[, labels (B,)] to logits (B, 1).

    Raises:
        ValueError: for arguments out of range.
    """
    image_shape = checks.any_shape(image_shape)
    images, labels, inputs = images_and_labels(image_shape, num_classes)
    x = packed(images, packing)
    if len(image_shape) > 1:
        x = kl.Flatten(name="flatten")(x)
    x = _hidden_layers(
        x,
        hidden if width is None else width,
        layers,
        activation,
        batch_norm,
        maxout_pieces,
        orthogonal_gain,
        synchronized,
    )
    outputs = logits(
        x,
        labels,
        num_classes,
        kernel_initializer=_initializer(orthogonal_gain),
    )
    return keras.Model(inputs, outputs, name="mlp_discriminator")


def _initializer(gain):
    if gain is None:
        return keras.initializers.GlorotUniform()
    return keras.initializers.Orthogonal(gain)


def _hidden_layers(
    x,
    hidden,
    layers,
    activation,
    batch_norm,
    maxout_pieces,
    orthogonal_gain,
    synchronized,
):
    checks.positive("hidden", hidden)
    checks.positive("layers", layers)
    checks.choice("activation", activation, checks.ACTIVATIONS)
    if maxout_pieces is not None:
        checks.positive("maxout_pieces", maxout_pieces)
    for i in range(1, layers + 1):
        initializer = _initializer(orthogonal_gain)
        last = f"hidden_{i}"
        if maxout_pieces is not None:
            name = f"maxout_{i}" if batch_norm else last
            x = Maxout(hidden, maxout_pieces, initializer, name=name)(x)
        else:
            x = kl.Dense(
                hidden,
                use_bias=not batch_norm,
                kernel_initializer=initializer,
                name=f"dense_{i}",
            )(x)
        if batch_norm:
            name = last if maxout_pieces is not None else f"norm_{i}"
            x = kl.BatchNormalization(
                momentum=0.9, synchronized=synchronized, name=name
            )(x)
        if maxout_pieces is None:
            x = _activation(activation, name=last)(x)
    return x


def _activation(activation, name):
    if activation == "leaky_relu":
        return kl.LeakyReLU(0.2, name=name)
    return kl.Activation(activation, name=name)
