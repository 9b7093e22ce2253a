"""Curves of losses in a few numbers. Needs no TensorFlow."""

import numpy as np


def describe(alphas, curve):
    """What a curve is like around 0.

    Args:
        alphas: `(n,)`, evenly spaced, 0 in the middle, n odd.
        curve: `(n,)` losses.

    Returns:
        Dictionary of numbers, NaN where the curve is not finite:

        - `at_zero`: the loss at 0.
        - `sharpness`: the second difference at 0 over the squared spacing, an
          estimate of the curvature there.
        - `rise`: the mean of both ends minus the loss at 0.
        - `range`: the largest minus the smallest loss.
        - `concavity`: the share of negative second differences in the sum of
          the absolute values of all; 0 for a convex curve, 1 for a concave
          one, 0.5 for a straight line with noise on it.
    """
    curve = np.asarray(curve, float)
    middle = len(curve) // 2
    with np.errstate(invalid="ignore", over="ignore"):
        bends = np.diff(curve, 2)
        total = np.abs(bends).sum()
        spacing = alphas[1] - alphas[0]
        concave = -bends[bends < 0].sum()
        return {
            "at_zero": float(curve[middle]),
            "sharpness": float(bends[middle - 1] / spacing**2),
            "rise": float((curve[0] + curve[-1]) / 2 - curve[middle]),
            "range": float(curve.max() - curve.min()),
            "concavity": float(concave / total) if total else np.nan,
        }


def summarize(alphas, curves):
    """Mean and standard deviation over directions of what curves are like.

    Args:
        alphas: as for `describe`.
        curves: `(directions, n)` losses.

    Returns:
        Dictionary from the names of `describe` to `(mean, spread)`; the
        spread of one direction is NaN.
    """
    return _over([describe(alphas, curve) for curve in curves])


def summarize_runs(alphas, runs):
    """The same for runs of one arm, which are what differs by chance.

    Args:
        alphas: as for `describe`.
        runs: for each run, `(directions, n)` losses.

    Returns:
        As `summarize` for one run. For several, mean and standard deviation
        of the means that each has over its directions.
    """
    found = [summarize(alphas, curves) for curves in runs]
    if len(found) == 1:
        return found[0]
    means = [{name: mean for name, (mean, _) in f.items()} for f in found]
    return _over(means)


def _over(found):
    """Mean and standard deviation of each number."""
    summary = {}
    for name in found[0]:
        values = np.array([f[name] for f in found])
        spread = values.std(ddof=1) if len(values) > 1 else np.nan
        summary[name] = (float(values.mean()), float(spread))
    return summary
