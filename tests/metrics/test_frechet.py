import itertools
import warnings

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_ganmix.metrics import FeatureStatistics, frechet_distance


def random_covariance(rng, dimension, rank=None):
    factor = rng.normal(size=(dimension, rank or 2 * dimension))
    return factor @ factor.T / factor.shape[1]


def test_equals_scipy_sqrtm_on_full_rank_covariances():
    rng = np.random.default_rng(0)
    for dimension in (1, 2, 17, 60):
        c1 = random_covariance(rng, dimension)
        c2 = random_covariance(rng, dimension)
        m1, m2 = rng.normal(size=(2, dimension))
        root = scipy.linalg.sqrtm(c1 @ c2).real
        expected = np.sum((m1 - m2) ** 2) + np.trace(c1 + c2 - 2 * root)
        got = frechet_distance(m1, c1, m2, c2)
        assert got == pytest.approx(expected, rel=1e-9)


def test_commuting_covariances_have_the_closed_form():
    rng = np.random.default_rng(1)
    basis, _ = np.linalg.qr(rng.normal(size=(30, 30)))
    a, b = rng.uniform(0.1, 3, size=(2, 30))
    a[:10] = 0  # both are singular, in different directions
    b[5:15] = 0
    expected = np.sum((np.sqrt(a) - np.sqrt(b)) ** 2) + 30 * 0.25
    got = frechet_distance(
        np.zeros(30), basis * a @ basis.T, np.full(30, 0.5), basis * b @ basis.T
    )
    assert got == pytest.approx(expected, rel=1e-6)


def test_zero_covariances_leave_the_distance_of_the_means():
    zero = np.zeros((3, 3))
    got = frechet_distance([0, 0, 0], zero, [1, 2, 2], zero)
    assert got == pytest.approx(9.0, rel=1e-15)


def test_point_against_gaussian():
    rng = np.random.default_rng(2)
    c = random_covariance(rng, 8)
    for pair in ((np.zeros((8, 8)), c), (c, np.zeros((8, 8)))):
        got = frechet_distance(np.zeros(8), pair[0], np.ones(8), pair[1])
        assert got == pytest.approx(8 + np.trace(c), rel=1e-12)


@pytest.mark.parametrize("samples", [5, 40, 400])
def test_identical_sets_give_zero_also_with_few_samples(samples):
    features = np.random.default_rng(3).normal(size=(samples, 40)) + 2
    one = FeatureStatistics().update(features)
    two = FeatureStatistics().update(features[::-1])
    got = frechet_distance(*one.gaussian(), *two.gaussian())
    assert 0 <= got < 1e-5


def test_symmetric_also_when_only_one_side_is_singular():
    rng = np.random.default_rng(4)
    c1, c2 = random_covariance(rng, 20, rank=6), random_covariance(rng, 20)
    m1, m2 = rng.normal(size=(2, 20))
    there = frechet_distance(m1, c1, m2, c2)
    back = frechet_distance(m2, c2, m1, c1)
    assert there == pytest.approx(back, rel=1e-7)


def test_rank_deficient_against_the_reduced_space():
    """Samples in a subspace give the distance computed inside of it."""
    rng = np.random.default_rng(5)
    basis, _ = np.linalg.qr(rng.normal(size=(50, 50)))
    x, y = rng.normal(size=(2, 100, 6))
    y = y * 2 + 1
    inside = [FeatureStatistics().update(v).gaussian() for v in (x, y)]
    embedded = [
        FeatureStatistics().update(v @ basis[:, :6].T).gaussian()
        for v in (x, y)
    ]
    expected = frechet_distance(*inside[0], *inside[1])
    got = frechet_distance(*embedded[0], *embedded[1])
    assert got == pytest.approx(expected, rel=1e-6)


@given(st.floats(0.01, 100), st.floats(-50, 50), st.floats(0.01, 100))
@settings(max_examples=50, deadline=None)
def test_one_dimension(stddev1, shift, stddev2):
    got = frechet_distance([0.0], [[stddev1**2]], [shift], [[stddev2**2]])
    expected = shift**2 + (stddev1 - stddev2) ** 2
    assert got == pytest.approx(
        expected, rel=1e-9, abs=1e-9 * (stddev1 + stddev2) ** 2
    )


@given(
    st.lists(st.integers(0, 1500), min_size=1, max_size=6), st.integers(0, 9)
)
@settings(max_examples=20, deadline=None)
def test_batch_size_changes_no_bit(cuts, seed):
    features = np.random.default_rng(seed).normal(size=(1500, 3)) * 5 + 100
    whole = FeatureStatistics().update(features)
    parts = FeatureStatistics()
    for part in np.split(features, sorted(cuts)):
        parts.update(part)
    assert parts.count == whole.count == 1500
    np.testing.assert_array_equal(parts.mean, whole.mean)
    np.testing.assert_array_equal(parts.covariance, whole.covariance)


def test_statistics_equal_numpy_even_far_from_the_origin():
    features = np.random.default_rng(6).normal(size=(5000, 7)) + 1e6
    statistics = FeatureStatistics()
    for part in np.array_split(features, 13):
        statistics.update(part)
    np.testing.assert_allclose(statistics.mean, features.mean(0), rtol=1e-14)
    np.testing.assert_allclose(
        statistics.covariance, np.cov(features, rowvar=False), atol=1e-8
    )


