"""Where the time from the command to the first training step goes.

    python benchmarks/startup.py [--recipe quickstart] [--rounds 5]

Each round does in a fresh process, one after the other, what `python -m
keras_ganmix.train` does up to its second step, and times each piece; then the
command itself with `--steps 1`. Medians over rounds (lowest to highest).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "import keras_ganmix, without TensorFlow"
COMMAND = "the whole command with --steps 1"


def pieces(name):
    """Does the pieces in order; returns their seconds by name."""
    sys.path.insert(0, str(ROOT))
    seconds, begin = {}, time.perf_counter()

    def done(piece):
        nonlocal begin
        now = time.perf_counter()
        seconds[piece] = now - begin
        begin = now

    import keras_ganmix  # noqa: F401

    done(PACKAGE)
    from keras_ganmix import recipes
    from keras_ganmix.recipes.source import open_source

    recipe = recipes.load(name)
    done("read and check the recipe")
    source = open_source(recipe)
    done("open the data")
    import tensorflow as tf

    done("import tensorflow, and with it keras")
    from keras_ganmix import building, running  # noqa: F401

    done("import the rest of the package")
    building.start_devices()
    building.set_up(recipe)
    gan = building.build_gan(recipe, source)
    done("build networks and optimizers")
    batches = iter(building.build_dataset(recipe, source, gan))
    next(batches)
    done("start the pipeline, first batch")
    gan.make_train_function()
    # What it makes of a tf.function is traced when first called.
    function = tf.function(gan.train_step, autograph=False)
    concrete = function.get_concrete_function(next(batches))
    done("trace the step")
    concrete(next(batches))
    done("first step: optimise the graph, then run")
    concrete(next(batches))
    done("second step")
    return seconds


def whole_command(name):
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        subprocess.run(
            [
                *(sys.executable, "-m", "keras_ganmix.train"),
                *("--recipe", name, "--steps", "1"),
                *("--run_dir", f"{folder}/run"),
            ],
            check=True,
            capture_output=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        return time.perf_counter() - begin


def one_round(name):
    answer = subprocess.run(
        [sys.executable, __file__, "--recipe", name, "--worker"],
        check=True,
        capture_output=True,
        text=True,
    )
    return {
        **json.loads(answer.stdout.splitlines()[-1]),
        COMMAND: whole_command(name),
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--recipe", default="quickstart")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        print(json.dumps(pieces(options.recipe)))
        return 0
    rounds = [one_round(options.recipe) for _ in range(options.rounds)]
    print(f"{options.recipe}: seconds, median (lowest to highest)")
    for piece in rounds[0]:
        values = sorted(one[piece] for one in rounds)
        middle = values[len(values) // 2]
        print(
            f"{piece:<42} {middle:6.2f} ({values[0]:.2f} to {values[-1]:.2f})"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
