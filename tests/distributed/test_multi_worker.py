"""Two workers train as one process, and end together."""

import functools
import json
import re
import signal

import numpy as np
import pytest
import tensorflow as tf

from keras_ganmix import train
from tests.distributed.pairs import ARGUMENTS, nursery, run_pair

pytestmark = pytest.mark.slow

# Scores are looked at once, where all goes well.
BARE = ["--set=samples=null", "--set=evaluate=null"]
EVERYTHING = r"generator|discriminator|.*_optimizer|counters|metrics"


def state(folder, step, parts="generator|discriminator"):
    """The tensors of a checkpoint that belong to these parts."""
    reader = tf.train.load_checkpoint(f"{folder}/checkpoints/ckpt-{step}")
    return {
        name: reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if re.match(f"state/({parts})/", name)
    }


def assert_close(one, two, tolerance):
    assert one.keys() == two.keys() and len(one) > 8
    for name, value in one.items():
        np.testing.assert_allclose(
            value, two[name], rtol=0, atol=tolerance, err_msg=name
        )


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def train_alone(folder, *arguments):
    common = [*ARGUMENTS, "--set=samples=null", f"--run_dir={folder}"]
    assert train.main(["train", *common, *arguments]) == 0
    return folder


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The folder of twenty steps in one process."""
    return train_alone(tmp_path_factory.mktemp("alone") / "run", "--steps=20")


def test_two_devices_train_as_one(alone, tmp_path):
    train_alone(tmp_path / "run", "--steps=20", "--strategy=mirrored")
    assert_close(state(alone, 20), state(tmp_path / "run", 20), 1e-5)


@pytest.fixture(scope="module")
def pair():
    """`run_pair`, with its nursery."""
    with nursery() as process:
        yield functools.partial(run_pair, process)


def test_two_workers_train_as_one(pair, alone, tmp_path, capsys):
    """One story, because each pair of processes takes seconds."""
    whole = tmp_path / "whole"
    check_one_run(pair, alone, whole, tmp_path)
    run = tmp_path / "run"
    check_signal(pair, run, tmp_path)
    check_resume_and_loss(pair, run, whole, tmp_path)
    check_failure(pair, tmp_path, failing=0)
    # One process goes on from the checkpoints of two.
    capsys.readouterr()
    train_alone(run, "--steps=40", "--resume=must")
    assert "steps 26 to 40" in capsys.readouterr().out
    steps = [line["step"] for line in lines(run / "metrics.jsonl")]
    assert steps == [*range(5, 45, 5)]


@pytest.mark.long
def test_a_nan_at_one_worker_leads_all_back(pair, tmp_path):
    run = tmp_path / "run"
    chief, other = pair(
        tmp_path,
        ["--steps=12", "--set=samples=null", f"--run_dir={run}"],
        befalls=[("", 9), ("", 9)],
        script="unlucky.py",
    )
    assert (chief.code, other.code) == (0, 0), chief.errors + other.errors
    (fault,) = lines(run / "faults.jsonl")
    assert (fault["step"], fault["back_to"]) == (9, 5)
    assert "Going back to step 5" in chief.errors
    assert other.errors == ""
    assert [x["step"] for x in lines(run / "metrics.jsonl")] == [5, 10]


def check_one_run(pair, alone, whole, place):
    # The second worker has, as it were, another disk: it writes nothing.
    elsewhere = place / "elsewhere"
    chief, other = pair(
        place,
        ["--steps=20", "--set=samples={every: 10, count: 4}"],
        own=[[f"--run_dir={whole}"], [f"--run_dir={elsewhere}"]],
    )
    assert (chief.code, other.code) == (0, 0), chief.errors + other.errors
    assert_close(state(alone, 20), state(whole, 20), 1e-5)
    for one, two in zip(
        lines(alone / "metrics.jsonl"),
        lines(whole / "metrics.jsonl"),
        strict=True,
    ):
        assert one == pytest.approx(two, rel=1e-4, abs=1e-6)
    names = {path.name for path in whole.iterdir()}
    assert {"recipe.yaml", "summary.json", "scores.jsonl", "samples"} <= names
    assert not elsewhere.exists()
    assert "step 20/20" in chief.output
    assert chief.errors == other.output == other.errors == ""


def check_signal(pair, run, place):
    """A signal to one worker ends all, at the same step."""
    chief, other = pair(
        place,
        ["--steps=20", *BARE, f"--run_dir={run}"],
        befalls=[None, (int(signal.SIGTERM), 3)],
    )
    assert (chief.code, other.code) == (143, 143), chief.errors + other.errors
    assert "saved at step 10" in chief.output
    summary = json.loads((run / "summary.json").read_text())
    assert (summary["status"], summary["step"]) == ("interrupted", 10)


def check_resume_and_loss(pair, run, whole, place):
    """The run goes on exactly; then a worker is lost."""
    chief, other = pair(
        place,
        ["--steps=2000", *BARE, f"--run_dir={run}"],
        befalls=[None, (int(signal.SIGKILL), 30)],
    )
    assert (chief.code, other.code) == (3, -signal.SIGKILL), chief.errors
    assert_close(state(whole, 20, EVERYTHING), state(run, 20, EVERYTHING), 0)
    ours = [line for line in lines(run / "metrics.jsonl") if line["step"] <= 20]
    assert ours == lines(whole / "metrics.jsonl")
    assert len(chief.errors.splitlines()) == 1, chief.errors
    assert "lost worker 1 (127.0.0.1:" in chief.errors
    assert chief.ended - other.ended < 60
    summary = json.loads((run / "summary.json").read_text())
    assert summary["status"] == "failed" and "lost worker" in summary["error"]


def check_failure(pair, place, failing):
    """Whoever fails tells the others why, and nobody waits."""
    run, befalls = place / f"failed{failing}", [None, None]
    befalls[failing] = ("fails", 3)
    arguments = ["--steps=2000", *BARE, f"--run_dir={run}"]
    ends = pair(place, arguments, befalls=befalls)
    assert [end.code for end in ends] == [3, 3], ends
    failed, told = ends[failing], ends[1 - failing]
    why = "[Errno 28] No space, éèà: 'a file'"
    assert failed.errors == f"error: {why}\n"
    shown = rf"worker {failing} \(127.0.0.1:\d+\) ended by OSError: "
    expected = f"error: {shown}{re.escape(why)}. Start all workers again: "
    assert re.match(expected, told.errors), told.errors
    assert len(told.errors.splitlines()) == 1
    assert abs(failed.ended - told.ended) < 5
    summary = json.loads((run / "summary.json").read_text())
    assert summary["status"] == "failed" and why in summary["error"]


@pytest.mark.long
def test_a_worker_that_fails_tells_the_chief(pair, tmp_path):
    check_failure(pair, tmp_path, failing=1)
