"""Frechet distance between Gaussians fitted to two sets of features.

References:
    - Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to
      a Local Nash Equilibrium", NeurIPS 2017 (eq. 6),
      https://arxiv.org/abs/1706.08500
    - Dowson & Landau, "The Frechet distance between multivariate normal
      distributions", Journal of Multivariate Analysis, 1982.
    - Chan, Golub & LeVeque, "Updating formulae and a pairwise algorithm for
      computing sample variances", 1979 (the merge).
"""

import os

import numpy as np

from keras_ganmix.metrics.checks import check_count, check_features
from keras_ganmix.metrics.files import atomic_write

_CHUNK = 1024


class FeatureStatistics:
    """Count, mean and covariance of features that arrive in batches.

    Rows are gathered to chunks of a fixed size before they are added, so that
    the result does not depend on the batch size by a single bit, and chunks
    are merged by Chan's formula in float64, so that it depends on the order
    only by rounding. Memory is D x D, whatever the number of samples.

    Args:
        dimension: D, or `None` to take it from the first batch.

    Example:

    ```python
    statistics = FeatureStatistics()
    for images in batches:
        statistics.update(extractor(images))
    statistics.frechet(reference)
    ```
    """

    def __init__(self, dimension=None):
        self.dimension = dimension
        self._count = 0
        self._mean = None
        self._scatter = None
        self._pending = []
        self._pending_rows = 0

    def update(self, features):
        """Adds features (N, D); N may be 0. Returns self.

        Raises:
            ValueError: wrong shape or dimension, NaN or infinity.
        """
        features = check_features(features, "features", self.dimension)
        self.dimension = features.shape[1]
        while len(features):
            room = _CHUNK - self._pending_rows
            part, features = features[:room], features[room:]
            self._pending.append(part.copy())
            self._pending_rows += len(part)
            if self._pending_rows == _CHUNK:
                self._flush()
        return self

    def merge(self, other):
        """Adds the samples of other statistics. Returns self.

        Raises:
            ValueError: another dimension.
        """
        if other.dimension is None:
            return self
        if self.dimension not in (None, other.dimension):
            raise ValueError(
                f"other: dimension {other.dimension} does not match "
                f"{self.dimension}; both sides need the same extractor."
            )
        self.dimension = other.dimension
        self._flush()
        for part in other._state():
            self._add(*part)
        return self

    @property
    def count(self):
        """Number of samples so far."""
        return self._count + self._pending_rows

    @property
    def mean(self):
        """float64 (D,). Raises ValueError without samples."""
        check_count(self.count, "mean", minimum=1, advise=False)
        self._flush()
        return self._mean.copy()

    @property
    def covariance(self):
        """float64 (D, D), divided by count - 1. Needs two samples."""
        check_count(self.count, "covariance", minimum=2, advise=False)
        self._flush()
        return self._scatter / (self._count - 1)

    def gaussian(self):
        """Returns `(mean, covariance)`, as `frechet_distance` takes them."""
        return self.mean, self.covariance

    def frechet(self, other):
        """Frechet distance to other `FeatureStatistics`, a float.

        Warns when either has fewer than 2,048 samples, and raises ValueError
        with fewer than 2.
        """
        check_count(self.count, "statistics")
        check_count(other.count, "other")
        return frechet_distance(*self.gaussian(), *other.gaussian())

    def save(self, path):
        """Writes `mu`, `sigma` and `count` to an `.npz` file, atomically."""
        mean, covariance = self.gaussian()
        with atomic_write(path, "wb") as file:
            np.savez(file, mu=mean, sigma=covariance, count=self.count)

    @classmethod
    def from_npz(cls, path, count=None):
        """Reads statistics in pytorch-fid's form, or as written by `save`.

        Args:
            path: `.npz` with `mu` (D,) and `sigma` (D, D); `count` is read
                where it is there. Pickled arrays are refused.
            count: number of samples where the file does not tell it
                (pytorch-fid's does not); 2,048 is assumed without it, which
                matters only when the statistics are merged with others.

        Raises:
            ValueError: a missing key, or shapes that do not fit.
        """
        with np.load(os.fspath(path), allow_pickle=False) as file:
            missing = {"mu", "sigma"} - set(file.files)
            if missing:
                raise ValueError(
                    f"{path}: no {' and '.join(sorted(missing))} in it (it "
                    f"has {', '.join(sorted(file.files))}); expected "
                    "pytorch-fid's form: mu and sigma."
                )
            mean = np.asarray(file["mu"], np.float64)
            covariance = np.asarray(file["sigma"], np.float64)
            if count is None:
                count = int(file["count"]) if "count" in file.files else 2048
        return cls.from_gaussian(mean, covariance, count, str(path))

    @classmethod
    def from_gaussian(cls, mean, covariance, count, name="gaussian"):
        """Statistics from a mean (D,), a covariance (D, D) and their count."""
        check_count(count, name, minimum=2, advise=False)
        mean, covariance = _check_gaussian(mean, covariance, name)
        self = cls(len(mean))
        self._count = count
        self._mean = mean
        self._scatter = covariance * (count - 1)
        return self

    def _state(self):
        """Parts (count, mean, scatter) that hold all samples; no change."""
        parts = []
        if self._count:
            parts.append((self._count, self._mean, self._scatter))
        if self._pending_rows:
            parts.append(_summary(np.concatenate(self._pending)))
        return parts

    def _flush(self):
        if self._pending_rows:
            rows = np.concatenate(self._pending)
            self._pending, self._pending_rows = [], 0
            self._add(*_summary(rows))

    def _add(self, count, mean, scatter):
        if not self._count:
            self._count, self._mean = count, mean.copy()
            self._scatter = scatter.copy()
            return
        total = self._count + count
        delta = mean - self._mean
        self._scatter += scatter
        self._scatter += np.outer(delta, delta * (self._count * count / total))
        self._mean += delta * (count / total)
        self._count = total


