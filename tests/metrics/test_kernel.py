import itertools

import numpy as np
import pytest

from keras_ganmix.metrics import kernel, kernel_distance, squared_mmd


def slow_squared_mmd(x, y):
    """The sums of the paper, term by term."""

    def k(a, b):
        return (np.dot(a, b) / len(a) + 1) ** 3

    n, m = len(x), len(y)
    xx = sum(k(x[i], x[j]) for i in range(n) for j in range(n) if i != j)
    yy = sum(k(y[i], y[j]) for i in range(m) for j in range(m) if i != j)
    xy = sum(k(a, b) for a in x for b in y)
    return xx / (n * (n - 1)) + yy / (m * (m - 1)) - 2 * xy / (n * m)


@pytest.mark.parametrize(("entries", "rows"), [(2**22, 64), (100, 2), (1, 1)])
def test_equals_the_sums_of_the_paper(entries, rows, monkeypatch):
    monkeypatch.setattr(kernel, "_ENTRIES", entries)
    monkeypatch.setattr(kernel, "_SLICE", rows)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 5)), rng.normal(size=(9, 5)) + 1
    assert squared_mmd(x, y) == pytest.approx(slow_squared_mmd(x, y), rel=1e-12)


def test_estimates_the_moments_without_bias():
    """For D = 1: sum over p of C(3, p) (E x^p - E y^p)^2."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 2, 40_000, 1))[0]
    y = 0.5 * y + 0.3
    moments = [
        (0.0, 1.0, 0.0),
        (0.3, 0.3**2 + 0.25, 0.3**3 + 3 * 0.3 * 0.25),
    ]
    expected = sum(
        c * (a - b) ** 2 for c, a, b in zip((3, 3, 1), *moments, strict=True)
    )
    got = kernel_distance(x, y, subsets=400, subset_size=100, seed=2)
    assert abs(got.mean - expected) < 4 * got.standard_error
    assert got.standard_error < 0.1 * expected


def test_equal_distributions_average_to_zero_also_for_tiny_sets():
    rng = np.random.default_rng(3)
    estimates = [
        squared_mmd(rng.normal(size=(4, 6)), rng.normal(size=(4, 6)))
        for _ in range(3000)
    ]
    error = np.std(estimates) / np.sqrt(len(estimates))
    assert abs(np.mean(estimates)) < 4 * error
    assert min(estimates) < 0


def test_a_pure_function_of_the_seed():
    x, y = np.random.default_rng(4).normal(size=(2, 300, 3))
    one = kernel_distance(x, y, subsets=5, subset_size=50, seed=1)
    assert one == kernel_distance(x, y, subsets=5, subset_size=50, seed=1)
    assert one != kernel_distance(x, y, subsets=5, subset_size=50, seed=2)


def test_standard_error_is_the_spread_over_subsets():
    x, y = np.random.default_rng(5).normal(size=(2, 400, 3))
    few = kernel_distance(x, y, subsets=50, subset_size=20)
    many = kernel_distance(x, y, subsets=5000, subset_size=20)
    assert few.standard_error / many.standard_error == pytest.approx(
        10, rel=0.4
    )


def test_grows_with_noise():
    x, y, noise = np.random.default_rng(6).normal(size=(3, 1000, 8))
    scores = [
        kernel_distance(x, y + level * noise, subsets=20).mean
        for level in (0.0, 0.6, 1.2, 2.4)
    ]
    assert all(a < b for a, b in itertools.pairwise(scores))


def test_bad_input():
    x = np.zeros((10, 3))
    with pytest.raises(ValueError, match="features2: 1 samples"):
        kernel_distance(x, x[:1])
    with pytest.raises(ValueError, match="dimension 2 does not match 3"):
        kernel_distance(x, x[:, :2])
    with pytest.raises(ValueError, match="subsets: 1 is too few"):
        kernel_distance(x, x, subsets=1)
    with pytest.raises(ValueError, match="features1: 10 of 10 samples"):
        kernel_distance(np.full((10, 3), np.inf), x)
