"""The folder of a sweep: what is where, and whether a plan may go on in it.

```
plan.json  sweep.json  table.md  compare.html
ARM/timing.json  ARM/seed-0/  ARM/seed-0.json  ARM/seed-0.log
```
"""

import fcntl
import json
import time
from pathlib import Path

from keras_ganmix import recipes
from keras_ganmix.run_folder import RunFolder
from keras_ganmix.sweeping.vary import Plan, Scoring
from keras_ganmix.utils.cli import UsageError
from keras_ganmix.utils.differences import differences
from keras_ganmix.utils.files import write_json

_PATIENCE = 60.0


class SweepFolder:
    """Paths of a sweep's files.

    Args:
        path: the folder; it need not exist.
    """

    def __init__(self, path):
        self.path = Path(path)
        self.plan = self.path / "plan.json"
        self.result = self.path / "sweep.json"
        self.table = self.path / "table.md"
        self.page = self.path / "compare.html"
        self.timing_log = self.path / "timing.log"

    def run(self, arm, seed):
        """The `RunFolder` of a cell."""
        return RunFolder(self.path / arm / f"seed-{seed}")

    def record(self, arm, seed):
        """What became of a cell: a JSON file."""
        return self.path / arm / f"seed-{seed}.json"

    def log(self, arm, seed):
        """What the process of a cell said."""
        return self.path / arm / f"seed-{seed}.log"

    def timing(self, arm):
        """What a step of an arm takes: a JSON file."""
        return self.path / arm / "timing.json"

    def scores(self, arm, seed, index):
        """The scores of a cell by the scoring of that index."""
        first = self.run(arm, seed).evaluation
        return first if not index else first.with_stem(f"scores-{index + 1}")

    def lock(self):
        """Keeps other sweeps out until this process and its children end.

        Returns:
            The open file that holds the lock.

        Raises:
            UsageError: if another sweep still works here after a minute.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        file = open(self.path / ".lock", "w")  # noqa: SIM115
        # The runs of a killed sweep need a moment to save themselves.
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return file
            except OSError:
                if time.monotonic() > end:
                    raise UsageError(
                        f"--out {self.path}: another sweep works in it"
                    ) from None
                time.sleep(0.5)

    def check(self, plan):
        """Refuses a plan that is not that of the runs that are here.

        More arms, other seeds and other scorings are no reason, nor are arms
        of which no run has begun.

        Raises:
            UsageError: with the first difference.
        """
        if not self.plan.exists():
            self._check_empty()
            return
        before = self.load()
        found = []
        for arm, recipe in before.arms.items():
            if not self._has_begun(arm):
                continue
            if arm not in plan.arms:
                found.append(f"arm {arm!r} there, none now")
                continue
            old, new = recipe.to_dict(), plan.arms[arm].to_dict()
            found += [
                f"arm {arm!r}: {path}: {a!r} there, {b!r} now"
                for path, a, b in differences(old, new, free=("description",))
            ]
        if found:
            more = f" and {len(found) - 1} more" if len(found) > 1 else ""
            raise UsageError(
                f"--out {self.path}: holds another sweep ({found[0]}{more}); "
                "name another folder"
            )

    def _check_empty(self):
        if self.path.exists() and not self.path.is_dir():
            raise UsageError(f"--out {self.path}: is not a folder")
        found = sorted(self.path.glob("[!.]*"))
        if found:
            raise UsageError(
                f"--out {self.path}: holds {found[0].name!r} but no sweep; "
                "name a new or an empty folder"
            )

    def _has_begun(self, arm):
        return any((self.path / arm).glob("seed-*"))

    def save(self, plan):
        """Writes the plan, and forgets the timing of arms that changed."""
        if self.plan.exists():
            before = self.load().arms
            for arm in before.keys() & plan.arms.keys():
                if before[arm] != plan.arms[arm]:
                    self.timing(arm).unlink(missing_ok=True)
        write_json(
            self.plan,
            {
                "recipe": plan.recipe,
                "seeds": list(plan.seeds),
                "score": [s.model_dump() for s in plan.scorings],
                "common": plan.common,
                "changes": plan.changes,
                "arms": {n: r.to_dict() for n, r in plan.arms.items()},
            },
        )

    def load(self):
        """Returns the `Plan` that was saved.

        Raises:
            UsageError: if there is none, or none that can be read.
        """
        try:
            found = json.loads(self.plan.read_text(encoding="utf-8"))
            return Plan(
                found["recipe"],
                {n: recipes.from_dict(d) for n, d in found["arms"].items()},
                found["common"],
                found["changes"],
                tuple(found["seeds"]),
                [Scoring.model_validate(s) for s in found["score"]],
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            message = " ".join(str(error).split())
            raise UsageError(
                f"{self.plan}: not the plan of a sweep ({message})"
            ) from error
