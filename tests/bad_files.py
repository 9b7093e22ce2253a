"""Picture files that cannot be used, and odd ones that can."""

import io
import struct
import zlib

import numpy as np
from PIL import Image


def encode(image, kind="PNG", **kwargs):
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    buffer = io.BytesIO()
    image.save(buffer, kind, **kwargs)
    return buffer.getvalue()


def chunk(kind, body):
    crc = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)


def png(width, height, rows, depth=8, colour=0, between=b""):
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + between
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def animation(kind, seed=5):
    """Two frames of noise: the first one dark, the second one bright."""
    random = np.random.RandomState(seed)
    frames = [
        Image.fromarray(
            random.randint(low, low + 60, (40, 40, 3)).astype(np.uint8)
        )
        for low in (20, 150)
    ]
    return encode(
        frames[0], kind, save_all=True, append_images=frames[1:], duration=9
    )


def bad_files():
    """Dict from a name to bytes that no picture can be made of."""
    random = np.random.RandomState(4)
    noise = random.randint(0, 256, (40, 40, 3)).astype(np.uint8)
    whole = {k: encode(noise, k) for k in ("PNG", "JPEG", "WEBP", "BMP", "GIF")}
    bad = {}
    for kind, data in whole.items():
        for share in (0.02, 0.3, 0.6, 0.9):
            name = f"{kind.lower()}_cut_at_{share:.0%}"
            bad[name] = data[: int(len(data) * share)]
    variants = {
        "png_palette": encode(Image.fromarray(noise).convert("P")),
        "png_16_bit": encode(np.zeros((40, 40), np.uint16) + 999),
        "png_alpha": encode(Image.fromarray(noise).convert("RGBA")),
        "jpeg_progressive": encode(noise, "JPEG", progressive=True),
        "jpeg_cmyk": encode(Image.fromarray(noise).convert("CMYK"), "JPEG"),
        "webp_lossless": encode(noise, "WEBP", lossless=True),
        "webp_animated": animation("WEBP"),
        "apng": animation("PNG"),
        "bmp_palette": encode(Image.fromarray(noise).convert("P"), "BMP"),
    }
    for name, data in variants.items():
        bad[f"{name}_cut"] = data[: int(len(data) * 0.4)]
    for kind, data in whole.items():
        bad[f"{kind.lower()}_one_byte"] = data[:1]
        bad[f"{kind.lower()}_wrong_magic"] = b"\0" + data[1:]
        bad[f"{kind.lower()}_then_zeros"] = data[: len(data) // 3] + b"\0" * (
            len(data) // 3
        )
    del bad["bmp_then_zeros"], bad["webp_then_zeros"]
    flipped = bytearray(whole["PNG"])
    flipped[len(flipped) // 2] ^= 255
    bad["png_wrong_byte"] = bytes(flipped)
    crc = bytearray(whole["PNG"])
    crc[30] ^= 255
    bad["png_header_checksum"] = bytes(crc)
    bad["png_signature_only"] = whole["PNG"][:8]
    bad["png_no_width"] = png(0, 4, b"\0" * 4)
    bad["png_bomb"] = png(60000, 60000, b"\0")
    bad["png_long_line"] = png(2**31 - 1, 1, b"\0")
    bad["png_short_rows"] = png(50, 50, b"\0" * 60)
    bad["png_not_deflated"] = whole["PNG"].replace(b"IDAT", b"IDAX")
    bad["png_text_bomb"] = png(
        1,
        1,
        b"\0\0",
        between=chunk(b"zTXt", b"a\0\0" + zlib.compress(b"\0" * 2**27)),
    )
    frame = whole["JPEG"].index(b"\xff\xc0")
    sized = bytearray(whole["JPEG"])
    sized[frame + 5 : frame + 9] = b"\xff\xff\xff\xff"
    bad["jpeg_bomb"] = bytes(sized)
    bad["jpeg_marker_only"] = b"\xff\xd8\xff\xe0"
    bad["jpeg_no_picture"] = b"\xff\xd8\xff\xd9"
    bmp = bytearray(whole["BMP"])
    bmp[18:26] = struct.pack("<ii", 2**30, 2**30)
    bad["bmp_bomb"] = bytes(bmp)
    gif = bytearray(whole["GIF"])
    gif[6:10] = b"\xff\xff\xff\xff"
    bad["gif_bomb"] = bytes(gif)
    bad["gif_header_only"] = b"GIF89a"
    bad["webp_header_only"] = b"RIFF\x10\0\0\0WEBPVP8 "
    bad["empty"] = b""
    bad["zeros"] = b"\0" * 5000
    bad["noise"] = random.bytes(5000)
    bad["text"] = b"Not found. Please log in to see this picture.\n"
    bad["html"] = b"<!DOCTYPE html><html><body>404</body></html>"
    bad["svg"] = b'<svg xmlns="http://www.w3.org/2000/svg"></svg>'
    bad["pdf"] = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\n"
    bad["postscript"] = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"
    bad["zip"] = b"PK\3\4" + b"\0" * 100
    bad["git_lfs_pointer"] = b"version https://git-lfs.github.com/spec/v1\n"
    for kind in ("TIFF", "PPM", "ICO", "TGA"):
        bad[kind.lower()] = encode(noise, kind)
    return bad


def odd_files():
    """Dict from a finding of the data doctor to pictures that it is for.

    All others are colour pictures of 40 x 40; these are as well, but for
    what they are listed under.
    """
    random = np.random.RandomState(6)

    def noise(height=40, width=40):
        pixels = random.randint(0, 256, (height, width, 3))
        return Image.fromarray(pixels.astype(np.uint8))

    turned = Image.Exif()
    turned[0x0112] = 6

    def clear(seed):
        alpha = np.random.RandomState(seed).randint(0, 256, (40, 40))
        image = noise().convert("RGBA")
        image.putalpha(Image.fromarray(alpha.astype(np.uint8)))
        return image

    flat = np.full((40, 40, 3), (10, 200, 30), np.uint8)
    grey = np.asarray(noise().convert("L"))
    return {
        "cmyk": {"cmyk.jpg": encode(noise().convert("CMYK"), "JPEG")},
        "sixteen_bit": {
            "deep.png": encode(grey.astype(np.uint16) * 256),
        },
        "palette": {
            "palette.png": encode(noise().quantize(64)),
            "palette.bmp": encode(noise().quantize(64), "BMP"),
        },
        "alpha": {
            "clear.png": encode(clear(0)),
            "clear.webp": encode(clear(1), "WEBP"),
        },
        "animated": {
            "moving.gif": animation("GIF"),
            "moving.webp": animation("WEBP", 6),
            "moving.png": animation("PNG", 7),
        },
        "rotated": {"turned.jpg": encode(noise(), "JPEG", exif=turned)},
        "profile": {"wide.png": encode(noise(), icc_profile=b"Display P3")},
        "grey": {
            "grey.png": encode(grey),
            "as_colour.png": encode(np.stack([grey.T] * 3, -1)),
            "bits.png": encode(noise().convert("1")),
        },
        "constant": {
            "flat.png": encode(flat),
            "flat.gif": encode(flat + 9, "GIF"),
        },
        "off_size": {"large.png": encode(noise(44, 40))},
        "upscaled": {"small.png": encode(noise(30, 30))},
        "aspect": {"wide_one.png": encode(noise(40, 100))},
    }


BAD = bad_files()
ODD = odd_files()
