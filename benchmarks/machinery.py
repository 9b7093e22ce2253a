"""What the package adds to a GAN written with Keras alone, and what modes do.

    python benchmarks/machinery.py             # all tables, about 8 minutes
    python benchmarks/machinery.py --tables plain --rounds 10

Plain: DCGAN-32, batch 64, hinge loss, Adam; a `keras.Model` whose `train_step`
has two tapes and nothing else, as the examples of Keras have it, beside
`kgm.GAN` without regularizers, both trained with `fit`.
Accumulate: the same GAN with batches of 256 in 1, 2, 4 and 8 parts.
Modes: dtypes and XLA, DCGAN-32 and SNGAN-32.

Each variant runs in a process of its own; they take turns, a few steps at a
time. Milliseconds and ratios are medians over rounds, a ratio is that of the
same round, with its 95 % bootstrap interval. Memory is the peak of the process
after all rounds.
"""

import argparse
import contextlib
import json
import sys
from pathlib import Path

import numpy as np
from train_step import Worker, ratio, serve, start_tensorflow, timed

STEPS = 5  # in a turn
SHAPE = (32, 32, 3)
TABLES = {  # the first variant is that which others are compared with
    "plain": {
        "plain Keras": {"loop": "keras"},
        "keras_ganmix": {},
    },
    "accumulate": {
        "256 at once": {"batch": 256},
        "2 parts of 128": {"batch": 256, "accumulate": 2},
        "4 parts of 64": {"batch": 256, "accumulate": 4},
        "8 parts of 32": {"batch": 256, "accumulate": 8},
    },
    "modes": {
        f"{family} {dtype}{' jit' * jit}": {
            "family": family,
            "dtype": dtype,
            "jit": jit,
        }
        for family in ("dcgan", "sngan")
        for dtype in ("float32", "mixed_bfloat16", "mixed_float16")
        for jit in (False, True)
    },
}


def networks(family):
    import keras_ganmix as kgm

    widths = {"dcgan": (64, 64), "sngan": (64, 32)}[family]
    kinds = ("generator", "discriminator")
    return [
        kgm.networks.build(kind, family, image_shape=SHAPE, width=width)
        for kind, width in zip(kinds, widths, strict=True)
    ]


def adam():
    import keras

    return keras.optimizers.Adam(2e-4, beta_1=0.0, beta_2=0.9)


def plain_keras(generator, discriminator):
    """A GAN as one writes it with Keras alone."""
    import keras
    import tensorflow as tf

    class Plain(keras.Model):
        def __init__(self):
            super().__init__()
            self.generator, self.discriminator = generator, discriminator
            self.built = True

        def compile(self, generator_optimizer, discriminator_optimizer):
            super().compile(optimizer=None, jit_compile=False)
            self.generator_optimizer = generator_optimizer
            self.discriminator_optimizer = discriminator_optimizer
            self.generator_loss = keras.metrics.Mean(name="generator_loss")
            self.discriminator_loss = keras.metrics.Mean(name="d_loss")

        @property
        def metrics(self):
            return [self.generator_loss, self.discriminator_loss]

        def train_step(self, images):
            batch = tf.shape(images)[0]
            fakes = generator(tf.random.normal((batch, 128)), training=True)
            with tf.GradientTape() as tape:
                real = discriminator(images, training=True)
                fake = discriminator(fakes, training=True)
                d_loss = tf.reduce_mean(tf.nn.relu(1.0 - real))
                d_loss += tf.reduce_mean(tf.nn.relu(1.0 + fake))
            weights = discriminator.trainable_variables
            gradients = tape.gradient(d_loss, weights)
            self.discriminator_optimizer.apply(gradients, weights)
            latents = tf.random.normal((batch, 128))
            with tf.GradientTape() as tape:
                fakes = generator(latents, training=True)
                g_loss = -tf.reduce_mean(discriminator(fakes, training=True))
            weights = generator.trainable_variables
            gradients = tape.gradient(g_loss, weights)
            self.generator_optimizer.apply(gradients, weights)
            self.generator_loss.update_state(g_loss)
            self.discriminator_loss.update_state(d_loss)
            return {m.name: m.result() for m in self.metrics}

    gan = Plain()
    gan.compile(adam(), adam())
    return gan


def prepare(
    threads,
    loop="keras_ganmix",
    family="dcgan",
    batch=64,
    accumulate=1,
    dtype="float32",
    jit=False,
):
    """A function that makes n steps with `fit`."""
    tf = start_tensorflow(threads)
    import keras

    import keras_ganmix as kgm

    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(dtype)
    models = networks(family)
    if loop == "keras":
        gan = plain_keras(*models)
    else:
        gan = kgm.GAN(*models, ema_momentum=None, accumulate=accumulate)
        gan.compile("hinge", adam(), adam(), jit_compile=jit)
    images = np.random.default_rng(0).uniform(-1, 1, (1024, *SHAPE))
    data = tf.data.Dataset.from_tensor_slices(images.astype("float32"))
    data = data.repeat().batch(batch, drop_remainder=True).prefetch(2)
    batches = iter(data)
    gan.make_train_function()

    def step():
        return gan.train_function(batches)["generator_loss"].numpy()

    return step


def worker(arguments, threads):
    with contextlib.redirect_stdout(sys.stderr):
        step = prepare(threads, **json.loads(arguments))
        for _ in range(3):
            step()
    serve({}, lambda n: timed(step, n))


def measure(variants, rounds, threads):
    """Dict from the variants' names to milliseconds, ratio and peak MiB."""
    workers = {
        name: Worker(["--worker", json.dumps(arguments)], threads, __file__)
        for name, arguments in variants.items()
    }
    names = list(workers)
    times = {name: [] for name in names}
    for i in range(rounds):
        for name in names[i % len(names) :] + names[: i % len(names)]:
            times[name].append(workers[name].turn(STEPS))
    rows = {}
    for name, one in workers.items():
        one.close()
        rows[name] = {
            "ms": float(np.median(times[name])),
            "ratio": ratio(times[name], times[names[0]]),
            "peak_mib": one.peak,
        }
    return rows


def show(title, rows):
    first = next(iter(rows.values()))
    print(f"### {title}\n")
    print("| variant | ms/step | time | peak MiB | memory |")
    print("| --- | --- | --- | --- | --- |")
    for name, row in rows.items():
        middle, low, high = row["ratio"]
        print(
            f"| {name} | {row['ms']:.0f} | {middle:.2f} "
            f"[{low:.2f}, {high:.2f}] | {row['peak_mib']:.0f} | "
            f"{row['peak_mib'] / first['peak_mib']:.2f} |"
        )
    print(flush=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--tables", default=",".join(TABLES))
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, help="file for all numbers")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker is not None:
        return worker(options.worker, options.threads)
    results = {}
    for table in options.tables.split(","):
        rows = measure(TABLES[table], options.rounds, options.threads)
        results[table] = rows
        show(table, rows)
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
