"""How far a training step is from what the processor could do at best.

    python benchmarks/floor.py
    python benchmarks/floor.py --networks dcgan --steps 40

The step of `train_step.py`. Its floating-point operations are those of the
matrix products in it, two for each multiplication: 2 x batch x pixels x taps x
inputs x outputs for a pass of a convolution, where the pixels are those of its
smaller side. With F(G), F(D) for a forward pass of a network, and the gradient
at the input and at the kernel costing as much again,

    D's update: F(G) + 2 (3 F(D) - first(D))    real and generated images
    G's update: 3 F(G) - first(G) + 2 F(D)

where first() are the layers with no weights before them, whose inputs need no
gradient. The floor is that many operations at the rate of a float32 product of
two 4096 x 4096 matrices, timed in turns with the step.

The table is of a process of its own where TensorFlow runs one operation at a
time (each on all threads), so that times add up; oneDNN tells the time of each
of its operations, and a row has that of the step in which it was fastest. What
oneDNN does not tell of is "all else": element by element operations, sums,
optimizers, random numbers, scheduling. With `--threads 1` times of the step are
those of the processor, so that a busy machine matters less.
"""

import argparse
import collections
import json
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import train_step

SIDE = 4096
ROWS = 24
_SHAPE = re.compile(
    r"mb(\d+)_ic(\d+)oc(\d+)_ih(\d+)oh(\d+)kh(\d+)sh\d+.*_iw(\d+)ow(\d+)kw(\d+)"
)
_NAMES = {
    "forward_training": "forward",
    "forward_inference": "forward",
    "backward_data": "at input",
    "backward_weights": "at kernel",
    "undef": "",
}


# Floating-point operations, from the networks.


def step_flop(generator, discriminator):
    """Floating-point operations of a step of `train_step.py`."""
    g, g_first = forward_flop(generator)
    d, d_first = forward_flop(discriminator)
    discriminator_update = g + 2 * (3 * d - d_first)
    generator_update = 3 * g - g_first + 2 * d
    return discriminator_update + generator_update


def forward_flop(model):
    """Those of a forward pass, and of its layers with no weights before."""
    total = first = 0
    for layer in model.layers:
        flop = _layer_flop(layer)
        total += flop
        if flop and not _weights_before(layer.input):
            first += flop
    return total, first


def _layer_flop(layer):
    import keras

    inner = getattr(layer, "layer", layer)  # of spectral normalisation
    if isinstance(inner, keras.layers.Dense):
        return 2 * train_step.BATCH * _size(inner.kernel.shape)
    if not isinstance(
        inner, keras.layers.Conv2D | keras.layers.Conv2DTranspose
    ):
        return 0
    taps, channels = inner.kernel.shape[:2], inner.kernel.shape[2:]
    sides = layer.input.shape[1:3], layer.output.shape[1:3]
    if sides[0] != sides[1] and inner.strides == (1, 1):
        taps = [k + 1 for k in taps]  # resampling, in the same operation
    pixels = min(_size(side) for side in sides)
    return 2 * train_step.BATCH * pixels * _size(taps) * _size(channels)


def _weights_before(tensor):
    layer, node, _ = tensor._keras_history
    parents = layer._inbound_nodes[node].input_tensors
    return bool(layer.weights) or any(map(_weights_before, parents))


def _size(shape):
    size = 1
    for n in shape:
        size *= n
    return size


# What runs in a worker.


def time_step(network, threads, steps):
    """Times steps and matrix products in turns; answers with a line."""
    gan, step = train_step.keras_step(network, threads)
    import tensorflow as tf

    matrix = tf.random.stateless_normal((SIDE, SIDE), (0, 0))
    product = tf.function(lambda: tf.reduce_sum(tf.matmul(matrix, matrix)))
    for _ in range(3):
        step()
    product()
    clock = _clock(threads)
    times = {"step": [], "product": []}
    for _ in range(steps):
        times["step"].append(train_step.timed(step, 1, clock))
        times["product"].append(
            train_step.timed(lambda: product().numpy(), 1, clock)
        )
    flop = step_flop(gan.generator, gan.discriminator)
    print(json.dumps({"flop": flop, **times}))


def trace_step(network, threads, steps):
    """Makes steps of which oneDNN tells."""
    _, step = train_step.keras_step(network, threads, at_once=1)
    for _ in range(3):
        step()
    for _ in range(steps):
        print("step begins", flush=True)
        print("step", train_step.timed(step, 1, _clock(threads)), flush=True)


