"""Takes the better setting of each method, and writes what is run with it.

    python benchmarks/evidence/choose.py sweeps/fashion_tune/sweep.json \\
        benchmarks/evidence/fashion_6000.yaml

Arms of the tuning sweep are METHOD-a and METHOD-b; the better one is that with
the better mean of the sweep's first score, over the same seeds. The file is
written anew but for its head and all that is not `arms`.

    python benchmarks/evidence/choose.py --best 2 \\
        sweeps/fashion_6000/sweep.json benchmarks/evidence/fashion_60000.yaml

takes the baseline and the two best other arms of any sweep instead, not those
of which a run failed. It also reads what was collected of a sweep.
"""

import argparse
import json
import pathlib
import re
import sys

# The checkout that this file is of, installed or not.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from keras_ganmix.sweeping.results import make_rows, ranked


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "sweep",
        type=pathlib.Path,
        help="its sweep.json, or what was collected of it",
    )
    parser.add_argument("vary", type=pathlib.Path, help="file to change")
    parser.add_argument("--best", type=int, metavar="N", help="see above")
    arguments = parser.parse_args()
    found = json.loads(arguments.sweep.read_text())
    _check_complete(found)
    if arguments.best is None:
        arms = best_settings(found)
    else:
        arms = best_arms(found, arguments.best)
    text = arguments.vary.read_text()
    arguments.vary.write_text(
        re.sub(r"(?ms)^arms:\n.*?(?=^\w|\Z)", _yaml(arms), text)
    )


def best_settings(found):
    """The changes of each method's better setting, as a dict."""
    row, arms = _first_row(found), {}
    for method, settings in _settings(found["arms"]).items():
        means = _ranked(row, method, settings)
        best, *_ = means
        arms[method] = found["arms"][best]["changes"]
        shown = ", ".join(f"{arm} {mean:.4g}" for arm, mean in means.items())
        print(f"{method}: {best} ({row['score']}: {shown})")
    return arms


def best_arms(found, n):
    """The changes of the baseline and of the n best other arms, as a dict."""
    row, base = _first_row(found), found["baseline"]
    failed = {c["arm"] for c in found["cells"] if c["status"] == "failed"}
    if base in failed:
        raise SystemExit(f"error: a run of the baseline, {base}, failed")
    for arm in sorted(failed):
        print(f"{arm}: left out, since a run of it failed")
    arms = [arm for arm in found["arms"] if arm not in failed]
    means = _ranked(row, "the sweep", arms)
    others = [arm for arm in means if arm != base]
    for arm in (base, *others):
        print(f"{arm}: {row['score']} {means[arm]:.4g}")
    return {arm: found["arms"][arm]["changes"] for arm in (base, *others[:n])}


def _first_row(found):
    """The arms by the first score of the sweep."""
    arms, floor = list(found["arms"]), found["floor"]
    rows = make_rows(found["baseline"], arms, found["cells"], floor)
    if not rows:
        raise SystemExit("error: the sweep has no scores")
    return rows[0]


def _check_complete(found):
    left = [c for c in found["cells"] if c["status"] == "left"]
    if left:
        raise SystemExit(f"error: {len(left)} runs of the sweep are not done")


def _ranked(row, method, settings):
    """Means of the settings, the best first; refuses if there is none."""
    means = ranked(row, settings)
    if not means:
        raise SystemExit(f"error: no setting of {method} has a score")
    return means


def _settings(names):
    """Dict from method to its arms."""
    methods = {}
    for name in names:
        methods.setdefault(name.rpartition("-")[0], []).append(name)
    return methods


def _yaml(arms):
    lines = ["arms:"]
    for method, changes in arms.items():
        lines.append(f"  {method}:{'' if changes else ' []'}")
        lines += [f"    - {change}" for change in changes]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
