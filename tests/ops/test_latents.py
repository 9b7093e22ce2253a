import itertools

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from keras_ganmix.ops import latents

U = ((np.arange(10000) + 0.5) / 10000).astype("float32")


@pytest.mark.parametrize("threshold", [0.01, 0.5, 1.0, 2.0, 4.0, 10.0])
def test_truncated_is_the_inverse_cdf(threshold):
    u = U.astype("float64")
    want = scipy.stats.truncnorm.ppf(u, -threshold, threshold)
    got = latents.truncated_normal_from_uniform(U, threshold)
    np.testing.assert_allclose(got, want, atol=5e-4)


@pytest.mark.parametrize("threshold", [0.01, 2.0, 5.0, 10.0])
def test_truncated_at_the_ends(threshold):
    ends = np.float32([0.0, 1.0])
    z = np.asarray(latents.truncated_normal_from_uniform(ends, threshold))
    limit = min(threshold, 5.17)
    np.testing.assert_allclose(z, [-limit, limit], rtol=0.01)
    assert np.abs(z).max() <= threshold


@pytest.mark.parametrize("threshold", [-1, 0, float("inf"), float("nan")])
def test_bad_threshold_is_named(threshold):
    with pytest.raises(ValueError, match=r"threshold: .* above 0"):
        latents.truncated_normal_from_uniform(U, threshold)


def test_a_threshold_may_be_a_tensor():
    for threshold in (0.3, 2.0):
        given = tf.constant(threshold)
        got = latents.truncated_normal_from_uniform(U, given)
        want = latents.truncated_normal_from_uniform(U, threshold)
        np.testing.assert_allclose(got, want, atol=1e-6)


def pairs(seed=0):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, 6, 16)) * rng.uniform(0.5, 2, (2, 6, 1))
    return a.astype("float32"), b.astype("float32")


def lengths(x):
    return np.linalg.norm(x, axis=-1, keepdims=True)


def test_slerp_is_the_published_formula_for_equal_norms():
    a, b = pairs()
    a, b = a / lengths(a), b / lengths(b)
    angle = np.arccos((a * b).sum(-1, keepdims=True))
    for t in (0.1, 0.5, 0.8):
        want = np.sin((1 - t) * angle) * a + np.sin(t * angle) * b
        got = latents.slerp(a, b, t)
        np.testing.assert_allclose(got, want / np.sin(angle), atol=1e-5)


def test_slerp_ends_where_it_should_and_the_norm_changes_linearly():
    a, b = pairs()
    np.testing.assert_allclose(latents.slerp(a, b, 0.0), a, atol=1e-5)
    np.testing.assert_allclose(latents.slerp(a, b, 1.0), b, atol=1e-5)
    for t in (0.25, 0.5):
        want = (1 - t) * lengths(a) + t * lengths(b)
        np.testing.assert_allclose(
            lengths(latents.slerp(a, b, t)), want, rtol=1e-5
        )


@pytest.mark.parametrize("distance", [0.0, 1e-7, 1e-4, 1e-2])
@pytest.mark.parametrize("sign", [1, -1])
def test_slerp_between_nearly_parallel_and_opposite(distance, sign):
    a, side = pairs(1)
    b = sign * (3 * a + distance * side)
    path = [np.asarray(latents.slerp(a, b, t)) for t in np.linspace(0, 1, 21)]
    np.testing.assert_allclose(path[0], a, atol=1e-5)
    # Opposite within rounding means any half circle: it ends as near.
    np.testing.assert_allclose(path[-1], b, atol=1e-3)
    steps = [
        (x * y).sum(-1, keepdims=True) / lengths(x) / lengths(y)
        for x, y in itertools.pairwise(path)
    ]
    angles = np.arccos(np.clip(steps, -1, 1))
    turn = np.pi if sign < 0 else 0.0
    np.testing.assert_allclose(angles.sum(0), turn, atol=0.05)
    assert angles.max() < 0.17  # a steady turn, no jump


def test_slerp_of_nothing_is_finite():
    a, b = pairs()
    assert np.isfinite(latents.slerp(0 * a, b, 0.3)).all()
    assert np.isfinite(latents.slerp(a, 0 * b, 0.3)).all()
