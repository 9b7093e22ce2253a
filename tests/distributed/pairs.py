"""Two workers of one run: real processes that meet over loopback."""

import dataclasses
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

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


class Worker:
    """A process that trains."""

    def __init__(self, folder, config, arguments, sends, script):
        folder.mkdir(exist_ok=True)
        number, step = sends or (0, -1)
        script = str(Path(__file__).with_name(script))
        arguments = [*ARGUMENTS, "--strategy=multi_worker", *arguments]
        self.ended = None
        self.process = subprocess.Popen(
            [sys.executable, script, str(+number), str(step), *arguments],
            cwd=folder,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "TF_CONFIG": config,
                "TF_CPP_MIN_LOG_LEVEL": "3",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def is_over(self):
        if self.ended is None and self.process.poll() is not None:
            self.ended = time.monotonic()
        return self.ended is not None

    def close(self):
        """How it ended, which may be here."""
        self.process.kill()
        output, errors = self.process.communicate()
        return Ended(self.process.returncode, output, errors, self.ended)


def run_pair(
    place,
    arguments,
    own=((), ()),
    sends=(None, None),
    seconds=240,
    script="worker.py",
):
    """Runs two workers to their ends.

    Args:
        place: folder in which each worker gets a working folder.
        arguments: of both.
        own: further arguments of each.
        sends: for each, the signal that it sends itself and the step.
        seconds: after which they are killed.
        script: the program of both.

    Returns:
        `Ended` of the chief and of the other.
    """
    ports = free_ports(2)
    workers = []
    try:
        for i in (0, 1):
            folder, config = place / f"worker{i}", tf_config(ports, i)
            mine = [*arguments, *own[i]]
            workers.append(Worker(folder, config, mine, sends[i], script))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            over = [worker.is_over() for worker in workers]
            if all(over):
                break
            time.sleep(0.05)
    finally:
        ends = [worker.close() for worker in workers]
    return ends
