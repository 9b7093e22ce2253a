"""Milliseconds per call of the tensor operations, in graph mode and under XLA.

    python benchmarks/ops.py

Prints a table for batches of 64 colour images of 32 and 128 pixels: the median
and the fastest of repeated calls on inputs that are made once, and whether the
median keeps the bound where there is one. The two are close on a machine that
does nothing else; where they are not, the figures are not to be trusted.
"""

import os
import pathlib
import statistics
import sys
import time

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# The checkout that this file is of, installed or not.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import tensorflow as tf

from keras_ganmix.ops import (
    augment,
    masks,
    permutations,
    similarity,
    tiles,
    transforms,
)
from keras_ganmix.ops.beta import beta_from_uniform

BATCH = 64
# (operation, pixels) -> (ms in graph mode, ms under XLA)
BOUNDS = {
    ("mixup", 128): (15, 15),
    ("cutmix", 128): (15, 15),
    ("srmix", 128): (15, 15),
    ("srmix and mix", 32): (4, None),
    ("shuffle tiles", 32): (3, None),
    ("shuffle tiles", 128): (15, None),
}


def operations(size):
    """Returns name -> function of (images, others, uniforms (B, 7))."""
    table = tf.constant(permutations.permutation_table(3, 30))

    def shuffle(x, y, u):
        rows = tf.gather(table, tf.cast(u[:, 0] * 30, tf.int32))
        return tiles.shuffle_tiles(x, rows, 3)

    def with_gradient(function):
        def run(x, y, u):
            with tf.GradientTape() as tape:
                tape.watch(x)
                total = tf.reduce_sum(function(x, y, u) * y)
            return tape.gradient(total, x)

        return run

    def srmix(x, y, u):
        return masks.srmix_mask(
            u[:, 0], u[:, 1], u[:, 2], size, size, 0.1, u[:, 3]
        )

    policies = {
        transform.name: transform
        for policy in transforms.POLICIES
        for transform in transforms.transforms(policy)[1:]
    }
    return {
        "beta": lambda x, y, u: beta_from_uniform(u, 0.4),
        "mixup": lambda x, y, u: masks.mixup_mask(u[:, 0], size, size),
        "cutmix": lambda x, y, u: masks.cutmix_mask(
            u[:, 0], u[:, 1], u[:, 2], size, size, u[:, 3]
        ),
        "srmix": srmix,
        "srmix and mix": lambda x, y, u: masks.mix(x, y, srmix(x, y, u)),
        "shuffle tiles": shuffle,
        "shuffle tiles, gradient": with_gradient(shuffle),
        **{
            name: lambda x, y, u, t=policies[name]: t(x, u[:, :2])
            for name in (
                "rotate_90",
                "flip_both",
                "crop_top_left",
                "translate",
                "cutout",
            )
        },
        "rotate per image": lambda x, y, u: augment.rotation(x, u[:, 0]),
        "DiffAugment": lambda x, y, u: augment.augment(
            x, u, ("color", "translation", "cutout")
        ),
        "DiffAugment, gradient": with_gradient(
            lambda x, y, u: augment.augment(
                x, u, ("color", "translation", "cutout")
            )
        ),
        "diversity penalty": lambda x, y, u: similarity.diversity_penalty(u, x),
        "GDPP": lambda x, y, u: similarity.gdpp_terms(x, y),
    }


def milliseconds(function, arguments, seconds=0.2):
    """Returns the median and the fastest time of a call, once warm."""
    for _ in range(2):
        function(*arguments)
    times = []
    end = time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        function(*arguments)
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times), min(times)


def main():
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, load {load:.1f} at the start")
    print(f"{'median (fastest), ms':24} {'px':>4} {'graph':>16} {'XLA':>16}")
    for size in (32, 128):
        x, y = tf.random.stateless_uniform(
            (2, BATCH, size, size, 3), (0, size), -1.0
        )
        u = tf.random.stateless_uniform((BATCH, 7), (1, size))
        for name, operation in operations(size).items():
            line = f"{name:24} {size:4}"
            bounds = BOUNDS.get((name, size), (None, None))
            for jit, bound in zip((False, True), bounds, strict=True):
                median, fastest = milliseconds(
                    tf.function(operation, jit_compile=jit), (x, y, u)
                )
                line += f" {median:7.2f} ({fastest:6.2f})"
                if bound is not None:
                    line += f" {'<=' if median <= bound else '> '} {bound:2}"
            print(line, flush=True)


if __name__ == "__main__":
    main()
