"""Masks that mix two images, and the mixing itself.

One convention everywhere: `mixed = M * a + (1 - M) * b`, M float32 in [0, 1] of
shape (batch, height, width, 1), and the mixing ratio is the mean of the final
mask, the share of a. Masks are outer products of one vector per axis, so they
cost little more than writing them.
"""

import functools
import math

import keras
import numpy as np
from keras import ops


def mixup_mask(lam, height, width):
    """Constant mask of Mixup, Zhang et al. 2018.

    M = lam everywhere (https://arxiv.org/abs/1710.09412).

    Args:
        lam: share of a in [0, 1], shape (batch,).
        height: static height of the images.
        width: static width of the images.

    Returns:
        float32 mask of shape (batch, height, width, 1).
    """
    lam = ops.reshape(ops.cast(lam, "float32"), (-1, 1, 1, 1))
    return ops.broadcast_to(lam, (ops.shape(lam)[0], height, width, 1))


def cutmix_mask(lam, centre_y, centre_x, height, width, swap=None):
    """Box mask of CutMix, Yun et al. 2019.

    A box with sides sqrt(1 - lam) of the image's around a uniform centre is
    clipped to the image; M is 0 inside and 1 outside
    (https://arxiv.org/abs/1905.04899). Sides are whole pixels, rounded down;
    unlike the released code, odd sides keep their last pixel. Clipping makes
    the box smaller: use `mask_mean(mask)`, not `lam`.

    Args:
        lam: nominal share of a in [0, 1], shape (batch,).
        centre_y: uniforms in [0, 1), shape (batch,), the centre's row.
        centre_x: uniforms in [0, 1), shape (batch,), the centre's column.
        height: static height of the images.
        width: static width of the images.
        swap: optional uniforms in [0, 1), shape (batch,): where below 1/2 the
            roles of a and b are exchanged (M becomes 1 - M), which makes the
            law of the ratio symmetric.

    Returns:
        float32 mask of shape (batch, height, width, 1), of zeros and ones.
    """
    rows, columns = _box(lam, centre_y, centre_x, height, width)
    return _outside(rows, columns, swap)


def srmix_mask(lam, centre_y, centre_x, height, width, sigma=0.1, swap=None):
    """Smoothed regional mask: CutMix's box with soft borders.

    Our reading of SRMix (Takamoto & Morishita 2021,
    https://arxiv.org/abs/2104.03535, whose exact mask is not public): the box
    of `cutmix_mask` is smoothed by a Gaussian of `sigma * height` pixels with
    reflecting borders, which keeps the mean. sigma 0 is CutMix, infinity is a
    constant mask with the clipped box's mean. A standard deviation below one
    pixel is taken as 0, since the smoothing would ring.

    Note: patents on position-dependent mixing of real and generated images
    exist (US20220366228A1, WO2021220343A1).

    Args:
        lam: nominal share of a in [0, 1], shape (batch,).
        centre_y: uniforms in [0, 1), shape (batch,), the centre's row.
        centre_x: uniforms in [0, 1), shape (batch,), the centre's column.
        height: static height of the images.
        width: static width of the images.
        sigma: Python float >= 0, standard deviation as a share of the height.
        swap: as in `cutmix_mask`.

    Returns:
        float32 mask of shape (batch, height, width, 1), in [0, 1].

    Raises:
        ValueError: if `sigma` is negative or not a number.
    """
    if not sigma >= 0:
        raise ValueError(
            f"sigma: {sigma} is not allowed; use a number of at least 0 "
            "(0 is CutMix)."
        )
    rows, columns = _box(lam, centre_y, centre_x, height, width)
    pixels = sigma * height
    if pixels >= 1.0:
        rows = ops.matmul(rows, smoothing_matrix(height, pixels))
        columns = ops.matmul(columns, smoothing_matrix(width, pixels))
        # The tails of the Gaussian that a grid cannot hold ring by 2e-4.
        rows = ops.clip(rows, 0.0, 1.0)
        columns = ops.clip(columns, 0.0, 1.0)
    return _outside(rows, columns, swap)


@functools.lru_cache(maxsize=64)
def smoothing_matrix(size, sigma):
    """Gaussian smoothing of a vector with reflecting borders, as a matrix.

    S = C^T diag(exp(-(sigma pi k / n)^2 / 2)) C with C the orthonormal DCT-II,
    whose basis is even about the borders. S is symmetric and keeps the mean.

    Args:
        size: length n of the vectors.
        sigma: standard deviation in pixels; may be infinite.

    Returns:
        numpy float32 array of shape (size, size), read-only.
    """
    k = np.arange(size)[:, None]
    basis = np.cos(math.pi * k * (np.arange(size) + 0.5) / size)
    basis *= np.sqrt(np.where(k == 0, 1.0, 2.0) / size)
    gain = np.ones(size)
    gain[1:] = np.exp(-((sigma * math.pi * np.arange(1, size) / size) ** 2) / 2)
    matrix = ((basis.T * gain) @ basis).astype("float32")
    matrix.setflags(write=False)
    return matrix


def mix(a, b, mask):
    """Returns M a + (1 - M) b, computed in float32, in the dtype of `a`.

    Args:
        a: images, shape (batch, ...).
        b: images, shape of `a`.
        mask: M, broadcastable to the images.
    """
    dtype = keras.backend.standardize_dtype(ops.convert_to_tensor(a).dtype)
    mask = ops.cast(mask, "float32")
    mixed = mask * ops.cast(a, "float32") + (1.0 - mask) * ops.cast(
        b, "float32"
    )
    return ops.cast(mixed, dtype)


def mask_mean(mask):
    """Returns the mean of each mask, the share of a: shape (batch,)."""
    mask = ops.cast(mask, "float32")
    return ops.mean(mask, axis=list(range(1, len(mask.shape))))


def _box(lam, centre_y, centre_x, height, width):
    """Returns the box as indicators per axis, (batch, height or width)."""
    side = ops.sqrt(1.0 - ops.clip(ops.cast(lam, "float32"), 0.0, 1.0))
    return (
        _interval(side, centre_y, height),
        _interval(side, centre_x, width),
    )


def _interval(side, centre, size):
    length = ops.floor(side * size)
    start = ops.floor(ops.cast(centre, "float32") * size) - ops.floor(
        length / 2
    )
    start, length = start[:, None], length[:, None]
    position = ops.arange(size, dtype="float32")[None]
    inside = ops.logical_and(position >= start, position < start + length)
    return ops.cast(inside, "float32")


def _outside(rows, columns, swap):
    """Returns 1 - rows columns^T, or rows columns^T where roles are swapped."""
    if swap is None:
        return 1.0 - rows[:, :, None, None] * columns[:, None, :, None]
    swapped = ops.cast(ops.cast(swap, "float32") < 0.5, "float32")[:, None]
    rows = (2.0 * swapped - 1.0) * rows
    box = rows[:, :, None, None] * columns[:, None, :, None]
    return (1.0 - swapped)[:, :, None, None] + box
