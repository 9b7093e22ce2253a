"""Accuracy, robustness and foreign images: methods x seeds of `classify`.

    python benchmarks/evidence/classify.py --out evidence/classify

Trains and tests each arm with each seed in a process of its own, one thread
each, and writes OUT/classify.json anew after every run: the settings of each
arm, the command and the scores of each run, and the arms compared (mean,
spread, difference to the first arm with a 95 % interval, Holm's correction).
Stop it at any time and start it again: finished runs are not repeated, others
go on from their checkpoints.

Arms are plain, mixup, cutmix and adaptive_mix, and, to tell what the frozen
head of the last one does without mixing, plain_orthogonal. None was tuned.

Expected cost: 16 core minutes for each seed of the five arms (WRN-10-1, 6,000
images, 20 epochs, two trunk passes for adaptive_mix).
"""

import argparse
import json
import pathlib
import platform
import shlex
import sys

from keras_ganmix import recipes
from keras_ganmix.classifying.summary import is_done, read_summary
from keras_ganmix.run_folder import RunFolder
from keras_ganmix.sweeping.results import make_row
from keras_ganmix.sweeping.workers import Worker, listening, work
from keras_ganmix.utils import cli
from keras_ganmix.utils.files import write_json

RECIPE = "fashion_mnist_wrn_{}"
ARMS = {
    "plain": ("plain", []),
    "mixup": ("mixup", []),
    "cutmix": ("cutmix", []),
    "adaptive_mix": ("adaptive_mix", []),
    "plain_orthogonal": ("plain", ["network.orthogonal_head=true"]),
}
DEFAULT = ",".join(ARMS)
LOWER = ("loss", "ece", "fpr95", "fpr95_of_foreign", "detection_error")


def main(argv=None):
    arguments = _parser().parse_args(argv)
    try:
        experiment = Experiment(arguments)
        with listening() as stop:
            experiment.run(stop)
    except (recipes.RecipeError, cli.UsageError) as error:
        cli.complain(error)
        return cli.BAD_INPUT
    if stop.received is not None:
        _say("stopped; start it again to go on")
        return cli.STOPPED + stop.received
    return cli.FAILED_RUN if experiment.failed else cli.DONE


def _parser():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add("--out", type=pathlib.Path, required=True, help="folder of the runs")
    add("--arms", default=DEFAULT, help=f"default {DEFAULT}")
    add("--seeds", default="0,1,2", help="default 0,1,2")
    add("--set", action="append", default=[], help="change to all arms")
    add("--processes", type=int, default=1, help="runs at a time, default 1")
    add("--nice", type=int, default=10, help="0 to 19, default 10")
    add("--dry_run", action="store_true", help="only list the commands")
    return parser


