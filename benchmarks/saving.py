"""What saving costs a run, and what starting again does.

    python benchmarks/saving.py [--rounds 5] [--no_restart] [--no_determinism]

A save stops training while the state is copied; the files are written beside
it. Saving so and waiting for the files take turns, as do restarts and fresh
starts, and steps with and without op determinism, so that what else the
machine does hits all alike. Medians of all rounds (lowest to highest).

The share of the wall time is that of one save in `every` steps of the
quickstart, first for the copy alone, then as if writing stopped training, too.
The second model is a DCGAN of 59 million parameters, of which only saves are
timed.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# The checkout that this file is of, installed or not.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
STEPS = 10  # in a turn


def build(recipe, width=None):
    """The compiled GAN of a recipe and its endless data set."""
    from keras_ganmix import building, recipes
    from keras_ganmix.recipes.source import open_source

    changes = [] if width is None else [f"generator.width={width}"]
    recipe = recipes.load(recipe, changes)
    source = open_source(recipe)
    gan = building.build_gan(recipe, source)
    return gan, building.build_dataset(recipe, source, gan), recipe


def seconds(function):
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def time_saves(gan, rounds):
    """Seconds of saves: until training goes on, and until all is written."""
    from keras_ganmix.state import RunState

    times = {"copy": [], "written": []}
    with tempfile.TemporaryDirectory() as folder:
        state = RunState(gan, folder)
        state.save()  # traces the copy
        for _ in range(rounds):
            for name, waits in (("copy", False), ("written", True)):
                gan.step.assign_add(1)  # or it is saved already
                times[name].append(seconds(lambda w=waits: state.save(wait=w)))
                state.wait()
        files = Path(folder).glob(f"{Path(state.latest).name}.*")
        size = sum(file.stat().st_size for file in files)
    return times, size


def time_steps(gan, dataset, rounds):
    batches = iter(dataset)
    step = gan.make_train_function() or gan.train_function

    def turn():
        for _ in range(STEPS):
            logs = step(batches)
        float(logs["generator_loss"])

    turn()
    return [seconds(turn) / STEPS for _ in range(rounds)]


def time_starts(rounds):
    """Seconds from the command to the end of the first step."""
    times = {"fresh": [], "again": []}
    with tempfile.TemporaryDirectory() as folder:
        for i in range(rounds):
            run = f"{folder}/{i}"
            times["fresh"].append(start(run, 2))
            times["again"].append(start(run, 4))
    return times


def start(run, steps):
    command = [sys.executable, "-m", "keras_ganmix.train"]
    command += ["--recipe=quickstart", f"--steps={steps}", f"--run_dir={run}"]
    begin = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--set=train.log_every=1"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    for line in process.stdout:
        if line.startswith("step"):
            spent = time.perf_counter() - begin
            break
    process.communicate()
    return spent


_STEPS_OF_A_PROCESS = """
import json, sys
sys.path[:0] = {path!r}
import saving, tensorflow as tf
if {deterministic}:
    tf.keras.utils.set_random_seed(0)
    tf.config.experimental.enable_op_determinism()
gan, dataset, _ = saving.build("quickstart")
saving.time_steps(gan, dataset, 1)
for line in sys.stdin:
    print(json.dumps(saving.time_steps(gan, dataset, 1)), flush=True)
"""


def time_determinism(rounds):
    """Seconds of a step in two processes that take turns."""
    processes = {}
    for name, flag in (("plain", False), ("deterministic", True)):
        path = [str(ROOT), str(ROOT / "benchmarks")]
        code = _STEPS_OF_A_PROCESS.format(path=path, deterministic=flag)
        processes[name] = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    times = {name: [] for name in processes}
    for i in range(rounds + 1):  # the first waits for both to be ready
        for name, process in processes.items():
            process.stdin.write("\n")
            process.stdin.flush()
            spent = json.loads(process.stdout.readline())
            times[name] += spent if i else []
    for process in processes.values():
        process.communicate()
    return times


def told(times, unit=1e3):
    low, high = (unit * f(times) for f in (min, max))
    return f"{unit * np.median(times):.1f} ({low:.1f} to {high:.1f})"


def median_ratio(times, above, below):
    pairs = zip(times[above], times[below], strict=True)
    return float(np.median([a / b for a, b in pairs]))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--width", type=int, default=576)
    parser.add_argument("--no_restart", action="store_true")
    parser.add_argument("--no_determinism", action="store_true")
    flags = parser.parse_args()
    if not flags.no_determinism:
        times = time_determinism(flags.rounds)
        ratio = median_ratio(times, "deterministic", "plain")
        print(f"step of the quickstart, ms: {told(times['plain'])}")
        print(
            f"with op determinism, ms: {told(times['deterministic'])}, "
            f"{ratio:.2f} times as long"
        )
    if not flags.no_restart:
        times = time_starts(flags.rounds)
        ratio = median_ratio(times, "again", "fresh")
        print(
            f"first step after, s: fresh {told(times['fresh'], 1)}, "
            f"again {told(times['again'], 1)}, {ratio:.2f} times as long"
        )
    for what, width in (("quickstart", None), ("large", flags.width)):
        gan, dataset, recipe = build("quickstart", width)
        networks = (gan.generator, gan.discriminator)
        parameters = sum(n.count_params() for n in networks)
        times, size = time_saves(gan, flags.rounds)
        print(
            f"{what}: {parameters / 1e6:.1f} M parameters, "
            f"{size / 1e6:.0f} MB; ms until training goes on "
            f"{told(times['copy'])}, until all is written "
            f"{told(times['written'])}"
        )
        if what == "quickstart":
            step = np.median(time_steps(gan, dataset, flags.rounds))
            every = recipe.checkpoint.every
            shares = [np.median(t) / (every * step) for t in times.values()]
            print(
                f"share of the wall time, every {every} steps of "
                f"{1e3 * step:.0f} ms: {shares[0]:.3%}; "
                f"{shares[1]:.3%} if writing stopped training"
            )


if __name__ == "__main__":
    main()
