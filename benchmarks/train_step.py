"""Time and memory of a training step, beside PyTorch on the same cores.

    python benchmarks/train_step.py        # needs the extra [benchmark]
    python benchmarks/train_step.py --networks dcgan --rounds 5 --no_fit

One step is one update of the discriminator and one of the generator, hinge
loss, Adam, batch 64, 32 x 32 x 3, float32. Each library runs in a process of
its own with the same number of threads; the processes stay alive and take
turns, a few steps at a time, in an order that rotates, so that what else the
machine does hits all of them. A ratio is the median over rounds of the other
library's time divided by ours in the same round, with a 95 % bootstrap
interval over rounds: above 1, ours is faster.

The rows "fused" are PyTorch with the strided kernels that our residual
blocks use (`keras_ganmix/networks/resampling.py`) in place of separate
upsampling and pooling: they tell apart what is due to these kernels.

The last table compares `gan.fit()` with the callbacks of a run (logs,
TensorBoard, progress, samples, signals, checkpoints) with the bare graph
step, for the quickstart recipe; steps that draw or save are left out.
"""

import argparse
import contextlib
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

BATCH, CHANNELS, SHAPE = 64, 3, (32, 32, 3)
NETWORKS = {  # name: (family, widths of G and D, steps per turn)
    "dcgan": ("dcgan", 64, 64, 8),
    "sngan": ("sngan", 64, 32, 4),
}
OURS = "keras_ganmix"
TORCH = {  # name: (channels_last, fused)
    "torch": (False, False),
    "torch channels_last": (True, False),
    "torch fused": (False, True),
    "torch fused channels_last": (True, True),
}


# What runs in a worker: each returns a description and a function that makes
# one step and waits for it.


def prepare_torch(name, network, threads):
    import torch
    import torch_networks

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    family, *widths, _ = NETWORKS[network]
    channels_last, fused = TORCH[name]
    models = torch_networks.build(family, *widths, CHANNELS, fused)
    trainer = torch_networks.Trainer(*models, channels_last)
    images = trainer.prepare(real_images(SHAPE))
    fakes = models[0](torch.randn(BATCH, 128))
    description = {
        "version": torch.__version__,
        "parameters": [
            sum(p.numel() for p in model.parameters()) for model in models
        ],
        "images": list(fakes.permute(0, 2, 3, 1).shape),
        "logits": list(models[1](fakes).shape),
    }
    return description, lambda: trainer.step(images)


def prepare_keras(network, threads):
    gan, step = keras_step(network, threads)
    import tensorflow as tf

    models = gan.generator, gan.discriminator
    fakes = models[0](tf.zeros((BATCH, 128)))
    description = {
        "version": tf.__version__,
        "parameters": [
            sum(int(np.prod(w.shape)) for w in model.trainable_weights)
            for model in models
        ],
        "images": list(fakes.shape),
        "logits": list(models[1](fakes).shape),
    }
    return description, step


def keras_step(network, threads, at_once=None):
    """A GAN, and a function that makes one step and waits for it.

    `at_once` operations of TensorFlow may run at a time, each on `threads`.
    """
    tf = start_tensorflow(threads, at_once)
    import keras

    import keras_ganmix as kgm

    family, *widths, _ = NETWORKS[network]
    models = [
        kgm.networks.build(kind, family, image_shape=SHAPE, width=width)
        for kind, width in zip(
            ("generator", "discriminator"), widths, strict=True
        )
    ]
    gan = kgm.GAN(*models, ema_momentum=None)
    adam = {"learning_rate": 2e-4, "beta_1": 0.0, "beta_2": 0.9}
    gan.compile(
        "hinge", keras.optimizers.Adam(**adam), keras.optimizers.Adam(**adam)
    )
    return gan, bare_step(gan, tf.constant(real_images(SHAPE)))


def start_tensorflow(threads, at_once=None):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(at_once or threads)
    return tf


def bare_step(gan, images):
    import tensorflow as tf

    step = tf.function(gan.train_step, autograph=False)  # as Keras does
    return lambda: step(images)["generator_loss"].numpy()


def real_images(shape):
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (BATCH, *shape)).astype("float32")


