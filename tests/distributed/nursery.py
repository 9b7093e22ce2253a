"""Starts workers as forks of this process, which has imported everything.

Reads a line of JSON for each from standard input: folder, TF_CONFIG, script,
its arguments. A worker runs in its folder, which gets the files `output`,
`errors` and, when it has ended, `code`. When the input ends, so do all.
"""

import json
import os
import runpy
import select
import signal
import sys
import traceback
from pathlib import Path

from keras_ganmix import train  # noqa: F401
from keras_ganmix.utils import cli
from keras_ganmix.utils.files import write_text

with cli.without_startup_noise():
    from keras_ganmix import building, costs, running  # noqa: F401


def work(folder, config, script, arguments):
    """What a worker does; never returns."""
    os.chdir(folder)
    os.environ["TF_CONFIG"] = config
    for number, name in ((1, "output"), (2, "errors")):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.argv = [script, *arguments]
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as error:
        os._exit(error.code)
    except BaseException:
        traceback.print_exc()
    os._exit(1)  # as Python ends by an error


def serve():
    folders = {}
    try:
        while True:
            if select.select([0], [], [], 0.02)[0]:
                line = sys.stdin.buffer.raw.readline()
                if not line:
                    return
                child = json.loads(line)
                pid = os.fork()
                if pid == 0:
                    work(*child)
                folders[pid] = Path(child[0])
            gather(folders, os.WNOHANG)
    finally:
        for pid in folders:
            os.kill(pid, signal.SIGKILL)
        gather(folders, 0)


def gather(folders, options):
    """Writes down how children have ended."""
    for pid in list(folders):
        ended, status = os.waitpid(pid, options)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            write_text(folders.pop(pid) / "code", str(code))


if __name__ == "__main__":
    serve()
