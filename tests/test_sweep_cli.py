"""The sweep command, as a user meets it."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from keras_ganmix import sweep
from keras_ganmix.sweeping import cell
from keras_ganmix.sweeping.folder import SweepFolder
from keras_ganmix.sweeping.vary import make_plan
from keras_ganmix.utils.cli import UsageError

ROOT = Path(sweep.__file__).resolve().parents[1]
TINY = """
common:
  - data.max_images=200
  - data.batch_size=16
  - generator.hidden=8
  - generator.latent_dim=4
  - discriminator.hidden=8
  - train.log_every=20
  - train.steps=400
  - samples=null
  - checkpoint.every=20
  - evaluate.every=100
  - evaluate.num_fake=50
arms:
  plain: []
"""
R1 = "  r1: [regularizers.0=R1, regularizers.0.weight=0.1]\n"


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def start(*arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "keras_ganmix.sweep", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


@pytest.mark.parametrize(
    "arguments, code, words",
    [
        (["--help"], 0, "--processes N"),
        (["--recipe=rng", "--vary=v", "--out=o"], 2, "Did you mean 'ring'"),
        (["--recipe=ring", "--vary=v.yaml", "--out=o"], 2, "No such file"),
        (["--recipe=ring", "--out=o"], 2, "--vary: missing"),
    ],
)
def test_help_and_mistakes_are_answered_without_tensorflow(
    arguments, code, words, in_empty_folder
):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = start(*arguments)
    out, err = process.communicate()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime - before.ru_utime
    seconds += after.ru_stime - before.ru_stime
    assert process.returncode == code
    assert words in (err if code else out)
    assert (out if code else err) == ""
    assert seconds < 1.5
    assert list(in_empty_folder.iterdir()) == []


@pytest.mark.parametrize(
    "flag, words",
    [
        ("--seeds=0,0", "a seed is there twice"),
        ("--seeds=0,x", "numbers from 0"),
        ("--seeds=", "numbers from 0"),
        ("--seeds=99999999999", "train.seed"),
        ("--processes=0", "processes"),
        ("--nice=-1", "nice"),
        ("--proceses=1", "Did you mean 'processes'"),
        ("extra", "unexpected argument 'extra'"),
    ],
)
def test_bad_flags(flag, words, in_empty_folder, capsys):
    Path("v.yaml").write_text(TINY)
    arguments = ["sweep", "--recipe=ring", "--vary=v.yaml", "--out=o", flag]
    assert sweep.main(arguments) == 2
    assert words in capsys.readouterr().err
    assert not Path("o").exists()


def test_help_shows_our_flags_and_no_others(capsys):
    assert sweep.main(["sweep", "--help"]) == 0
    text = capsys.readouterr().out
    assert "--cell" not in text
    assert max(len(line) for line in text.splitlines()) <= 80


@pytest.mark.slow
@pytest.mark.parametrize(
    "more, seeds",
    [("", [0]), pytest.param(R1, [0, 1], marks=pytest.mark.long)],
)
def test_a_killed_sweep_goes_on_and_repeats_nothing(more, seeds):
    Path("v.yaml").write_text(TINY + more)
    folder, plan = SweepFolder("out"), make_plan("ring", "v.yaml", seeds)
    for arm in plan.arms:  # as if they had been timed
        folder.timing(arm).parent.mkdir(parents=True)
        timing = {"first_step": 1.0, "step": 0.01}
        timing["scorings"] = [s.model_dump() for s in plan.scorings]
        folder.timing(arm).write_text(json.dumps(timing))
    folder.save(plan)
    arguments = [
        "--recipe=ring",
        "--vary=v.yaml",
        f"--seeds={','.join(map(str, seeds))}",
        "--out=out",
        "--processes=2",
        "--nice=0",
    ]
    process = start(*arguments)
    while not all(folder.run(arm, 0).has_checkpoint() for arm in plan.arms):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not folder.result.exists()

    process = start(*arguments)
    out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert "plain, seed 0: done" in out
    assert "modes ↑" in out
    for arm, seed in plan.cells():
        log = folder.log(arm, seed).read_text()
        assert log.count("run: steps 1 to 400") == 1
        assert log.count("run: steps") == (1 if seed else 2)
        assert "run: done" in log
    found = json.loads(folder.result.read_text())
    for result in found["cells"]:
        assert (result["status"], result["step"]) == ("done", 400)
        assert result["curves"]["step"] == [100, 200, 300, 400]
    assert "modes" in folder.table.read_text()
    assert "plain" in folder.page.read_text()

    written = {path: path.stat().st_mtime_ns for path in _run_files(folder)}
    assert sweep.main(["sweep", *arguments]) == 0
    assert {p: p.stat().st_mtime_ns for p in _run_files(folder)} == written


def _run_files(folder):
    return sorted(folder.path.glob("*/seed-*/**/*"))


def test_timing_finds_arms_that_cannot_be_built(in_empty_folder, capsys):
    Path("v.yaml").write_text(
        TINY + "  lost: [discriminator.feature_layer=nowhere]\n"
    )
    folder = SweepFolder("out")
    folder.path.mkdir()
    folder.save(make_plan("ring", "v.yaml", (0,)))
    with pytest.raises(UsageError, match=r"arm 'lost'.*nowhere"):
        cell.time_arms(folder)
    found = json.loads(folder.timing("plain").read_text())
    assert 0 < found["step"] < found["first_step"]
    assert "plain: " in capsys.readouterr().out


def test_timing_finds_scores_that_cannot_be_made(in_empty_folder):
    Path("v.yaml").write_text(TINY + "score: [{metrics: [modes], split: x}]\n")
    folder = SweepFolder("out")
    folder.path.mkdir()
    folder.save(make_plan("ring", "v.yaml", (0,)))
    told = r"arm 'plain': its runs could not be scored by modes: .*'x'"
    with pytest.raises(UsageError, match=told):
        cell.time_arms(folder)
    plan = make_plan("ring", "v.yaml", (0,))
    assert not cell.is_timed(folder, plan, "plain")
    # Also if the steps were measured before.
    timing = {"first_step": 1.0, "step": 0.01, "scorings": []}
    folder.timing("plain").parent.mkdir(parents=True, exist_ok=True)
    folder.timing("plain").write_text(json.dumps(timing))
    with pytest.raises(UsageError, match=told):
        cell.time_arms(folder)
    Path("v.yaml").write_text(TINY)
    plan = make_plan("ring", "v.yaml", (0,))
    folder.save(plan)
    cell.time_arms(folder)
    assert cell.is_timed(folder, plan, "plain")
    assert json.loads(folder.timing("plain").read_text())["step"] == 0.01
