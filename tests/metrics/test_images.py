import numpy as np
import pytest

from keras_ganmix.metrics import check_images


def test_every_range_maps_to_the_same_images():
    pixels = np.arange(256, dtype=np.uint8).reshape(4, 8, 8, 1)
    expected = pixels / 127.5 - 1
    floats = pixels.astype(np.float64)
    for images, value_range in (
        (pixels, None),
        (expected, None),
        (expected.astype(np.float32), (-1, 1)),
        (floats, (0, 255)),
        (floats / 255, (0, 1)),
    ):
        got = check_images(images, value_range=value_range)
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, expected, atol=1e-6)
        assert np.abs(got).max() <= 1


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 4, 4)), r"\(2, 4, 4\)"),
        (np.full((2, 4, 4, 1), 200.0), "reach from 200 to 200"),
        (np.full((8, 4, 4, 1), 0.5), r"look like the range \[0, 1\]"),
        (np.zeros((2, 4, 4, 1), np.int64), "dtype int64"),
        (np.zeros((2, 4, 4, 1), bool), "dtype bool"),
        (np.full((2, 4, 4, 1), np.nan), "2 of 2 images hold NaN"),
    ],
)
def test_what_does_not_fit_is_refused(images, message):
    with pytest.raises(ValueError, match=f"fakes: .*{message}"):
        check_images(images, "fakes")


def test_named_range_decides():
    bright = np.full((8, 4, 4, 1), 0.5)
    assert check_images(bright, value_range=(-1, 1)).max() == 0.5
    assert check_images(bright, value_range=(0, 1)).max() == 0.0
    assert check_images(bright[:1]).max() == 0.5
    with pytest.raises(ValueError, match="value_range"):
        check_images(bright, value_range=(0, 2))


def test_size_mismatch_is_refused():
    with pytest.raises(ValueError, match=r"\(4, 4, 1\) do not match"):
        check_images(np.zeros((2, 4, 4, 1)), shape=(4, 4, 3))
