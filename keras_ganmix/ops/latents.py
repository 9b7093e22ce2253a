"""Latent vectors from random numbers, and paths between them."""

import math

import keras

# The step of float32 uniforms, doubled: keeps erfinv finite, |z| up to 5.2.
_EDGE = 2.0**-22


def truncated_normal_from_uniform(u, threshold):
    """Normals restricted to [-threshold, threshold], by the inverse CDF.

    With Phi the normal CDF, Phi(z) is uniform between Phi(-threshold) and
    Phi(threshold), so `z = sqrt(2) erfinv((2 u - 1) erf(threshold / sqrt(2)))`.
    No rejection: one uniform gives one variate. This is the truncation trick of
    Brock et al. 2019 (https://arxiv.org/abs/1809.11096) when used to generate.

    Args:
        u: uniforms in [0, 1), any shape.
        threshold: number > 0, or a scalar tensor, which is not checked.

    Returns:
        float32 tensor of the shape of `u`, in [-threshold, threshold].

    Raises:
        ValueError: if `threshold` is not a positive finite number.
    """
    u = keras.ops.cast(u, "float32")
    if keras.ops.is_tensor(threshold):
        # In double precision, to be that of the other branch to the last bit
        # that float32 has.
        wide = keras.ops.cast(threshold, "float64")
        limit = keras.ops.erf(wide / math.sqrt(2.0))
        limit = keras.ops.cast(limit, "float32")
        threshold = keras.ops.cast(threshold, "float32")
    else:
        threshold = float(threshold)
        if not (math.isfinite(threshold) and threshold > 0):
            raise ValueError(
                f"threshold: {threshold} is not allowed; use a finite number "
                "above 0."
            )
        limit = math.erf(threshold / math.sqrt(2.0))
    x = keras.ops.clip(limit * (2.0 * u - 1.0), _EDGE - 1.0, 1.0 - _EDGE)
    z = math.sqrt(2.0) * keras.ops.erfinv(x)
    return keras.ops.clip(z, -threshold, threshold)


def slerp(a, b, t):
    """Spherical interpolation along the last axis.

    The direction turns from that of `a` to that of `b` at a constant rate, on
    the great circle (Shoemake 1985; for latents White 2016,
    https://arxiv.org/abs/1609.04468), and the norm changes linearly. So normal
    latents keep their typical norm on the way, which a straight line does not.
    Between opposite vectors, where every half circle is the shortest way, it
    is the one towards the axis that is most nearly at right angles to `a`.

    Args:
        a: start, shape `(..., n)`.
        b: end, shape `(..., n)`.
        t: position in [0, 1], broadcastable to `(..., 1)`.

    Returns:
        float32 tensor of shape `(..., n)`; `a` at t = 0 and `b` at t = 1.
    """
    a, b, t = (keras.ops.cast(x, "float32") for x in (a, b, t))
    norm_a, norm_b = _norm(a), _norm(b)
    start, end = _divide(a, norm_a), _divide(b, norm_b)
    cosine = keras.ops.sum(start * end, axis=-1, keepdims=True)
    rest = end - cosine * start
    sine = _norm(rest)
    opposite = keras.ops.logical_and(sine < 1e-4, cosine < 0.0)
    side = keras.ops.where(opposite, _perpendicular(start), _divide(rest, sine))
    angle = keras.ops.arctan2(sine, cosine)
    turned = keras.ops.cos(t * angle) * start + keras.ops.sin(t * angle) * side
    return ((1.0 - t) * norm_a + t * norm_b) * turned


def _perpendicular(unit):
    """A unit vector at right angles to each, near the axis it has least of."""
    axis = keras.ops.argmin(keras.ops.abs(unit), axis=-1)
    axis = keras.ops.one_hot(axis, unit.shape[-1], dtype="float32")
    rest = axis - keras.ops.sum(axis * unit, axis=-1, keepdims=True) * unit
    return _divide(rest, _norm(rest))


def _norm(x):
    return keras.ops.sqrt(keras.ops.sum(x * x, axis=-1, keepdims=True))


def _divide(x, norm):
    return x / keras.ops.maximum(norm, 1e-12)
