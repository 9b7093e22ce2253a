"""A folder of runs with made-up numbers, as sweeps and experiments leave it."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from keras_ganmix import recipes
from keras_ganmix.sweeping.results import make_row, make_rows
from tools.results import figures
from tools.results.places import Places

DOCS = Places().docs
STEPS = 1000
MODES = ("modes", "high_quality", "reverse_kl")
FASHION = [
    "frechet[fashion]",
    "frechet[squeezenet]",
    "kernel[fashion]",
    "kernel[squeezenet]",
    "precision[fashion]",
    "recall[fashion]",
    "classes_covered[fashion]",
    "frechet_early[fashion]",
    "spectrum_decibels",
    "spectrum_decibels_high",
    "leak_blend",
    "leak_cutout",
    "leak_rotate",
    "leak_shuffle",
]


def noise(*key):
    """A small number that depends on the key alone."""
    return np.random.default_rng([ord(c) for c in str(key)]).normal() / 1000


class Runs:
    """Writes such a folder.

    Args:
        path: the folder.
    """

    def __init__(self, path):
        self.path = path

    def sweep(self, name, arms, recipe="ring", seeds=(0, 1, 2), left=()):
        """A sweep whose scores are those given, with a little noise.

        Args:
            name: of the sweep.
            arms: dict from arm to a dict from score to number; the first arm
                is the baseline.
            recipe: its name.
            seeds: of the runs.
            left: pairs of arm and seed that are not made.
        """
        folder, cells = self.path / name, []
        for arm, scores in arms.items():
            for seed in seeds:
                cell = {"arm": arm, "seed": seed, "status": "left"}
                cell |= {"seconds": 0, "cpu_seconds": 0}
                if (arm, seed) not in left:
                    cell |= self._done(arm, seed, scores)
                    self._run(folder / arm / f"seed-{seed}", recipe, cell)
                cells.append(cell)
        resolved = recipes.load(recipe, [f"train.steps={STEPS}"]).to_dict()
        found = {
            "recipe": recipe,
            "baseline": next(iter(arms)),
            "seeds": list(seeds),
            "score": [{"metrics": ["frechet"], "split": "test"}],
            "common": ["train.steps=1000"],
            "arms": {
                arm: {"changes": [f"x={arm}"], "ms_per_step": 10.0}
                | {"recipe": resolved}
                for arm in arms
            },
            "protocols": [{"source": recipe, "seed": 0, "packages": {}}],
            "floor": {"modes": 8},
            "cells": cells,
        }
        found["table"] = make_rows(found["baseline"], list(arms), cells, {})
        (folder / "sweep.json").write_text(json.dumps(found))

    def _done(self, arm, seed, scores):
        seconds = {"slow": 7200.0}.get(arm, 3600.0)
        noisy = {s: v + noise(arm, seed, s) for s, v in scores.items()}
        curves = {"step": list(range(100, STEPS + 1, 100))}
        for score, value in noisy.items():
            # Straight from 10 to the last value.
            curves[score] = np.linspace(10, value, 10).tolist()
        return {
            "status": "done",
            "seconds": seconds,
            "cpu_seconds": seconds,
            "step": STEPS,
            "scores": noisy,
            "curves": curves,
        }

    def _run(self, folder, recipe, cell):
        (folder / "samples").mkdir(parents=True)
        for step in (0, STEPS):
            image = Image.new("RGB", (80, 80), "black")
            image.save(folder / "samples" / f"step-{step:07d}.png")
        summary = {"step": STEPS, "resumed_at": 0}
        summary["cpu_seconds"] = cell["cpu_seconds"] + 90
        if cell["seed"] == 2:  # interrupted: its last process tells little
            summary |= {"resumed_at": STEPS - 1, "cpu_seconds": 99.0}
        summary["evaluation"] = [{"cpu_seconds": 60}, {"cpu_seconds": 30}]
        (folder / "summary.json").write_text(json.dumps(summary))
        names = ("discriminator_loss", "generator_loss")
        names += ("real_logits", "fake_logits")
        lines = [
            json.dumps({"step": s} | dict.fromkeys(names, 0.5))
            for s in range(100, STEPS + 1, 100)
        ]
        (folder / "metrics.jsonl").write_text("\n".join(lines) + "\n")
        lines = [
            json.dumps({"step": s, "diversity": 0.9})
            for s in range(100, STEPS + 1, 100)
        ]
        (folder / "scores.jsonl").write_text("\n".join(lines) + "\n")

    def modes(self, name="modes_ring", recipe="ring", **changes):
        """Points: `GDPP` finds more, `AdaptiveMix` fewer."""

        def scores(modes, quality, divergence):
            return dict(zip(MODES, (modes, quality, divergence), strict=True))

        arms = {
            "plain": scores(6.0, 0.5, 0.4),
            "GDPP": scores(8.0, 0.9, 0.1),
            "AdaptiveMix": scores(3.0, 0.5, 0.9),
        }
        self.sweep(name, arms, recipe, **changes)

    def fashion(self, name="fashion_6000", chosen=None, **changes):
        """Garments: `Mixup` better by both, `SRMix` by one; `slow` slower.

        `chosen` are the arms that are run, all by default.
        """
        base = dict.fromkeys(FASHION, 5.0)
        better = {s: v - 1 for s, v in base.items()}
        arms = {
            "plain": base,
            "Mixup": better | {"recall[fashion]": 4.0},
            "SRMix": base
            | {"frechet[fashion]": 4.0, "frechet[squeezenet]": 6.0},
            "CutMix": {s: v + 1 for s, v in base.items()},
            "slow": better,
        }
        arms = {arm: arms[arm] for arm in chosen or arms}
        self.sweep(name, arms, "quickstart", **changes)

    def tuning(self):
        arms = {
            f"{method}-{which}": {"frechet[fashion]": value}
            for method, pair in (("plain", (3, 2)), ("Mixup", (2, 4)))
            for which, value in zip("ab", pair, strict=True)
        }
        self.sweep("fashion_tune", arms, "quickstart", seeds=(100,))

    def augmentation(self):
        arms = {"plain": 0.8, "classical": 0.82}
        arms |= {"wgan_gp": 0.81, "wgan_gp_dpm": 0.812}
        setting = {"share": 0.5}
        runs = [
            {
                "arm": arm,
                "images": 1000,
                "seed": seed,
                "accuracy": value + noise(arm, seed),
                "setting": setting,
                "validation": [0.8, 0.7],
                "cpu_seconds": 60.0,
            }
            for arm, value in arms.items()
            for seed in range(3)
        ]
        values = {}
        for run in runs:
            values.setdefault(run["arm"], {})[run["seed"]] = run["accuracy"]
        name = "accuracy, 1000 images"
        found = {
            "settings": {arm: [setting, {"share": 0.25}] for arm in arms},
            "steps": 100,
            "batch": 64,
            "validation": 2000,
            "images": [1000, 6000],
            "seeds": [0, 1, 2],
            "gan_cpu_seconds": {"wgan_gp-1000-0": 2880.0},
            "runs": runs,
            "table": [
                make_row(name, "plain", list(arms), values, {}, "higher")
            ],
        }
        self._write("augmentation/augmentation.json", found)

    def classify(self):
        arms = {"plain": 0.85, "adaptive_mix": 0.88, "plain_orthogonal": 0.9}
        report = {"auroc": 0.9, "fpr95": 0.2, "detection_error": 0.1}
        kinds = ("digits", "uniform", "gaussian", "emoji")
        runs, values = [], {}
        for arm, accuracy in arms.items():
            for seed in range(3):
                run = {
                    "arm": arm,
                    "seed": seed,
                    "steps": 100,
                    "parameters": 78042,
                    "accuracy": accuracy + noise(arm, seed),
                    "loss": 0.5,
                    "ece": 0.1,
                    "fgsm": {"1": 0.7 + noise(arm, seed, 1), "8": 0.2},
                    "ood": {
                        k: {"1ds": report, "max_softmax": report} for k in kinds
                    },
                }
                runs.append(run)
                own = values.setdefault("accuracy", {}).setdefault(arm, {})
                own[seed] = run["accuracy"]
                name = "ood/digits/1ds/fpr95_of_foreign"
                own = values.setdefault(name, {}).setdefault(arm, {})
                own[seed] = 0.2 + noise(arm, seed, name)
        recipe = {
            "network": {"depth": 10, "width": 1, "orthogonal_head": False},
            "method": {"type": "plain"},
            "data": {"source": "x", "max_images": 6000, "batch_size": 128},
        }
        found = {
            "arms": dict.fromkeys(arms, recipe),
            "seeds": [0, 1, 2],
            "left": [],
            "core_minutes": 90.0,
            "machine": "x",
            "runs": runs,
            "table": [
                make_row(name, "plain", list(arms), own, {}, "higher")
                for name, own in values.items()
            ],
        }
        self._write("classify/classify.json", found)

    def landscape(self):
        alphas = [-1.0, 0.0, 1.0]
        told = {
            key: {"mean": 2.5, "spread": None}
            for key in ("at_zero", "sharpness", "rise", "range", "concavity")
        }
        term = {"losses": [[1.0, 0.5, 2.0]], **told}
        runs = []
        for arm, seed in (("plain", 0), ("Deshuffle", 0), ("Deshuffle", 1)):
            terms = ["adversarial", "total"]
            terms += ["Deshuffle"] * (arm != "plain")
            lines = {
                side: dict.fromkeys(terms, term)
                for side in ("discriminator", "generator")
            }
            angles = {
                f"{side}/Deshuffle/{key}": value
                for side, value in (
                    ("discriminator", 0.25),
                    ("generator", None),  # its gradient has vanished
                )
                for key in ("cosine", "ratio")
            }
            # The second seed was stopped, and its last losses are no numbers.
            failed = {"step": 7, "seconds": 0.0, "failure": "x is NaN"}
            run = {
                "run": str(self.path / "landscape" / arm / f"seed-{seed}"),
                "arm": arm,
                "seed": seed,
                "checkpoints": [
                    {"step": 0, "seconds": 1800.0},
                    {"step": 4, "seconds": 600.0, "lines": lines},
                    failed
                    if seed
                    else {"step": 9, "seconds": 1800.0, "lines": lines},
                ],
                "gradients": [
                    {"step": s, **(angles if arm != "plain" else {})}
                    for s in ((5, 10) if seed else (0, 5, 10))
                ],
            }
            runs.append(run)
        protocol = {"directions": 3, "points": 21, "extent": 1.0}
        protocol |= {"batches": 4, "seed": 6}
        found = {"protocol": protocol, "alphas": alphas, "runs": runs}
        self._write("landscape/lines/landscape.json", found)
        plane = np.add.outer(np.square(alphas), np.square(alphas)).tolist()
        for run in runs[:2]:
            planes = {side: {"adversarial": plane} for side in lines}
            run["checkpoints"] = [{"step": 9, "planes": planes}]
        found["runs"] = runs[:2]
        self._write("landscape/planes/landscape.json", found)

    def _write(self, name, found):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found))


@pytest.fixture
def runs(tmp_path):
    return Runs(tmp_path / "evidence")


@pytest.fixture
def places(tmp_path):
    """An empty documentation with what pages need besides collected data."""
    docs = tmp_path / "docs"
    for name in ("performance.md", "results/data/published_modes.json"):
        (docs / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(DOCS / name, docs / name)
    (docs / "images").mkdir()
    shutil.copy(DOCS / "images" / "dag_leak.json", docs / "images")
    return Places(docs)


@pytest.fixture
def undrawn(monkeypatch):
    """Pictures are not drawn, which takes most of the time."""

    def save(found, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    monkeypatch.setattr(figures, "save", save)
