"""Foreign images: what they are, and what is said where they are not."""

import pathlib
import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits

from keras_ganmix.classifying import outliers
from keras_ganmix.data.sources import emoji


def test_digits_are_scikit_learns_at_another_size():
    images = outliers.load("digits", (16, 24, 3))
    assert images.shape == (1797, 16, 24, 3) and images.dtype == np.uint8
    np.testing.assert_array_equal(images[..., 0], images[..., 2])
    small = outliers.load("digits", (8, 8, 1))[..., 0]
    levels = load_digits().images
    np.testing.assert_allclose(small, levels * 255 / 16, atol=0.5)
    # Bicubic resizing keeps the mean but for what it cuts off.
    assert images.mean() == pytest.approx(small.mean(), rel=0.05)


def test_noise_has_its_moments_and_is_always_the_same():
    uniform = outliers.load("uniform", (12, 12, 1), 50)
    assert uniform.shape == (50, 12, 12, 1)
    assert uniform.mean() == pytest.approx(127.5, abs=3)
    assert uniform.std() == pytest.approx(255 / 12**0.5, abs=3)
    gaussian = outliers.load("gaussian", (12, 12, 1), 50)
    # Of N(1/2, 1), 31 % lie below 0 and as many above 1.
    assert np.mean(gaussian == 0) == pytest.approx(0.31, abs=0.03)
    assert np.mean(gaussian == 255) == pytest.approx(0.31, abs=0.03)
    again = outliers.load("gaussian", (12, 12, 1), 50)
    np.testing.assert_array_equal(gaussian, again)


@pytest.mark.skipif(
    not pathlib.Path(emoji.FONT).is_file(), reason="needs the emoji font"
)
def test_emoji_are_grey_on_white():
    images = outliers.load("emoji", (8, 8, 1))
    assert len(images) > 1000 and images.shape[1:] == (8, 8, 1)
    assert np.median(images[:, 0, 0]) == 255


def test_unknown_names_and_missing_packages_are_told(monkeypatch):
    with pytest.raises(ValueError, match="mean 'digits'"):
        outliers.load("digit", (8, 8, 1))
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ValueError, match=r"pip install scikit-learn"):
        outliers.load("digits", (8, 8, 1))
