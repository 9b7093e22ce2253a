"""Latent vectors from random numbers."""

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
        threshold: Python float > 0.

    Returns:
        float32 tensor of the shape of `u`, in [-threshold, threshold].

    Raises:
        ValueError: if `threshold` is not a positive finite number.
    """
    threshold = float(threshold)
    if not (math.isfinite(threshold) and threshold > 0):
        raise ValueError(
            f"threshold: {threshold} is not allowed; use a finite number "
            "above 0."
        )
    u = keras.ops.cast(u, "float32")
    limit = math.erf(threshold / math.sqrt(2.0))
    x = keras.ops.clip(limit * (2.0 * u - 1.0), _EDGE - 1.0, 1.0 - _EDGE)
    z = math.sqrt(2.0) * keras.ops.erfinv(x)
    return keras.ops.clip(z, -threshold, threshold)