def _clock(threads):
    # The former stands still while others have the processor.
    return time.process_time if threads == 1 else time.perf_counter


# What runs in the parent.


def run(kind, network, args, **environment):
    command = [sys.executable, __file__, "--worker", kind]
    command += ["--networks", network, "--steps", str(args.steps)]
    command += ["--threads", str(args.threads)]
    done = subprocess.run(
        command,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"a worker died:\n{done.stderr[-3000:]}")
    return done.stdout.splitlines()


def operations(lines):
    """Milliseconds of each operation in each step, and of whole steps.

    Returns:
        Dict from (name, GFLOP) to the number per step and the fewest
        milliseconds per step; those of the whole step.
    """
    steps, seen = [], []
    for line in lines:
        if line == "step begins":
            seen.append(collections.defaultdict(list))
        elif line.startswith("step "):
            steps.append(float(line.split()[1]))
        elif ",exec," in line and len(seen) > len(steps):
            fields = line.split(",")
            seen[-1][_operation(fields)].append(float(fields[-1]))
    table = {}
    for key in set().union(*seen):
        count = statistics.median(len(one[key]) for one in seen)
        spent = min(sum(one[key]) for one in seen if one[key])
        table[key] = count, spent
    return table, min(steps)


def _operation(fields):
    start = fields.index("exec")
    kind, direction, shape = fields[start + 2], fields[start + 4], fields[-2]
    direction = _NAMES.get(direction, direction)
    found = _SHAPE.match(shape)
    if kind != "convolution" or not found:
        kind = {"gemm_api": "matrix product", "matmul": "matrix product"}.get(
            kind, kind.replace("_", " ")
        )
        return f"{kind} {direction}".strip(), 0.0
    batch, c, n, h, oh, k, w, ow, kw = map(int, found.groups())
    flop = 2 * batch * min(h * w, oh * ow) * k * kw * c * n
    name = f"{k} x {kw} convolution {direction}, {h} x {w} x {c}"
    return f"{name} - {oh} x {ow} x {n}", flop / 1e9


def show(network, timed, table, serial):
    step, product = (min(timed[k]) for k in ("step", "product"))
    middle = statistics.median(timed["step"])
    rate = 2 * SIDE**3 / product / 1e6
    floor = timed["flop"] / rate / 1e6
    share = 100 * statistics.median(
        timed["flop"] * p / s / (2 * SIDE**3)
        for s, p in zip(timed["step"], timed["product"], strict=True)
    )
    print(
        f"\n### {network}\n\n{timed['flop'] / 1e9:.1f} GFLOP per step, "
        f"{rate:.0f} GFLOP/s in a {SIDE} x {SIDE} product: floor "
        f"{floor:.0f} ms.\nOne step: median {middle:.0f}, fastest "
        f"{step:.0f} ms; {share:.0f} % of the product's rate in the same "
        "turn.\n"
    )
    print("| operation | per step | ms | share | GFLOP/s |")
    print("| --- | --- | --- | --- | --- |")
    rows = sorted(table.items(), key=lambda row: -row[1][1])
    for (name, gflop), (count, spent) in rows[:ROWS]:
        speed = f"{1e3 * gflop * count / spent:.0f}" if gflop else ""
        print(
            f"| {name} | {count:.0f} | {spent:.1f} "
            f"| {100 * spent / serial:.1f} % | {speed} |"
        )
    others = sum(spent for _, (_, spent) in rows[ROWS:])
    rest = serial - sum(spent for _, (_, spent) in rows)
    for name, spent in (("others of oneDNN", others), ("all else", rest)):
        print(f"| {name} | | {spent:.1f} | {100 * spent / serial:.1f} % | |")
    print(f"| one operation at a time | | {serial:.1f} | 100 % | |")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--networks",
        nargs="*",
        default=list(train_step.NETWORKS),
        choices=train_step.NETWORKS,
    )
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument(
        "--threads", type=int, default=len(os.sched_getaffinity(0))
    )
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        work = {"time": time_step, "trace": trace_step}[args.worker]
        return work(args.networks[0], args.threads, args.steps)
    print(f"{args.steps} steps, {args.threads} threads")
    for network in args.networks:
        timed = json.loads(run("time", network, args)[-1])
        lines = run("trace", network, args, ONEDNN_VERBOSE="1")
        show(network, timed, *operations(lines))
    return None


if __name__ == "__main__":
    main()
