import math

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


def test_slerp_moves_along_the_circle():
    t = np.linspace(0, 1, 11, dtype="float32")[:, None]
    got = latents.slerp([[1.0, 0.0]], [[0.0, 1.0]], t)
    want = np.hstack([np.cos(t * math.pi / 2), np.sin(t * math.pi / 2)])
    np.testing.assert_allclose(got, want, atol=1e-6)


def test_slerp_ends_and_parallel_vectors():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 5, 16)).astype("float32")
    np.testing.assert_allclose(latents.slerp(a, b, 0.0), a, atol=1e-5)
    np.testing.assert_allclose(latents.slerp(a, b, 1.0), b, atol=1e-5)
    np.testing.assert_allclose(latents.slerp(a, 3 * a, 0.5), 2 * a, rtol=1e-3)
    assert np.isfinite(latents.slerp(a, -a, 0.3)).all()
    assert np.isfinite(latents.slerp(0 * a, b, 0.3)).all()


def test_same_under_xla():
    def function(u):
        z = latents.truncated_normal_from_uniform(u, 2.0)
        return latents.slerp(z[:50], z[50:], 0.3)

    u = np.random.default_rng(1).permutation(U).reshape(100, 100)
    compiled = tf.function(function, jit_compile=True)
    np.testing.assert_allclose(compiled(u), function(u), atol=1e-4)
