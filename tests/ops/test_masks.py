import math

import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_ganmix.ops import masks


def uniforms(seed, count=4, batch=16):
    return np.random.default_rng(seed).random((count, batch), "float32")


def box_by_loops(lam, u, v, height, width):
    """CutMix one pixel at a time."""
    mask = np.ones((len(lam), height, width, 1))
    for i in range(len(lam)):
        side = np.sqrt(np.float32(1) - lam[i])
        tall, wide = int(side * height), int(side * width)
        top = int(u[i] * height) - tall // 2
        left = int(v[i] * width) - wide // 2
        for y in range(top, top + tall):
            for x in range(left, left + wide):
                if 0 <= y < height and 0 <= x < width:
                    mask[i, y, x] = 0
    return mask


def test_mixup_is_constant():
    lam = uniforms(0)[0]
    mask = np.asarray(masks.mixup_mask(lam, 5, 7))
    assert mask.shape == (16, 5, 7, 1) and mask.dtype == np.float32
    assert (mask == lam[:, None, None, None]).all()
    np.testing.assert_allclose(masks.mask_mean(mask), lam, rtol=1e-6)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 20), st.integers(1, 20))
def test_cutmix_equals_loops(seed, height, width):
    lam, u, v, _ = uniforms(seed)
    mask = np.asarray(masks.cutmix_mask(lam, u, v, height, width))
    want = box_by_loops(lam, u, v, height, width)
    np.testing.assert_array_equal(mask, want)
    np.testing.assert_allclose(
        masks.mask_mean(mask), want.mean((1, 2, 3)), rtol=1e-5
    )


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 1000),
    st.integers(2, 20),
    st.integers(2, 20),
    st.floats(0, 10),
)
def test_srmix_keeps_the_mean_and_the_range(seed, height, width, sigma):
    lam, u, v, swap = uniforms(seed)
    box = masks.cutmix_mask(lam, u, v, height, width, swap)
    mask = masks.srmix_mask(lam, u, v, height, width, sigma, swap)
    assert np.min(mask) >= 0 and np.max(mask) <= 1 + 1e-6
    np.testing.assert_allclose(
        masks.mask_mean(mask), masks.mask_mean(box), atol=2e-4
    )


def test_srmix_is_a_gaussian_with_reflecting_borders():
    lam, u, v, _ = uniforms(1)
    box = box_by_loops(lam, u, v, 32, 24)[..., 0]
    want = scipy.ndimage.gaussian_filter(
        box, sigma=[0, 0.1 * 32, 0.1 * 32], mode="reflect", truncate=8
    )
    mask = np.asarray(masks.srmix_mask(lam, u, v, 32, 24, 0.1))[..., 0]
    # scipy samples the kernel, the transform does not: 1e-3 apart at 3 pixels.
    np.testing.assert_allclose(mask, want, atol=1e-3)


def test_srmix_spans_cutmix_and_mixup():
    lam, u, v, swap = uniforms(2)
    box = masks.cutmix_mask(lam, u, v, 32, 32, swap)
    for sigma in (0.0, 1e-6, 0.9 / 32):
        mask = masks.srmix_mask(lam, u, v, 32, 32, sigma, swap)
        np.testing.assert_array_equal(mask, box)
    flat = masks.mixup_mask(masks.mask_mean(box), 32, 32)
    for sigma in (30.0, math.inf):
        mask = masks.srmix_mask(lam, u, v, 32, 32, sigma, swap)
        np.testing.assert_allclose(mask, flat, atol=1e-5)


@pytest.mark.parametrize("size, sigma", [(2, 1.0), (7, 1.0), (32, 3.2)])
def test_smoothing_matrix_is_stochastic_and_symmetric(size, sigma):
    matrix = masks.smoothing_matrix(size, sigma)
    np.testing.assert_allclose(matrix.sum(0), 1.0, atol=1e-6)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-7)
    assert matrix.min() > -1e-3


def test_swapped_roles_are_the_complement():
    lam, u, v, swap = uniforms(3)
    for function in (masks.cutmix_mask, masks.srmix_mask):
        mask = np.asarray(function(lam, u, v, 16, 16))
        both = np.asarray(function(lam, u, v, 16, 16, swap=swap))
        want = np.where(swap[:, None, None, None] < 0.5, 1 - mask, mask)
        np.testing.assert_allclose(both, want, atol=1e-6)
        assert 0 < (swap < 0.5).sum() < 16


