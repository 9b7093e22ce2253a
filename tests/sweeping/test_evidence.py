"""The sweeps of the evidence, and the choice of settings between them."""

import argparse
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from keras_ganmix.sweeping.workers import listening

ROOT = Path(__file__).resolve().parents[2]


def make_sweep(folder, quality, score):
    """A folder with the `sweep.json` of arms of one seed; None is a failure."""
    cells = [
        {"arm": arm, "seed": 0, "status": "failed"}
        if value is None
        else {
            "arm": arm,
            "seed": 0,
            "status": "done",
            "scores": {score: value},
        }
        for arm, value in quality.items()
    ]
    found = {
        "baseline": next(iter(quality)),
        "arms": {arm: {"changes": [f"x={arm}"]} for arm in quality},
        "cells": cells,
        "floor": {},
    }
    folder.mkdir()
    (folder / "sweep.json").write_text(json.dumps(found))


def choose(folder, quality, *options, score="frechet"):
    """Runs `choose.py`; returns the process, and what became of the file."""
    make_sweep(folder / "sweep", quality, score)
    vary = folder / "vary.yaml"
    vary.write_text("# Head\ncommon: [a=1]\narms:\n  old: []\nscore: []\n")
    script = ROOT / "benchmarks" / "evidence" / "choose.py"
    command = [sys.executable, script, *options]
    command += [folder / "sweep" / "sweep.json", vary]
    done = subprocess.run(command, capture_output=True, text=True)
    return done, vary.read_text()


def test_the_better_setting_of_each_method_is_chosen(tmp_path):
    quality = {"plain-a": 2, "plain-b": 1, "DAG-a": 3, "DAG-b": 4}
    done, vary = choose(tmp_path, quality)
    assert done.returncode == 0, done.stderr
    assert "plain: plain-b" in done.stdout
    assert vary == (
        "# Head\ncommon: [a=1]\narms:\n  plain:\n    - x=plain-b\n"
        "  DAG:\n    - x=DAG-a\nscore: []\n"
    )


def test_higher_is_better_where_it_is(tmp_path):
    quality = {"plain-a": 0.2, "plain-b": 0.1}
    done, vary = choose(tmp_path, quality, score="accuracy")
    assert done.returncode == 0, done.stderr
    assert "- x=plain-a" in vary


def test_a_setting_that_diverged_is_not_chosen(tmp_path):
    quality = {"plain-a": float("nan"), "plain-b": 100.0}
    done, vary = choose(tmp_path, quality)
    assert done.returncode == 0, done.stderr
    assert "- x=plain-b" in vary


def test_nothing_is_changed_where_no_setting_has_a_score(tmp_path):
    nan = float("nan")
    done, vary = choose(tmp_path, {"plain-a": nan, "plain-b": nan})
    assert done.returncode == 1
    assert "no setting of plain has a score" in done.stderr
    assert "old: []" in vary


def test_the_best_arms_are_taken_beside_the_baseline(tmp_path):
    quality = {"plain": 5, "Mixup": 4, "CutMix": 6, "DAG": 3, "SRMix": 7}
    done, vary = choose(tmp_path, quality, "--best", "2")
    assert done.returncode == 0, done.stderr
    assert vary == (
        "# Head\ncommon: [a=1]\narms:\n  plain:\n    - x=plain\n"
        "  DAG:\n    - x=DAG\n  Mixup:\n    - x=Mixup\nscore: []\n"
    )


def test_arms_that_failed_are_not_among_the_best(tmp_path):
    quality = {"plain": 5, "Mixup": None, "CutMix": 6, "DAG": 3}
    done, vary = choose(tmp_path, quality, "--best", "1")
    assert done.returncode == 0, done.stderr
    assert "Mixup: left out, since a run of it failed" in done.stdout
    assert "DAG:" in vary and "CutMix" not in vary


def test_nothing_is_chosen_beside_a_baseline_that_failed(tmp_path):
    done, vary = choose(tmp_path, {"plain": None, "DAG": 3}, "--best", "1")
    assert done.returncode == 1
    assert "a run of the baseline, plain, failed" in done.stderr
    assert "old: []" in vary


@pytest.mark.parametrize(
    "recipe, name",
    [
        ("ring", "modes_ring"),
        ("grid", "modes_grid"),
        ("grid", "modes_grid_fast"),
        ("quickstart", "stacked_dcgan"),
        ("quickstart", "fashion_tune"),
        ("quickstart", "fashion_6000"),
        ("quickstart", "fashion_60000"),
        ("quickstart", "landscape"),
    ],
)
def test_the_arms_of_the_evidence_fit_the_schema(recipe, name):
    from keras_ganmix.sweeping.vary import make_plan

    path = ROOT / "benchmarks" / "evidence" / f"{name}.yaml"
    assert make_plan(recipe, path, (0,)).baseline.startswith("plain")


def test_augmentation_goes_on_from_what_was_recorded(tmp_path, capsys):
    path = ROOT / "benchmarks" / "evidence" / "augmentation.py"
    spec = importlib.util.spec_from_file_location("augmentation", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def experiment(seeds):
        return module.Experiment(
            argparse.Namespace(
                out=tmp_path,
                set=[],
                steps=9,
                processes=1,
                seeds=seeds,
                images="1000",
            )
        )

    first = experiment("0")
    first.times = {"wgan_gp-1000-0": 5.0}
    first.runs = [
        {"arm": arm, "images": 1000, "seed": 0, "accuracy": 0.8}
        for arm in module.SETTINGS
    ]
    first.write()
    again = experiment("0")
    with listening() as stop:
        again.train_gans(stop)
    assert "2 GANs, 0 left" in capsys.readouterr().out
    other = experiment("3")
    other.add_time(("wgan_gp", 1000, 3), 7.0)
    other.write()
    found = json.loads(other.path.read_text())
    assert found["seeds"] == [0, 3]
    assert len(found["runs"]) == len(module.SETTINGS)
    times = found["gan_cpu_seconds"]
    assert times["wgan_gp-1000-0"] == 5.0
    assert times["wgan_gp-1000-3"] == 7.0
