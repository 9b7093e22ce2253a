"""Reading pictures, against Pillow and numpy; and refusing bad ones."""

import io
import os
import time

import numpy as np
import pytest
from PIL import Image, ImageOps

from keras_ganmix.data import ImageError, read_image
from keras_ganmix.data.images import (
    CorruptImageError,
    ImageTooLargeError,
    UnreadableImageError,
    UnsupportedImageError,
    is_grey,
    resize_image,
)
from tests.bad_files import BAD, encode, png


def read(data, **kwargs):
    return read_image("given", data=data, **kwargs)


@pytest.fixture
def pixels():
    random = np.random.RandomState(0)
    return random.randint(0, 256, (9, 7, 3)).astype(np.uint8)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "WEBP"])
def test_lossless_formats_keep_every_pixel(pixels, kind):
    kwargs = {"lossless": True} if kind == "WEBP" else {}
    assert np.array_equal(read(encode(pixels, kind, **kwargs)), pixels)


def test_jpeg_equals_pillow(pixels):
    data = encode(pixels, "JPEG", quality=90)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert np.array_equal(read(data), expected)


def test_grey_stays_grey_and_becomes_rgb_on_demand(pixels):
    grey = pixels[..., 0]
    data = encode(grey)
    assert np.array_equal(read(data), grey[..., None])
    assert np.array_equal(read(data, channels=3), np.stack([grey] * 3, -1))
    assert is_grey("given", data=data)
    assert not is_grey("given", data=encode(pixels))


def test_rgb_to_grey_is_itu_601_luma(pixels):
    expected = pixels @ np.array([0.299, 0.587, 0.114])
    got = read(encode(pixels), channels=1)[..., 0]
    assert np.abs(got - expected).max() <= 1


def test_transparency_is_laid_over_white():
    random = np.random.RandomState(1)
    rgba = random.randint(0, 256, (8, 8, 4)).astype(np.uint8)
    alpha = rgba[..., 3:] / 255
    expected = rgba[..., :3] * alpha + 255 * (1 - alpha)
    assert np.abs(read(encode(rgba)) - expected).max() <= 1


def test_grey_with_alpha_is_laid_over_white():
    la = np.zeros((1, 3, 2), np.uint8)
    la[0, :, 1] = (0, 128, 255)
    got = read(encode(Image.fromarray(la, "LA")))
    assert got.shape == (1, 3, 1)
    assert np.abs(got[0, :, 0] - np.array([255, 127, 0])).max() <= 1


def test_palette_with_transparent_entry():
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    got = read(encode(image, transparency=1))
    assert got.tolist() == [[[255, 0, 0], [255, 255, 255], [0, 0, 255]]]


def test_transparent_grey_value():
    data = encode(np.array([[5, 9]], np.uint8), transparency=9)
    assert read(data, channels=1)[0, :, 0].tolist() == [5, 255]


def test_16_bit_grey_is_scaled_and_not_clipped():
    values = np.array([[0, 255, 257, 32768, 65535]], np.uint16)
    expected = np.round(values / 257).astype(np.uint8)
    assert np.array_equal(read(encode(values))[..., 0], expected)


def test_16_bit_rgb():
    # Pillow cannot write it: a PNG by hand.
    values = np.array([[[0, 32768, 65535], [65535, 0, 256]]], ">u2")
    data = png(2, 1, b"\0" + values.tobytes(), depth=16, colour=2)
    assert np.abs(read(data) - values / 257.0).max() < 1


def test_one_bit_picture():
    image = Image.fromarray(np.array([[0, 255]], np.uint8)).convert("1")
    assert read(encode(image))[0, :, 0].tolist() == [0, 255]


def test_cmyk_jpeg_equals_pillow(pixels):
    data = encode(Image.fromarray(pixels).convert("CMYK"), "JPEG", quality=95)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert np.array_equal(read(data), expected)


def test_first_frame_of_an_animation(pixels):
    frames = [Image.fromarray(np.full((5, 5), v, np.uint8)) for v in (9, 200)]
    data = encode(
        frames[0], "GIF", save_all=True, append_images=frames[1:], duration=10
    )
    assert Image.open(io.BytesIO(data)).n_frames == 2
    assert (read(data) == 9).all()


def test_cameras_with_two_pictures_in_a_file(pixels):
    first, second = Image.fromarray(pixels), Image.fromarray(255 - pixels)
    data = encode(first, "MPO", save_all=True, append_images=[second])
    assert np.abs(read(data).mean() - pixels.mean()) < 8
    assert read(data).shape == pixels.shape