def test_swapping_makes_the_law_of_the_ratio_symmetric():
    rng = np.random.default_rng(4)
    lam, u, v, swap = rng.random((4, 4000), "float32")
    plain = np.mean(masks.cutmix_mask(lam, u, v, 16, 16))
    assert 0.66 < plain < 0.72  # the clipping bias
    fair = np.mean(masks.cutmix_mask(lam, u, v, 16, 16, swap))
    np.testing.assert_allclose(fair, 0.5, atol=0.02)


def test_extreme_ratios():
    half = np.float32([0.5])
    for function in (masks.cutmix_mask, masks.srmix_mask):
        one = function([1.0], half, half, 16, 16)
        np.testing.assert_allclose(one, 1.0, atol=1e-6)
        zero = function([0.0], half, half, 16, 16)
        np.testing.assert_allclose(zero, 0.0, atol=1e-6)


def test_mix_follows_the_convention():
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(2, 4, 6, 5, 3)).astype("float32")
    mask = rng.random((4, 6, 5, 1), "float32")
    np.testing.assert_allclose(
        masks.mix(a, b, mask), mask * a + (1 - mask) * b, rtol=1e-6
    )
    np.testing.assert_allclose(
        masks.mix(b, a, 1 - mask), masks.mix(a, b, mask), atol=1e-6
    )
    np.testing.assert_array_equal(masks.mix(a, b, np.ones_like(mask)), a)
    np.testing.assert_array_equal(masks.mix(a, b, np.zeros_like(mask)), b)


def test_b_gets_no_gradient_where_the_mask_is_one():
    lam, u, v, _ = uniforms(6)
    mask = masks.cutmix_mask(lam, u, v, 8, 8)
    a, b = tf.random.stateless_normal((2, 16, 8, 8, 3), (0, 0))
    with tf.GradientTape() as tape:
        tape.watch(b)
        total = tf.reduce_sum(masks.mix(a, b, mask) ** 2)
    gradient = np.asarray(tape.gradient(total, b))
    ones = np.broadcast_to(np.asarray(mask) == 1, gradient.shape)
    assert ones.any() and (gradient[ones] == 0).all()
    assert (gradient[~ones] != 0).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_images_stay_finite_and_masks_float32(dtype):
    lam, u, v, swap = uniforms(7, batch=2)
    a = tf.cast(tf.random.stateless_normal((2, 256, 256, 3), (0, 1)), dtype)
    mask = masks.srmix_mask(
        tf.cast(lam, dtype), u, v, 256, 256, swap=tf.cast(swap, dtype)
    )
    assert mask.dtype == tf.float32
    mixed = masks.mix(a, -a, mask)
    assert mixed.dtype == a.dtype
    assert np.isfinite(tf.cast(mixed, "float32")).all()


def test_same_under_xla_and_for_an_unknown_batch():
    def function(lam, u, v, swap, a, b):
        masked = [
            masks.mixup_mask(lam, 12, 9),
            masks.cutmix_mask(lam, u, v, 12, 9, swap),
            masks.srmix_mask(lam, u, v, 12, 9, 0.1, swap),
        ]
        return [*masked, *(masks.mix(a, b, mask) for mask in masked)]

    signature = [tf.TensorSpec([None])] * 4
    signature += [tf.TensorSpec([None, 12, 9, 3])] * 2
    draws = list(uniforms(8))
    images = list(tf.random.stateless_normal((2, 16, 12, 9, 3), (0, 2)))
    want = function(*draws, *images)
    for jit in (False, True):
        compiled = tf.function(function, signature, jit_compile=jit)
        for x, y in zip(compiled(*draws, *images), want, strict=True):
            np.testing.assert_allclose(x, y, atol=1e-6)


@pytest.mark.parametrize("sigma", [-0.1, float("nan")])
def test_bad_sigma_is_named(sigma):
    with pytest.raises(ValueError, match=r"sigma: .* at least 0"):
        masks.srmix_mask([0.5], [0.5], [0.5], 8, 8, sigma)
