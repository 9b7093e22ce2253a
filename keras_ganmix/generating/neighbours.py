"""The training images that generated ones are nearest to."""

import numpy as np

from keras_ganmix.metrics.extractors import default_extractor, get_extractor
from keras_ganmix.metrics.images import check_images, quantise

#: Training images beside each picture.
COUNT = 3

_BLOCK = 256
_LINE = 2


def nearest_images(images, source, extractor="auto", count=COUNT):
    """Finds the nearest training images of each image.

    Args:
        images: uint8 (N, H, W, C).
        source: `data.Source` of the training images.
        extractor: whose features are compared: a name, a `.keras` file,
            `"auto"` for that of grey or colour images, or `"pixels"`.
        count: how many for each.

    Returns:
        `(indices, distances, images)`, the nearest first: int64 (N, count),
        float64 (N, count), uint8 (N, count, H, W, C).
    """
    count = min(count, len(source))
    represent = _representation(extractor, images.shape[1:])
    ours = represent(check_images(images, "images"))
    theirs = represent(
        check_images(source.images, "training images", images.shape[1:])
    )
    squares = (theirs**2).sum(axis=1)
    indices = np.empty((len(ours), count), np.int64)
    distances = np.empty((len(ours), count))
    for i in range(0, len(ours), _BLOCK):
        block = ours[i : i + _BLOCK]
        found = squares - 2 * block @ theirs.T  # less |block|^2
        found = np.argsort(found, axis=1, kind="stable")[:, :count]
        indices[i : i + _BLOCK] = found
        difference = block[:, None] - theirs[found]
        distances[i : i + _BLOCK] = np.linalg.norm(difference, axis=2)
    nearest = quantise(source.take(indices.ravel()))
    return (
        indices,
        distances,
        nearest.reshape(*indices.shape, *images.shape[1:]),
    )


def _representation(extractor, image_shape):
    if extractor == "pixels":
        return lambda images: images.reshape(len(images), -1)
    if extractor == "auto":
        extractor = default_extractor(image_shape)
    network = get_extractor(extractor)
    return lambda images: np.asarray(network(images, value_range=(-1, 1)))


def beside(images, nearest):
    """Each image, a white line, its nearest: uint8 (N, H, W', C)."""
    line = np.full((*images.shape[:2], _LINE, images.shape[3]), 255, np.uint8)
    rows = np.concatenate(list(np.moveaxis(nearest, 1, 0)), axis=2)
    return np.concatenate([images, line, rows], axis=2)
