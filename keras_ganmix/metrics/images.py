"""What the metrics take for an image."""

import numpy as np

_RANGES = ((-1.0, 1.0), (0.0, 1.0), (0.0, 255.0))
_SUSPICIOUS_COUNT = 8


def check_images(images, name="images", shape=None, value_range=None):
    """Returns images as float32 in [-1, 1], or says what is wrong with them.

    uint8 means 0 to 255. Floats mean [-1, 1], as everywhere in this package,
    unless `value_range` says otherwise; what does not fit is refused, not
    guessed: values outside of the range, and batches of eight images or more
    in [0, 1] without a negative value, which are far more likely to be images
    in the range [0, 1]. Passing `value_range=(-1, 1)` allows those.

    Args:
        images: array (N, H, W, C) of uint8 or floats.
        name: the argument's name, for messages.
        shape: (H, W, C) that the images must have, `None` for any.
        value_range: `(-1, 1)`, `(0, 1)` or `(0, 255)` for floats. uint8
            images need none.

    Returns:
        float32 array (N, H, W, C) in [-1, 1].

    Raises:
        ValueError: another rank, shape, dtype or range, NaN or infinity.
    """
    images = np.asarray(images)
    if images.ndim != 4:
        raise ValueError(
            f"{name}: expected the shape (N, H, W, C), got {images.shape}."
        )
    if shape is not None and images.shape[1:] != tuple(shape):
        raise ValueError(
            f"{name}: images of shape {images.shape[1:]} do not match "
            f"{tuple(shape)}; resize one side."
        )
    if images.dtype == np.uint8:
        return images.astype(np.float32) / np.float32(127.5) - np.float32(1)
    if images.dtype.kind != "f" and images.dtype.name != "bfloat16":
        raise ValueError(
            f"{name}: dtype {images.dtype} is not an image's; use uint8 "
            "(0 to 255) or float (-1 to 1)."
        )
    images = images.astype(np.float32)
    if not images.size:
        return images
    low, high = float(images.min()), float(images.max())
    if not np.isfinite(low + high):
        bad = int((~np.isfinite(images).all(axis=(1, 2, 3))).sum())
        raise ValueError(
            f"{name}: {bad} of {len(images)} images hold NaN or infinity "
            "(a diverged generator?)."
        )
    if value_range is not None and tuple(value_range) not in _RANGES:
        raise ValueError(
            f"value_range: {value_range} is not one of "
            f"{', '.join(str(r) for r in _RANGES)}."
        )
    start, stop = value_range or (-1.0, 1.0)
    slack = 1e-3 * (stop - start)
    if low < start - slack or high > stop + slack:
        raise ValueError(
            f"{name}: float images reach from {low:.4g} to {high:.4g}, but "
            f"[{start:g}, {stop:g}] is expected; rescale them, cast 0 to 255 "
            "to uint8, or name their value_range."
        )
    if value_range is None and low >= 0 and len(images) >= _SUSPICIOUS_COUNT:
        raise ValueError(
            f"{name}: float images without any negative value ({low:.4g} to "
            f"{high:.4g}) look like the range [0, 1], but [-1, 1] is "
            "expected; rescale them, or pass value_range=(0, 1) or "
            "value_range=(-1, 1) to say which it is."
        )
    scale = np.float32(2.0 / (stop - start))
    return np.clip((images - np.float32(start)) * scale - 1, -1.0, 1.0)


def quantise(images, shape=None, value_range=None):
    """Rounds images to uint8, as if they had been written to files.

    Args:
        images: array (N, H, W, C); see `check_images`. Floats are taken to be
            in [-1, 1] even where none is negative, unless `value_range` says
            otherwise.
        shape: (H, W, C) that they must have.

    Returns:
        uint8 array (N, H, W, C).
    """
    images = np.asarray(images)
    checked = check_images(images, "images", shape, value_range or (-1, 1))
    if images.dtype == np.uint8:
        return images
    return np.rint((checked + 1.0) * 127.5).astype(np.uint8)
