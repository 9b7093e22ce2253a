"""Two workers of one run: real processes that meet over loopback."""

import contextlib
import dataclasses
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent

ARGUMENTS = [
    "--recipe=ring",
    "--set=data.max_images=200",
    "--set=data.batch_size=16",
    "--set=generator={network: mlp, hidden: 8, latent_dim: 4}",
    "--set=discriminator={network: mlp, hidden: 8}",
    "--set=optimizer.generator={type: sgd, learning_rate: 0.05}",
    "--set=optimizer.discriminator={type: sgd, learning_rate: 0.05}",
    "--set=train.discriminator_steps=2",
    "--set=train.log_every=5",
    "--set=checkpoint={every: 5, keep: 20}",
    "--set=evaluate={every: 5, num_fake: 50, metrics: [modes], "
    "max_share: null}",
]


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def tf_config(ports, index):
    addresses = [f"127.0.0.1:{port}" for port in ports]
    task = {"type": "worker", "index": index}
    return json.dumps({"cluster": {"worker": addresses}, "task": task})


@dataclasses.dataclass
class Ended:
    """How a worker ended, and when."""

    code: int
    output: str
    errors: str
    ended: float


@contextlib.contextmanager
def nursery():
    """A process that starts workers: `nursery.py`."""
    process = subprocess.Popen(
        [sys.executable, str(HERE / "nursery.py")],
        env={
            **os.environ,
            "PYTHONPATH": str(HERE.parents[1]),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        },
        stdin=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.stdin.close()
        process.wait()


def run_pair(
    nursery,
    place,
    arguments,
    own=((), ()),
    befalls=(None, None),
    seconds=120,
    script="worker.py",
):
    """Runs two workers to their ends.

    Args:
        nursery: what starts them.
        place: folder in which each worker gets a working folder.
        arguments: of both.
        own: further arguments of each.
        befalls: for each, what befalls it (the number of a signal, or
            "fails") and after which step.
        seconds: after which that is an error.
        script: the program of both.

    Returns:
        `Ended` of the chief and of the other.
    """
    ports, folders = free_ports(2), []
    for i in (0, 1):
        folders.append(place / f"worker{i}")
        shutil.rmtree(folders[i], ignore_errors=True)
        folders[i].mkdir()
        mine = [str(word) for word in befalls[i] or ("", -1)]
        mine += [*ARGUMENTS, "--strategy=multi_worker", *arguments, *own[i]]
        config, program = tf_config(ports, i), str(HERE / script)
        line = json.dumps([str(folders[i]), config, program, mine])
        nursery.stdin.write(line.encode() + b"\n")
    nursery.stdin.flush()
    end = time.monotonic() + seconds
    while not all((folder / "code").exists() for folder in folders):
        assert time.monotonic() < end, [read(folder) for folder in folders]
        assert nursery.poll() is None
        time.sleep(0.02)
    return [
        Ended(int(code), output, errors, (folder / "code").stat().st_mtime)
        for folder in folders
        for code, output, errors in [read(folder)]
    ]


def read(folder):
    """Code, output and errors of a worker, as far as they are there."""
    files = [folder / name for name in ("code", "output", "errors")]
    return [f.read_text() if f.exists() else "" for f in files]
