"""The machines of a run, and their meeting before it. No TensorFlow here.

Workers meet at the ports of `TF_CONFIG` before TensorFlow takes these over,
which would wait for the missing ones without end and without a word.
"""

import contextlib
import dataclasses
import importlib.metadata
import json
import os
import platform
import socket
import threading
import time

_KINDS = ("chief", "worker")
_EXAMPLE = (
    '{"cluster": {"worker": ["host0:12345", "host1:12345"]}, '
    '"task": {"type": "worker", "index": 0}}'
)
_PACKAGES = ("keras_ganmix", "tensorflow", "keras", "numpy")

# Seconds for one exchange, and between two tries.
_PATIENCE = 5.0
_PAUSE = 0.2
_MOST_BYTES = 1 << 20
_MOST_SHOWN = 5


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
        return f"{self.names[index]} ({host}:{port})"

    def silent(self):
        """The other workers at whose ports nobody listens, as shown."""
        peers = [i for i in range(len(self.names)) if i != self.index]
        return [self.shown(i) for i in peers if not _listens(self.addresses[i])]


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


def _address(name, text):
    host, _, port = str(text).rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 2**16:
        raise _bad(f"has the address {text!r} of {name}; expected host:port")
    return host, int(port)


def _bad(what):
    return ValueError(f"TF_CONFIG: {what}; it should be like {_EXAMPLE}")


def passport(recipe, resumes):
    """What workers must have in common, as plain data.

    Args:
        recipe: the recipe as plain data.
        resumes: whether the worker has found a checkpoint to go on from.
    """
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return {"recipe": recipe, "versions": versions, "resumes": resumes}


def meet(cluster, passport, timeout):
    """Waits until all workers are there, and compares their passports.

    Args:
        cluster: the `Cluster`.
        passport: of this worker, from `passport`.
        timeout: seconds to wait.

    Raises:
        PeerError: naming those that did not come.
        ValueError: if the port is taken, or passports differ.
    """
    end = time.monotonic() + timeout
    with _Desk(cluster, passport) as desk:
        found = {cluster.index: passport}
        while len(found) < len(cluster.names) or not desk.seen_by_all():
            for index in range(len(cluster.names)):
                if index not in found:
                    with contextlib.suppress(OSError, ValueError):
                        found[index] = _ask(cluster, index)
            if time.monotonic() > end:
                _complain_of_missing(cluster, found, desk, timeout)
            time.sleep(_PAUSE)
    for index, theirs in sorted(found.items()):
        _compare(cluster, index, theirs, passport)


def _complain_of_missing(cluster, found, desk, timeout):
    everyone = set(range(len(cluster.names)))
    missing = everyone - (found.keys() & desk.visitors)
    shown = ", ".join(cluster.shown(index) for index in sorted(missing))
    raise PeerError(
        f"TF_CONFIG: after {timeout:g} s still missing: {shown}; start "
        "all workers, each with its own task index, and let them reach one "
        "another"
    )


def _compare(cluster, index, theirs, mine):
    changed = list(_differences(theirs, mine))
    if changed:
        shown = [f"{p}: {a!r} there, {b!r} here" for p, a, b in changed]
        if len(shown) > _MOST_SHOWN:
            shown[_MOST_SHOWN:] = [f"{len(shown) - _MOST_SHOWN} more"]
        raise ValueError(
            f"TF_CONFIG: {cluster.shown(index)} was started with something "
            f"else than {cluster.shown(cluster.index)}: {'; '.join(shown)}"
        )


def _differences(there, here, path=""):
    if isinstance(there, dict) and isinstance(here, dict):
        for key in {**there, **here}:
            inner = f"{path}.{key}" if path else key
            yield from _differences(there.get(key), here.get(key), inner)
    elif there != here:
        yield path, there, here


class _Desk:
    """Shows the passport of this worker to whoever comes to its port."""

    def __init__(self, cluster, passport):
        self._index, self._passport = cluster.index, passport
        self._count = len(cluster.names)
        self.visitors = {cluster.index}
        port = cluster.addresses[cluster.index][1]
        try:
            self._socket = socket.create_server(("", port), backlog=64)
        except OSError as error:
            raise ValueError(
                f"TF_CONFIG: port {port} of {cluster.shown(cluster.index)} "
                f"cannot be used here ({error.strerror}); end what uses it, "
                "or give another port to all workers"
            ) from None
        self._socket.settimeout(_PAUSE)
        self._is_open = True
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._is_open = False
        self._thread.join()
        self._socket.close()

    def seen_by_all(self):
        return len(self.visitors) == self._count

    def _serve(self):
        while self._is_open:
            # Whoever else comes by, and says nothing that is understood.
            with contextlib.suppress(OSError, ValueError):
                visitor, _ = self._socket.accept()
                with visitor:
                    visitor.settimeout(_PATIENCE)
                    index = _receive(visitor)
                    visitor.sendall(_line(self._passport))
                    if isinstance(index, int) and 0 <= index < self._count:
                        self.visitors.add(index)


def _ask(cluster, index):
    """The passport of another worker."""
    address = cluster.addresses[index]
    with socket.create_connection(address, _PATIENCE) as peer:
        peer.sendall(_line(cluster.index))
        passport = _receive(peer)
    if not isinstance(passport, dict):
        raise ValueError("no passport")
    return passport


def _line(value):
    return json.dumps(value).encode() + b"\n"


def _receive(peer):
    """One line of JSON."""
    with peer.makefile("rb") as stream:
        return json.loads(stream.readline(_MOST_BYTES))


def _listens(address):
    try:
        socket.create_connection(address, _PATIENCE).close()
    except OSError:
        return False
    return True
