import itertools
import math

import numpy as np
import pytest
import scipy.stats

from keras_ganmix.metrics import patch_sliced_wasserstein, sliced_wasserstein
from keras_ganmix.metrics.wasserstein import laplacian_pyramid


def textures(count, size=32, channels=1, seed=0):
    rng = np.random.default_rng(seed)
    waves = np.linspace(0, 4 * np.pi, size)
    phase = rng.uniform(0, 7, size=(count, 1, 1, channels))
    images = np.sin(waves[None, :, None, None] + phase)
    images = images * np.cos(waves[None, None, :, None] + phase)
    return (images * 0.8).astype(np.float32)


def test_shift_has_the_closed_form():
    """All directions see |u.shift|, whose mean over the sphere is known."""
    points = np.random.default_rng(0).normal(size=(50, 6))
    shift = np.full(6, 2.0)
    expected = np.linalg.norm(shift) * math.gamma(3) / math.gamma(3.5)
    expected /= math.sqrt(math.pi)
    got = sliced_wasserstein(points, points + shift, projections=20_000)
    assert got == pytest.approx(expected, rel=0.02)


def test_one_dimension_equals_scipy():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(200, 1)), rng.gamma(2, size=(200, 1))
    expected = scipy.stats.wasserstein_distance(x[:, 0], y[:, 0])
    assert sliced_wasserstein(x, y, 3) == pytest.approx(expected, rel=1e-12)


def test_order_does_not_matter_and_identical_sets_give_zero():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 100, 3))
    one = sliced_wasserstein(x, y, seed=3)
    assert one == pytest.approx(
        sliced_wasserstein(rng.permutation(x), rng.permutation(y), seed=3)
    )
    assert sliced_wasserstein(x, x[::-1]) == 0.0


def test_pyramid_reconstructs_and_a_constant_has_no_bands():
    images = textures(3, channels=2)
    fine, middle, coarse = laplacian_pyramid(images, smallest=8)
    assert [level.shape[1] for level in (fine, middle, coarse)] == [32, 16, 8]
    constant = np.full((1, 32, 32, 1), 0.7, np.float32)
    bands = laplacian_pyramid(constant, smallest=8)
    for band in bands[:-1]:
        np.testing.assert_allclose(band[:, 4:-4, 4:-4], 0, atol=1e-6)
    np.testing.assert_allclose(bands[-1], 0.7, rtol=1e-6)


def test_tells_the_scale_that_differs():
    real, fake = textures(60), textures(60, seed=1)
    rng = np.random.default_rng(3)
    floor = patch_sliced_wasserstein(real, fake, 8)
    assert list(floor) == [32, 16, 8]
    noisy = np.clip(fake + rng.normal(size=fake.shape) * 0.1, -1, 1)
    got = patch_sliced_wasserstein(real, noisy, 8)
    assert got[32] > 3 * floor[32]
    assert got[8] < 1.5 * floor[8]


def test_grows_with_noise():
    real, fake = textures(40), textures(40, seed=1)
    noise = np.random.default_rng(4).normal(size=fake.shape)
    scores = [
        patch_sliced_wasserstein(
            real, np.clip(fake + s * noise, -1, 1), patches_per_image=16
        )[32]
        for s in (0, 0.05, 0.15, 0.5)
    ]
    assert all(a < b for a, b in itertools.pairwise(scores))


def test_bad_input():
    images = textures(2)
    with pytest.raises(ValueError, match="patch_size: 33 must be odd"):
        patch_sliced_wasserstein(images, images, patch_size=33)
    with pytest.raises(ValueError, match="images2: images of shape"):
        patch_sliced_wasserstein(images, images[:, ::2])
    with pytest.raises(ValueError, match="points2: dimension 2"):
        sliced_wasserstein(np.zeros((3, 3)), np.zeros((3, 2)))
    with pytest.raises(ValueError, match="projections: 0"):
        sliced_wasserstein(np.zeros((3, 3)), np.zeros((3, 3)), 0)
