"""`fashion_mnist`: all 70,000 pictures, from wherever they are installed."""

import hashlib
import pathlib

import numpy as np

from keras_ganmix.data.records import ArrayRecords
from keras_ganmix.data.sources import check_split
from keras_ganmix.data.sources.embedded import CLASS_NAMES, read_split
from keras_ganmix.data.sources.idx import read_idx

FOLDERS = (
    "/usr/share/datasets/fashion-mnist",
    "~/.keras/datasets/fashion-mnist",
)
_SPLITS = {"train": "train", "rest": "train", "test": "t10k"}


def open_records(name, split, seed):
    """Opens the published files, or the copy of tensorflow-datasets.

    Splits: `train` (60,000), `test` (10,000) and `rest`, the 50,000 train
    pictures that are not embedded in the package. `seed` is not used.
    """
    check_split(name, split, tuple(_SPLITS))
    folder = find_folder(_SPLITS[split])
    if folder is not None:
        images, labels = _read_files(folder, _SPLITS[split])
        if split == "rest":
            rest = np.ones(len(images), bool)
            rest[read_split("train")[2]] = False
            images, labels = images[rest], labels[rest]
        return ArrayRecords(name, images, labels, CLASS_NAMES)
    return _open_prepared(name, split)


def find_folder(prefix):
    """The first of the known folders that has the published files."""
    for folder in FOLDERS:
        path = pathlib.Path(folder).expanduser()
        if all(
            (path / f"{prefix}-{kind}-ubyte.gz").is_file()
            for kind in ("images-idx3", "labels-idx1")
        ):
            return path
    return None


def _read_files(folder, prefix):
    images = read_idx(folder / f"{prefix}-images-idx3-ubyte.gz", (3,))
    labels = read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz", (1,))
    expected = (60000 if prefix == "train" else 10000, 28, 28)
    if images.shape != expected or labels.shape != expected[:1]:
        raise ValueError(
            f"source: {folder} does not hold Fashion-MNIST: {prefix} has the "
            f"shape {images.shape} instead of {expected}."
        )
    return images[..., None], labels


def _open_prepared(name, split):
    from keras_ganmix.data.sources import prepared

    builder = "fashion_mnist"
    if prepared.find(builder) is None:
        raise ValueError(
            f"source: {name!r} is not installed. Install Debian's "
            "'dataset-fashion-mnist', or run "
            f"`{prepared.command(builder)}`, or use 'fashion_mnist_10k', which "
            "comes with the package."
        )
    wanted = "train" if split == "rest" else split
    records = prepared.open_records(builder, wanted, 0)
    images = np.stack([records.read(i, 1) for i in range(len(records))])
    labels = records.labels
    if split == "rest":
        # The prepared copy is shuffled: recognise the embedded ones by their
        # pixels. A few pictures occur twice, so count them.
        embedded = {}
        for image in read_split("train")[0]:
            key = hashlib.sha256(image.tobytes()).digest()
            embedded[key] = embedded.get(key, 0) + 1
        rest = np.ones(len(images), bool)
        for i, image in enumerate(images):
            key = hashlib.sha256(image.tobytes()).digest()
            if embedded.get(key, 0):
                embedded[key] -= 1
                rest[i] = False
        images, labels = images[rest], labels[rest]
    return ArrayRecords(name, images, labels, CLASS_NAMES)
