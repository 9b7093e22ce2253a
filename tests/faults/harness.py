"""Runs that are killed, starved and compared."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_ganmix.state import existing

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
KILLED = -9

# Written by a killed process, or different in every process.
_OWN = ("tensorboard", ".lock")
_TIMES = (
    "seconds",
    "cpu_seconds",
    "steps_per_second",
    "resumed_at",
    "evaluation",
)
_SAVES = "save_counter/.ATTRIBUTES/VARIABLE_VALUE"


def compiler():
    """Path of a C compiler, or `None`."""
    return shutil.which("cc") or shutil.which("gcc")


class Server:
    """A process that starts commands quickly, and kills them as asked.

    Args:
        folder: for its own files.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        library = self.folder / "interposer.so"
        source = str(HERE / "interposer.c")
        flags = ["-shared", "-fPIC", "-O1", "-o", str(library), source, "-ldl"]
        subprocess.run([compiler(), *flags], check=True)
        environment = {
            **os.environ,
            "LD_PRELOAD": str(library),
            "PYTHONPATH": str(ROOT),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "MPLBACKEND": "agg",
        }
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "server.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )

    def run(self, program, *argv, **request):
        """Runs a command to its end; returns its code and what it printed."""
        output = self.folder / "output"
        output.unlink(missing_ok=True)
        request |= {"argv": [program, *map(str, argv)], "output": str(output)}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        text = output.read_text() if output.exists() else ""
        self.seconds = answer["seconds"]
        return answer["code"], text

    def close(self):
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@contextlib.contextmanager
def serving(folder):
    """A `Server` for a block."""
    server = Server(folder)
    try:
        yield server
    finally:
        server.close()


def lines(path):
    """The lines of a JSON lines file."""
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def tensors(prefix):
    """All that a checkpoint holds, by name."""
    reader = tf.train.load_checkpoint(str(prefix))
    # TensorFlow counts saves, of which killed ones make more or less.
    names = reader.get_variable_to_shape_map().keys() - {_SAVES}
    return {name: reader.get_tensor(name) for name in names}


def differences(whole, parts):
    """In what the folders of two runs differ that should be alike.

    Returns:
        List of words; empty if all tensors, logs, scores and pictures are
        equal bit for bit, and no file is in only one of them.
    """
    whole, parts = Path(whole), Path(parts)
    names = [_files(folder) for folder in (whole, parts)]
    found = [f"{name} is in one of them" for name in names[0] ^ names[1]]
    for name in sorted(names[0] & names[1]):
        if ".data-" in name or name.endswith("/checkpoint"):
            continue
        a, b = whole / name, parts / name
        if name.endswith(".index"):
            prefixes = [str(p)[: -len(".index")] for p in (a, b)]
            found += [f"{name}: {x}" for x in _unequal(*map(tensors, prefixes))]
        elif name == "summary.json":
            if _summary(a) != _summary(b):
                found.append(f"{name} differs")
        elif a.read_bytes() != b.read_bytes():
            found.append(f"{name} differs")
    for folder in ("checkpoints", "checkpoints/best"):
        kept = [
            [Path(p).name for p in existing(run / folder)]
            for run in (whole, parts)
        ]
        if kept[0] != kept[1]:
            found.append(f"{folder} lists {kept[1]}, not {kept[0]}")
    return found


def _files(folder):
    files = (p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    return {str(p) for p in files if p.parts[0] not in _OWN}


def _summary(path):
    summary = json.loads(path.read_text())
    return {k: v for k, v in summary.items() if k not in _TIMES}


def _unequal(a, b):
    return [
        name
        for name in sorted(a.keys() | b.keys())
        if name not in a
        or name not in b
        or not np.array_equal(a[name], b[name], equal_nan=False)
    ]
