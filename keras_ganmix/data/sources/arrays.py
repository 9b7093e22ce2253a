"""Arrays in memory: pictures or points with their labels."""

import numpy as np

from keras_ganmix.data.records import ArrayRecords, PointRecords


def open_arrays(name, images, labels=None):
    """Checks arrays and wraps them as records.

    Args:
        name: for messages.
        images: uint8 (N, h, w) or (N, h, w, c) in [0, 255]; float of the same
            shapes in [-1, 1]; or float points (N, d), used as they are.
        labels: integers (N,) or (N, 1), or None.

    Raises:
        ValueError: on any other shape, type or range, on NaN or infinity.
    """
    images = _plain(f"{name}: images", images)
    if images.ndim == 4 and images.shape[-1] not in (1, 3):
        hint = (
            "; the channels come last: np.moveaxis(images, 1, -1)"
            if images.shape[1] in (1, 3)
            else "; drop or composite an alpha channel"
            if images.shape[-1] == 4
            else ""
        )
        raise ValueError(
            f"source: {name}: images have {images.shape[-1]} channels, 1 and 3 "
            f"are allowed{hint}."
        )
    if images.ndim not in (2, 3, 4) or 0 in images.shape:
        raise ValueError(
            f"source: {name}: images have the shape {images.shape}; expected "
            "(N, height, width), (N, height, width, channels) or points (N, d)."
        )
    images = _check_values(name, images)
    labels = _check_labels(name, labels, len(images))
    if images.ndim == 2:
        return PointRecords(name, images, labels)
    if images.ndim == 3:
        images = images[..., None]
    return ArrayRecords(name, images, labels)


def _plain(what, array):
    array = np.asarray(array)
    if array.dtype.hasobject:
        raise ValueError(
            f"source: {what} do not form one array; stack pictures of one size."
        )
    return array


def _check_values(name, images):
    points = images.ndim == 2
    if images.dtype == np.uint8 and not points:
        return images
    if images.dtype.kind in "iub" and not points:
        raise ValueError(
            f"source: {name}: images are {images.dtype}; convert them to uint8 "
            "in [0, 255] or to floats in [-1, 1]."
        )
    if images.dtype.kind not in "fiu":
        raise ValueError(
            f"source: {name}: values are {images.dtype}; expected numbers."
        )
    with np.errstate(over="ignore"):
        images = images.astype(np.float32, copy=False)
    if not np.isfinite(images).all():
        bad = ~np.isfinite(images.reshape(len(images), -1)).all(axis=1)
        raise ValueError(
            f"source: {name}: {bad.sum()} of {len(images)} entries hold NaN or "
            f"infinity, the first is entry {bad.argmax()}; remove them."
        )
    if points:
        return images
    low, high = float(images.min()), float(images.max())
    if low >= 0 and 0 < high <= 1:
        raise ValueError(
            f"source: {name}: float values lie in [{low:.4g}, {high:.4g}]; "
            "[-1, 1] is expected: use images * 2 - 1."
        )
    if low < -1 or high > 1:
        hint = (
            "use images.astype('uint8')"
            if low >= 0 and high <= 255
            else "scale them to [-1, 1]"
        )
        raise ValueError(
            f"source: {name}: float values lie in [{low:.4g}, {high:.4g}], "
            f"[-1, 1] is expected; {hint}."
        )
    return images


def _check_labels(name, labels, count):
    if labels is None:
        return None
    labels = _plain(f"{name}: labels", labels)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.shape != (count,):
        raise ValueError(
            f"source: {name}: labels have the shape {labels.shape} for {count} "
            f"pictures; expected ({count},), class numbers and not one-hot."
        )
    if labels.dtype.kind not in "iu" or (labels < 0).any():
        raise ValueError(
            f"source: {name}: labels must be integers from 0, got "
            f"{labels.dtype}, smallest {labels.min()}."
        )
    if labels.max() >= 2**31:
        raise ValueError(f"source: {name}: a label is {labels.max()}.")
    return labels