# EXIF orientation: what must be done to the stored pixels.
UPRIGHT = {
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: np.rot90(x, -1),
    7: lambda x: np.rot90(x, 2).swapaxes(0, 1),
    8: lambda x: np.rot90(x),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation_is_applied(pixels, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(pixels, exif=exif)
    assert np.array_equal(read(data), UPRIGHT[orientation](pixels))


def test_damaged_exif_does_not_cost_the_picture(pixels):
    data = encode(pixels, exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert np.array_equal(read(data), pixels)


def test_content_counts_and_not_the_extension(tmp_path, pixels):
    path = tmp_path / "photo.jpg"
    path.write_bytes(encode(pixels, "PNG"))
    assert np.array_equal(read_image(path), pixels)


@pytest.mark.parametrize("size", [(8, 8), (5, 11), (32, 20), (16, 48)])
def test_crop_equals_pillows_fit(size):
    random = np.random.RandomState(2)
    for shape in ((40, 30, 3), (30, 40, 3), (17, 64, 3)):
        array = random.randint(0, 256, shape).astype(np.uint8)
        expected = ImageOps.fit(
            Image.fromarray(array), size[::-1], Image.Resampling.BICUBIC
        )
        got = resize_image(array, size, mode="crop")
        assert np.array_equal(got, np.asarray(expected))


def test_pad_keeps_the_aspect_ratio_and_centres():
    array = np.full((10, 20, 3), 50, np.uint8)
    got = resize_image(array, (16, 16), mode="pad", background=255)
    assert (got[4:12] == 50).all()
    assert (got[:4] == 255).all() and (got[12:] == 255).all()


def test_pad_never_loses_a_thin_picture():
    got = resize_image(np.zeros((1, 900, 1), np.uint8), (8, 8), mode="pad")
    assert got.shape == (8, 8, 1)


def test_squeeze_changes_the_aspect_ratio():
    array = np.zeros((8, 16, 1), np.uint8)
    array[:, 8:] = 255
    got = resize_image(array, (8, 8), mode="squeeze")
    assert (got[:, :3] < 9).all() and (got[:, 5:] > 246).all()


def test_downscaling_is_antialiased():
    checkers = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)
    got = resize_image(checkers[..., None], (8, 8))
    assert np.abs(got[1:-1, 1:-1].astype(int) - 127).max() <= 2


def test_float_pictures_resize_like_bytes():
    random = np.random.RandomState(3)
    array = random.randint(60, 190, (20, 20, 3)).astype(np.uint8)
    as_float = array.astype(np.float32) / 127.5 - 1
    got = (resize_image(as_float, (12, 12)) + 1) * 127.5
    assert np.abs(got - resize_image(array, (12, 12))).max() <= 1
    assert as_float.min() <= resize_image(as_float, (40, 40)).min()


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_quickly_and_by_name(tmp_path, name):
    path = tmp_path / f"{name}.png"
    path.write_bytes(BAD[name])
    began = time.perf_counter()
    with pytest.raises(ImageError) as caught:
        read_image(path)
    assert time.perf_counter() - began < 2
    assert str(path) in str(caught.value)
    assert caught.value.path == str(path)
    assert "\n" not in str(caught.value)
    if name.endswith("bomb") and not name.startswith("png_text"):
        assert isinstance(caught.value, ImageTooLargeError)
    if "_cut_at_9" in name or "_cut_at_6" in name:
        assert isinstance(caught.value, CorruptImageError)
    if name in ("text", "html", "tiff", "zip", "noise"):
        assert isinstance(caught.value, UnsupportedImageError)


def test_there_are_many_kinds_of_bad_files():
    assert len(BAD) >= 70


def test_what_is_no_regular_file_is_refused(tmp_path):
    folder = tmp_path / "folder.png"
    folder.mkdir()
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    for path in (folder, pipe, tmp_path / "missing.png"):
        with pytest.raises(UnreadableImageError, match=path.name):
            read_image(path)


def test_errors_are_one_line_whatever_the_name(tmp_path):
    for name in ("two\nlines.png", os.fsdecode(b"latin\xe9.png")):
        path = tmp_path / name
        path.write_bytes(b"no picture")
        with pytest.raises(ImageError) as caught:
            read_image(path)
        str(caught.value).encode("utf-8")
        assert "\n" not in str(caught.value)


def test_absurdly_long_file_is_not_read(tmp_path):
    path = tmp_path / "sparse.png"
    with open(path, "wb") as file:
        file.truncate(2**40)
    with pytest.raises(ImageTooLargeError, match="bytes"):
        read_image(path)


def test_the_limit_of_pixels_is_exact(pixels):
    data = encode(pixels)
    assert read(data, max_pixels=63).shape == (9, 7, 3)
    with pytest.raises(ImageTooLargeError, match="7x9"):
        read(data, max_pixels=62)
