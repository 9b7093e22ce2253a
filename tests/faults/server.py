"""Starts commands as forks of a process that has loaded TensorFlow already.

A kill then costs no import. Reads a JSON object per line from standard input:
`argv`, `output` (file for what the command prints), and optionally `seconds`
after which it is killed, `aim` ([folder, operations, paths, n, action], see
interposer.c), `log` (file to which its file operations go), `hook` (a name in
`hooks.py`). Answers with `{"code": ..., "seconds": ...}`; the code of a killed
process is -9.
"""

import ctypes
import importlib
import json
import os
import select
import signal
import sys
import time
import traceback

import matplotlib.figure  # noqa: F401
import tensorboard.plugins.image  # noqa: F401

# All that a run loads, but nothing that starts a thread: a fork has one.
from keras_ganmix import costs, running, train  # noqa: F401

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))


def main():
    for line in sys.stdin:
        request = json.loads(line)
        begin = time.monotonic()
        child = os.fork()
        if child == 0:
            _be(request)
        code = _wait(child, request.get("seconds"))
        answer = {"code": code, "seconds": time.monotonic() - begin}
        print(json.dumps(answer), flush=True)


def _wait(child, seconds):
    descriptor = os.pidfd_open(child)
    ended, _, _ = select.select([descriptor], [], [], seconds)
    if not ended:
        os.kill(child, signal.SIGKILL)
    os.close(descriptor)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _be(request):
    """The forked process: runs the command, never returns."""
    code = 1
    try:
        null = os.open(os.devnull, os.O_RDONLY)
        output = os.open(
            request["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644
        )
        # As from a terminal; what runs in the background ignores Ctrl-C, and
        # under nohup that it is closed.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        os.dup2(null, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        if "hook" in request:
            name, *arguments = request["hook"]
            getattr(importlib.import_module("hooks"), name)(*arguments)
        if "aim" in request or "log" in request:
            _arm(request)
        code = _command(request["argv"])
    except SystemExit as error:
        code = error.code
    except BaseException:
        traceback.print_exc()
    _exit(code)


def _command(argv):
    program, *arguments = argv
    module = importlib.import_module(program)
    return module.main([program, *arguments])


def _arm(request):
    aim = request.get("aim") or ["/nowhere", "", "", 0, ""]
    folder, operations, paths, number, action = aim
    log = request.get("log")
    library = ctypes.CDLL(os.environ["LD_PRELOAD"])
    library.fault_arm(
        folder.encode(),
        operations.encode(),
        paths.encode(),
        number,
        action.encode(),
        log and log.encode(),
    )


def _exit(code):
    """As an interpreter that ends: threads are joined, handlers are run."""
    import atexit
    import threading

    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
