import math

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from keras_ganmix.ops import latents

U = ((np.arange(10000) + 0.5) / 10000).astype("float32")


def test_normal_is_the_inverse_cdf():
    want = scipy.stats.norm.ppf(U.astype("float64"))
    got = latents.normal_from_uniform(U)
    np.testing.assert_allclose(got, want, atol=5e-4)


def test_normal_is_finite_at_the_ends():
    z = np.asarray(latents.normal_from_uniform(np.float32([0.0, 1.0])))
    assert np.isfinite(z).all() and (np.abs(z) > 5).all()


@pytest.mark.parametrize("threshold", [0.01, 0.5, 1.0, 2.0, 4.0, 10.0])
def test_truncated_is_the_inverse_cdf(threshold):
    u = U.astype("float64")
    want = scipy.stats.truncnorm.ppf(u, -threshold, threshold)
    got = latents.truncated_normal_from_uniform(U, threshold)
    np.testing.assert_allclose(got, want, atol=5e-4)
    ends = latents.truncated_normal_from_uniform(
        np.float32([0.0, 1.0]), threshold
    )
    assert np.abs(ends).max() <= threshold


def test_named_distributions():
    u = U.reshape(100, 100)
    np.testing.assert_array_equal(
        latents.sample_latents(u), latents.normal_from_uniform(u)
    )
    np.testing.assert_array_equal(
        latents.sample_latents(u, "truncated", 0.7),
        latents.truncated_normal_from_uniform(u, 0.7),
    )
    np.testing.assert_allclose(
        latents.sample_latents(u, "uniform"), 2 * u - 1, atol=1e-7
    )


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match="'normal'"):
        latents.sample_latents(U, "norml")
    with pytest.raises(ValueError, match=r"threshold: -1\.0"):
        latents.truncated_normal_from_uniform(U, -1)


def test_slerp_moves_along_the_circle():
    angles = np.linspace(0, 1, 11, dtype="float32")[:, None]
    got = latents.slerp([[1.0, 0.0]], [[0.0, 1.0]], angles)
    want = np.hstack(
        [np.cos(angles * math.pi / 2), np.sin(angles * math.pi / 2)]
    )
    np.testing.assert_allclose(got, want, atol=1e-6)


def test_slerp_ends_and_parallel_vectors():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 5, 16)).astype("float32")
    np.testing.assert_allclose(latents.slerp(a, b, 0.0), a, atol=1e-5)
    np.testing.assert_allclose(latents.slerp(a, b, 1.0), b, atol=1e-5)
    np.testing.assert_allclose(latents.slerp(a, 3 * a, 0.5), 2 * a, rtol=1e-3)
    assert np.isfinite(latents.slerp(a, -a, 0.3)).all()
    assert np.isfinite(latents.slerp(0 * a, b, 0.3)).all()


def test_compiles_with_xla():
    compiled = tf.function(
        lambda u: latents.slerp(
            latents.sample_latents(u),
            latents.sample_latents(u, "truncated"),
            0.5,
        ),
        jit_compile=True,
    )
    u = U.reshape(100, 100)
    want = latents.slerp(
        latents.sample_latents(u),
        latents.sample_latents(u, "truncated"),
        0.5,
    )
    np.testing.assert_allclose(compiled(u), want, atol=1e-4)
