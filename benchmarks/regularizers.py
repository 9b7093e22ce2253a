"""What each regularizer costs: passes, time and memory over the plain GAN.

    python benchmarks/regularizers.py --networks dcgan --rounds 7
    python benchmarks/regularizers.py --networks sngan --out table.md

DCGAN-32 or SNGAN-32, three channels, batch 64, hinge loss, graph mode. All
GANs live in one process and take turns, a few steps at a time, in an order
that rotates. The cost is the median over rounds of the difference to (or the
ratio with) the plain GAN in the same round, so that what else the machine does
hits all. `passes` are those of the discriminator's trunk per step beyond the
plain GAN's three, in batches, and of the generator beyond its two. `bound` is
what the further passes alone would cost: the measured time of a forward and
backward pass of the discriminator, times their number. Peak memory is that of
a process of its own with the plain GAN and with the regularizer.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import keras
import numpy as np
import tensorflow as tf

import keras_ganmix as kgm
from keras_ganmix import regularizers as r
from keras_ganmix.costs import _counting

BATCH, SHAPE = 64, (32, 32, 3)
WIDTHS = {"dcgan": (64, 64), "sngan": (64, 32)}
CASES = {
    "plain": list,
    "SampleMixing mixup": lambda: [r.SampleMixing(mask="mixup")],
    "SampleMixing cutmix": lambda: [r.SampleMixing(mask="cutmix")],
    "SampleMixing srmix": lambda: [r.SampleMixing(mask="srmix")],
    "AdaptiveMix": lambda: [r.AdaptiveMix()],
    "DAG rotation (K = 4)": lambda: [r.DAG(policy="rotation")],
    "DiversityPenalty": lambda: [r.DiversityPenalty()],
    "ModeSeeking": lambda: [r.ModeSeeking()],
    "GDPP": lambda: [r.GDPP()],
    "Deshuffle": lambda: [r.Deshuffle()],
    "Rotation": lambda: [r.Rotation()],
    "R1": lambda: [r.R1()],
    "R1 every 16": lambda: [r.R1(r.Weight(5.0, every=16))],
    "GradientPenalty": lambda: [r.GradientPenalty()],
    "Consistency bcr": lambda: [r.Consistency(kind="bcr")],
    "DiffAugment": lambda: [r.DiffAugment()],
    "AdaptiveAugment": lambda: [r.AdaptiveAugment()],
    "LeCam": lambda: [r.LeCam()],
}


def make(network, case):
    keras.utils.set_random_seed(0)
    wide, narrow = WIDTHS[network]
    gan = kgm.GAN(
        kgm.networks.build("generator", network, image_shape=SHAPE, width=wide),
        kgm.networks.build(
            "discriminator", network, image_shape=SHAPE, width=narrow
        ),
        CASES[case](),
    )
    gan.compile(loss="hinge")
    return gan


def images():
    numbers = np.random.default_rng(0)
    return tf.constant(numbers.uniform(-1, 1, (BATCH, *SHAPE)), tf.float32)


def stepper(gan, data):
    """A function that makes n steps; and the passes of one."""
    passes = {}
    with _counting(gan, passes):
        step = tf.function(gan.train_step, autograph=False)
        step = step.get_concrete_function(data)

    def run(n):
        begin = time.perf_counter()
        for _ in range(n):
            result = step(data)
        result["generator_loss"].numpy()
        return (time.perf_counter() - begin) / n

    run(2)
    return run, passes


def trunk_pass(gan, data):
    """Seconds of a forward and backward pass of the discriminator."""
    variables = gan.discriminator.trainable_variables

    @tf.function
    def once(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(gan.view.logits(x))
        return [tf.reduce_sum(g) for g in tape.gradient(loss, variables)]

    once(data)

    def run(n):
        begin = time.perf_counter()
        for _ in range(n):
            result = once(data)
        result[0].numpy()
        return (time.perf_counter() - begin) / n

    return run


def peak_of_this_process():
    """Peak MiB; `getrusage` would say that of the parent before `exec`."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def peak_memory(network, case):
    """Peak MiB of a process that makes five steps."""
    command = [sys.executable, __file__, "--networks", network, "--one", case]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(result.stdout.splitlines()[-1])


def measure(network, rounds, steps, cases, with_memory):
    data = images()
    runs, passes = {}, {}
    for case in cases:
        gan = make(network, case)
        runs[case], passes[case] = stepper(gan, data)
        if case == "plain":
            pass_run = trunk_pass(gan, data)
        print(f"# traced {case}", file=sys.stderr, flush=True)
    times = {case: [] for case in cases}
    one_pass = []
    for i in range(rounds):
        order = [*cases[i % len(cases) :], *cases[: i % len(cases)]]
        for case in order:
            times[case].append(runs[case](steps))
        one_pass.append(pass_run(2 * steps))
        print(f"# round {i + 1} of {rounds}", file=sys.stderr, flush=True)
    plain = np.array(times["plain"])
    one_pass = np.array(one_pass)
    memory = dict.fromkeys(cases, float("nan"))
    if with_memory:
        memory = {case: peak_memory(network, case) for case in cases}
    rows = []
    for case in cases:
        spent = np.array(times[case])
        extra = {
            k: round(passes[case][k] - passes["plain"][k], 2)
            for k in ("discriminator", "generator")
        }
        rows.append(
            {
                "network": network,
                "case": case,
                "ms": 1000 * float(np.median(spent)),
                "extra_ms": 1000 * float(np.median(spent - plain)),
                "ratio": float(np.median(spent / plain)),
                "trunk_passes": extra["discriminator"],
                "generator_passes": extra["generator"],
                "bound_ms": 1000
                * extra["discriminator"]
                * float(np.median(one_pass)),
                "memory": memory[case],
                "extra_memory": memory[case] - memory["plain"],
            }
        )
    return rows


def table(rows):
    lines = [
        "| regularizer | trunk passes | G passes | ms/step | over plain | "
        "ratio | passes alone | memory over plain |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for x in rows:
        lines.append(
            f"| {x['case']} | +{x['trunk_passes']:g} | "
            f"+{x['generator_passes']:g} | {x['ms']:.0f} | "
            f"{x['extra_ms']:+.1f} ms | {x['ratio']:.2f} | "
            f"{x['bound_ms']:.0f} ms | {x['extra_memory']:+.0f} MiB |"
        )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--networks", nargs="+", default=["dcgan", "sngan"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=None)
    parser.add_argument("--out", type=Path, help="also write the tables here")
    parser.add_argument(
        "--no_memory", action="store_true", help="saves a process a row"
    )
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        run, _ = stepper(make(arguments.networks[0], arguments.one), images())
        run(3)
        print(json.dumps(peak_of_this_process()))
        return
    cases = arguments.cases or list(CASES)
    if "plain" not in cases:
        cases = ["plain", *cases]
    tables = []
    for network in arguments.networks:
        rows = measure(
            network,
            arguments.rounds,
            arguments.steps,
            cases,
            not arguments.no_memory,
        )
        tables.append(f"### {network}, {rows[0]['ms']:.0f} ms\n\n{table(rows)}")
        print(tables[-1], flush=True)
    if arguments.out:
        arguments.out.write_text("\n\n".join(tables) + "\n")


if __name__ == "__main__":
    main()
