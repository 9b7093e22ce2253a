"""`fashion_mnist_10k`: the pictures that are embedded in the package."""

import functools
from importlib import resources

import numpy as np
from PIL import Image

from keras_ganmix.data.records import ArrayRecords
from keras_ganmix.data.sources import check_split

CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def open_records(name, split, seed):
    """Opens the embedded pictures; `seed` is not used."""
    check_split(name, split, ("train", "test"))
    images, labels, _ = read_split(split)
    return ArrayRecords(name, images, labels, CLASS_NAMES)


@functools.cache
def read_split(split):
    """Reads `"train"` (10,000) or `"test"` (2,000).

    Returns:
        `(images, labels, indices)`: uint8 (N, 28, 28, 1), int32 (N,), and the
        positions in Fashion-MNIST's own train or test file, int32 (N,).
    """
    folder = resources.files("keras_ganmix.data") / "embedded"
    with (folder / f"{split}.png").open("rb") as file:
        sheet = np.asarray(Image.open(file, formats=("PNG",)))
    images = (
        sheet.reshape(sheet.shape[0] // 28, 28, -1, 28)
        .swapaxes(1, 2)
        .reshape(-1, 28, 28, 1)
    )
    with (
        (folder / "index.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as index,
    ):
        labels = index[f"{split}_labels"].astype(np.int32)
        indices = index[f"{split}_indices"].astype(np.int32)
    for array in (images, labels, indices):
        array.setflags(write=False)
    return images, labels, indices
