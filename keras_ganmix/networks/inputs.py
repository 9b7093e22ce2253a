"""Inputs of the networks."""

import keras

from keras_ganmix.networks import checks


def latents_and_labels(latent_dim, num_classes):
    """Symbolic inputs of a generator.

    Args:
        latent_dim: size of a latent vector.
        num_classes: number of classes, or None.

    Returns:
        (latents, labels, inputs): tensors (B, latent_dim) and (B,), labels
        None without classes, and what to give `keras.Model` as inputs.
    """
    checks.positive("latent_dim", latent_dim)
    latents = keras.Input((latent_dim,), name="latents")
    return _with_labels(latents, num_classes)


def images_and_labels(image_shape, num_classes):
    """Symbolic inputs of a discriminator.

    Args:
        image_shape: without the batch.
        num_classes: number of classes, or None.

    Returns:
        (images, labels, inputs), as `latents_and_labels`.
    """
    images = keras.Input(tuple(image_shape), name="images")
    return _with_labels(images, num_classes)


def _with_labels(tensor, num_classes):
    if num_classes is None:
        return tensor, None, tensor
    checks.positive("num_classes", num_classes)
    labels = keras.Input((), dtype="int32", name="labels")
    return tensor, labels, [tensor, labels]
