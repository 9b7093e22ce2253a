"""A close look at one picture: what the data doctor notes of it."""

import hashlib
from typing import NamedTuple

import numpy as np
from PIL import Image

from keras_ganmix.data.images import (
    ImageError,
    convert_channels,
    read_header,
    read_image,
)
from keras_ganmix.data.source import picture_digest

THUMBNAIL = 8
_SRGB = (b"sRGB", "sRGB".encode("utf-16-be"))


class Look(NamedTuple):
    """What is kept of a picture: a few hundred bytes.

    Attributes:
        error: the `ImageError` of one that cannot be read; then everything
            else but `num_bytes` is empty.
        num_bytes: of its file, 0 where it has none.
        format, mode: of its file, see `images.Header`.
        size: (width, height), the right way up.
        grey: whether it is stored without colour.
        colourless: whether it is stored with colour, but has none.
        transparent, animated, rotated: as its header says.
        profile: whether it has a colour profile other than sRGB.
        pixels: digest of size and pixels.
        gradients: 64-bit difference hash: which of neighbouring parts of the
            picture is the brighter one.
        thumbnail: uint8 (8, 8, 3).
        contrast: standard deviation of the pixels around the mean of their
            channel, largest of the channels, 0 to 127.5.
        shape, dtype: after resizing.
        histogram: int64 (channels, 256), after resizing.
        digest: `source.picture_digest`, after resizing.
    """

    error: ImageError | None = None
    num_bytes: int = 0
    format: str | None = None
    mode: str | None = None
    size: tuple = ()
    grey: bool = False
    colourless: bool = False
    transparent: bool = False
    animated: bool = False
    rotated: bool = False
    profile: bool = False
    pixels: bytes = b""
    gradients: int = 0
    thumbnail: np.ndarray | None = None
    contrast: float = 0.0
    shape: tuple = ()
    dtype: np.dtype | None = None
    histogram: np.ndarray | None = None
    digest: bytes = b""


def look(records, index, fit, label=None):
    """Takes a `Look` at picture `index`.

    Args:
        records: `records.Records`.
        fit: `loading.Fit`: how a training would bring it to its size.
        label: its class, or None.
    """
    data = None
    try:
        data = records.encoded(index)
        header = _header(records, index, data)
        picture = _decode(records, index, data)
    except ImageError as error:
        return Look(error=error, num_bytes=len(data or b""))
    fitted = fit.apply(
        convert_channels(picture, fit.channels), records.background
    )
    image = _to_pillow(picture)
    height, width, channels = picture.shape
    return Look(
        num_bytes=len(data or b""),
        size=(width, height),
        colourless=channels == 3 and _is_colourless(picture),
        pixels=_pixel_digest(picture),
        gradients=difference_hash(image),
        thumbnail=_thumbnail(image),
        contrast=_contrast(_histogram(image)),
        shape=fitted.shape,
        dtype=fitted.dtype,
        histogram=_histogram(_to_pillow(fitted)),
        digest=picture_digest(np.ascontiguousarray(fitted), label),
        **(header or {"grey": channels == 1}),
    )


def _header(records, index, data):
    if data is None:
        return None
    header = read_header(records.title(index), data=data)
    profile = header.profile
    return {
        "format": "JPEG" if header.format == "MPO" else header.format,
        "mode": header.mode,
        "grey": header.grey,
        "transparent": header.transparent,
        "animated": header.animated,
        "rotated": 2 <= header.orientation <= 8,
        "profile": bool(profile) and not any(s in profile for s in _SRGB),
    }


def _decode(records, index, data):
    if data is None:
        return records.read(index)
    return read_image(records.title(index), data=data)


def _is_colourless(picture):
    red, green, blue = picture[..., 0], picture[..., 1], picture[..., 2]
    return np.array_equal(red, green) and np.array_equal(green, blue)


def _to_pillow(picture):
    """A `PIL.Image` of a picture; floats are rounded to bytes."""
    if picture.dtype != np.uint8:
        picture = np.rint((np.clip(picture, -1, 1) + 1) * 127.5)
        picture = picture.astype(np.uint8)
    return Image.fromarray(
        picture[..., 0] if picture.shape[2] == 1 else picture
    )


def _pixel_digest(picture):
    digest = hashlib.blake2b(repr(picture.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(picture))
    return digest.digest()


def difference_hash(image):
    """dHash of a `PIL.Image`: 64 comparisons of 9 x 8 grey parts.

    Reference:
        - Krawetz, "Kind of Like That", 2013,
          https://www.hackerfactor.com/blog/index.php?/archives/529-Kind-of-Like-That.html
    """
    small = image.convert("L").resize((9, 8), Image.Resampling.BOX)
    values = np.asarray(small)
    bits = np.packbits(values[:, 1:] > values[:, :-1])
    return int.from_bytes(bits.tobytes(), "big")


def _thumbnail(image):
    size = (THUMBNAIL, THUMBNAIL)
    return np.asarray(image.convert("RGB").resize(size, Image.Resampling.BOX))


def _histogram(image):
    return np.array(image.histogram(), np.int64).reshape(-1, 256)


def moments(histogram):
    """Means and standard deviations of the rows of a histogram, as floats."""
    values = np.arange(256.0)
    total = histogram.sum(axis=1)
    mean = histogram @ values / total
    square = histogram @ values**2 / total
    return mean, np.sqrt(np.maximum(square - mean**2, 0))


def _contrast(histogram):
    return float(moments(histogram)[1].max())
