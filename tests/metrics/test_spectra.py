import itertools

import numpy as np
import pytest
import scipy.ndimage

from keras_ganmix.metrics import RadialSpectrum


def noise_images(count=40, size=32, seed=0):
    rng = np.random.default_rng(seed)
    return np.clip(rng.normal(size=(count, size, size, 1)) * 0.2, -1, 1)


def test_wave_has_its_power_at_its_frequency():
    x = np.arange(32)
    wave = 0.5 * np.cos(2 * np.pi * 5 * x / 32)
    images = np.broadcast_to(wave[None, None, :, None], (2, 32, 32, 3))
    frequencies, power = RadialSpectrum().update(images).profile()
    assert frequencies[power.argmax()] == 5 / 32
    # Two of the entries of the ring hold (amplitude / 2)^2 each.
    radius = np.rint(np.hypot(*np.meshgrid(*[np.fft.fftfreq(32) * 32] * 2)))
    expected = 2 * 0.25**2 / (radius == 5).sum()
    assert power.max() == pytest.approx(expected, rel=1e-6)
    assert np.sort(power)[-2] < 1e-12


def test_white_noise_is_flat():
    power = RadialSpectrum().update(noise_images(200)).profile()[1]
    np.testing.assert_allclose(power / power.mean(), 1, atol=0.1)


def test_amplitude_shifts_all_decibels_alike():
    images = noise_images()
    one = RadialSpectrum().update(images)
    two = RadialSpectrum().update(images / 10)
    np.testing.assert_allclose(one.distance(two), (20, 20, 20), rtol=1e-4)


def test_batch_and_order_do_not_matter():
    images = noise_images()
    one = RadialSpectrum().update(images)
    two = RadialSpectrum()
    for part in np.array_split(images[::-1], 7):
        two.update(part)
    np.testing.assert_allclose(one.profile()[1], two.profile()[1], rtol=1e-12)
    assert one.distance(two).total < 1e-9


def test_blur_is_seen_in_the_upper_half_and_grows():
    real = RadialSpectrum().update(noise_images())
    scores = [
        real.distance(
            RadialSpectrum().update(
                scipy.ndimage.gaussian_filter(
                    noise_images(seed=1), (0, s, s, 0), mode="wrap"
                )
            )
        )
        for s in (0, 0.4, 0.8, 1.6)
    ]
    totals = [s.total for s in scores]
    assert all(a < b for a, b in itertools.pairwise(totals))
    assert scores[2].high > 3 * scores[2].low


def test_tile_shuffles_are_seen_at_high_frequencies():
    wave = 0.9 * np.sin(np.pi * np.arange(32) / 16)
    smooth = np.broadcast_to(wave[:, None, None], (4, 32, 32, 1))
    tiles = smooth.reshape(4, 4, 8, 32, 1)
    shuffled = tiles[:, [2, 0, 3, 1]].reshape(smooth.shape)
    real = RadialSpectrum().update(smooth)
    assert real.distance(RadialSpectrum().update(shuffled)).high > 20


def test_bad_input():
    spectrum = RadialSpectrum().update(noise_images(2))
    with pytest.raises(ValueError, match="do not match"):
        spectrum.update(noise_images(2, size=16))
    with pytest.raises(ValueError, match="other: images of shape"):
        spectrum.distance(RadialSpectrum().update(noise_images(2, size=16)))
    with pytest.raises(ValueError, match="other: 0 samples"):
        spectrum.distance(RadialSpectrum())
