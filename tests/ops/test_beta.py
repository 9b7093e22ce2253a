import numpy as np
import pytest
import scipy.stats
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_ganmix.ops.beta import beta_from_uniform

ALPHAS = [0.1, 0.2, 0.4, 0.5, 0.9, 1.5, 2.0, 5.0, 10.0, 100.0]


def grid():
    inner = np.linspace(0, 1, 20001)[1:-1]
    tails = 2.0 ** -np.arange(2, 24)
    return np.sort(
        np.concatenate([inner, tails, 1.0 - tails]).astype("float32")
    )


@pytest.mark.parametrize("alpha", ALPHAS)
def test_equals_scipy_quantiles(alpha):
    u = grid()
    want = scipy.stats.beta.ppf(u.astype("float64"), alpha, alpha)
    got = np.asarray(beta_from_uniform(u, alpha))
    np.testing.assert_allclose(got, want, atol=1e-6, rtol=0)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_lower_tail_keeps_relative_accuracy(alpha):
    u = grid()
    want = scipy.stats.beta.ppf(u.astype("float64"), alpha, alpha)
    keep = (want > 1e-30) & (want < 0.5)
    got = np.asarray(beta_from_uniform(u, alpha))
    np.testing.assert_allclose(got[keep], want[keep], rtol=5e-5)


def test_alpha_one_is_the_identity():
    u = grid()
    np.testing.assert_array_equal(np.asarray(beta_from_uniform(u, 1.0)), u)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.05, 20.0))
def test_moments_range_symmetry_and_order(alpha):
    u = ((np.arange(20000) + 0.5) / 20000).astype("float32")
    x = np.asarray(beta_from_uniform(u, alpha), "float64")
    assert x.min() >= 0.0 and x.max() <= 1.0
    assert (np.diff(x) >= -1e-7).all()
    np.testing.assert_allclose(x + x[::-1], 1.0, atol=1e-4)
    np.testing.assert_allclose(x.mean(), 0.5, atol=1e-4)
    np.testing.assert_allclose(x.var(), 1 / (4 * (2 * alpha + 1)), rtol=3e-3)


@pytest.mark.parametrize("alpha", [0.3, 4.0])
def test_same_values_under_xla_and_unknown_shape(alpha):
    u = grid()[:4096]
    function = tf.function(
        lambda u: beta_from_uniform(u, alpha),
        input_signature=[tf.TensorSpec([None], tf.float32)],
    )
    compiled = tf.function(function.python_function, jit_compile=True)
    np.testing.assert_allclose(function(u), compiled(u), atol=1e-6)
    assert compiled(u).shape == (4096,)


def test_ends_of_the_unit_interval():
    x = np.asarray(beta_from_uniform(np.float32([0.0, 0.5, 1.0]), 0.1))
    np.testing.assert_allclose(x, [0.0, 0.5, 1.0], atol=1e-6)


@pytest.mark.parametrize("alpha", [0, -0.5, float("nan"), float("inf")])
def test_bad_alpha_is_named(alpha):
    with pytest.raises(ValueError, match=r"alpha: .* above 0"):
        beta_from_uniform([0.5], alpha)