def timed(step, n, clock=time.perf_counter):
    """Milliseconds per step over n steps."""
    begin = clock()
    for _ in range(n):
        step()
    return 1e3 * (clock() - begin) / n


def serve(description, turn):
    """Answers each line "n" on stdin with the milliseconds of n steps."""
    print(json.dumps(description), flush=True)
    for line in sys.stdin:
        milliseconds = turn(int(line))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps([milliseconds, peak]), flush=True)


def worker(name, network, threads, clock):
    # What libraries print must not end up among the answers.
    with contextlib.redirect_stdout(sys.stderr):
        if name == OURS:
            description, step = prepare_keras(network, threads)
        else:
            description, step = prepare_torch(name, network, threads)
        for _ in range(3):
            step()
    serve(description, lambda n: timed(step, n, clock))


def fit_worker(threads):
    """As `worker`, for pairs: a bare step and a step of `fit`."""
    tf = start_tensorflow(threads)
    import keras

    from keras_ganmix import building, callbacks, data
    from keras_ganmix.recipes import load

    recipe = load("quickstart", [])
    source = data.load(recipe.data.source, image_size=recipe.data.image_size)
    gan = building.build_gan(recipe, source)
    dataset = building.build_dataset(recipe, source, gan)

    class Clock(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.times = []

        def on_train_batch_end(self, batch, logs=None):
            self.times.append(time.perf_counter())

    clock = Clock()
    folder = Path(tempfile.mkdtemp())
    never = 10**9
    writer = tf.summary.create_file_writer(str(folder / "tensorboard"))
    log = callbacks.MetricsLog(
        folder / "metrics.jsonl", recipe.train.log_every, writer
    )
    progress = callbacks.Progress(log, recipe.train.steps, BATCH, sys.stderr)
    samples = callbacks.Samples(folder / "samples", never, writer=writer)
    run = [
        log,
        progress,
        samples,
        callbacks.StopOnSignal(),
        callbacks.Checkpoint(folder / "checkpoints", never, resume=False),
        clock,
    ]
    bare = bare_step(gan, next(iter(dataset)))

    def fit(n):
        gan.fit(
            dataset,
            epochs=1,
            steps_per_epoch=n + 1,
            callbacks=run,
            verbose=0,
        )
        # From the end of the first step: before it, fit sets itself up.
        return 1e3 * (clock.times[-1] - clock.times[0]) / n

    bare_first = itertools.cycle([True, False])

    def turn(n):
        if next(bare_first):
            return [timed(bare, n), fit(n)]
        return [fit(n), timed(bare, n)][::-1]

    with contextlib.redirect_stdout(sys.stderr):
        timed(bare, 3)
        turn(3)
    description = {"version": tf.__version__, "every": recipe.train.log_every}
    serve(description, turn)


# What runs in the parent.


class Worker:
    """A process that makes steps when asked."""

    def __init__(self, arguments, threads, script=__file__):
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        self._errors = Path(tempfile.mkstemp(suffix=".log")[1])
        command = [sys.executable, script, "--threads", str(threads)]
        with self._errors.open("w") as errors:
            self._process = subprocess.Popen(
                [*command, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=environment,
            )
        self.description = self._answer()
        self.peak = 0.0

    def turn(self, n):
        self._process.stdin.write(f"{n}\n")
        self._process.stdin.flush()
        milliseconds, self.peak = self._answer()
        return milliseconds

    def close(self):
        self._process.communicate()
        self._errors.unlink()

    def _answer(self):
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            errors = self._errors.read_text()
            raise SystemExit(f"a worker died:\n{errors[-3000:]}")
        return json.loads(line)


def ratio(others, ours, draws=10_000):
    """Median of the rounds' ratios, and its 95 % bootstrap interval."""
    ratios = np.asarray(others) / np.asarray(ours)
    rng = np.random.default_rng(0)
    picks = rng.integers(0, len(ratios), (draws, len(ratios)))
    low, high = np.percentile(np.median(ratios[picks], axis=1), [2.5, 97.5])
    return float(np.median(ratios)), float(low), float(high)


def compare(network, rounds, threads, processor_time):
    """Times one network in all libraries; returns a row for each."""
    family, *_, steps = NETWORKS[network]
    names = [OURS, "torch", "torch channels_last"]
    if family != "dcgan":  # has neither upsampling nor pooling
        names += ["torch fused", "torch fused channels_last"]
    flags = ["--processor_time"] if processor_time else []
    workers = {
        name: Worker(["--worker", name, "--networks", network, *flags], threads)
        for name in names
    }
    expected = workers[OURS].description
    for name, one in workers.items():
        for key in ("parameters", "images", "logits"):
            if one.description[key] != expected[key]:
                raise SystemExit(
                    f"{name} is no twin: {key} {one.description[key]}, "
                    f"ours {expected[key]}"
                )
    times = {name: [] for name in names}
    for i in range(rounds):
        for name in names[i % len(names) :] + names[: i % len(names)]:
            times[name].append(workers[name].turn(steps))
    rows = []
    for name, one in workers.items():
        one.close()
        milliseconds = float(np.median(times[name]))
        rows.append(
            {
                "library": f"{name} {one.description['version']}",
                "ms": milliseconds,
                "images_per_second": 1e3 * BATCH / milliseconds,
                "peak_mib": one.peak,
                "ratio": ratio(times[name], times[OURS]),
                "rounds_ms": times[name],
            }
        )
    return {"parameters": expected["parameters"], "rows": rows}


def compare_fit(rounds, threads, steps=50):
    """Times `fit` with a run's callbacks against the bare step."""
    one = Worker(["--worker", "fit"], threads)
    pairs = np.array([one.turn(steps) for _ in range(rounds)])
    one.close()
    return {
        "bare_ms": float(np.median(pairs[:, 0])),
        "fit_ms": float(np.median(pairs[:, 1])),
        "ratio": ratio(pairs[:, 1], pairs[:, 0]),
        "log_every": one.description["every"],
        "peak_mib": one.peak,
        "rounds_ms": pairs.tolist(),
    }


def show(network, result):
    g, d = result["parameters"]
    _, g_width, d_width, _ = NETWORKS[network]
    print(
        f"\n### {network} 32 x 32, width {g_width}/{d_width}, "
        f"G {g / 1e6:.2f} M, D {d / 1e6:.2f} M parameters, batch {BATCH}\n"
    )
    print("| library | ms/step | images/s | peak MiB | time / ours |")
    print("| --- | --- | --- | --- | --- |")
    for row in result["rows"]:
        print(
            f"| {row['library']} | {row['ms']:.0f} "
            f"| {row['images_per_second']:.0f} | {row['peak_mib']:.0f} "
            f"| {interval(row['ratio'])} |"
        )


def interval(value):
    return "{:.2f} [{:.2f}, {:.2f}]".format(*value)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--networks", nargs="*", default=list(NETWORKS), choices=NETWORKS
    )
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument(
        "--threads", type=int, default=len(os.sched_getaffinity(0))
    )
    parser.add_argument(
        "--processor_time",
        action="store_true",
        help="count processor time of libraries, on one thread: what else\n"
        "the machine does matters less (several threads spin as they wait)",
    )
    parser.add_argument("--no_fit", action="store_true")
    parser.add_argument("--json", help="also write all rounds to this file")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.processor_time:
        args.threads = 1
    if args.worker == "fit":
        return fit_worker(args.threads)
    if args.worker:
        clock = time.process_time if args.processor_time else time.perf_counter
        return worker(args.worker, args.networks[0], args.threads, clock)

    results = {"threads": args.threads, "rounds": args.rounds}
    print(f"{args.rounds} rounds, {args.threads} threads")
    for network in args.networks:
        results[network] = compare(
            network, args.rounds, args.threads, args.processor_time
        )
        show(network, results[network])
    if not args.no_fit:
        fit = results["fit"] = compare_fit(args.rounds, args.threads)
        print(
            f"\nquickstart: bare step {fit['bare_ms']:.1f} ms, in fit with "
            f"all callbacks {fit['fit_ms']:.1f} ms, fit / bare "
            f"{interval(fit['ratio'])}, logs every {fit['log_every']} steps, "
            f"peak {fit['peak_mib']:.0f} MiB"
        )
    if args.json:
        Path(args.json).write_text(json.dumps(results, indent=1))
    return None


if __name__ == "__main__":
    main()
