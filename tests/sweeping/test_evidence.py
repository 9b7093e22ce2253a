"""The sweeps of the evidence, and the choice of settings between them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from keras_ganmix.sweeping.results import make_rows

ROOT = Path(__file__).resolve().parents[2]


def make_sweep(folder, quality):
    """A folder with the `sweep.json` of arms of one seed."""
    cells = [
        {
            "arm": arm,
            "seed": 0,
            "status": "done",
            "scores": {"frechet": value},
        }
        for arm, value in quality.items()
    ]
    found = {
        "arms": {arm: {"changes": [f"x={arm}"]} for arm in quality},
        "cells": cells,
        "table": make_rows("plain-a", list(quality), cells, {}),
    }
    folder.mkdir()
    (folder / "sweep.json").write_text(json.dumps(found))


def test_the_better_setting_of_each_method_is_chosen(tmp_path):
    quality = {"plain-a": 2, "plain-b": 1, "DAG-a": 3, "DAG-b": 4}
    folder = tmp_path / "tune"
    make_sweep(folder, quality)
    vary = tmp_path / "vary.yaml"
    vary.write_text("# Head\ncommon: [a=1]\narms:\n  old: []\nscore: []\n")
    script = ROOT / "benchmarks" / "evidence" / "choose.py"
    command = [sys.executable, script, folder / "sweep.json", vary]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "plain: plain-b" in done.stdout
    assert vary.read_text() == (
        "# Head\ncommon: [a=1]\narms:\n  plain:\n    - x=plain-b\n"
        "  DAG:\n    - x=DAG-a\nscore: []\n"
    )


@pytest.mark.parametrize(
    "recipe, name",
    [
        ("ring", "modes_ring"),
        ("grid", "modes_grid"),
        ("quickstart", "stacked_dcgan"),
        ("quickstart", "fashion_tune"),
        ("quickstart", "fashion_6000"),
        ("quickstart", "landscape"),
    ],
)
def test_the_arms_of_the_evidence_fit_the_schema(recipe, name):
    from keras_ganmix.sweeping.vary import make_plan

    path = ROOT / "benchmarks" / "evidence" / f"{name}.yaml"
    assert make_plan(recipe, path, (0,)).baseline.startswith("plain")
