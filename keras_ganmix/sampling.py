"""Pictures from a generator, decided by a seed."""

import numpy as np
import tensorflow as tf

from keras_ganmix.ops.latents import slerp
from keras_ganmix.ops.random import Draws


def sample(gan, n, labels=None, seed=None, truncation=None, batch_size=64):
    """Samples of a GAN; see `GAN.generate`."""
    batches = sample_batches(gan, n, labels, seed, truncation, batch_size)
    return np.concatenate([images for images, _ in batches])


def sample_batches(
    gan, n, labels=None, seed=None, truncation=None, batch_size=64
):
    """The samples of `GAN.generate`, a batch at a time.

    Returns:
        Iterator of `(images, labels)`; labels are `None` without classes.

    Raises:
        ValueError: if an argument is out of its range, at once.
    """
    if not isinstance(n, (int, np.integer)) or isinstance(n, bool) or n < 1:
        raise ValueError(
            f"n: {n!r} is not allowed; give an integer of at least 1."
        )
    if truncation is not None and not truncation > 0:
        raise ValueError(
            f"truncation: {truncation!r} is not allowed; give a number above "
            "0, in standard deviations, or None."
        )
    labels = _labels(gan, n, labels)
    if seed is None:
        seed = int(np.random.default_rng().integers(2**31))
    latents = latents_of_seed(gan, n, seed, truncation)

    def batches():
        for i in range(0, n, batch_size):
            batch, own = latents[i : i + batch_size], None
            inputs = batch
            if labels is not None:
                own = labels[i : i + batch_size]
                inputs = [batch, tf.constant(own)]
            yield gan.sample_function(inputs).numpy(), own

    return batches()


def latents_of_seed(gan, n, seed, truncation=None):
    """The latents that a seed stands for; the first k do not depend on n.

    Args:
        gan: the `GAN`.
        n: number of latents, an integer or a scalar tensor.
        seed: integer, or scalar integer tensor.
        truncation: where to cut them, in standard deviations, or `None`.

    Returns:
        float32 `(n, latent_dim)`.
    """
    return (
        Draws(seed, 0)
        .scope("generate")
        .latents(
            "latents", (n, gan.latent_dim), gan.latent_distribution, truncation
        )
    )


def latents_between(gan, start, end, t):
    """Latents on the way between two, along the sphere.

    Args:
        gan: the `GAN`.
        start: float32 `(latent_dim,)`.
        end: float32 `(latent_dim,)`.
        t: float32 `(n, 1)`, 0 at the start and 1 at the end.

    Returns:
        float32 `(n, latent_dim)`; what leaves the range of uniform latents is
        brought back to it.
    """
    latents = slerp(start, end, t)
    if gan.latent_distribution == "uniform":
        latents = tf.clip_by_value(latents, -1.0, 1.0)
    return latents


def _labels(gan, n, labels):
    if not gan.has_labels:
        if labels is not None:
            raise ValueError(
                "labels: this GAN is not class-conditional; leave them."
            )
        return None
    if labels is None:
        labels = np.arange(n) % gan.num_classes
    labels = np.asarray(labels)
    if labels.ndim == 0:
        labels = np.full(n, labels)
    if labels.shape != (n,) or labels.dtype.kind not in "iu":
        raise ValueError(
            f"labels: give one integer or {n} of them; got {labels.dtype} of "
            f"shape {labels.shape}."
        )
    if labels.min() < 0 or labels.max() >= gan.num_classes:
        raise ValueError(
            f"labels: {labels.min()}..{labels.max()} is not within "
            f"0..{gan.num_classes - 1}."
        )
    return labels.astype("int32")