class Experiment:
    """All runs of the arms.

    Args:
        arguments: of the command line.

    Raises:
        RecipeError: if an arm is no recipe.
        UsageError: for an unknown arm or a seed that is none.
    """

    def __init__(self, arguments):
        self.out, self.common = arguments.out, arguments.set
        self.processes, self.nice = arguments.processes, arguments.nice
        self.dry_run = arguments.dry_run
        self.arms = [name.strip() for name in arguments.arms.split(",")]
        for name in self.arms:
            if name not in ARMS:
                raise cli.UsageError(
                    f"--arms: {name!r}; allowed: {', '.join(ARMS)}"
                )
        try:
            self.seeds = [int(word) for word in arguments.seeds.split(",")]
        except ValueError:
            raise cli.UsageError(
                f"--seeds: {arguments.seeds!r}; allowed: numbers with commas "
                "between"
            ) from None
        self.cells = [(a, s) for s in self.seeds for a in self.arms]
        self.recipes = {cell: self._recipe(*cell) for cell in self.cells}
        self.failed = []

    def _changes(self, arm, seed):
        return [*self.common, *ARMS[arm][1], f"train.seed={seed}"]

    def _recipe(self, arm, seed):
        name, changes = RECIPE.format(ARMS[arm][0]), self._changes(arm, seed)
        return recipes.load(name, changes, kind="classifier")

    def folder(self, arm, seed):
        return RunFolder(self.out / arm / f"seed-{seed}")

    def command(self, arm, seed):
        """The words after `python -m keras_ganmix.classify`, but the place."""
        changes = [f"--set={change}" for change in self._changes(arm, seed)]
        return [f"--recipe={RECIPE.format(ARMS[arm][0])}", *changes]

    def is_done(self, cell):
        folder = self.folder(*cell)
        return folder.recipe.exists() and is_done(folder, self.recipes[cell])

    def run(self, stop):
        """Runs what is left, until a signal comes.

        Args:
            stop: `Stop` that listens.
        """
        left = [cell for cell in self.cells if not self.is_done(cell)]
        _say(f"{len(self.cells)} runs, {len(left)} left")
        if self.dry_run:
            for cell in left:
                _say(_shown(self.command(*cell)))
            return
        self.stop = stop
        work(left, self._start, self._end, self.processes, stop)
        self.write()

    def _start(self, cell):
        _say(f"{_name(cell)}: begins")
        words = [sys.executable, "-m", "keras_ganmix.classify"]
        place = self.folder(*cell).path
        words += [*self.command(*cell), f"--run_dir={place}"]
        return Worker(words, place.with_suffix(".log"), 1, self.nice)

    def _end(self, cell, worker):
        if self.is_done(cell):
            scores = json.loads(self.folder(*cell).evaluation.read_text())
            _say(f"{_name(cell)}: accuracy {scores['accuracy']:.4f}")
        elif self.stop.received is None:
            self.failed.append(cell)
            _say(f"{_name(cell)}: {worker.last_words()}")
        self.write()

    def write(self):
        """Writes what is known into `classify.json`."""
        runs = [self._told(*cell) for cell in self.cells if self.is_done(cell)]
        self.out.mkdir(parents=True, exist_ok=True)
        first = {arm: self.recipes[arm, self.seeds[0]] for arm in self.arms}
        found = {
            "arms": {arm: recipe.to_dict() for arm, recipe in first.items()},
            "common": self.common,
            "seeds": self.seeds,
            "left": [_name(c) for c in self.cells if not self.is_done(c)],
            "core_minutes": round(sum(r["core_minutes"] for r in runs), 1),
            "machine": f"{platform.machine()}, one thread a run",
            "runs": runs,
            "table": self._table(runs),
        }
        write_json(self.out / "classify.json", found)

    def _told(self, arm, seed):
        folder = self.folder(arm, seed)
        summary = read_summary(folder)
        return {
            "arm": arm,
            "seed": seed,
            "command": _shown(self.command(arm, seed)),
            "core_minutes": round(summary["cpu_seconds"] / 60, 2),
            "steps": summary["steps"],
            "parameters": summary["parameters"],
            "versions": summary["versions"],
            **json.loads(folder.evaluation.read_text()),
        }

    def _table(self, runs):
        """A row for each score; see `sweeping.results.make_row`."""
        values = {}
        for run in runs:
            for name, value in flat(run).items():
                by_arm = values.setdefault(name, {})
                by_arm.setdefault(run["arm"], {})[run["seed"]] = value
        return [
            make_row(
                name,
                self.arms[0],
                [arm for arm in self.arms if arm in by_arm],
                by_arm,
                {},
                "lower" if name.split("/")[-1] in LOWER else "higher",
            )
            for name, by_arm in values.items()
        ]


def flat(run):
    """The scores of a run by names such as `"ood/digits/1ds/auroc"`."""
    found = {name: run[name] for name in ("accuracy", "loss", "ece")}
    found |= {f"fgsm/{eps}": share for eps, share in run["fgsm"].items()}
    for place, scores in run["ood"].items():
        for kind in ("1ds", "max_softmax"):
            for name, value in scores[kind].items():
                found[f"ood/{place}/{kind}/{name}"] = value
    return found


def _say(text):
    cli.say(text, sys.stdout)


def _name(cell):
    return f"{cell[0]}/seed-{cell[1]}"


def _shown(words):
    return shlex.join(["python", "-m", "keras_ganmix.classify", *words])


if __name__ == "__main__":
    sys.exit(main())
