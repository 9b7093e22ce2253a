"""What is refused before a GAN is trained, and why."""

import keras
import numpy as np
import tensorflow as tf

from keras_ganmix.ops.random import LATENT_DISTRIBUTIONS
from keras_ganmix.utils.models import is_functional, joins_samples
from keras_ganmix.utils.names import unknown

# Output activations that cannot reach all of [-1, 1].
_HALF_RANGE = ("sigmoid", "softmax", "relu", "relu6", "hard_sigmoid")


def check_arguments(
    discriminator_steps, accumulate, ema_momentum, latent_distribution
):
    """Refuses arguments of `GAN` outside their ranges."""
    for name, n in (
        ("discriminator_steps", discriminator_steps),
        ("accumulate", accumulate),
    ):
        if not isinstance(n, int) or isinstance(n, bool) or n < 1:
            raise ValueError(
                f"{name}: {n!r} is not allowed; give an integer of at least 1."
            )
    if ema_momentum is not None and not 0 <= ema_momentum < 1:
        raise ValueError(
            f"ema_momentum: {ema_momentum!r} is not allowed; give a number in "
            "[0, 1), or None for no average."
        )
    if latent_distribution not in LATENT_DISTRIBUTIONS:
        raise ValueError(
            unknown(
                "latent_distribution", latent_distribution, LATENT_DISTRIBUTIONS
            )
        )


def check_composition(regularizers):
    """Refuses regularizers that cannot run together."""
    names = [r.name for r in regularizers]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(
                f"regularizers: {names.count(name)} are named {name!r}. Names "
                "decide the random draws and the logs; give each its own with "
                "`name=`."
            )
    replacing = [r.name for r in regularizers if r.replaces_judging]
    if len(replacing) > 1:
        raise ValueError(
            f"regularizers: {' and '.join(replacing)} both replace how a batch "
            "is judged, so only one of them can be used. Let a SampleMixing "
            "add its term (apply='add') instead."
        )


def check_packing(discriminator, regularizers):
    """Refuses regularizers that a packed discriminator would misjudge."""
    if not joins_samples(discriminator):
        return
    for regularizer in regularizers:
        if not regularizer.fits_packing:
            raise ValueError(
                f"{regularizer.name} does not go with the discriminator "
                f"{discriminator.name!r}, which judges several samples at a "
                "time (packing): mixtures of different shares, or copies of "
                "one sample, would stand beside each other. Use packing=1."
            )


def check_owner(regularizer):
    """Refuses a regularizer that another GAN has had and has trained."""
    if getattr(regularizer, "_is_taken", False) and regularizer.variables:
        raise ValueError(
            f"{regularizer.name} is that of another GAN already, and so are "
            "its weights and averages. Make a new one for each GAN."
        )


def take_over(regularizers):
    """Makes regularizers those of a GAN."""
    for regularizer in regularizers:
        object.__setattr__(regularizer, "_is_taken", True)


def connect(gan):
    """Checks that generator and discriminator fit.

    Returns:
        The shape of one image.
    """
    generator, discriminator = gan.generator, gan.discriminator
    for model in (generator, discriminator):
        inputs = getattr(model, "inputs", None)
        if inputs is not None and (len(inputs) > 1) != gan.has_labels:
            has = "takes labels" if len(inputs) > 1 else "takes no labels"
            raise ValueError(
                f"The model {model.name!r} {has}, but num_classes is "
                f"{gan.num_classes}. Give `num_classes=` if and only if both "
                "models take labels as a second input."
            )
    images = generator(example_inputs(gan))
    shape = tuple(images.shape[1:])
    _check_losses(generator)
    expected = getattr(discriminator, "input_shape", None)
    if gan.has_labels and expected:
        expected = expected[0]
    if expected is not None:
        fits = len(expected[1:]) == len(shape) and all(
            e in (None, s) for e, s in zip(expected[1:], shape, strict=True)
        )
        if not fits:
            raise ValueError(
                f"The generator {generator.name!r} makes images of shape "
                f"{shape}, but the discriminator {discriminator.name!r} takes "
                f"{tuple(expected[1:])}."
            )
    else:
        labels = tf.zeros((1,), tf.int32)
        logits = discriminator([images, labels] if gan.has_labels else images)
        if tuple(logits.shape) != (1, 1):
            raise ValueError(
                f"The discriminator {discriminator.name!r} must give one logit "
                f"per sample, shape (1, 1) for one image, but gives "
                f"{tuple(logits.shape)}."
            )
    _check_losses(discriminator)
    return shape


