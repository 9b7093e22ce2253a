"""The pages of results hold the numbers of the data, and no others."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_ganmix import recipes
from keras_ganmix.sweeping.results import make_rows

ROOT = Path(__file__).resolve().parents[2]
MODES = ("modes", "high_quality", "reverse_kl")


@pytest.fixture(scope="module")
def pages():
    """The script as a module."""
    path = ROOT / "tools" / "results_pages.py"
    spec = importlib.util.spec_from_file_location("results_pages", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def make_sweep(folder, arms, scores_of, seeds=(0, 1, 2), **changes):
    """A folder with `sweep.json` and a picture for each run."""
    cells = []
    for arm in arms:
        for seed in seeds:
            scores = scores_of(arm, seed)
            curve = {name: [0.0, value] for name, value in scores.items()}
            cells.append(
                {
                    "arm": arm,
                    "seed": seed,
                    "status": "done",
                    "seconds": 60.0,
                    "cpu_seconds": 90.0,
                    "step": 100,
                    "scores": scores,
                    "curves": {"step": [50, 100], **curve},
                }
            )
            samples = folder / arm / f"seed-{seed}" / "samples"
            samples.mkdir(parents=True)
            for step in (0, 100):
                Image.new("RGB", (64, 64), "blue").save(
                    samples / f"step-{step:07d}.png"
                )
    about = {
        arm: {
            "changes": [f"x={arm}"],
            "ms_per_step": 1.0,
            "recipe": recipes.load("ring").to_dict(),
        }
        for arm in arms
    }
    found = {
        "recipe": "ring",
        "baseline": arms[0],
        "seeds": list(seeds),
        "arms": about,
        "floor": {"modes": 8},
        "cells": cells,
        "table": make_rows(arms[0], arms, cells, {"modes": 8}),
        **changes,
    }
    (folder / "sweep.json").write_text(json.dumps(found))


def test_the_page_of_modes_is_made_of_the_data(pages, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    values = {
        (arm, seed): float(rng.normal(0.2 + 0.5 * (arm == "better"), 0.01))
        for arm in ("plain", "better")
        for seed in range(3)
    }

    def scores(arm, seed):
        return dict(zip(MODES, (8, values[arm, seed], 0.1), strict=True))

    make_sweep(tmp_path / "s" / "modes_ring", ["plain", "better"], scores)
    for name in ("RESULTS", "DATA", "IMAGES"):
        path = tmp_path / "docs" / {"RESULTS": ""}.get(name, name.lower())
        monkeypatch.setattr(pages, name, path)
    published = ROOT / "docs" / "results" / "data" / "published_modes.json"
    (tmp_path / "docs" / "data").mkdir(parents=True)
    (tmp_path / "docs" / "data" / published.name).write_text(
        published.read_text()
    )
    monkeypatch.setattr(sys, "argv", ["", f"--sweeps={tmp_path / 's'}"])
    pages.main()
    text = (tmp_path / "docs" / "modes.md").read_text()
    own = [100 * values["better", seed] for seed in range(3)]
    base = [100 * values["plain", seed] for seed in range(3)]
    assert f"{np.mean(own):.4g} ± {np.std(own, ddof=1):.2g}" in text
    assert f"**{np.subtract(own, base).mean():+.3g} [" in text
    # At the last step, and over the last fifth of the steps.
    assert text.count("- high quality %: better: better.") == 2
    assert text.count("- modes: no arm is told apart") == 2
    assert "took 0.1 hours of one core" in text
    assert "Preliminary" not in text
    assert not (tmp_path / "docs" / "fashion_mnist.md").exists()
    for kind in ("curves", "samples"):
        with Image.open(
            tmp_path / "docs" / "images" / f"modes_ring_{kind}.png"
        ) as image:
            assert image.width > 200
        assert f"images/modes_ring_{kind}.png" in text
    before = text
    monkeypatch.setattr(sys, "argv", [""])
    pages.main()
    assert (tmp_path / "docs" / "modes.md").read_text() == before


def test_both_extractors_must_agree(pages):
    def row(score, **verdicts):
        arms = {arm: {"verdict": v} for arm, v in verdicts.items()}
        return {"score": score, "arms": {"plain": {}, **arms}}

    rows = [
        row("frechet[fashion]", a="better", b="better", c="worse"),
        row("frechet[squeezenet]", a="better", b="worse", c="worse"),
    ]
    assert pages.agreement(rows) == "By both extractors: better: a; worse: c"


def test_the_better_setting_of_each_method_is_chosen(tmp_path):
    quality = {"plain-a": 2, "plain-b": 1, "DAG-a": 3, "DAG-b": 4}
    folder = tmp_path / "tune"
    make_sweep(
        folder, list(quality), lambda arm, seed: {"frechet": quality[arm]}
    )
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
    ],
)
def test_the_arms_of_the_evidence_fit_the_schema(recipe, name):
    from keras_ganmix.sweeping.vary import make_plan

    path = ROOT / "benchmarks" / "evidence" / f"{name}.yaml"
    assert make_plan(recipe, path, (0,)).baseline.startswith("plain")
