"""Precision, recall, density and coverage.

References:
    - Kynkäänniemi et al., "Improved Precision and Recall Metric for Assessing
      Generative Models", NeurIPS 2019 (eq. 1 and 2),
      https://arxiv.org/abs/1904.06991
    - Naeem et al., "Reliable Fidelity and Diversity Metrics for Generative
      Models", ICML 2020 (eq. 3 to 6), https://arxiv.org/abs/2002.09797
"""

import typing

import numpy as np

from keras_ganmix.metrics.checks import check_count, check_features

# Entries of one block of the distance matrix: 32 MiB of float64.
_BLOCK_ENTRIES = 2**22


class PRDC(typing.NamedTuple):
    """Shares in [0, 1]; the density may exceed 1."""

    precision: float
    recall: float
    density: float
    coverage: float


def precision_recall_density_coverage(
    real, fake, precision_neighbours=3, density_neighbours=5
):
    """Fidelity and diversity from balls to the k-th nearest neighbour.

    A ball around a sample reaches to its k-th nearest neighbour in its own
    set, itself not counted. Conventions are those of the authors' code:

    - precision: share of fakes in at least one closed ball of a real (<=);
    - recall: share of reals in at least one closed ball of a fake (<=);
    - density: number of open balls of reals in which a fake lies (<), divided
      by k, mean over fakes; expected to be 1 for equal distributions;
    - coverage: share of reals whose open ball holds a fake (<).

    Args:
        real, fake: arrays (N, D) and (M, D) of features.
        precision_neighbours: k of precision and recall.
        density_neighbours: k of density and coverage.

    Memory is bounded by blocks, not N x M. Both sides should have the same
    number of samples: recall falls with fewer fakes, precision with fewer
    reals.

    Returns:
        `PRDC(precision, recall, density, coverage)`, floats.

    Raises:
        ValueError: not more samples than neighbours, dimensions that do not
            fit, NaN.
    """
    real = check_features(real, "real")
    fake = check_features(fake, "fake", real.shape[1])
    neighbours = (precision_neighbours, density_neighbours)
    for value in neighbours:
        if value < 1:
            raise ValueError(f"neighbours: {value} is too few; use 1 or more.")
    for name, features in (("real", real), ("fake", fake)):
        check_count(
            len(features), name, minimum=max(neighbours) + 1, advise=False
        )
    centre = real.mean(axis=0)
    real, fake = real - centre, fake - centre
    real_radii, real_density_radii = _squared_radii(real, neighbours).T
    fake_radii = _squared_radii(fake, (precision_neighbours,))[:, 0]
    slack = _slack(real, fake)

    precise = np.zeros(len(fake), bool)
    density = 0
    recalled = np.empty(len(real), bool)
    covered = np.empty(len(real), bool)
    for rows, squares in _blocks(real, fake):
        precise |= (squares <= real_radii[rows, None] + slack).any(axis=0)
        recalled[rows] = (squares <= fake_radii + slack).any(axis=1)
        inside = squares < real_density_radii[rows, None] - slack
        density += int(inside.sum())
        covered[rows] = inside.any(axis=1)
    return PRDC(
        precision=float(precise.mean()),
        recall=float(recalled.mean()),
        density=density / (density_neighbours * len(fake)),
        coverage=float(covered.mean()),
    )


def nearest_neighbours(queries, references, exclude_self=False):
    """Distance and index of the nearest reference of each query, in blocks.

    Args:
        queries: array (N, D).
        references: array (M, D).
        exclude_self: the two are one set, and a sample is not its own
            neighbour.

    Returns:
        `(distances float64 (N,), indices int64 (N,))`.
    """
    queries = check_features(queries, "queries")
    references = check_features(references, "references", queries.shape[1])
    check_count(
        len(references), "references", 2 if exclude_self else 1, advise=False
    )
    distances = np.empty(len(queries))
    indices = np.empty(len(queries), np.int64)
    for rows, squares in _blocks(queries, references):
        if exclude_self:
            squares[np.arange(len(squares)), np.arange(len(queries))[rows]] = (
                np.inf
            )
        nearest = squares.argmin(axis=1)
        indices[rows] = nearest
        # The expanded square loses small distances to rounding.
        difference = queries[rows] - references[nearest]
        distances[rows] = np.linalg.norm(difference, axis=1)
    return distances, indices


def _squared_radii(features, neighbours):
    """Squared distances (N, len(neighbours)) to the k-th neighbours."""
    kth = [k - 1 for k in neighbours]
    radii = np.empty((len(features), len(neighbours)))
    for rows, squares in _blocks(features, features):
        own = np.arange(len(features))[rows]
        squares[np.arange(len(own)), own] = np.inf
        squares.partition(kth, axis=1)
        radii[rows] = squares[:, kth]
    return radii


def _blocks(queries, references):
    """Yields (rows, squared distances) for blocks of queries."""
    step = max(1, _BLOCK_ENTRIES // len(references))
    norms = np.einsum("ij,ij->i", references, references)
    for start in range(0, len(queries), step):
        block = queries[start : start + step]
        squares = block @ references.T
        squares *= -2.0
        squares += norms
        squares += np.einsum("ij,ij->i", block, block)[:, None]
        np.maximum(squares, 0.0, out=squares)
        yield slice(start, start + step), squares


def _slack(real, fake):
    """Bound on the rounding of squared distances, so that ties are ties."""
    largest = max(
        np.einsum("ij,ij->i", side, side).max() for side in (real, fake)
    )
    return 16 * np.finfo(np.float64).eps * largest
