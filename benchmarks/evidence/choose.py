"""Takes the better setting of each method, and writes what is run with it.

    python benchmarks/evidence/choose.py sweeps/fashion_tune/sweep.json \\
        benchmarks/evidence/fashion_6000.yaml

Arms of the tuning sweep are METHOD-a and METHOD-b; better is the lower mean of
its first score. The file is written anew but for its head and all that is not
`arms`.
"""

import argparse
import json
import pathlib
import re


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tuning", type=pathlib.Path)
    parser.add_argument("vary", type=pathlib.Path)
    arguments = parser.parse_args()
    found = json.loads(arguments.tuning.read_text())
    _check_complete(found)
    row = found["table"][0]
    arms = {}
    for method, settings in _settings(found["arms"]).items():
        means = {
            arm: row["arms"][arm]["mean"]
            for arm in settings
            if arm in row["arms"]
        }
        if not means:
            raise SystemExit(f"error: all runs of {method} failed")
        best = min(means, key=means.get)
        arms[method] = found["arms"][best]["changes"]
        shown = ", ".join(f"{arm} {mean:.4g}" for arm, mean in means.items())
        print(f"{method}: {best} ({row['score']}: {shown})")
    text = arguments.vary.read_text()
    arguments.vary.write_text(
        re.sub(r"(?ms)^arms:\n.*?(?=^\w|\Z)", _yaml(arms), text)
    )


def _check_complete(found):
    left = [c for c in found["cells"] if c["status"] == "left"]
    if left:
        raise SystemExit(f"error: {len(left)} runs of the tuning are not done")


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
