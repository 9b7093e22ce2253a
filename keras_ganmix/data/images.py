"""Reading and resizing single pictures, with errors that say what is wrong."""

import errno
import io
import os
import stat
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from keras_ganmix.utils.names import shown

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")
MAX_PIXELS = 2**26
MAX_BYTES = 2**28
RESIZE_MODES = ("crop", "pad", "squeeze")
_GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N")
_ALPHA_MODES = ("LA", "La", "PA", "RGBA", "RGBa")
_ORIENTATION = 0x0112


class ImageError(ValueError):
    """A picture cannot be used.

    Attributes:
        path: the file, or a name for bytes that came from elsewhere.
        reason: what is wrong with it, without the path.
    """

    def __init__(self, path, reason):
        self.path = os.fspath(path)
        self.reason = reason
        super().__init__(f"{shown(self.path)}: {reason}")


class UnreadableImageError(ImageError):
    """The file is missing, not permitted or not a regular file."""


class UnsupportedImageError(ImageError):
    """The content is not a picture of a supported format."""


class ImageTooLargeError(ImageError):
    """The size is absurd; refused before a pixel is decoded."""


class CorruptImageError(ImageError):
    """The header is fine but the pixels are truncated or damaged."""


class Header(NamedTuple):
    """What a picture file says of itself, before pixels are decoded.

    Attributes:
        format: one of `FORMATS`, or `"MPO"` for JPEG with several pictures.
        mode: Pillow's name of how pixels are stored: `"L"`, `"RGBA"` ...
        size: (width, height) as stored.
        grey: whether the pixels have no colour.
        transparent: whether there is an alpha channel or transparent colour.
        animated: whether there is more than one frame.
        orientation: EXIF's number, 1 for upright.
        profile: bytes of the colour profile, or None.
    """

    format: str
    mode: str
    size: tuple
    grey: bool
    transparent: bool
    animated: bool
    orientation: int
    profile: bytes | None


def read_header(path, *, data=None, max_pixels=MAX_PIXELS):
    """Reads the `Header` of one picture. Raises `ImageError`."""
    with _open(path, data, max_pixels) as image:
        return Header(
            image.format,
            image.mode,
            image.size,
            image.mode in _GREY_MODES,
            image.mode in _ALPHA_MODES or "transparency" in image.info,
            _is_animated(image),
            _orientation(image),
            image.info.get("icc_profile"),
        )


def read_image(path, *, channels=None, data=None, max_pixels=MAX_PIXELS):
    """Reads one picture as uint8, the right way up and without alpha.

    EXIF orientation is applied, transparency is laid over white, 16-bit grey
    is scaled to 8 bits, CMYK and palettes become RGB, and of an animation the
    first frame is taken. The size in the header is checked before decoding.

    Args:
        path: file to read, or the name to use in errors when `data` is given.
        channels: 1 for grey (ITU-R 601 luma), 3 for RGB, None for 1 where the
            file is grey and 3 elsewhere.
        data: the encoded bytes; None reads the file.
        max_pixels: refuse pictures with more pixels than this.

    Returns:
        uint8 array (height, width, channels).

    Raises:
        UnreadableImageError, UnsupportedImageError, ImageTooLargeError,
        CorruptImageError: all are `ImageError`, hence `ValueError`.
    """
    with _open(path, data, max_pixels) as image:
        grey = image.mode in _GREY_MODES
        try:
            image.load()
            pixels = _flatten(_upright(image))
        except (MemoryError, KeyboardInterrupt):
            raise
        except Exception as error:
            # Decoders raise OSError, SyntaxError, struct.error, IndexError,
            # zlib.error ... on damaged files.
            raise CorruptImageError(
                path, f"truncated or damaged ({_short(error)})"
            ) from error
    if channels is None:
        channels = 1 if grey else 3
    mode = "L" if channels == 1 else "RGB"
    array = np.asarray(pixels if pixels.mode == mode else pixels.convert(mode))
    return array.reshape(array.shape[0], array.shape[1], channels)


def is_grey(path, *, data=None, max_pixels=MAX_PIXELS):
    """Whether the header says grey; reads no pixels. Raises `ImageError`."""
    with _open(path, data, max_pixels) as image:
        return image.mode in _GREY_MODES


def convert_channels(image, channels):
    """Makes a picture grey or RGB, as `read_image` does.

    Args:
        image: uint8 or float (height, width, 1 or 3).
        channels: 1, 3, or None to keep them.

    Returns:
        Array (height, width, channels) of the same dtype.
    """
    if channels is None or channels == image.shape[-1]:
        return image
    if channels == 3:
        return np.repeat(image, 3, axis=-1)
    # ITU-R 601 luma in Pillow's fixed point, so that grey pictures are the
    # same whether they come from files or from arrays.
    if image.dtype == np.uint8:
        weights = np.array([19595, 38470, 7471], np.uint32)
        luma = (image.astype(np.uint32) @ weights + 0x8000) >> 16
        return luma.astype(np.uint8)[..., None]
    return (image @ np.array([0.299, 0.587, 0.114], image.dtype))[..., None]


