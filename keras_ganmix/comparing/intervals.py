"""Means over seeds, and differences with their confidence intervals."""

import math
import typing

import numpy as np

LEVEL = 0.95


class Summary(typing.NamedTuple):
    """Mean, standard deviation over seeds (`None` for one), and count."""

    mean: float
    spread: float | None
    count: int


class Difference(typing.NamedTuple):
    """Mean difference over pairs.

    The interval is `None` for one pair, and where all differences are equal but
    not zero: they then show no spread to make it of.
    """

    mean: float
    interval: tuple | None
    count: int

    @property
    def sign(self):
        """-1 or 1 where the interval excludes 0, otherwise 0."""
        if self.interval is None:
            return 0
        low, high = self.interval
        return (low > 0) - (high < 0)


def summarize(values):
    """`Summary` of numbers, at least one."""
    values = np.asarray(values, np.float64)
    spread = float(values.std(ddof=1)) if len(values) > 1 else None
    return Summary(float(values.mean()), spread, len(values))


def difference(values, baseline):
    """Paired difference, with Student's t interval of its mean.

    The interval takes the differences for draws from a normal distribution,
    which no few seeds can show; with two or three it is wide, as it should be.

    Args:
        values, baseline: dicts from seed to number.

    Returns:
        `Difference` over the seeds that both have, or `None` without any.
    """
    seeds = sorted(values.keys() & baseline.keys())
    if not seeds:
        return None
    found = np.array([values[s] - baseline[s] for s in seeds], np.float64)
    mean, error, count = float(found.mean()), standard_error(found), len(found)
    if error is None or (mean and not error):
        return Difference(mean, None, count)
    half = t_quantile(count - 1) * error
    return Difference(mean, (mean - half, mean + half), count)


def standard_error(differences):
    """Of the mean of an array; 0 where all are equal but for rounding.

    Those show no spread to measure a difference by.

    Returns:
        Number, or `None` with fewer than two.
    """
    if len(differences) < 2:
        return None
    error = float(differences.std(ddof=1)) / math.sqrt(len(differences))
    return 0.0 if error <= 1e-12 * abs(float(differences.mean())) else error


def t_quantile(degrees, level=LEVEL):
    """The t with P(|T| < t) = level, for Student's distribution.

    Args:
        degrees: of freedom, an integer of at least 1.
        level: in (0, 1).
    """
    # With t = sqrt(degrees) tan(a) the density is that of cos(a)^(degrees-1).
    angles = np.linspace(0, math.pi / 2, 200_001)
    heights = np.cos(angles) ** (degrees - 1)
    areas = np.concatenate([[0.0], np.cumsum(heights[1:] + heights[:-1])])
    angle = np.interp(level * areas[-1], areas, angles)
    return math.sqrt(degrees) * math.tan(angle)
