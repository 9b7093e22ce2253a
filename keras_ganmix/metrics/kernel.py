"""Kernel distance between two sets of features.

References:
    - Binkowski et al., "Demystifying MMD GANs", ICLR 2018 (section 4),
      https://arxiv.org/abs/1801.01401
    - Gretton et al., "A Kernel Two-Sample Test", JMLR 2012 (the unbiased
      estimate, lemma 6), https://jmlr.org/papers/v13/gretton12a.html
"""

import typing

import numpy as np

from keras_ganmix.metrics.checks import check_count, check_features

_ENTRIES = 2**22
_SLICE = 64


class KernelDistance(typing.NamedTuple):
    """Mean over subsets and its standard error (may be below 0: unbiased)."""

    mean: float
    standard_error: float


def kernel_distance(
    features1,
    features2,
    subsets=100,
    subset_size=1000,
    seed=0,
    degree=3,
    gamma=None,
    coef=1.0,
):
    """Unbiased squared maximum mean discrepancy (KID with Inception features).

    The kernel is the polynomial (gamma x.y + coef)^degree. The estimate is
    averaged over subsets that are drawn without replacement from both sides;
    the standard error is the spread over subsets divided by the root of their
    number. Subsets overlap, so that it says how much the drawing of subsets
    moved the mean, not how much other samples would.

    Args:
        features1, features2: arrays (N, D) and (M, D), two rows at least.
        subsets: number of subsets, at least 2.
        subset_size: samples of each side in a subset. At most half of the
            smaller side is used, so that subsets differ.
        seed: seed of the subsets. The result is a pure function of it and of
            the order of the samples.
        degree, gamma, coef: of the kernel; `gamma=None` means 1 / D.

    Returns:
        `KernelDistance(mean, standard_error)`, floats.

    Raises:
        ValueError: fewer than two samples, dimensions that do not fit, NaN.
    """
    features1 = check_features(features1, "features1")
    features2 = check_features(features2, "features2", features1.shape[1])
    for name, features in (("features1", features1), ("features2", features2)):
        check_count(len(features), name, advise=False)
    for name, value in (("subsets", subsets), ("subset_size", subset_size)):
        if value < 2:
            raise ValueError(f"{name}: {value} is too few; use 2 or more.")
    gamma = 1.0 / features1.shape[1] if gamma is None else gamma
    smaller = min(len(features1), len(features2))
    size = min(subset_size, max(smaller // 2, 2))
    rng = np.random.default_rng(seed)
    estimates = np.empty(subsets)
    for i in range(subsets):
        x = features1[rng.choice(len(features1), size, replace=False)]
        y = features2[rng.choice(len(features2), size, replace=False)]
        estimates[i] = squared_mmd(x, y, degree, gamma, coef)
    spread = estimates.std(ddof=1)
    return KernelDistance(
        float(estimates.mean()), float(spread / np.sqrt(subsets))
    )


def squared_mmd(x, y, degree=3, gamma=None, coef=1.0):
    """Unbiased squared MMD of all of x (N, D) and y (M, D), a float."""
    gamma = 1.0 / x.shape[1] if gamma is None else gamma
    n, m = len(x), len(y)
    both = np.concatenate([x, y])
    # One large product for both sides: many small ones lose their time in
    # the threads of the BLAS. The powers go through the cache in slices.
    step = max(1, _ENTRIES // len(both))
    xx = xy = yy = 0.0
    for start in range(0, len(both), step):
        gram = both[start : start + step] @ both.T
        for i in range(0, len(gram), _SLICE):
            power = _power(gram[i : i + _SLICE], degree, gamma, coef)
            split = min(max(n - start - i, 0), len(power))
            xx += power[:split, :n].sum()
            xy += power[:split, n:].sum()
            yy += power[split:, n:].sum()
    squares = np.einsum("ij,ij->i", both, both)
    diagonal = _power(squares, degree, gamma, coef)
    xx = (xx - diagonal[:n].sum()) / (n * (n - 1))
    yy = (yy - diagonal[n:].sum()) / (m * (m - 1))
    return float(xx + yy - 2.0 * xy / (n * m))


def _power(gram, degree, gamma, coef):
    gram = gram * gamma + coef
    power = gram.copy()
    for _ in range(degree - 1):
        power *= gram
    return power
