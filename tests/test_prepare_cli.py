"""`python -m keras_ganmix.prepare`."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import keras_ganmix
from keras_ganmix import data, prepare

ROOT = Path(keras_ganmix.__file__).resolve().parents[1]


@pytest.fixture
def photos(tmp_path):
    """200 pictures, one of them no picture."""
    folder = tmp_path / "photos"
    folder.mkdir()
    numbers = np.random.RandomState(0)
    for i in range(199):
        pixels = numbers.randint(0, 256, (12, 12)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:03}.png")
    (folder / "bad.png").write_text("words")
    return folder


def run(*words):
    return prepare.main(["prepare", *map(str, words)])


def start(*words):
    return subprocess.Popen(
        [sys.executable, "-m", "keras_ganmix.prepare", *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_prepares_and_verifies(photos, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ("--data", "folder:photos", "--out", "made", "--image_size", "8")
    assert run(*words) == 0
    told = capsys.readouterr().out
    assert "199 pictures of (8, 8, 1), 1 shards" in told
    assert "skipped: bad.png: not a picture" in told
    assert "tfrecord:made" in told
    before = contents(Path("made"))
    assert run(*words, "--quiet") == 0 and contents(Path("made")) == before
    assert capsys.readouterr().out == ""
    assert len(data.load("tfrecord:made")) == 199
    assert run("--verify", "made") == 0
    assert "as they were written" in capsys.readouterr().out
    path = Path("made/shard-00000.tfrecord")
    path.write_bytes(path.read_bytes()[::-1])
    assert run("--verify", "made") == 2
    assert capsys.readouterr().err == (
        f"error: {path}: its SHA-256 is another one; prepare it again\n"
    )


@pytest.mark.slow
def test_goes_on_after_sigkill(photos, tmp_path):
    """Killed at a random place between the first shard and the last."""
    words = ("--data", f"folder:{photos}", "--image_size", "300")
    words += ("--shard_mb", "1", "--quiet", "--out")
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = start(*words, killed)
    while not (killed / "shard-00001.json").exists():
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close(), process.stderr.close()
    assert not (killed / "manifest.json").exists()
    finished = {p: p.stat().st_mtime_ns for p in killed.glob("shard-*.json")}
    assert run(*words, killed) == 0 and run(*words, whole) == 0
    assert contents(killed) == contents(whole)
    assert len(list(whole.glob("*.tfrecord"))) > 10
    for index, written in finished.items():
        assert index.stat().st_mtime_ns == written


@pytest.mark.parametrize(
    "words, message",
    [
        ([], "--data: missing, for example folder:my/photos"),
        (["--data", "folder:x"], "--out: missing, for example"),
        (["--data", "folder:", "--out", "o"], "--data source: 'folder:' lacks"),
        (["--data", "nope", "--out", "o"], "Unknown source 'nope'"),
        (["--data", "folder:no", "--out", "o"], "no does not exist"),
        (["--data", "ring", "--out", "o"], "nothing to prepare"),
        (["--data", "x", "--shard_mb", "0"], "shard_mb"),
        (["--data", "x", "--resize", "stretch"], "resize"),
        (["--verify", "no"], "--verify source: no/manifest.json: no such file"),
        (["--verify", "no", "--out", "o"], "--verify: goes without"),
        (["--dta", "x"], "Did you mean 'data'?"),
    ],
)
def test_bad_input_is_one_line(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(*words) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and message in captured.err
    assert captured.err.startswith("error: ") and captured.err.count("\n") == 1
    assert os.listdir() == []


def test_a_second_process_is_kept_out(photos, tmp_path, capsys):
    import fcntl

    out = tmp_path / "out"
    out.mkdir()
    handle = os.open(out, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    words = ("--data", f"folder:{photos}", "--image_size", "8", "--out", out)
    assert run(*words) == 2
    assert "another process writes to it" in capsys.readouterr().err
    os.close(handle)
    assert run(*words) == 0


def test_a_full_disk_leaves_what_is_finished(photos, tmp_path, capsys):
    import resource

    out = tmp_path / "out"
    words = ("--data", f"folder:{photos}", "--image_size", "64", "--out", out)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
        assert run(*words) == 3
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert capsys.readouterr().err.count("\n") == 1
    assert not out.exists()
    assert run(*words) == 0
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["count"] == 199


def test_help_and_wrong_flags_need_no_tensorflow():
    code = (
        "import sys; from keras_ganmix import prepare; "
        "print(prepare.main(['prepare', '--help'])); "
        "print(prepare.main(['prepare', '--data', 'nope', '--out', 'o'])); "
        "assert 'tensorflow' not in sys.modules"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert "Exit codes" in result.stdout and result.stdout.endswith("2\n")
    assert max(map(len, result.stdout.splitlines())) <= 80
