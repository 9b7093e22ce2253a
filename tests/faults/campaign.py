"""Kills runs at random and at chosen moments, and looks whether it shows.

    python tests/faults/campaign.py [--kills 120] [--runs ring,garments] \\
        [--out faults.json]

Each run is started again after each kill until it ends, and then compared
with one that was left alone: see docs/reliability.md for the results.
"""

import argparse
import itertools
import json
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# The checkout that this file is of, installed or not.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import aims
import runs
from harness import KILLED, differences, serving

TRAIN = "keras_ganmix.train"
FIT = "own_fit"

# So many starts may come to nothing; more is a bug.
_MOST_STARTS = 60
# One that takes longer hangs.
_MOST_SECONDS = 300


class Campaign:
    """Kills runs of one kind and counts.

    Args:
        server: the `harness.Server`.
        name: of the run, in `runs.RUNS`, or `"fit"`, or `"nan"`.
        folder: an empty one.
        seed: of the moments.
    """

    def __init__(self, server, name, folder, seed=0):
        self.server, self.name, self.folder = server, name, Path(folder)
        self.numbers = random.Random(f"{name}/{seed}")
        self.counts = {}
        self.failures = []
        self.runs = 0
        self.folder.mkdir(parents=True, exist_ok=True)
        self.hook = {}
        if name == "fit":
            self.command = [FIT]
        else:
            kind = runs.RUNS["ring" if name == "nan" else name]
            self.command = [TRAIN, *kind(self.folder)]
        if name == "nan":  # infinite at a step, in the first two tries
            self.hook = {"hook": ["explode", 33, 2]}
        self.whole = self.folder / "whole"
        self.duration = 0.0
        self._start(self.whole, expect=0)
        assert not self.failures, self.failures
        self.duration = server.seconds

    def after_going_back_to_the_start(self):
        """Kills before the first checkpoint, when a start went wrong."""
        self.hook = {"hook": ["explode", 3, 1]}
        shutil.rmtree(self.whole)
        self._start(self.whole, expect=0)
        name = "going back: noted"
        operation, path, action = aims.NAN[name]
        aimed = {"aim": (operation, path, 1, action)}
        self._kill(iter([(name, aimed), (None, {}), (None, {})]), 1)

    def _start(self, run, expect=None, more=(), **request):
        code, text = self.server.run(
            *self.command,
            f"--run_dir={run}",
            *more,
            **{"seconds": _MOST_SECONDS, **self.hook, **request},
        )
        if self.server.seconds >= _MOST_SECONDS:
            self.failures.append(f"{run}: hangs after {text[-500:]}")
        if code == 0:  # starts become shorter, and the machine changes
            self.duration += (self.server.seconds - self.duration) / 4
        allowed = (0, KILLED) if expect is None else (expect,)
        if code not in allowed or "Traceback" in text:
            self.failures.append(f"code {code}: {text[-1500:]}")
        return code

    def at_random(self, kills):
        """Kills at random moments, several to a run."""

        def starts():
            while True:
                seconds = self.numbers.uniform(0.2, self.duration)
                yield aims.RANDOM, {"seconds": seconds}

        self._kill(starts(), kills)

    def aimed(self, chosen, kills):
        """Kills at chosen file operations, in random order."""

        def starts():
            for name in _again_and_again(chosen, self.numbers):
                operation, path, action = chosen[name]
                number = (
                    1 if action == aims.KILL else self.numbers.choice((1, 2))
                )
                yield (
                    name,
                    {"aim": (operation, path, number, action)},
                )

        self._kill(starts(), kills)

    def in_evaluations(self, kills):
        def starts():
            while True:
                number = self.numbers.randint(1, 2)
                yield (
                    aims.EVALUATION,
                    {"hook": ["die_in_evaluation", number]},
                )

        self._kill(starts(), kills)

    def at_epoch_ends(self, kills):
        def starts():
            for epoch in itertools.cycle(range(5)):
                yield aims.EPOCH_END, {"more": [f"--die_at_end_of={epoch}"]}

        self._kill(starts(), kills)

    def _kill(self, starts, kills):
        """Starts runs until so many starts were killed and all runs ended."""
        done = 0
        while done < kills:
            run = self.folder / f"run{self.runs}"
            self.runs += 1
            for _ in range(_MOST_STARTS):
                name, request = next(starts)
                if done >= kills:
                    name, request = None, {}
                if "aim" in request:
                    request["aim"] = (str(run), *request["aim"])
                if self._start(run, **request) != KILLED:
                    break
                done += 1
                self.counts[name] = self.counts.get(name, 0) + 1
            else:
                self.failures.append(
                    f"{run}: did not end in {_MOST_STARTS} starts"
                )
            self._compare(run)

    def _compare(self, run):
        if self.runs == 1:  # what has ended stays as it is
            self._start(run, expect=0)
        found = differences(self.whole, run)
        if found:
            self.failures.append(f"{run}: {'; '.join(found[:8])}")
        else:
            shutil.rmtree(run)


def _again_and_again(chosen, numbers):
    while True:
        names = list(chosen)
        numbers.shuffle(names)
        yield from names


def plan(names, kills):
    """Yields (name, method, arguments) for so many kills, half at random."""
    share = max(1, kills // 2 // len(names))
    for name in names:
        yield name, "at_random", (share,)
        if name == "fit":
            yield name, "at_epoch_ends", (share,)
        elif name == "nan":
            yield name, "aimed", (aims.NAN, share)
        elif name == "folder":
            yield name, "aimed", (aims.TRAIN, share)
        else:
            inside = max(1, share // 5)
            yield name, "in_evaluations", (inside,)
            yield name, "aimed", (aims.SCORED, share - inside)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=120)
    parser.add_argument("--runs", default="ring,garments,folder,nan,fit")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="kgm-faults-"))
    result = {"kills": {}, "runs": {}, "failures": []}
    begin = time.monotonic()
    with serving(folder) as server:
        campaigns = {}
        for name, method, arguments in plan(args.runs.split(","), args.kills):
            if name not in campaigns:
                campaigns[name] = Campaign(
                    server, name, folder / name, args.seed
                )
            campaign = campaigns[name]
            getattr(campaign, method)(*arguments)
            result["kills"][name] = campaign.counts
            result["runs"][name] = campaign.runs
            result["failures"] = [
                f"{n}: {f}" for n, c in campaigns.items() for f in c.failures
            ]
            result["seconds"] = round(time.monotonic() - begin)
            count = sum(campaign.counts.values())
            print(
                f"{name} {method}: {count} kills, "
                f"{len(campaign.failures)} failures, {result['seconds']} s",
                flush=True,
            )
            if args.out:
                args.out.write_text(json.dumps(result, indent=2) + "\n")
    if not result["failures"]:
        shutil.rmtree(folder)
    for failure in result["failures"]:
        print(failure)
    return 1 if result["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
