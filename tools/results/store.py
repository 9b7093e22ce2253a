"""The data that pages are made of."""

import functools
import json

import numpy as np

from keras_ganmix.sweeping.results import make_row, make_rows
from tools.results import mixtures
from tools.results.merging import is_timed

#: Sweeps, each a folder of `--collect` and a file of data.
SWEEPS = (
    *mixtures.SWEEPS,
    "stacked_dcgan",
    "fashion_tune",
    "fashion_6000",
    "fashion_60000",
    "landscape",
)
#: Other files of data.
OTHERS = ("classify", "augmentation", "landscapes", "dag_leak")
#: Of the scorings during a run, the last fifth of the steps is averaged.
LATE = 0.8
#: Names of curves that are no scores.
_NO_SCORES = ("step", "diversity")


class Sweep:
    """What came out of a sweep.

    Args:
        name: of its file of data.
        found: the data.

    Attributes:
        done: its finished cells.
        arms: names of the arms that have one, in order.
        steps: of each run.
    """

    def __init__(self, name, found):
        self.name, self.found = name, found
        self.recipe, self.baseline = found["recipe"], found["baseline"]
        self.seeds, self.cells = found["seeds"], found["cells"]
        self.logs = found.get("logs", {})
        self.done = [
            cell
            for cell in self.cells
            if cell["status"] == "done" and "otherwise" not in cell
        ]
        have = {cell["arm"] for cell in self.done}
        self.arms = [arm for arm in found["arms"] if arm in have]
        self.steps = found["arms"][self.baseline]["steps"]

    @functools.cached_property
    def rows(self):
        """A row of the comparison for each score at the last step."""
        return self.compare(self.done)

    @functools.cached_property
    def late_rows(self):
        """The same for the means over the last fifth of the steps."""
        cells = [c for c in self.done if c["curves"]]
        return self.compare([{**c, "scores": late_scores(c)} for c in cells])

    def compare(self, cells):
        """Rows of `make_rows` for cells with their own `scores`."""
        arms = [a for a in self.arms if any(c["arm"] == a for c in cells)]
        floor = self.found.get("floor") or {}
        return make_rows(self.baseline, arms, cells, floor)

    def against(self, base, arm, scores):
        """Rows of some scores that compare an arm with another one.

        Args:
            base: name of the arm that is subtracted.
            arm: name of the other one.
            scores: names of scores.
        """
        rows = []
        for score in scores:
            values = {
                name: {
                    seed: cell["scores"][score]
                    for seed, cell in self.of(name).items()
                    if score in cell["scores"]
                }
                for name in (base, arm)
            }
            if all(values.values()):
                rows.append(make_row(score, base, [base, arm], values, {}))
        return rows

    def of(self, arm):
        """The finished cells of an arm by seed."""
        return {c["seed"]: c for c in self.done if c["arm"] == arm}

    def failed(self, arm):
        """How many runs of an arm failed."""
        return sum(
            c["arm"] == arm and c["status"] == "failed" for c in self.cells
        )

    @property
    def hours(self):
        """Processor time of all runs, in hours."""
        return sum(cell["cpu_seconds"] for cell in self.cells) / 3600

    @property
    def complete(self):
        return all(c["status"] in ("done", "failed") for c in self.cells)

    def seconds_per_run(self, arm):
        """Processor time of an arm's runs, the median over seeds.

        Without those that were interrupted: what a run did before it was
        killed is not in its record. `None` if there are no others.
        """
        own = self.of(arm).values()
        whole = [c["cpu_seconds"] for c in own if not c.get("resumed_at")]
        return float(np.median(whole)) if whole else None

    def seconds_per_step(self, arm):
        """Processor time of a step, the median over seeds, or `None`.

        Start and scores are not in it; the first step, which is traced, is.
        """
        own = self.of(arm).values()
        known = [c["cpu_seconds_per_step"] for c in own if is_timed(c)]
        return float(np.median(known)) if known else None


def late_scores(cell):
    """Mean scores over the last fifth of the steps of a run."""
    curves = cell["curves"]
    steps = np.array(curves["step"])
    chosen = steps > LATE * steps[-1]
    return {
        name: float(np.array(values, float)[chosen].mean())
        for name, values in curves.items()
        if name not in _NO_SCORES
    }


class Store:
    """All data that there are.

    Args:
        places: `Places`.

    Attributes:
        sweeps: dict from name to `Sweep`, those that have a finished run.
        others: dict from the names of `OTHERS` to data, those that exist.
        published: published rows that no run here is compared with.
    """

    def __init__(self, places):
        self.places = places
        self.sweeps, self.others = {}, {}
        for name in SWEEPS:
            found = self._read(name)
            if found is not None:
                sweep = Sweep(name, found)
                if sweep.done:
                    self.sweeps[name] = sweep
        for name in OTHERS:
            found = self._read(name)
            if found is not None and found.get("runs", True):
                self.others[name] = found
        self.published = self._read("published_modes")

    def _read(self, name):
        path = self.places.data / f"{name}.json"
        if not path.is_file():
            return None
        return json.loads(path.read_text(encoding="utf-8"))
