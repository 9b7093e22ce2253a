"""The machines of a run, as `TF_CONFIG` names them. No TensorFlow here."""

import concurrent.futures
import dataclasses
import json
import os
import re
import socket

_KINDS = ("chief", "worker")
_EXAMPLE = (
    '{"cluster": {"worker": ["host0:12345", "host1:12345"]}, '
    '"task": {"type": "worker", "index": 0}}'
)

# Seconds to wait for an answer, and how many are asked at a time.
_PATIENCE = 5.0
_AT_ONCE = 16


class PeerError(RuntimeError):
    """Another worker of the run is missing or was lost."""


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers of a run, and which of them this process is.

    Attributes:
        names: of all workers, for example "worker 1", the chief first.
        addresses: host and port of each.
        index: which of them is this one.
    """

    names: tuple
    addresses: tuple
    index: int

    @property
    def is_chief(self):
        """Whether this worker writes the run's folder."""
        return self.index == 0

    def shown(self, index):
        """Name and address of a worker, for messages."""
        host, port = self.addresses[index]
        host = f"[{host}]" if ":" in host else host
        return f"{self.names[index]} ({host}:{port})"

    def others(self):
        """The indices of all workers but this one."""
        return [i for i in range(len(self.names)) if i != self.index]

    def silent(self):
        """The other workers at whose ports nobody listens, as shown."""
        others = self.others()
        addresses = [self.addresses[i] for i in others]
        with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as threads:
            listening = list(threads.map(_listens, addresses))
        pairs = zip(others, listening, strict=True)
        return [self.shown(i) for i, listens in pairs if not listens]


def from_environment(environment=os.environ):
    """Returns the `Cluster` that the variable `TF_CONFIG` describes.

    Raises:
        ValueError: if it does not describe one.
    """
    text = environment.get("TF_CONFIG")
    if not text:
        raise _bad("is not set")
    try:
        config = json.loads(text)
    except json.JSONDecodeError as error:
        raise _bad(f"is no JSON ({error})") from None
    jobs = config.get("cluster") if isinstance(config, dict) else None
    if not isinstance(jobs, dict) or not jobs:
        raise _bad("has no 'cluster'")
    for kind, given in jobs.items():
        if kind not in _KINDS:
            raise _bad(
                f"has tasks {kind!r} in its cluster; allowed: chief, worker"
            )
        if not isinstance(given, list) or not given:
            raise _bad(
                f"has {given!r} as {kind!r}, which is no list of addresses"
            )
    if len(jobs.get("chief", [])) > 1:
        raise _bad("has more than one chief")
    names, addresses = [], []
    for kind in _KINDS:
        for index, address in enumerate(jobs.get(kind, [])):
            names.append(f"{kind} {index}")
            addresses.append(_address(names[-1], address))
    if len(set(addresses)) < len(addresses):
        raise _bad("gives one address to two workers")
    return Cluster(tuple(names), tuple(addresses), _own(config, names))


def _own(config, names):
    task = config.get("task")
    if not isinstance(task, dict) or not {"type", "index"} <= task.keys():
        raise _bad("has no 'task' with 'type' and 'index'")
    name = f"{task['type']} {task['index']}"
    if name not in names:
        raise _bad(f"has the task {name!r}; allowed: {', '.join(names)}")
    return names.index(name)


# A name, numbers with points, or with colons in brackets.
_ADDRESS = re.compile(r"([\w.-]+|\[[0-9a-fA-F:.%\w]+\]):([0-9]{1,5})", re.ASCII)


def _address(name, text):
    match = _ADDRESS.fullmatch(str(text))
    if match is None or not 0 < int(match[2]) < 2**16:
        raise _bad(f"has the address {text!r} of {name}; expected host:port")
    return match[1].strip("[]"), int(match[2])


def _bad(what):
    return ValueError(f"TF_CONFIG: {what}; it should be like {_EXAMPLE}")


def _listens(address):
    try:
        socket.create_connection(address, _PATIENCE).close()
    except OSError:
        return False
    return True
