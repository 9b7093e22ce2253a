"""Images per second of the input pipeline, for each kind of source.

    python benchmarks/data.py [--batch_size 64] [--eats 1500]

`--eats` is what a training consumes, in images per second; the last column
is how many times faster the pipeline is.
"""

import argparse
import itertools
import os
import pathlib
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# The checkout that this file is of, installed or not.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import numpy as np
from PIL import Image

from keras_ganmix.data import dataset, load
from keras_ganmix.data.preparing import prepare

ROUNDS = 3


def kinds(folder):
    """(what, source, arguments of `dataset`) of every row."""
    garments = load("fashion_mnist_10k", image_size=32)
    numbers = np.random.RandomState(0)
    colour = numbers.randint(0, 256, (2000, 64, 64, 3)).astype(np.uint8)
    jpegs = write_jpegs(pathlib.Path(folder))
    lazy = {"image_size": 64, "cache": "none"}
    return [
        ("32x32x1 in memory", garments, {}),
        ("32x32x1 in memory, flipped", garments, {"flip": True}),
        ("64x64x3 in memory", load(colour), {}),
        ("64x64x3 in memory, flipped", load(colour), {"flip": True}),
        ("ring", load("ring"), {}),
        ("stacked digits 32x32x3", load("stacked_digits", image_size=32), {}),
        ("128x128 JPEG on the fly to 64", load(jpegs, **lazy), {}),
        ("the same from TFRecord", prepared(jpegs, folder, lazy), {}),
        ("the same, flipped", prepared(jpegs, folder, lazy), {"flip": True}),
        ("emoji PNG on the fly to 64", emoji(lazy), {}),
    ]


def emoji(kwargs):
    try:
        return load("emoji", max_images=500, resize="pad", **kwargs)
    except ValueError as error:
        print(error)
        return None


def prepared(jpegs, folder, kwargs):
    """The JPEG files, decoded and resized once, read when they are drawn."""
    prepare(jpegs, f"{folder}/prepared", image_size=64)
    return load(f"tfrecord:{folder}/prepared", **kwargs)


def write_jpegs(folder):
    folder = folder / "jpegs"
    folder.mkdir()
    random = np.random.RandomState(0)
    for i in range(200):
        small = random.randint(0, 256, (16, 16, 3)).astype(np.uint8)
        image = Image.fromarray(small).resize((128, 128))
        image.save(folder / f"{i}.jpg", quality=90)
    return f"folder:{folder}"


def rate(iterator, batch_size, seconds):
    """Images per second over about `seconds`."""
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        for _ in itertools.islice(iterator, 4):
            count += batch_size
    return count / (time.perf_counter() - began)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--eats", type=float, default=1500.0)
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for what, source, kwargs in kinds(folder):
            if source is not None:
                stream = dataset(source, batch_size=flags.batch_size, **kwargs)
                rows.append((what, stream, []))
        # Rounds over all rows, so that a slow moment hits all alike; a new
        # iterator each time, so that only one pipeline works at a time.
        for _ in range(ROUNDS):
            for _, stream, rates in rows:
                iterator = iter(stream)
                for _ in itertools.islice(iterator, 5):
                    pass
                rates.append(rate(iterator, flags.batch_size, flags.seconds))
                del iterator
    print(
        f"batch {flags.batch_size}, {os.cpu_count()} cores, median of "
        f"{ROUNDS} rounds (lowest to highest)"
    )
    for what, _, rates in rows:
        low, median, high = min(rates), float(np.median(rates)), max(rates)
        print(
            f"{what:32} {median:10,.0f} images/s "
            f"({low:,.0f} to {high:,.0f}) {median / flags.eats:7.1f}x"
        )


if __name__ == "__main__":
    main()
