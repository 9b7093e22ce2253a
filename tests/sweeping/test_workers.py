"""The processes of a sweep, with small programs in the place of training."""

import json
import os
import signal
import sys
import threading
import time

import pytest

from keras_ganmix.sweeping.workers import Worker, listening, work


@pytest.fixture
def start(tmp_path):
    """Starts a Python program; its log is a file of the folder."""

    def make(name, text, **kwargs):
        limits = {"threads": 1, "nice": 0, **kwargs}
        command = [sys.executable, "-c", text]
        return Worker(command, tmp_path / f"{name}.log", **limits)

    return make


def test_a_worker_is_small_and_polite(start, tmp_path, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "{}")  # and alone
    program = (
        "import json, os, sys\n"
        "assert 'TF_CONFIG' not in os.environ\n"
        "names = 'TF_NUM_INTRAOP_THREADS', 'TF_NUM_INTEROP_THREADS'\n"
        "print(json.dumps([os.environ[n] for n in names] + [os.nice(0)]))\n"
    )
    worker = start("a", program, threads=3, nice=4)
    assert worker.wait() == 0
    found = json.loads((tmp_path / "a.log").read_text())
    assert found == ["3", "3", os.nice(0) + 4]


def test_time_is_measured_and_the_last_error_is_known(start):
    program = (
        "import sys, time\n"
        "end = time.process_time() + 0.2\n"
        "while time.process_time() < end: pass\n"
        "print('error: the cause'); print('more'); sys.exit(3)\n"
    )
    worker = start("a", program)
    assert worker.wait() == 3
    assert worker.seconds >= worker.cpu_seconds >= 0.2
    assert worker.last_words() == "the cause"
    worker = start("b", "raise KeyError('lost')")
    assert worker.wait() == 1
    assert worker.last_words() == "KeyError: 'lost'"
    # Its log goes on in the same file, but says nothing of why.
    worker = start("b", "import os; os.kill(os.getpid(), 9)")
    assert worker.wait() == -9
    assert worker.last_words() == ""


def test_all_cells_are_run_a_few_at_a_time(start):
    ended, most = {}, []
    program = "import sys, time; time.sleep(0.5); sys.exit({} == 2)"
    with listening() as stop:
        work(
            list(range(5)),
            lambda cell: start(cell, program.format(cell)),
            lambda cell, worker: ended.update({cell: worker.code()}),
            2,
            stop,
            lambda running: most.append(len(running)),
        )
    assert ended == {0: 0, 1: 0, 2: 1, 3: 0, 4: 0}
    assert max(most) == 2


SAVES = """
import signal, sys, time
def save(*_):
    print("saved", flush=True)
    sys.exit(143)
signal.signal(signal.SIGTERM, save)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def press(tmp_path):
    """Sends signals to the test, each once the log of 0 has a word."""

    def wait_and_send(number, words):
        log = tmp_path / "0.log"
        for word in words:
            while not (log.exists() and word in log.read_text()):
                time.sleep(0.05)
            os.kill(os.getpid(), number)

    def begin(number, *words):
        threading.Thread(target=wait_and_send, args=(number, words)).start()

    return begin


def test_a_second_signal_does_not_wait(start, press):
    stubborn = SAVES.replace("sys.exit(143)", "pass")
    ended = []
    with listening() as stop:
        press(signal.SIGINT, "ready", "saved")
        work(
            [0],
            lambda cell: start(cell, stubborn),
            lambda cell, worker: ended.append(worker.code()),
            1,
            stop,
        )
    assert ended == [-signal.SIGKILL]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_all_and_starts_none(start, press, tmp_path, number):
    ended = []
    with listening() as stop:
        press(number, "ready")
        work(
            [0, 1],
            lambda cell: start(cell, SAVES),
            lambda cell, worker: ended.append((cell, worker.code())),
            1,
            stop,
        )
    assert stop.received == number
    assert ended == [(0, 143)]
    assert "saved" in (tmp_path / "0.log").read_text()


def test_a_worker_does_not_outlive_its_parent(start, tmp_path):
    child = (
        "import time\n"
        "from keras_ganmix.sweeping.cell import stop_with_parent\n"
        "stop_with_parent()\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = (
        "import os, pathlib, sys, time\n"
        "from keras_ganmix.sweeping.workers import Worker\n"
        "log = pathlib.Path(sys.argv[1])\n"
        "worker = Worker([sys.executable, '-c', sys.argv[2]], log,\n"
        "                threads=1, nice=0)\n"
        "while 'ready' not in log.read_text(): time.sleep(0.02)\n"
        "print(worker._process.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    log = tmp_path / "child.log"
    outer = Worker(
        [sys.executable, "-c", parent, str(log), child],
        tmp_path / "parent.log",
        threads=1,
        nice=0,
    )
    assert outer.wait() == -signal.SIGKILL
    number = int((tmp_path / "parent.log").read_text())
    end = time.monotonic() + 10
    while _lives(number) and time.monotonic() < end:
        time.sleep(0.05)
    assert not _lives(number)


def _lives(number):
    """Whether a process runs; one that nobody has waited for does not."""
    try:
        with open(f"/proc/{number}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
