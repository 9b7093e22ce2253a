"""The processes of a sweep: few at a time, small, and easy to stop."""

import collections
import contextlib
import os
import re
import signal
import subprocess
import sys
import time

from keras_ganmix.sweeping.cell import WATCHED

_POLL = 0.2
# Our own errors, and the last line of a traceback.
_ERROR = re.compile(r"error: |[\w.]+(Error|Exception)\b")


class Worker:
    """A process that runs a cell.

    Args:
        command: list of words.
        log: file that all its output is added to.
        threads: threads of each kind that TensorFlow may use.
        nice: how much it gives way to other processes.
        keep: file descriptors that it inherits.

    Attributes:
        seconds: wall time, once it has ended.
        cpu_seconds: processor time, once it has ended.
    """

    def __init__(self, command, log, threads, nice, keep=()):
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log = log
        self._begin = time.monotonic()
        with open(log, "ab") as file:
            self._before = file.tell()
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,  # its end tells that we are gone
                stdout=file,
                stderr=subprocess.STDOUT,
                env=_environment(threads),
                pass_fds=keep,
                start_new_session=True,  # Ctrl-C is for us alone
                preexec_fn=lambda: os.nice(nice),
            )

    def code(self):
        """Returns the exit code, or `None` while it works."""
        process = self._process
        if process.returncode is None:
            number, status, usage = os.wait4(process.pid, os.WNOHANG)
            if number == 0:
                return None
            process.returncode = os.waitstatus_to_exitcode(status)
            process.stdin.close()
            self.seconds = time.monotonic() - self._begin
            self.cpu_seconds = usage.ru_utime + usage.ru_stime
        return process.returncode

    def wait(self):
        """Waits for the end; returns the exit code."""
        while self.code() is None:
            time.sleep(_POLL)
        return self.code()

    def stop(self, number=signal.SIGTERM):
        """Sends a signal, unless it has ended."""
        if self.code() is None:
            os.kill(self._process.pid, number)

    def last_words(self):
        """The last error of its own in its log, or the last line."""
        with open(self.log, "rb") as file:
            file.seek(self._before)
            text = file.read().decode(errors="replace")
        lines = [line for line in text.splitlines() if line.strip()]
        errors = [line for line in lines if _ERROR.match(line)]
        return (errors or lines or [""])[-1].removeprefix("error: ")


def command(out, cell):
    """The command line of the process of a cell."""
    return [
        sys.executable,
        "-m",
        "keras_ganmix.sweep",
        f"--out={out}",
        f"--cell={cell}",
    ]


def _environment(threads):
    """This process' own, but each run is alone: without other machines."""
    others = {k: v for k, v in os.environ.items() if k != "TF_CONFIG"}
    return {**others, **_limits(threads), WATCHED: "1"}


def _limits(threads):
    names = (
        "TF_NUM_INTRAOP_THREADS",
        "TF_NUM_INTEROP_THREADS",
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
    )
    return {name: str(threads) for name in names}


@contextlib.contextmanager
def listening():
    """A `Stop` that listens for Ctrl-C and SIGTERM within the block."""
    stop = Stop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {n: signal.signal(n, stop.hear) for n in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Stop:
    """Whether the sweep shall stop.

    Attributes:
        received: number of the first signal, or `None`.
        at_once: whether there was a second one.
    """

    def __init__(self):
        self.received, self.at_once = None, False

    def hear(self, number, frame):
        """Takes note of a signal."""
        self.at_once = self.received is not None
        self.received = self.received or number


def work(cells, start, ended, processes, stop, tick=lambda running: None):
    """Runs cells, some at a time, until all are done or a signal comes.

    Nothing here has a time limit: processes may be paused for hours.

    Args:
        cells: list of cells.
        start: function of a cell that returns its `Worker`.
        ended: function of a cell and its `Worker`, called when it has ended.
        processes: how many at a time.
        stop: `Stop` that listens.
        tick: function of the dict of running cells, called now and then.
    """
    waiting, running = collections.deque(cells), {}
    told = killed = False
    try:
        while running or (waiting and stop.received is None):
            while (
                waiting and len(running) < processes and stop.received is None
            ):
                cell = waiting.popleft()
                running[cell] = start(cell)
            time.sleep(_POLL)
            for cell, worker in list(running.items()):
                if worker.code() is not None:
                    del running[cell]
                    ended(cell, worker)
            if stop.received is not None and not told:
                told = True
                _stop(running, signal.SIGTERM)
            if stop.at_once and not killed:
                killed = True
                _stop(running, signal.SIGKILL)
            tick(running)
    finally:
        _stop(running, signal.SIGTERM)


def _stop(running, number):
    for worker in running.values():
        worker.stop(number)