def frechet_distance(mean1, covariance1, mean2, covariance2):
    """Frechet (2-Wasserstein) distance, squared, between two Gaussians.

    |m1 - m2|^2 + tr(C1) + tr(C2) - 2 tr((C1^1/2 C2 C1^1/2)^1/2). With any
    factor C1 = A A^T the last trace is the sum of the roots of the eigenvalues
    of the symmetric A^T C2 A, so that no root of a non-symmetric matrix is
    needed. A is the Cholesky factor where C1 is safely positive definite, and
    comes from its eigendecomposition, without the null space, where it is not
    (fewer samples than dimensions).

    Args:
        mean1, mean2: arrays (D,).
        covariance1, covariance2: symmetric positive semi-definite (D, D).

    Returns:
        A float, at least 0. Its unit is the square of the features' unit.

    Raises:
        ValueError: shapes that do not fit, NaN, infinity, or a covariance
            that is not symmetric.
    """
    mean1, covariance1 = _check_gaussian(mean1, covariance1, "covariance1")
    mean2, covariance2 = _check_gaussian(mean2, covariance2, "covariance2")
    if len(mean1) != len(mean2):
        raise ValueError(
            f"mean2: dimension {len(mean2)} does not match {len(mean1)}; "
            "both sides need the same extractor."
        )
    factor = _factor(covariance1)
    product = factor.T @ (covariance2 @ factor)
    product += product.T
    product *= 0.5
    eigenvalues = np.linalg.eigvalsh(product)
    noise = _noise(eigenvalues)
    roots = np.sqrt(eigenvalues[eigenvalues > noise])
    difference = mean1 - mean2
    distance = (
        difference @ difference
        + np.trace(covariance1)
        + np.trace(covariance2)
        - 2.0 * roots.sum()
    )
    return max(float(distance), 0.0)


def _summary(rows):
    mean = rows.mean(axis=0)
    centred = rows - mean
    return len(rows), mean, centred.T @ centred


def _noise(eigenvalues):
    """Below this, an eigenvalue cannot be told from rounding."""
    largest = max(float(eigenvalues[-1]), 0.0)
    return largest * len(eigenvalues) * np.finfo(np.float64).eps


def _factor(covariance):
    """A with A A^T = covariance, of full column rank."""
    try:
        factor = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        pass
    else:
        pivots = np.diagonal(factor)
        # Without pivoting a tiny pivot may be rounding: let eigh decide.
        if pivots.min() > 1e-6 * pivots.max():
            return factor
    eigenvalues, vectors = np.linalg.eigh(covariance)
    kept = eigenvalues > _noise(eigenvalues)
    if not kept.any():
        return np.zeros((len(covariance), 1))
    return vectors[:, kept] * np.sqrt(eigenvalues[kept])


def _check_gaussian(mean, covariance, name):
    mean = np.asarray(mean, np.float64)
    covariance = np.asarray(covariance, np.float64)
    if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)):
        raise ValueError(
            f"{name}: a mean of shape {mean.shape} needs a covariance of "
            f"shape (D, D), got {covariance.shape}."
        )
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise ValueError(f"{name}: mean or covariance holds NaN or infinity.")
    scale = float(np.abs(covariance).max(initial=0.0))
    skew = float(np.abs(covariance - covariance.T).max(initial=0.0))
    if skew > 1e-4 * scale:
        raise ValueError(
            f"{name}: the covariance is not symmetric (differences up to "
            f"{skew:.3g} beside entries up to {scale:.3g})."
        )
    return mean, covariance
