"""Bad picture files, through the commands as a user runs them."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_ganmix import train
from tests.bad_files import BAD, ODD

ROOT = Path(train.__file__).resolve().parents[1]
ODD_FILES = {n: c for files in ODD.values() for n, c in files.items()}
TINY = (
    "--recipe=fashion_mnist_dcgan",
    "--set=data.image_size=16",
    "--set=data.channels=3",
    "--set=data.batch_size=16",
    "--set=data.cache=none",
    "--set=generator={network: mlp, hidden: 8, latent_dim: 4}",
    "--set=discriminator={network: mlp, hidden: 8}",
    "--set=train.log_every=5",
    "--set=samples=null",
    "--set=evaluate=null",
    "--set=checkpoint.every=100000",
)


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def save(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.RandomState(seed).randint(0, 256, (18, 18, 3))
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def command(name, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", f"keras_ganmix.{name}", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=120,
    )
    assert "Traceback" not in done.stderr
    return done


def test_there_are_many_kinds():
    assert len(BAD) >= 70 and len(ODD_FILES) >= 15


def test_a_folder_of_every_bad_file_is_refused_in_a_line():
    for name, content in {**BAD, **ODD_FILES}.items():
        path = Path("pictures") / (name if "." in name else f"{name}.png")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    spec = "--set=data.source=folder:pictures"
    done = command("train", *TINY, spec)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ") and "may be skipped" in line
    done = command("train", *TINY, spec, "--set=data.on_error=raise")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "/pictures/" in line
    assert not os.path.exists("runs")
    done = command("doctor", "--data=folder:pictures", "--json=report.json")
    assert done.returncode == 1 and done.stderr == ""
    findings = json.loads(Path("report.json").read_text())["findings"]
    refused = {
        item["name"].removesuffix(".png")
        for kind in ("damaged", "not_a_picture", "unreadable", "too_large")
        for item in findings.get(kind, {"items": []})["items"]
    }
    assert refused == set(BAD)


@pytest.fixture
def two_classes():
    for i in range(300):
        save(Path("pictures") / "ab"[i % 2] / f"{i:03}.png", i)
    return Path("pictures")


class Vandal(threading.Thread):
    """Spoils pictures as soon as a run has logged its first line."""

    def __init__(self, spoil):
        super().__init__(daemon=True)
        self.spoil = spoil

    def run(self):
        for _ in range(1200):
            path = Path("run/metrics.jsonl")
            if path.exists() and path.read_text():
                self.spoil()
                return
            time.sleep(0.05)


def test_bad_files_are_left_out_and_those_that_go_bad_replaced(
    two_classes, caplog
):
    whole = sorted(two_classes.rglob("*.png"))
    for name in ("png_cut_at_60%", "html", "png_bomb"):
        (two_classes / "a" / f"{name}.png").write_bytes(BAD[name])
    for name, content in ODD_FILES.items():
        (two_classes / "b" / name).write_bytes(content)

    def spoil():
        for i, path in enumerate(whole[:60]):
            if i % 3 == 0:
                path.unlink()
            elif i % 3 == 1:
                path.write_bytes(path.read_bytes()[:100])
            else:  # still a picture, but of another size
                other = path.with_suffix(".new")
                Image.new("RGB", (90, 40)).save(other, "png")
                other.replace(path)

    arguments = (*TINY, f"--set=data.source=folder:{two_classes}")
    vandal = Vandal(spoil)
    vandal.start()
    code = train.main(["train", *arguments, "--steps=400", "--run_dir=run"])
    vandal.join()
    assert code == 0
    assert f"3 of {303 + len(ODD_FILES)} pictures are skipped" in caplog.text
    assert caplog.text.count("takes its place") == 10
    assert "40 pictures were lost and replaced." in caplog.text
    summary = json.loads(Path("run/summary.json").read_text())
    assert summary["status"] == "done" and summary["step"] == 400
    assert summary["data"]["images"] == 300 + len(ODD_FILES)
    assert summary["data"]["skipped"] == 3
    assert summary["data"]["lost"] == 40


@pytest.mark.parametrize(
    "on_error", ["raise", pytest.param("skip", marks=pytest.mark.long)]
)
def test_a_run_without_its_data_ends_with_a_line(two_classes, on_error, capfd):
    def spoil():
        gone = sorted(two_classes.rglob("*.png"))
        for path in gone[:30] if on_error == "raise" else gone:
            path.unlink()

    arguments = (
        *TINY,
        f"--set=data.source=folder:{two_classes}",
        f"--set=data.on_error={on_error}",
    )
    vandal = Vandal(spoil)
    vandal.start()
    code = train.main(["train", *arguments, "--steps=9999", "--run_dir=run"])
    vandal.join()
    assert code == 3
    errors = [
        line
        for line in capfd.readouterr().err.splitlines()
        if line.startswith("error: ")
    ]
    (line,) = errors
    assert "not found" in line and ".png" in line
    summary = json.loads(Path("run/summary.json").read_text())
    assert summary["status"] == "failed" and summary["step"] > 0
