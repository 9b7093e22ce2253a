"""How long a sweep will take: from measured steps, then from finished runs."""

import json

from keras_ganmix.sweeping.records import DONE, is_left, read_record
from keras_ganmix.utils import jsonl
from keras_ganmix.utils.tables import columns
from keras_ganmix.utils.times import duration


class Budget:
    """The time of each cell, as far as it is known.

    Args:
        plan: the `Plan`.
        folder: its `SweepFolder`; every arm has been timed.
        processes: how many cells run at a time.
        retry_failed: whether cells that have failed are run again.
    """

    def __init__(self, plan, folder, processes, retry_failed=False):
        self.plan, self.folder, self.processes = plan, folder, processes
        self.retry_failed = retry_failed
        self.timings = {
            arm: json.loads(folder.timing(arm).read_text(encoding="utf-8"))
            for arm in plan.arms
        }

    def steps_alone(self, arm):
        """Seconds of the steps of a cell, pictures and scores aside."""
        timing, steps = self.timings[arm], self.plan.arms[arm].train.steps
        return timing["first_step"] + (steps - 1) * timing["step"]

    def remaining(self):
        """Seconds until all cells are done.

        Once cells have ended, their own time says how much the pictures, the
        scores and the other work of the machine add to the steps.
        """
        expected = made = work = 0.0
        for arm, seed in self.plan.cells():
            record = read_record(self.folder, arm, seed) or {}
            alone = self.steps_alone(arm)
            if record.get("status") == DONE:
                expected += alone
                made += record["seconds"]
            if self._is_left(arm, seed):
                work += alone * (1 - self._progress(arm, seed))
        factor = made / expected if expected else 1.0
        return work * factor / self.processes

    def _is_left(self, arm, seed):
        return is_left(self.folder, self.plan, arm, seed, self.retry_failed)

    def _progress(self, arm, seed):
        path = self.folder.run(arm, seed).metrics
        lines = jsonl.read(path) if path.exists() else []
        if not lines:
            return 0.0
        return min(1.0, lines[-1]["step"] / self.plan.arms[arm].train.steps)

    def lines(self):
        """What is known before the first run, as lines of text."""
        plan = self.plan
        rows = [("arm", "ms/step", "steps", "each run", "done")]
        for arm, recipe in plan.arms.items():
            done = sum(not self._is_left(arm, seed) for seed in plan.seeds)
            rows.append(
                (
                    arm,
                    f"{1000 * self.timings[arm]['step']:.2f}",
                    f"{recipe.train.steps:,}",
                    duration(self.steps_alone(arm)),
                    f"{done} of {len(plan.seeds)}",
                )
            )
        lines = columns(rows, right=range(1, 5))
        arms, seeds = len(plan.arms), len(plan.seeds)
        lines.append(
            f"time: about {duration(self.remaining())} for what is left of "
            f"{arms} x {seeds} runs, {self.processes} at a time, pictures and "
            "scores aside"
        )
        return lines
