"""`idx:PATH`: the file format of MNIST and its relatives."""

import gzip
import math
import os
import pathlib
import zlib

import numpy as np

from keras_ganmix.data.bombs import check_expansion
from keras_ganmix.data.records import ArrayRecords
from keras_ganmix.data.sources import check_split

MAX_BYTES = 2**33
_PREFIXES = {"train": ("train",), "test": ("t10k", "test")}


def open_records(path, split, seed):
    """Opens a folder with `train-images-idx3-ubyte[.gz]` and so on, or one
    images file with its labels file beside it; `seed` is not used.
    """
    path = pathlib.Path(os.path.expanduser(path))
    name = f"idx:{path}"
    if path.is_dir():
        check_split(name, split, tuple(_PREFIXES))
        images_path = find_images(path, split)
    elif path.is_file():
        check_split(name, split, ("train",))
        images_path = path
    else:
        raise ValueError(
            f"source: {path} does not exist; give a folder with IDX files or "
            "an images file."
        )
    images = read_idx(images_path, (3, 4))
    if images.ndim == 3:
        images = images[..., None]
    if images.shape[-1] not in (1, 3):
        raise ValueError(
            f"source: {images_path} has pictures with {images.shape[-1]} "
            "channels; 1 and 3 are allowed."
        )
    labels = None
    labels_path = find_labels(images_path)
    if labels_path is not None:
        labels = read_idx(labels_path, (1,))
        if len(labels) != len(images):
            raise ValueError(
                f"source: {labels_path} has {len(labels)} labels for "
                f"{len(images)} pictures."
            )
    return ArrayRecords(name, images, labels)


def find_images(folder, split):
    """The one images file of a split in a folder."""
    found = {}
    for path in sorted(folder.iterdir()):
        stem = path.name.removesuffix(".gz")
        if (
            path.is_file()
            and "images" in stem
            and "idx" in stem
            and any(prefix in stem for prefix in _PREFIXES[split])
        ):
            # Of a file and its compressed twin, take the plain one.
            found.setdefault(stem, path)
    if len(found) == 1:
        return next(iter(found.values()))
    what = "no" if not found else f"{len(found)}"
    raise ValueError(
        f"source: {folder} has {what} files named like "
        f"'{_PREFIXES[split][0]}-images-idx3-ubyte[.gz]'; give the images file "
        "itself as 'idx:PATH'."
    )


def find_labels(images_path):
    """The labels file that belongs to an images file, or None."""
    name = images_path.name
    if "images" not in name:
        return None
    base = name.replace("images", "labels").replace("idx3", "idx1")
    base = base.replace("idx4", "idx1").removesuffix(".gz")
    for candidate in (base, base + ".gz"):
        path = images_path.with_name(candidate)
        if path.is_file() and candidate != name:
            return path
    return None


def read_idx(path, ranks):
    """Reads one IDX file of bytes, gzip-compressed or not.

    Args:
        path: the file.
        ranks: the numbers of dimensions that are accepted.

    Returns:
        uint8 array, read-only.

    Raises:
        ValueError: if it is no such file, truncated, longer than its header
            says, or larger than 8 GiB.
    """
    path = pathlib.Path(path)
    opener = gzip.open if _is_gzip(path) else open
    try:
        with opener(path, "rb") as file:
            head = file.read(4)
            if len(head) < 4 or head[:2] != b"\0\0":
                raise ValueError(f"source: {path} is not an IDX file.")
            if head[2] != 8:
                raise ValueError(
                    f"source: {path} holds type 0x{head[2]:02x}; only bytes "
                    "(0x08) are supported."
                )
            if head[3] not in ranks:
                raise ValueError(
                    f"source: {path} has {head[3]} dimensions; expected "
                    f"{' or '.join(map(str, ranks))}."
                )
            dims = file.read(4 * head[3])
            if len(dims) != 4 * head[3]:
                raise ValueError(f"source: {path} is truncated.")
            shape = tuple(int(d) for d in np.frombuffer(dims, ">u4"))
            size = math.prod(shape)
            if not 0 < size <= MAX_BYTES:
                raise ValueError(
                    f"source: {path} claims the shape {shape}; between 1 and "
                    f"{MAX_BYTES} bytes are allowed."
                )
            stored = os.path.getsize(path)
            if opener is open and size > stored:
                raise ValueError(f"source: {path} is truncated.")
            if opener is not open:
                check_expansion(path, stored, size)
            # One byte more than promised shows a file that is too long,
            # without unpacking what may follow.
            data = file.read(size + 1)
    except MemoryError as error:
        raise ValueError(
            f"source: {path} needs more memory than there is."
        ) from error
    except (EOFError, zlib.error, OSError) as error:
        raise ValueError(
            f"source: {path} cannot be read ({error}); it is truncated or "
            "damaged."
        ) from error
    if len(data) != size:
        state = "truncated" if len(data) < size else "longer than it says"
        raise ValueError(f"source: {path} is {state}: shape {shape}.")
    return np.frombuffer(data, np.uint8).reshape(shape)


def _is_gzip(path):
    try:
        with open(path, "rb") as file:
            return file.read(2) == b"\x1f\x8b"
    except OSError as error:
        raise ValueError(
            f"source: {path} cannot be read ({error.strerror})."
        ) from error
