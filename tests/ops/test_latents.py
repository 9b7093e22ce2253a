import numpy as np
import pytest
import scipy.stats

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
