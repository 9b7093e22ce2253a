"""Distance of radial power spectra: low- and high-frequency quality apart.

Reference:
    - Durall et al., "Watch your Up-Convolution", CVPR 2020 (section 3.1, the
      azimuthal integration), https://arxiv.org/abs/2003.01826
    The distance in decibels and its split into two bands are this project's.
"""

import typing

import numpy as np

from keras_ganmix.metrics.checks import check_count
from keras_ganmix.metrics.images import check_images


class SpectrumDistance(typing.NamedTuple):
    """Mean absolute difference in decibels: all, lower, upper half band."""

    total: float
    low: float
    high: float


class RadialSpectrum:
    """Mean power of images by spatial frequency, over batches, in float64.

    Power is averaged over images, over channels and over the directions of
    one frequency; the mean brightness (frequency 0) and the corners beyond
    the Nyquist frequency are left out.

    Args:
        value_range: range of float images, see `check_images`.
    """

    def __init__(self, value_range=None):
        self.count = 0
        self.value_range = value_range
        self._shape = None
        self._power = None

    def update(self, images):
        """Adds images (N, H, W, C). Returns self.

        Raises:
            ValueError: another size than before, or what `check_images` says.
        """
        images = check_images(
            images, shape=self._shape, value_range=self.value_range
        )
        if self._shape is None:
            self._shape = images.shape[1:]
            self._power = np.zeros(self._shape[:2])
        spectrum = np.fft.fft2(images.astype(np.float64), axes=(1, 2))
        self._power += (np.abs(spectrum) ** 2).mean(axis=3).sum(axis=0)
        self.count += len(images)
        return self

    def profile(self):
        """Returns `(frequencies, power)`, each (bins,).

        Frequencies are in cycles per pixel, up to 0.5; the power is the mean
        of |FFT|^2 / (H W)^2. There is a bin for each cycle over the shorter
        side.
        """
        check_count(self.count, "images", minimum=1, advise=False)
        height, width = self._shape[:2]
        fy, fx = np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None]
        side = min(height, width)
        radius = np.rint(np.hypot(fy, fx) * side).astype(int).ravel()
        bins = side // 2
        total = np.bincount(radius, self._power.ravel())[1 : bins + 1]
        entries = np.bincount(radius)[1 : bins + 1]
        scale = self.count * (height * width) ** 2
        return np.arange(1, bins + 1) / side, total / entries / scale

    def distance(self, other):
        """Mean absolute difference of the spectra in decibels.

        Returns:
            `SpectrumDistance(total, low, high)`; `low` is below half of the
            Nyquist frequency, `high` from there on.

        Raises:
            ValueError: images of different sizes, or too small for two bands.
        """
        check_count(self.count, "images", minimum=1, advise=False)
        check_count(other.count, "other", minimum=1, advise=False)
        if self._shape != other._shape:
            raise ValueError(
                f"other: images of shape {other._shape} do not match "
                f"{self._shape}; resize one side."
            )
        frequencies, one = self.profile()
        if len(frequencies) < 2:
            raise ValueError("images: too small for a spectrum; use 4 pixels.")
        two = other.profile()[1]
        # Below -120 dB there is only rounding (8 bits reach to about -60).
        floor = 1e-12
        decibels = 10 * np.abs(
            np.log10(np.maximum(one, floor)) - np.log10(np.maximum(two, floor))
        )
        low = frequencies < 0.25
        return SpectrumDistance(
            float(decibels.mean()),
            float(decibels[low].mean()) if low.any() else 0.0,
            float(decibels[~low].mean()),
        )
