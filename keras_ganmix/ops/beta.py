"""Beta variates without Gamma kernels, which XLA does not have."""

import functools
import math

import keras
import numpy as np

_TABLE_SIZE = 8192


def beta_from_uniform(u, alpha):
    """Turns uniforms into symmetric Beta variates by the inverse CDF.

    Near zero the CDF of Beta(alpha, alpha) is x^alpha times a smooth function,
    so x is a smooth function of t = F(x)^(1 / alpha). With
    `F(x) = x^a (1 - x)^a S(x) / (a B(a, a))`, where
    `S(x) = sum_n x^n prod_{k=1..n} (2a + k - 1) / (a + k)` has positive terms
    only, the ratio x / t is tabulated for x in [0, 1/2], where it hardly
    varies, and the other half follows by symmetry. Small values keep their
    relative accuracy, which a plain table of the quantiles would lose.

    Args:
        u: uniforms in [0, 1), any shape.
        alpha: Python float > 0, both parameters of the distribution. 1 gives
            the uniforms back.

    Returns:
        float32 tensor of the shape of `u`, in [0, 1], increasing in `u`.

    Raises:
        ValueError: if `alpha` is not a positive finite number.
    """
    alpha = float(alpha)
    if not (math.isfinite(alpha) and alpha > 0):
        raise ValueError(
            f"alpha: {alpha} is not allowed; use a finite number above 0 "
            "(1 is the uniform distribution)."
        )
    u = keras.ops.cast(u, "float32")
    if alpha == 1.0:
        return u
    t_half, ratios = _table(alpha)
    upper = u > 0.5
    tail = keras.ops.where(upper, 1.0 - u, u)
    power = keras.ops.power(2.0 * tail, np.float32(1.0 / alpha))
    position = power * (_TABLE_SIZE - 1)
    left = keras.ops.clip(
        keras.ops.cast(keras.ops.floor(position), "int32"), 0, _TABLE_SIZE - 2
    )
    fraction = position - keras.ops.cast(left, "float32")
    ratios = keras.ops.convert_to_tensor(ratios)
    low = keras.ops.take(ratios, left)
    high = keras.ops.take(ratios, left + 1)
    x = power * np.float32(t_half) * (low + fraction * (high - low))
    x = keras.ops.minimum(x, 0.5)
    return keras.ops.where(upper, 1.0 - x, x)


@functools.lru_cache(maxsize=64)
def _table(alpha):
    """Returns t(1/2) and x / t at equal steps of t from 0 to t(1/2)."""
    x = np.linspace(0.0, 0.5, 4 * _TABLE_SIZE + 1)
    total = np.ones_like(x)
    term = np.ones_like(x)
    k = 0
    while term[-1] > 1e-17 * total[-1]:
        k += 1
        term = term * x * (2 * alpha + k - 1) / (alpha + k)
        total += term
    scale = np.exp(np.log(total) / alpha) * (1.0 - x)
    t = x * scale
    steps = np.linspace(0.0, t[-1], _TABLE_SIZE)
    return float(t[-1]), np.interp(steps, t, 1.0 / scale).astype("float32")
