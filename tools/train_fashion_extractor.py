"""Trains the `fashion` extractor and writes its weights and statistics.

    python tools/train_fashion_extractor.py

Needs all of Fashion-MNIST (see `keras_ganmix.data`). Trains on the 50,000
images of the train set that are not embedded in the package, with plain
cross-entropy, flips and shifts by up to two pixels; about ten minutes on one
core. Prints the accuracy on the test set, which nothing was chosen on.
"""

import argparse
import os
import pathlib
import time

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

import keras_ganmix as kgm
from keras_ganmix.metrics import FeatureStatistics
from keras_ganmix.metrics.extractors import fashion
from keras_ganmix.metrics.hashes import hash_arrays

FOLDER = pathlib.Path(fashion.__file__).parent
BATCH = 128


def batches(images, labels, seed):
    """One epoch of augmented batches, a pure function of the seed."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(images))[: len(images) // BATCH * BATCH]
    padded = np.pad(
        images, ((0, 0), (2, 2), (2, 2), (0, 0)), constant_values=-1
    )
    for rows in order.reshape(-1, BATCH):
        top, left = rng.integers(5, size=2)
        batch = padded[rows, top : top + 28, left : left + 28]
        flip = rng.random(BATCH) < 0.5
        batch[flip] = batch[flip, :, ::-1]
        yield batch, labels[rows]


def scale(images):
    return (images / np.float32(127.5) - 1).astype(np.float32)


def train(epochs, seed):
    """Trains and writes the weights; returns their hash."""
    keras.utils.set_random_seed(seed)
    rest = kgm.data.load("fashion_mnist", split="rest")
    images, labels = scale(rest.images), rest.labels
    steps = len(images) // BATCH
    network = fashion.build(batch_norm=True)
    optimizer = keras.optimizers.AdamW(
        keras.optimizers.schedules.CosineDecay(
            0.0,
            epochs * steps - steps,
            warmup_target=3e-3,
            warmup_steps=steps,
        ),
        weight_decay=1e-2,
    )
    optimizer.build(network.trainable_variables)

    @tf.function
    def step(images, labels):
        with tf.GradientTape() as tape:
            logits = network(images, training=True)["logits"]
            loss = tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            )
        variables = network.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    start = time.perf_counter()
    for epoch in range(epochs):
        losses = [
            float(step(*batch))
            for batch in batches(images, labels, [seed, epoch])
        ]
        print(
            f"epoch {epoch + 1}/{epochs} loss {np.mean(losses):.4f} "
            f"{time.perf_counter() - start:.0f} s",
            flush=True,
        )

    weights = [w.astype(np.float16) for w in fashion.fold(network)]
    arrays = {f"weight{i:02}": w for i, w in enumerate(weights)}
    np.savez_compressed(FOLDER / fashion.WEIGHTS_FILE, **arrays)
    return hash_arrays(weights)


def measure(weight_hash):
    """Prints the accuracy and writes the statistics of the test images."""
    arrays = {}
    for size in fashion.STATISTICS_SIZES:
        test = kgm.data.load("fashion_mnist", split="test", image_size=size)
        extractor = fashion.load(weight_hash)
        outputs = extractor.outputs(test.images)
        mean, covariance = (
            FeatureStatistics().update(outputs["features"]).gaussian()
        )
        arrays[f"mu_{size}"] = mean.astype(np.float32)
        arrays[f"sigma_{size}"] = covariance.astype(np.float32)
        arrays[f"fingerprint_{size}"] = test.fingerprint()
        right = outputs["logits"].argmax(axis=1) == test.labels
        print(f"test accuracy at {size} pixels: {right.mean():.4f}")
    np.savez_compressed(
        FOLDER / fashion.STATISTICS_FILE,
        count=len(test),
        extractor_hash=extractor.weight_hash,
        **arrays,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--measure_only",
        action="store_true",
        help="keep the weights, write the statistics again",
    )
    options = parser.parse_args()
    weight_hash = fashion.WEIGHT_HASH
    if not options.measure_only:
        weight_hash = train(options.epochs, options.seed)
        print(f"fashion.WEIGHT_HASH must become {weight_hash!r}")
    measure(weight_hash)


if __name__ == "__main__":
    main()
