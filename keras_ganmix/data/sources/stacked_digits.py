"""`stacked_digits`: three grey pictures as the channels of one, 1000 modes.

Stacked MNIST of Metz et al., arXiv 1611.02163; 128,000 pictures as in PacGAN,
arXiv 1712.04086.
"""

import zlib

import numpy as np

from keras_ganmix.data import sources
from keras_ganmix.data.records import StackedRecords

NUM_IMAGES = {"train": 128_000, "test": 26_000}


def open_records(base, split, seed):
    """Draws the triples; the label is 100 a + 10 b + c of the channels.

    Args:
        base: a grey source with 10 classes; `"mnist"` is short for
            `"tfds:mnist"`. None: MNIST where it is prepared, else
            `"fashion_mnist_10k"`; the name says which.
        split: `train` (128,000) or `test` (26,000), stacked from the same
            split of the base.
        seed: of the draw; numpy's `RandomState`, whose numbers never change.
    """
    if base is None:
        from keras_ganmix.data.sources import prepared

        base = "mnist" if prepared.find("mnist") else "fashion_mnist_10k"
    name = f"stacked_digits:{base}"
    sources.check_split(name, split, tuple(NUM_IMAGES))
    spec = "tfds:mnist" if base == "mnist" else base
    if sources.parse(spec)[0] in ("stacked_digits", "ring", "grid"):
        raise ValueError(f"source: {name!r} cannot stack {spec!r}.")
    records = sources.open_records(spec, split, seed)
    if records.channels() != 1:
        raise ValueError(f"source: {name!r} needs grey pictures, not RGB.")
    if records.labels is None or len(np.unique(records.labels)) != 10:
        raise ValueError(f"source: {name!r} needs pictures of 10 classes.")
    key = zlib.crc32(f"stacked_digits/{split}".encode())
    random = np.random.RandomState([seed & 0xFFFFFFFF, seed >> 32, key])
    triples = random.randint(len(records), size=(NUM_IMAGES[split], 3))
    return StackedRecords(name, records, triples.astype(np.int32))
