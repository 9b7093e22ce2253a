"""`npz:PATH`: arrays saved by `numpy.savez`; pickles are never loaded."""

import math
import os
import pathlib
import zipfile
import zlib

import numpy as np

from keras_ganmix.data.bombs import check_expansion
from keras_ganmix.data.sources import arrays
from keras_ganmix.utils.names import shown

MAX_BYTES = 2**34
MAX_MEMBERS = 1000
# What zipfile and numpy raise on truncated, damaged and encrypted archives.
_DAMAGE = (
    zipfile.BadZipFile,
    EOFError,
    KeyError,
    NotImplementedError,
    OSError,
    RuntimeError,
    zlib.error,
)
# (images, labels) of a split, in the order in which they are looked for.
_KEYS = {
    "train": (
        ("images", "labels"),
        ("x_train", "y_train"),
        ("train_images", "train_labels"),
        ("x", "y"),
        ("arr_0", "arr_1"),
    ),
    "test": (("x_test", "y_test"), ("test_images", "test_labels")),
    "val": (("x_val", "y_val"), ("val_images", "val_labels")),
}


def open_records(path, split, seed):
    """Opens images and, when they are there, labels; `seed` is not used.

    Keys: `images` and `labels`, or `x_train`, `y_train`, `x_test`, `y_test`
    as in Keras' own files, or `train_images` ... as in MedMNIST's.
    """
    path = pathlib.Path(os.path.expanduser(path))
    name = f"npz:{path}"
    if not path.is_file():
        raise ValueError(f"source: {path} does not exist or is no file.")
    try:
        with zipfile.ZipFile(path) as archive:
            shapes = _check_members(path, archive)
        images_key, labels_key = _find_keys(name, shapes, split)
        images = _read(path, images_key)
        labels = _read(path, labels_key) if labels_key in shapes else None
    except MemoryError as error:
        raise ValueError(
            f"source: {path} needs more memory than there is."
        ) from error
    except _DAMAGE as error:
        raise ValueError(
            f"source: {path} is not a readable .npz file ({error})."
        ) from error
    return arrays.open_arrays(name, images, labels)


def _read(path, key):
    with np.load(path, allow_pickle=False) as file:
        try:
            return file[key]
        except ValueError as error:
            raise EOFError(f"{key}: {error}") from error


def _check_members(path, archive):
    """Reads the headers only: shapes and types before anything is unpacked."""
    shapes = {}
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise ValueError(
            f"source: {path} has {len(members)} members; at most "
            f"{MAX_MEMBERS} are allowed."
        )
    for info in members:
        if not info.filename.endswith(".npy"):
            continue
        name = shown(info.filename)
        with archive.open(info) as file:
            try:
                version = np.lib.format.read_magic(file)
                reader = (
                    np.lib.format.read_array_header_1_0
                    if version == (1, 0)
                    else np.lib.format.read_array_header_2_0
                )
                shape, _, dtype = reader(file)
                header = file.tell()
            except (ValueError, MemoryError, RecursionError) as error:
                raise ValueError(
                    f"source: {path}: {name} has a damaged header."
                ) from error
        if dtype.hasobject:
            raise ValueError(
                f"source: {path}: {name} holds Python objects "
                "(a pickle), which are never loaded; save plain arrays."
            )
        size = math.prod(shape) * dtype.itemsize
        if size > MAX_BYTES:
            raise ValueError(
                f"source: {path}: {name} claims the shape {shape}, "
                f"more than {MAX_BYTES // 2**30} GiB; use 'folder:PATH'."
            )
        if any(n < 0 for n in shape) or header + size != info.file_size:
            raise ValueError(
                f"source: {path}: {name} has {info.file_size} bytes, "
                f"but its header tells of {header + size}; it is damaged."
            )
        check_expansion(f"{path}: {name}", info.compress_size, size)
        shapes[info.filename.removesuffix(".npy")] = shape
    return shapes


def _find_keys(name, shapes, split):
    if split not in _KEYS:
        raise ValueError(
            f"split: {name!r} has no split {split!r}; allowed: "
            f"{', '.join(_KEYS)}."
        )
    for images_key, labels_key in _KEYS[split]:
        if images_key in shapes:
            return images_key, labels_key
    wanted = ", ".join(images for images, _ in _KEYS[split])
    found = ", ".join(shown(key) for key in sorted(shapes)) or "none"
    raise ValueError(
        f"source: {name} has the arrays {found}; "
        f"for the split {split!r} one of {wanted} is needed."
    )
