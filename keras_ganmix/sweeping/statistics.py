"""Student's paired t test, and Holm's correction for several of them."""

import math

import numpy as np

from keras_ganmix.comparing.intervals import standard_error


def paired_p(differences):
    """Two-sided p value of Student's t test of a mean difference of zero.

    Signs flipped at random would need no normal distribution, but five pairs
    have only 32 of them, so that no p would be below 1/16.

    Args:
        differences: numbers, one for each pair.

    Returns:
        Number in [0, 1]; `None` with fewer than two pairs, and where all
        differences are equal but not zero: they then show no spread to
        measure them by.
    """
    found = np.asarray(differences, np.float64)
    error = standard_error(found)
    if error is None:
        return None
    mean = float(found.mean())
    if not error:
        return 1.0 if mean == 0 else None
    return t_tails(mean / error, len(found) - 1)


def t_tails(t, degrees):
    """P(|T| >= |t|) for Student's distribution.

    Args:
        t: a number.
        degrees: of freedom, an integer of at least 1.
    """
    # With t = sqrt(degrees) tan(a) the density is that of cos(a)^(degrees-1).
    angle = math.atan(abs(t) / math.sqrt(degrees))

    def area(begin):
        angles = np.linspace(begin, math.pi / 2, 20_001)
        heights = np.cos(angles) ** (degrees - 1)
        step = angles[1] - angles[0]
        return step * float(heights.sum() - (heights[0] + heights[-1]) / 2)

    return min(1.0, area(angle) / area(0.0))


def holm(values):
    """Holm's step-down correction.

    Args:
        values: p values, or `None` for tests that could not be made; these
            count as tests all the same.

    Returns:
        List of corrected values in the same order, `None` for `None`.
    """
    count, largest = len(values), 0.0
    made = [i for i, p in enumerate(values) if p is not None]
    corrected = [None] * count
    for rank, i in enumerate(sorted(made, key=lambda i: values[i])):
        largest = max(largest, min(1.0, (count - rank) * values[i]))
        corrected[i] = largest
    return corrected
