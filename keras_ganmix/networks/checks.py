"""What networks accept. Free of TensorFlow."""

import math

from keras_ganmix.utils.names import unknown

SIZES = (16, 28, 32, 48, 64, 96, 128, 256)
ACTIVATIONS = ("relu", "leaky_relu", "tanh")
NORMALIZATIONS = ("batch", "spectral", "none")


def positive(name, value):
    """Returns `value` if it is a positive integer, else raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name}: {value!r} is not a positive integer")
    return value


def choice(name, value, allowed):
    """Raises ValueError if `value` is neither None nor one of `allowed`."""
    if value is not None and value not in allowed:
        raise ValueError(unknown(name, value, allowed))


def any_shape(shape):
    """Returns `shape` as a tuple if all its dimensions are positive."""
    try:
        shape = tuple(shape)
    except TypeError:
        raise ValueError(
            f"image_shape: {shape!r} is not a list of integers; use (2,) "
            "for points or (size, size, channels) for images"
        ) from None
    if not shape:
        raise ValueError("image_shape: () is empty; use for example (2,)")
    for dimension in shape:
        positive("image_shape", dimension)
    return shape


def image_shape(shape, family):
    """Splits an image shape into size and channels.

    Args:
        shape: (size, size, channels).
        family: name for the error message.

    Returns:
        (size, channels).

    Raises:
        ValueError: not square, or not one of `SIZES`.
    """
    shape = any_shape(shape)
    if len(shape) != 3:
        raise ValueError(
            f"image_shape: {shape} has {len(shape)} dimensions; {family} "
            "needs (size, size, channels)"
        )
    height, width, channels = shape
    if height != width:
        raise ValueError(
            f"image_shape: {shape} is not square; {family} needs "
            "(size, size, channels): crop or pad the images"
        )
    if height not in SIZES:
        near = sorted(SIZES, key=lambda size: abs(math.log(size / height)))[:2]
        raise ValueError(
            f"image_shape: size {height} is not supported by {family}; the "
            f"nearest are {' and '.join(map(str, sorted(near)))}, all are "
            f"{', '.join(map(str, SIZES))}: resize the images"
        )
    return height, channels


def doublings(size):
    """Splits an image size into the first map's size and its doublings.

    Maps start at 4 x 4, or at 7 x 7 for 28 pixels and 6 x 6 for 48 and 96.

    Args:
        size: one of `SIZES`.

    Returns:
        (start, n) with `start * 2**n == size`.
    """
    start = {28: 7, 48: 6, 96: 6}.get(size, 4)
    return start, int(math.log2(size // start))


def wide_resnet(shape, num_classes, depth, width, orthogonal_head):
    """Raises ValueError for what no wide residual network can be."""
    shape = any_shape(shape)
    if len(shape) != 3 or min(shape[:2]) < 4:
        raise ValueError(
            f"image_shape: {shape}; a wide_resnet needs (height, width, "
            "channels) of at least 4 x 4 pixels"
        )
    positive("width", width)
    positive("num_classes", num_classes)
    positive("depth", depth)
    if depth < 10 or depth % 6 != 4:
        raise ValueError(
            f"depth: {depth} is not 6 n + 4; use for example 10, 16, 22, 28"
        )
    if num_classes < 2:
        raise ValueError("num_classes: 1; to classify takes at least 2")
    if orthogonal_head and num_classes > 64 * width:
        raise ValueError(
            f"width: {width} gives features of {64 * width} numbers, which "
            f"have no {num_classes} orthogonal axes; use at least "
            f"{-(-num_classes // 64)}"
        )
