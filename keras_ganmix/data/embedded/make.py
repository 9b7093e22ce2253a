"""Makes the embedded pictures from Fashion-MNIST's published files.

    python -m keras_ganmix.data.embedded.make SOURCE_FOLDER OUTPUT_FOLDER

Of the train set the first 1,000 pictures of each class are taken, of the test
set the first 200, both kept in the order of the files.
"""

import hashlib
import pathlib
import sys

import numpy as np
from PIL import Image

from keras_ganmix.data.sources.idx import read_idx

SHEETS = {"train": ("train", 1000), "test": ("t10k", 200)}
COLUMNS = 100


def make(source, output):
    """Writes `train.png`, `test.png` and `index.npz` into `output`."""
    index = {}
    for split, (prefix, per_class) in SHEETS.items():
        images = read_idx(source / f"{prefix}-images-idx3-ubyte.gz", (3,))
        labels = read_idx(source / f"{prefix}-labels-idx1-ubyte.gz", (1,))
        chosen = np.sort(
            np.concatenate(
                [np.flatnonzero(labels == c)[:per_class] for c in range(10)]
            )
        )
        sheet = (
            images[chosen]
            .reshape(-1, COLUMNS, 28, 28)
            .swapaxes(1, 2)
            .reshape(-1, COLUMNS * 28)
        )
        Image.fromarray(sheet).save(output / f"{split}.png", optimize=True)
        index[f"{split}_labels"] = labels[chosen].astype(np.uint8)
        index[f"{split}_indices"] = chosen.astype(np.uint16)
    np.savez_compressed(output / "index.npz", **index)


def sha256(path):
    """SHA-256 of a file's bytes, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    source_folder, output_folder = map(pathlib.Path, sys.argv[1:])
    make(source_folder, output_folder)
    for path in sorted(output_folder.iterdir()):
        if path.suffix in (".png", ".npz"):
            print(sha256(path), path.name)
