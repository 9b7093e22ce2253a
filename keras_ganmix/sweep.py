"""Runs a matrix of arms and seeds: `python -m keras_ganmix.sweep --help`."""

import sys

from absl import flags

from keras_ganmix.utils import cli

SUMMARY = """
Run variants of a recipe with several seeds, and compare them.

  python -m keras_ganmix.sweep --recipe ring --vary vary.yaml \\
      --seeds 0,1,2 --out sweeps/ring
  python -m keras_ganmix.sweep --recipe ring --vary vary.yaml \\
      --seeds 0,1,2 --out sweeps/ring --processes 2 --dry_run

The file names the arms; each is a list of changes, as --set of train takes
them. The first arm is the baseline:

  arms:
    plain: []
    with_r1: [regularizers.0=R1]
  common: [train.steps=5000]
  score: [{metrics: [frechet, prdc], num_fake: 10000}]

Each run is made by train in OUT/ARM/seed-S and scored by evaluate at its
last step. Stop the sweep at any time and start it again: finished runs are
not repeated, others go on from their checkpoints. The results are in
OUT/table.md, OUT/sweep.json and, once all is done, OUT/compare.html.

Exit codes: 0 done, 2 bad input, 3 some runs failed (the others are done),
130 stopped by Ctrl-C, 143 stopped by SIGTERM.
"""

WORDS = {
    "recipe": "NAME|FILE",
    "vary": "FILE",
    "seeds": "LIST",
    "out": "FOLDER",
    "processes": "N",
    "threads": "N",
    "nice": "N",
}


def _flags():
    options = cli.new_flags()

    def text(name, default, help):
        flags.DEFINE_string(name, default, help, flag_values=options)

    def number(name, default, help, least=1):
        flags.DEFINE_integer(
            name, default, help, lower_bound=least, flag_values=options
        )

    text("recipe", None, "The recipe that is varied: a name or a file.")
    text("vary", None, "YAML file with the arms.")
    text("seeds", "0,1,2", "Comma-separated seeds, the same for each arm.")
    text("out", None, "Folder of the sweep.")
    number("processes", 1, "How many runs at a time.")
    number("threads", 1, "Threads of each run.")
    number("nice", 10, "How much the runs give way to others, 0 to 19.", 0)
    flags.DEFINE_bool(
        "dry_run",
        False,
        "Measure a few steps of each arm, print what the sweep will take, and "
        "run nothing.",
        flag_values=options,
    )
    flags.DEFINE_bool(
        "retry_failed",
        False,
        "Try runs again that have failed, from their last checkpoints.",
        flag_values=options,
    )
    return options


def _cell_flags():
    options = cli.new_flags()
    flags.DEFINE_string("out", None, "", flag_values=options)
    flags.DEFINE_string("cell", None, "", flag_values=options)
    return options


def main(argv=None):
    """Runs the command; returns its exit code."""
    argv = sys.argv if argv is None else argv
    if any(word.startswith("--cell=") for word in argv[1:]):
        return cli.run(_cell, argv, _cell_flags(), SUMMARY, {})
    return cli.run(_sweep, argv, _flags(), SUMMARY, WORDS)


def _cell(options):
    """What the processes do that a sweep starts."""
    from keras_ganmix.sweeping import cell
    from keras_ganmix.sweeping.folder import SweepFolder

    folder = SweepFolder(options.out)
    if options.cell == cell.TIMING:
        return cell.time_arms(folder)
    arm, _, seed = options.cell.rpartition("/")
    return cell.run_cell(folder, arm, int(seed))


def _sweep(options):
    """The story of a sweep."""
    from keras_ganmix.sweeping import workers
    from keras_ganmix.sweeping.folder import SweepFolder
    from keras_ganmix.sweeping.running import Sweep
    from keras_ganmix.sweeping.vary import make_plan

    for name in ("recipe", "vary", "out"):
        if options[name].value is None:
            raise cli.UsageError(f"--{name}: missing; see --help")
    plan = make_plan(options.recipe, options.vary, _seeds(options.seeds))
    folder = SweepFolder(options.out)
    folder.check(plan)

    with cli.bad_input(), folder.lock() as lock, workers.listening() as stop:
        folder.save(plan)
        sweep = Sweep(
            plan,
            folder,
            stop,
            lock.fileno(),
            processes=options.processes,
            threads=options.threads,
            nice=options.nice,
            retry_failed=options.retry_failed,
        )
        sweep.time_steps()
        if stop.received is None:
            cli.say("\n".join(sweep.budget().lines()))
            if options.dry_run:
                return cli.DONE
            sweep.run()
        if stop.received is not None:
            cli.say("sweep: stopped; start it again to go on")
            return cli.STOPPED + stop.received
        return sweep.conclude()


def _seeds(text):
    words = [word.strip() for word in text.split(",")]
    if not all(word.isascii() and word.isdecimal() for word in words):
        raise cli.UsageError(
            f"--seeds {text}: allowed: numbers from 0, with commas between"
        )
    seeds = [int(word) for word in words]
    if len(set(seeds)) < len(seeds):
        raise cli.UsageError(f"--seeds {text}: a seed is there twice")
    return seeds


if __name__ == "__main__":
    sys.exit(main())
