import numpy as np
import pytest

from keras_ganmix.metrics import (
    nearest_neighbours,
    prdc,
    precision_recall_density_coverage,
)


def slow_prdc(real, fake, k_precision, k_density):
    """The definitions, sample by sample."""

    def radius(features, i, k):
        others = np.delete(features, i, axis=0)
        return np.sort(np.linalg.norm(others - features[i], axis=1))[k - 1]

    between = np.array([[np.linalg.norm(r - f) for f in fake] for r in real])
    real_radii = [radius(real, i, k_precision) for i in range(len(real))]
    fake_radii = [radius(fake, j, k_precision) for j in range(len(fake))]
    balls = [radius(real, i, k_density) for i in range(len(real))]
    inside = between < np.array(balls)[:, None]
    return (
        (between <= np.array(real_radii)[:, None]).any(0).mean(),
        (between <= np.array(fake_radii)).any(1).mean(),
        inside.sum() / (k_density * len(fake)),
        inside.any(1).mean(),
    )


@pytest.mark.parametrize("block", [1, 200, 10**6])
def test_equals_the_definitions_whatever_the_block(block, monkeypatch):
    monkeypatch.setattr(prdc, "_BLOCK_ENTRIES", block)
    rng = np.random.default_rng(0)
    real = rng.normal(size=(45, 3))
    fake = rng.normal(size=(38, 3)) * 0.7 + 0.4
    got = precision_recall_density_coverage(real, fake, 3, 5)
    np.testing.assert_allclose(got, slow_prdc(real, fake, 3, 5), rtol=1e-12)
    assert 0.1 < got.recall < 1


def test_conventions_on_a_constructed_line():
    """Radii (k = 1) of the reals 0, 1, 3, 7 are 1, 1, 2, 4."""
    real = np.array([[0.0], [1.0], [3.0], [7.0]])
    fake = np.array([[-1.0], [2.0], [12.0]])  # radii 3, 3, 10
    got = precision_recall_density_coverage(real, fake, 1, 1)
    # -1 is on the border of 0's ball (closed for precision); 2 is on that of
    # 1 and inside those of 3; 12 is outside of 7's, which reaches to 11.
    assert got.precision == pytest.approx(2 / 3)
    # 0, 1 are inside of fake -1's ball, 3 and 7 inside of that of 2 and 12.
    assert got.recall == 1.0
    # Open balls: only 2 in the ball of 3.
    assert got.density == pytest.approx(1 / 3)
    assert got.coverage == pytest.approx(1 / 4)


def test_identical_sets():
    features = np.random.default_rng(1).normal(size=(100, 20)) + 1e3
    got = precision_recall_density_coverage(features, features)
    assert got.precision == got.recall == got.coverage == 1.0
    assert got.density == pytest.approx(1.0, abs=1e-12)


def test_equal_distributions_have_density_one():
    real, fake = np.random.default_rng(2).normal(size=(2, 2000, 2))
    got = precision_recall_density_coverage(real, fake)
    assert got.density == pytest.approx(1, abs=0.05)
    # Naeem et al., lemma 2: 1 - C(n - k, m) ... ~ 1 - 2^-k for n = m.
    assert got.coverage == pytest.approx(1 - 2.0**-5, abs=0.02)


def test_dropped_mode_costs_recall_and_far_fakes_cost_precision():
    rng = np.random.default_rng(3)
    real = rng.normal(size=(400, 2))
    real[200:] += 50
    dropped = precision_recall_density_coverage(real, rng.normal(size=(400, 2)))
    assert dropped.recall < 0.55 and dropped.coverage < 0.55
    assert dropped.precision > 0.9
    fake = rng.permutation(real) + rng.normal(size=(400, 2)) * 0.1
    fake[:200] = rng.normal(size=(200, 2)) * 0.1 + [1000, -1000]
    far = precision_recall_density_coverage(real, fake)
    assert far.precision == pytest.approx(0.5, abs=0.02)
    assert far.recall > 0.8


def test_far_outlier_does_not_raise_density():
    """The reason for density: an outlier's huge ball counts once."""
    rng = np.random.default_rng(4)
    real = rng.normal(size=(300, 2))
    real[0] = [100, 100]
    fake = rng.normal(60, size=(300, 2))
    got = precision_recall_density_coverage(real, fake, 3, 5)
    assert got.precision > 0.9
    assert got.density < 0.25


def test_nearest_neighbours_equal_brute_force(monkeypatch):
    monkeypatch.setattr(prdc, "_BLOCK_ENTRIES", 100)
    rng = np.random.default_rng(5)
    queries, references = rng.normal(size=(30, 4)), rng.normal(size=(41, 4))
    every = np.linalg.norm(queries[:, None] - references, axis=2)
    distances, indices = nearest_neighbours(queries, references)
    np.testing.assert_array_equal(indices, every.argmin(1))
    np.testing.assert_allclose(distances, every.min(1), rtol=1e-12)
    copies, where = nearest_neighbours(references[[7, 3]] + 0, references)
    assert list(where) == [7, 3] and list(copies) == [0, 0]
    own, _ = nearest_neighbours(queries, queries, exclude_self=True)
    within = np.linalg.norm(queries[:, None] - queries, axis=2)
    np.fill_diagonal(within, np.inf)
    np.testing.assert_allclose(own, within.min(1), rtol=1e-12)


def test_bad_input():
    five = np.zeros((5, 2))
    with pytest.raises(ValueError, match="fake: 5 samples, but at least 6"):
        precision_recall_density_coverage(np.zeros((6, 2)), five)
    with pytest.raises(ValueError, match="dimension 3 does not match 2"):
        precision_recall_density_coverage(np.zeros((6, 2)), np.zeros((6, 3)))
    with pytest.raises(ValueError, match="neighbours: 0 is too few"):
        precision_recall_density_coverage(five, five, precision_neighbours=0)
