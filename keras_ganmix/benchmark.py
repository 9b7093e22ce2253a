"""Times a recipe's step: `python -m keras_ganmix.benchmark --help`."""

import sys
from pathlib import Path

from absl import flags

from keras_ganmix.recipes import flags as recipe_flags
from keras_ganmix.recipes.source import open_source
from keras_ganmix.utils import cli

SUMMARY = """
Say where the time of a recipe's training step goes.

  python -m keras_ganmix.benchmark --recipe quickstart
  python -m keras_ganmix.benchmark --recipe quickstart \\
      --set regularizers.0=AdaptiveMix --steps 100 --json cost.json

Times the step and its parts: the updates of both networks, each regularizer
(the step with and without it), the input pipeline, fit with all callbacks;
tells the first step, memory and images/s. The parts take turns in up to ten
rounds. Nothing is kept but the JSON file.

Exit codes: 0 done, 2 bad input, 3 out of memory or disk, 130 stopped by
Ctrl-C.
"""

WORDS = {**recipe_flags.WORDS, "steps": "N", "json": "FILE"}


def _flags():
    options = cli.new_flags()
    recipe_flags.define(options)
    flags.DEFINE_integer(
        "steps",
        30,
        "How many steps of each part are timed, at least; more give narrower "
        "intervals.",
        lower_bound=1,
        flag_values=options,
    )
    flags.DEFINE_string(
        "json",
        None,
        "File for all numbers, those of each round included.",
        flag_values=options,
    )
    flags.DEFINE_bool(
        "quiet",
        False,
        "Do not tell on stderr what is being done.",
        flag_values=options,
    )
    return options


def main(argv=None):
    """Runs the command; returns its exit code."""
    return cli.run(_benchmark, argv, _flags(), SUMMARY, WORDS)


def _benchmark(options):
    recipe = recipe_flags.load(options)
    if options.json is not None and Path(options.json).is_dir():
        raise cli.UsageError(f"--json {options.json}: is a folder")
    if recipe.strategy == "multi_worker":
        raise cli.UsageError(
            "strategy: multi_worker: one process is timed; add "
            "--set strategy=mirrored or --set strategy=none"
        )
    with cli.bad_input():
        source = open_source(recipe)

    # From here on TensorFlow is needed, whose import takes seconds.
    with cli.without_startup_noise():
        import tensorflow as tf

        from keras_ganmix import building
        from keras_ganmix.benchmarking.parts import measure
        from keras_ganmix.ending import FAILURES

        building.start_devices()
    # Steps of several GANs look to it like one that is traced again and again.
    tf.get_logger().setLevel("ERROR")
    try:
        report = measure(recipe, source, options.steps, _tell(options))
    except FAILURES as error:
        cli.complain(cli.one_line(error))
        return cli.FAILED_RUN
    except ValueError as error:
        raise cli.UsageError(cli.one_line(error)) from error
    cli.say(report.text())
    if options.json is not None:
        from keras_ganmix.utils.files import write_json

        with cli.bad_input("json"):
            write_json(options.json, report.to_dict())
        cli.say(f"\nnumbers: {options.json}")
    return cli.DONE


def _tell(options):
    if options.quiet:
        return None
    return lambda text: cli.say(f"benchmark: {text}", sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
