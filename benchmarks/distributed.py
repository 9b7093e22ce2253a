"""What several replicas and workers cost beside one device.

    python benchmarks/distributed.py
    python benchmarks/distributed.py --networks tiny --rounds 5

The same GAN makes the same steps of the same global batch of 64

- on one device, in one process with two threads,
- on two logical CPU devices (`MirroredStrategy`) in one such process,
- on two workers (`MultiWorkerMirroredStrategy`) that are two processes with
  one thread each, which talk over loopback.

So the arithmetic is the same on the same two cores, and what is over is the
price of the machinery. The arms live in processes of their own and take turns,
in an order that rotates; a difference is the median over rounds with a 95 %
bootstrap interval. Beside the step as `fit` makes it are timed: summing
tensors of the shapes of all gradients and nothing else, and one message among
all workers, of which `fit` makes one every ten steps to hear of signals.
"""

import argparse
import concurrent.futures
import contextlib
import json
import os
import socket
import sys
from pathlib import Path

import numpy as np
from train_step import Worker, real_images, serve, start_tensorflow, timed

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

BATCH = 64
NETWORKS = {"tiny": 60, "dcgan": 5}  # steps per turn
ARMS = ("one device", "two devices", "two workers")
KEYS = ("step", "reduce", "message")


# What runs in a worker.


def worker(arm, network, threads, config):
    # What libraries print must not end up among the answers.
    with contextlib.redirect_stdout(sys.stderr):
        if config is not None:
            os.environ["TF_CONFIG"] = config
        tf = start_tensorflow(threads)
        strategy = build_strategy(tf, arm)
        with strategy.scope():
            gan, images = build_gan(tf, network)
        dataset = tf.data.Dataset.from_tensors(images).repeat()
        from keras_ganmix.stepping import Steps

        steps = Steps(gan, dataset)
        reduce = summing(tf, strategy, gan)

        def turn(n):
            message = timed(lambda: gan.workers.gather(1), n)
            return [1e3 * steps.time(n), timed(reduce, n), message]

        turn(3)
        operations = collectives(tf, strategy, gan, steps._batches)
    parts = [gan.generator, gan.discriminator]
    description = {
        "parameters": sum(
            int(np.prod(w.shape)) for p in parts for w in p.trainable_weights
        ),
        "gradients": sum(len(p.trainable_weights) for p in parts),
        "collectives": operations,
    }
    serve(description, turn)


def build_strategy(tf, arm):
    if arm == "one device":
        return tf.distribute.get_strategy()
    if arm == "two workers":
        return tf.distribute.MultiWorkerMirroredStrategy()
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * 2,
    )
    # As `keras_ganmix.building` makes it.
    return tf.distribute.MirroredStrategy(
        cross_device_ops=tf.distribute.ReductionToOneDevice()
    )


def build_gan(tf, network):
    """The GAN, compiled, and a global batch."""
    import keras

    import keras_ganmix as kgm

    family, shape, arguments = {
        "tiny": ("mlp", (2,), {"hidden": 32}),
        "dcgan": ("dcgan", (32, 32, 3), {"width": 64}),
    }[network]
    keras.utils.set_random_seed(0)
    gan = kgm.GAN(
        *(
            kgm.networks.build(kind, family, image_shape=shape, **arguments)
            for kind in ("generator", "discriminator")
        )
    )
    gan.compile("hinge")
    return gan, real_images(shape)


def summing(tf, strategy, gan):
    """Sums over replicas what has the shapes of all gradients."""
    groups = [
        [tuple(w.shape) for w in part.trainable_weights]
        for part in (gan.discriminator, gan.generator)
    ]

    @tf.function
    def reduce(value):
        def contribute():
            replica = tf.distribute.get_replica_context()
            total = tf.zeros(())
            for shapes in groups:
                tensors = [tf.fill(shape, value) for shape in shapes]
                tensors = replica.all_reduce(
                    tf.distribute.ReduceOp.SUM, tensors
                )
                total += tf.add_n([tf.reshape(t, [-1])[0] for t in tensors])
            return total

        return strategy.experimental_local_results(strategy.run(contribute))

    return lambda: reduce(tf.constant(1.0))[0].numpy()