def _check_losses(model):
    """Refuses losses that layers bring, which no term of the GAN contains."""
    active = any(
        getattr(layer, "activity_regularizer", None) is not None
        for layer in model._flatten_layers()
    )
    if active or model.losses:
        raise ValueError(
            f"The model {model.name!r} has losses of its own layers "
            "(kernel_regularizer, activity_regularizer or add_loss), which are "
            "not trained here. Remove them; use AdamW for weight decay, and a "
            "regularizer of keras_ganmix for other terms."
        )


def example_inputs(gan):
    """Inputs of the generator for one image: zeros."""
    latents = tf.zeros((1, gan.latent_dim))
    labels = tf.zeros((1,), tf.int32)
    return [latents, labels] if gan.has_labels else latents


def example_images(gan):
    """Inputs of the discriminator for one image: zeros, and its label."""
    labels = tf.zeros((1,), tf.int32) if gan.has_labels else None
    return tf.zeros((1, *gan.image_shape)), labels


def check_data(gan, x, y=None, batch_size=32):
    """Refuses training data that do not fit the GAN.

    Looks at the element spec of a `tf.data.Dataset` and at its first batch,
    or at the arrays, of which batches of `batch_size` are made. Other kinds of
    data are left to Keras.
    """
    if isinstance(x, tf.data.Dataset):
        first = next(iter(x.take(1)), None)
        if first is None:
            raise ValueError("The data set is empty; give at least one batch.")
        images, labels, _ = keras.utils.unpack_x_y_sample_weight(first)
        if isinstance(images, dict):
            images = images["images"]
        size = tf.nest.flatten(x.element_spec)[0].shape[0]
        _check_shares(gan, "Batches", size)
    elif isinstance(x, (np.ndarray, tf.Tensor)):
        # A whole batch, or all there is, and what is left for the last one.
        for size in (min(batch_size, len(x)), len(x) % batch_size):
            _check_shares(gan, "Batches", size)
        images, labels = x[:64], y
    else:
        return
    images = np.asarray(images)
    if images.shape[1:] != gan.image_shape:
        raise ValueError(
            f"The data have images of shape {images.shape[1:]}, but the "
            f"generator makes {gan.image_shape}."
        )
    if images.dtype.kind != "f":
        raise ValueError(
            f"The data have images of type {images.dtype}; give floats in "
            "[-1, 1], for example `x / 127.5 - 1`."
        )
    if not np.isfinite(images).all():
        raise ValueError("The data have NaN or infinite values in images.")
    if len(gan.image_shape) == 3:
        _check_range(gan.generator, images)
    if gan.has_labels:
        if labels is None:
            raise ValueError(
                "The GAN is class-conditional, but the data have no labels. "
                "Give batches (images, labels)."
            )
        labels = np.asarray(labels)
        if labels.shape[1:] not in ((), (1,)) or labels.dtype.kind not in "iu":
            raise ValueError(
                f"The data have labels of type {labels.dtype} and shape "
                f"{('batch', *labels.shape[1:])}; give one integer for each "
                "image."
            )
        if labels.min() < 0 or labels.max() >= gan.num_classes:
            raise ValueError(
                f"The data have labels {labels.min()}..{labels.max()}; with "
                f"num_classes={gan.num_classes} they must lie within "
                f"0..{gan.num_classes - 1}."
            )


def _check_shares(gan, what, size):
    """Refuses data that replicas cannot share evenly.

    A replica with fewer samples than others would count as much as they, and
    one with none would make all weights NaN.
    """
    replicas = gan.distribute_strategy.num_replicas_in_sync
    if replicas == 1:
        return
    if size is None:
        raise ValueError(
            f"The data do not tell the size of their batches, and {replicas} "
            "replicas cannot share a smaller last one; use "
            "`batch(size, drop_remainder=True)`."
        )
    parts = replicas * gan.discriminator_steps * gan.accumulate
    if size % parts:
        raise ValueError(
            f"{what} of {size} samples cannot be shared by {replicas} "
            f"replicas with discriminator_steps={gan.discriminator_steps} and "
            f"accumulate={gan.accumulate}; use a multiple of {parts}."
        )


def _check_range(generator, images):
    low, high = float(images.min()), float(images.max())
    if low < -1.001 or high > 1.001:
        raise ValueError(
            f"The data have pixels from {low:g} to {high:g}; give floats in "
            "[-1, 1], for example `x / 127.5 - 1` of bytes."
        )
    if is_functional(generator):
        last = generator.outputs[0]._keras_history.operation
        activation = getattr(last, "activation", None)
        name = getattr(activation, "__name__", None) or last.name
        if low < 0 and name in _HALF_RANGE:
            raise ValueError(
                f"The generator's last layer {last.name!r} has the activation "
                f"{name!r}, whose values are not below 0, but the data reach "
                f"down to {low:g}. Use 'tanh'."
            )
