"""Signals, clocks, and two processes in one folder."""

import signal
from pathlib import Path

import pytest
from harness import differences, existing

from keras_ganmix.callbacks import StopOnSignal


def newest(run):
    return Path(existing(run / "checkpoints")[-1]).name


@pytest.mark.long
@pytest.mark.parametrize(
    "name, code", [("SIGTERM", 143), ("SIGINT", 130), ("SIGHUP", 129)]
)
def test_the_first_signal_saves(go, whole, tmp_path, name, code):
    number = getattr(signal, name)
    assert go(hook=["send", 6, number])[0] == code
    assert newest(tmp_path / "run") == "ckpt-6"
    assert go()[0] == 0
    assert differences(whole, tmp_path / "run") == []


def test_a_terminal_that_is_closed(go, whole, tmp_path):
    """Nothing can be printed any more, and the state is saved."""
    assert go(hook=["hang_up", 6])[0] == 129
    assert newest(tmp_path / "run") == "ckpt-6"
    assert go()[0] == 0
    assert differences(whole, tmp_path / "run") == []


@pytest.mark.long
def test_the_second_signal_within_the_last_save_stops_at_once(
    go, whole, tmp_path
):
    run = tmp_path / "run"
    save = "checkpoints/ckpt-6_temp/*.data*"
    aim = (str(run), "write", save, 1, f"signal {int(signal.SIGTERM)}")
    assert go(hook=["send", 6, signal.SIGTERM], aim=aim)[0] == -signal.SIGTERM
    assert newest(run) == "ckpt-4"
    assert go()[0] == 0
    assert differences(whole, run) == []


@pytest.mark.long
def test_a_signal_while_the_run_starts(go, whole, tmp_path):
    run = tmp_path / "run"
    for name in ("recipe.yaml", "data.json"):
        aim = (str(run), "rename", name, 1, f"signal {int(signal.SIGTERM)}")
        assert go(aim=aim)[0] == -signal.SIGTERM
    assert go()[0] == 0
    assert differences(whole, run) == []


@pytest.mark.long
def test_stopped_and_continued(go, whole, tmp_path):
    assert go(hook=["pause", 6, 1])[0] == 0
    assert differences(whole, tmp_path / "run") == []


def test_a_closed_terminal_that_is_ignored_stays_so():
    """As under `nohup`."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stop = StopOnSignal()
    try:
        stop.on_train_begin()
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) == stop._handle
        stop.restore()
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) != stop._handle
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.long
@pytest.mark.parametrize("days", [1, -1])
def test_a_clock_that_jumps(go, whole, tmp_path, days):
    run = tmp_path / "run"
    hook = ["jump_clock", days * 86_400]
    aim = (str(run), "rename", "samples/step-0000010.png", 1, "kill")
    assert go(hook=hook, aim=aim)[0] == -9
    assert go()[0] == 0
    assert differences(whole, run) == []


@pytest.mark.long
def test_a_second_process_is_refused_and_harms_nothing(
    go, short, whole, tmp_path
):
    run, answer = tmp_path / "run", tmp_path / "answer"
    command = [*short.command, f"--run_dir={run}"]
    assert go(hook=["start_another", 10, str(answer), *command])[0] == 0
    code, error = answer.read_text().split("\n", 1)
    assert code == "2" and "another process trains in it" in error
    assert differences(whole, run) == []