def collectives(tf, strategy, gan, batches):
    """Operations that sum over workers: how many, of how many numbers."""

    @tf.function(autograph=False)
    def step(batch):
        return strategy.run(gan.train_step, args=(batch,))

    graph = step.get_concrete_function(next(batches)).graph
    found = [o for o in graph.get_operations() if is_sum(o.type)]
    numbers = sum(int(np.prod(o.outputs[0].shape)) for o in found)
    return {"step": len(found), "fit": in_fit(), "numbers": numbers}


def in_fit():
    """How many there are in the step as `fit` makes it, with its logs."""
    from tensorflow.python.eager import context

    known = context.context()
    traced = map(known.get_function_def, known.list_function_names())
    return max(sum(is_sum(n.op) for n in f.node_def) for f in traced)


def is_sum(kind):
    return kind.startswith("CollectiveReduce")


# What runs in the parent.


class Pair:
    """Two workers that are asked together; the first one's clock counts."""

    def __init__(self, make):
        self._threads = concurrent.futures.ThreadPoolExecutor(2)
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        addresses = [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]
        for one in sockets:
            one.close()
        configs = [
            {
                "cluster": {"worker": addresses},
                "task": {"type": "worker", "index": index},
            }
            for index in range(2)
        ]
        self._workers = list(self._threads.map(make, configs))
        self.description = self._workers[0].description

    def turn(self, n):
        first, _ = self._threads.map(lambda w: w.turn(n), self._workers)
        return first

    def close(self):
        list(self._threads.map(lambda w: w.close(), self._workers))
        self._threads.shutdown()


def make_arm(arm, network):
    arguments = ["--worker", arm, "--networks", network]
    if arm != "two workers":
        return Worker(arguments, 2, __file__)
    return Pair(
        lambda config: Worker(
            [*arguments, "--config", json.dumps(config)], 1, __file__
        )
    )


def compare(network, rounds):
    """Milliseconds of each round, by arm and key; and the descriptions."""
    arms = {arm: make_arm(arm, network) for arm in ARMS}
    times = {arm: [] for arm in ARMS}
    for i in range(rounds):
        turn = i % len(ARMS)
        for arm in (*ARMS[turn:], *ARMS[:turn]):
            times[arm].append(arms[arm].turn(NETWORKS[network]))
    for arm in arms.values():
        arm.close()
    return {
        arm: {
            **arms[arm].description,
            **{key: [t[i] for t in times[arm]] for i, key in enumerate(KEYS)},
        }
        for arm in ARMS
    }


def median(values, draws=10_000):
    """Of rounds, with its 95 % bootstrap interval."""
    values = np.asarray(values)
    picks = np.random.default_rng(0).integers(
        0, len(values), (draws, len(values))
    )
    low, high = np.percentile(np.median(values[picks], axis=1), [2.5, 97.5])
    return float(np.median(values)), float(low), float(high)


def show(network, found):
    one = found[ARMS[0]]
    lines = [
        f"{network}: {one['parameters']:,} parameters in {one['gradients']} "
        f"tensors, {4e-6 * one['parameters']:.2f} MB of gradients",
        "",
        "| arm | ms/step | over one device | share | summing alone | message |"
        " collectives |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for arm in ARMS:
        of = found[arm]
        over = np.subtract(of["step"], one["step"])
        middle, low, high = median(over)
        share, *_ = median(over / np.asarray(one["step"]))
        made = of["collectives"]
        lines.append(
            f"| {arm} | {median(of['step'])[0]:.2f} "
            f"| {middle:+.2f} [{low:+.2f}, {high:+.2f}] | {share:+.0%} "
            f"| {median(of['reduce'])[0]:.2f} | {median(of['message'])[0]:.2f} "
            f"| {made['step']} + {made['fit'] - made['step']}, "
            f"{4e-6 * made['numbers']:.2f} MB |"
        )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", help="also write all rounds to this file")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--config", help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        network = arguments.networks[0]
        worker(arguments.worker, network, arguments.threads, arguments.config)
        return
    found = {}
    for network in arguments.networks:
        found[network] = compare(network, arguments.rounds)
        print(show(network, found[network]), end="\n\n", flush=True)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