def resize_image(array, size, *, mode="crop", background=0):
    """Resizes one picture with an antialiased bicubic filter.

    Args:
        array: uint8 or float32 (height, width, channels).
        size: (height, width) to reach.
        mode: `"crop"` cuts the longer side around the centre, `"pad"` keeps
            everything and fills the rest with `background`, `"squeeze"`
            changes the aspect ratio.
        background: value of the padding, in the units of `array`.

    Returns:
        Array (size[0], size[1], channels) of the same dtype. Float values are
        clipped to the range of the input, since bicubic overshoots.
    """
    height, width, channels = array.shape
    if (height, width) == tuple(size):
        return array
    target = (size[1], size[0])
    box = None
    if mode == "crop":
        scale = min(width / target[0], height / target[1])
        cut_x = (width - target[0] * scale) / 2
        cut_y = (height - target[1] * scale) / 2
        box = (cut_x, cut_y, width - cut_x, height - cut_y)
    inner = target
    if mode == "pad":
        scale = min(target[0] / width, target[1] / height)
        inner = (
            min(target[0], max(1, round(width * scale))),
            min(target[1], max(1, round(height * scale))),
        )
    resized = _resize_bands(array, inner, box)
    if inner == target:
        return resized
    out = np.full((size[0], size[1], channels), background, array.dtype)
    top = (size[0] - inner[1]) // 2
    left = (size[1] - inner[0]) // 2
    out[top : top + inner[1], left : left + inner[0]] = resized
    return out


def _resize_bands(array, size, box):
    if array.dtype == np.uint8:
        image = Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)
        resized = np.asarray(image.resize(size, Image.Resampling.BICUBIC, box))
        return resized.reshape(size[1], size[0], array.shape[2])
    bands = [
        Image.fromarray(np.ascontiguousarray(array[..., c])).resize(
            size, Image.Resampling.BICUBIC, box
        )
        for c in range(array.shape[2])
    ]
    resized = np.stack([np.asarray(band) for band in bands], axis=-1)
    return np.clip(resized, array.min(), array.max())


def _open(path, data, max_pixels):
    if data is None:
        data = read_bytes(path)
    if not data:
        raise CorruptImageError(path, "the file is empty")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except (
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:
        raise ImageTooLargeError(path, _short(error)) from error
    except Image.UnidentifiedImageError as error:
        raise UnsupportedImageError(
            path,
            f"not a picture that can be read ({', '.join(FORMATS)} are)",
        ) from error
    except MemoryError:
        raise
    except Exception as error:
        raise CorruptImageError(
            path, f"damaged header ({_short(error)})"
        ) from error
    width, height = image.size
    if width < 1 or height < 1:
        raise CorruptImageError(path, f"has the size {width}x{height}")
    if width * height > max_pixels:
        raise ImageTooLargeError(
            path,
            f"{width}x{height} pixels are more than the {max_pixels} allowed; "
            "shrink it first",
        )
    return image


def read_bytes(path):
    """Reads a whole picture file, if it is a regular one of a sane size.

    Raises:
        UnreadableImageError, ImageTooLargeError.
    """
    try:
        with open(path, "rb", opener=open_regular) as file:
            size = os.fstat(file.fileno()).st_size
            data = b""
            if size <= MAX_BYTES:
                data = file.read(MAX_BYTES + 1)
                size = len(data)
    except FileNotFoundError as error:
        raise UnreadableImageError(path, "not found") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise UnreadableImageError(path, reason.lower()) from error
    except ValueError as error:  # a zero byte in the name
        raise UnreadableImageError(path, _short(error)) from error
    if size > MAX_BYTES:
        raise ImageTooLargeError(
            path, f"{size} bytes are more than the {MAX_BYTES} allowed"
        )
    return data


def open_regular(path, flags):
    # A pipe that nobody writes to would block without this flag.
    handle = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "Not a regular file")
    return handle


def _is_animated(image):
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:
        # A second frame that is damaged does not matter: it is not used.
        return True


def _orientation(image):
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:
        # As in `_upright`.
        return 1


def _upright(image):
    try:
        return ImageOps.exif_transpose(image)
    except Exception:
        # Damaged metadata say nothing about the pixels.
        return image


def _flatten(image):
    """Converts to mode L or RGB; transparency over white."""
    if image.mode.startswith("I"):
        return _flatten_16_bit(image)
    if image.mode == "F":
        raise ValueError("floating-point pixels have no known range")
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, image).convert("RGB")
    if image.mode in ("1", "L"):
        return image.convert("L")
    return image.convert("RGB")


def _flatten_16_bit(image):
    values = np.asarray(image).astype(np.int64)
    scaled = (np.clip(values, 0, 65535) * 255 + 32767) // 65535
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        scaled[values == transparent] = 255
    return Image.fromarray(scaled.astype(np.uint8))


def _short(error):
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 120 else text[:117] + "..."