def test_order_and_merge_do_not_matter():
    rng = np.random.default_rng(7)
    features = rng.gamma(2.0, size=(4321, 11))
    whole = FeatureStatistics().update(features)
    shuffled = FeatureStatistics().update(rng.permutation(features))
    merged = FeatureStatistics()
    for part in np.split(features, [10, 3000]):
        merged.merge(FeatureStatistics().update(part))
    merged.merge(FeatureStatistics())
    for other in (shuffled, merged):
        assert other.count == 4321
        np.testing.assert_allclose(other.mean, whole.mean, rtol=1e-12)
        np.testing.assert_allclose(
            other.covariance, whole.covariance, rtol=1e-9, atol=1e-12
        )


def test_merge_leaves_the_other_alone():
    features = np.random.default_rng(8).normal(size=(20, 3))
    one = FeatureStatistics().update(features[:10])
    two = FeatureStatistics().update(features[10:])
    before = two.gaussian()
    one.merge(two).update(features)
    assert two.count == 10
    for left, right in zip(before, two.gaussian(), strict=True):
        np.testing.assert_array_equal(left, right)


def test_reading_the_statistics_midway_keeps_the_rest_right():
    features = np.random.default_rng(9).normal(size=(50, 4))
    statistics = FeatureStatistics().update(features[:20])
    np.testing.assert_allclose(statistics.mean, features[:20].mean(0))
    statistics.update(features[20:])
    np.testing.assert_allclose(
        statistics.covariance, np.cov(features, rowvar=False), rtol=1e-12
    )


def test_grows_with_noise():
    rng = np.random.default_rng(10)
    real, fake, noise = rng.normal(size=(3, 3000, 6))
    scores = [
        FeatureStatistics()
        .update(real)
        .frechet(FeatureStatistics().update(fake + level * noise))
        for level in (0.0, 0.3, 0.6, 1.2, 2.4)
    ]
    assert all(a < b for a, b in itertools.pairwise(scores))


def test_npz_of_pytorch_fid_and_own_file(tmp_path):
    features = np.random.default_rng(11).normal(size=(100, 5))
    np.savez(
        tmp_path / "fid.npz",
        mu=features.mean(0),
        sigma=np.cov(features, rowvar=False),
    )
    own = FeatureStatistics().update(features)
    own.save(tmp_path / "own.npz")
    foreign = FeatureStatistics.from_npz(tmp_path / "fid.npz")
    again = FeatureStatistics.from_npz(tmp_path / "own.npz")
    assert again.count == 100
    assert foreign.count == 2048
    for read in (foreign, again):
        np.testing.assert_allclose(read.mean, own.mean, rtol=1e-13)
        np.testing.assert_allclose(read.covariance, own.covariance, rtol=1e-9)
    more = np.random.default_rng(12).normal(size=(30, 5))
    np.testing.assert_allclose(
        again.update(more).covariance,
        np.cov(np.concatenate([features, more]), rowvar=False),
        rtol=1e-9,
    )


def test_npz_that_is_not_one(tmp_path):
    path = tmp_path / "other.npz"
    np.savez(path, mu=np.zeros(3), cov=np.eye(3))
    with pytest.raises(ValueError, match="no sigma in it"):
        FeatureStatistics.from_npz(path)
    np.savez(path, mu=np.zeros(3), sigma=np.eye(4))
    with pytest.raises(ValueError, match=r"shape \(4, 4\)|\(4, 4\)"):
        FeatureStatistics.from_npz(path)
    np.savez(path, mu=np.array([{}], dtype=object), sigma=np.eye(1))
    with pytest.raises(ValueError, match="pickle"):
        FeatureStatistics.from_npz(path)


def test_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "statistics.npz"
    FeatureStatistics().update(np.eye(4)).save(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="at least 2"):
        FeatureStatistics().update(np.eye(4)[:1]).save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_bad_features_are_refused():
    statistics = FeatureStatistics().update(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="dimension 4 does not match 3"):
        statistics.update(np.zeros((2, 4)))
    with pytest.raises(ValueError, match=r"shape \(2, 3, 1\)"):
        statistics.update(np.zeros((2, 3, 1)))
    with pytest.raises(ValueError, match="1 of 2 samples hold NaN"):
        statistics.update([[0, 0, 0], [0, np.nan, 0]])
    with pytest.raises(ValueError, match="dtype"):
        statistics.update(np.array([["a", "b", "c"]]))
    assert statistics.count == 2
    with pytest.raises(ValueError, match="dimension"):
        statistics.merge(FeatureStatistics().update(np.zeros((2, 5))))


def test_bad_gaussians_are_refused():
    eye = np.eye(3)
    with pytest.raises(ValueError, match="mean2: dimension 2"):
        frechet_distance(np.zeros(3), eye, np.zeros(2), np.eye(2))
    with pytest.raises(ValueError, match="covariance2: mean or covariance"):
        frechet_distance(np.zeros(3), eye, np.zeros(3), eye * np.nan)
    with pytest.raises(ValueError, match="covariance1: the covariance is not"):
        frechet_distance(
            np.zeros(3), np.triu(np.ones((3, 3))), np.zeros(3), eye
        )


def test_few_samples_warn_and_one_is_refused():
    enough = FeatureStatistics().update(
        np.random.default_rng(0).normal(size=(2048, 2))
    )
    few = FeatureStatistics().update(np.eye(2))
    with pytest.warns(UserWarning, match=r"only 2 samples.*kernel distance"):
        enough.frechet(few)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        enough.frechet(enough)
    with pytest.raises(ValueError, match="other: 1 samples"):
        enough.frechet(FeatureStatistics().update([[1.0, 2.0]]))
