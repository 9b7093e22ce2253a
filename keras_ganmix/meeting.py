"""The meeting of a run's workers before it begins. No TensorFlow here.

Workers meet at the ports of `TF_CONFIG` before TensorFlow takes these over,
which would wait for the missing ones for an hour and without a word. Each
shows to all others what it is about to do, as a line of JSON; nothing that
comes over the network is obeyed.
"""

import concurrent.futures
import contextlib
import functools
import importlib.metadata
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import threading
import time

from keras_ganmix.cluster import PeerError
from keras_ganmix.utils.differences import differences

_PACKAGES = ("keras_ganmix", "tensorflow", "keras", "numpy")

# Seconds for one exchange, and between two tries.
_PATIENCE = 5.0
_PAUSE = 0.2
# Seconds that one who has seen what is wrong stays for others to see it.
_GRACE = 10.0
_AT_ONCE = 16
# Bytes of what a visitor says, and of a passport.
_MOST_OF_VISITOR = 64
_MOST_OF_PEER = 1 << 20
_MOST_SHOWN, _MOST_LETTERS = 5, 100

# What comes of whoever says nothing that is understood; the last from a line
# of a million brackets.
_STRANGE = (OSError, TypeError, ValueError, RecursionError)
_NO_WORKER = "no worker answers there"


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
    mine = {"workers": list(cluster.names), **passport}
    found, errors, wrong = {}, {}, None
    with (
        _Desk(cluster, mine) as desk,
        concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as threads,
    ):
        while len(found) < len(cluster.others()) or not desk.seen_by_all():
            missing = [i for i in cluster.others() if i not in found]
            ask = functools.partial(_ask, cluster, end)
            answers = zip(missing, threads.map(ask, missing), strict=True)
            for index, (answer, error) in answers:
                if error is None:
                    found[index] = answer
                else:
                    errors[index] = error
            wrong = wrong or _difference(cluster, found, mine)
            if wrong is not None:  # the others shall see it as well
                end = min(end, time.monotonic() + _GRACE)
            if time.monotonic() > end:
                for index in found.keys() - desk.visitors:
                    errors[index] = "is there, but has not come here"
                for index in found.keys() & desk.visitors:
                    errors.pop(index, None)
                wrong = wrong or _missing(cluster, errors, timeout)
                break
            time.sleep(_PAUSE)
    if wrong is not None:
        raise wrong


def _missing(cluster, errors, timeout):
    shown = ", ".join(
        f"{cluster.shown(index)}: {error}"
        for index, error in sorted(errors.items())
    )
    return PeerError(
        f"TF_CONFIG: after {timeout:g} s still missing: {shown}; start "
        "all workers, each with its own task index, and let them reach one "
        "another"
    )


def _difference(cluster, found, mine):
    """The error for the first worker that does not fit, or `None`."""
    for index, (name, theirs) in sorted(found.items()):
        there = cluster.shown(index)
        if name != cluster.names[index]:
            return ValueError(
                f"TF_CONFIG: at {there} is one that calls itself "
                f"{_short(name)}; give each worker the same cluster, and its "
                "own task index"
            )
        changed = [
            f"{_short(path, str)}: {_short(a)} there, {_short(b)} here"
            for path, a, b in differences(theirs, mine)
        ]
        if changed:
            if len(changed) > _MOST_SHOWN:
                changed[_MOST_SHOWN:] = [f"{len(changed) - _MOST_SHOWN} more"]
            return ValueError(
                f"TF_CONFIG: {there} was started with something else than "
                f"{cluster.shown(cluster.index)}: {'; '.join(changed)}"
            )
    return None


def _short(value, show=repr):
    text = show(value)
    return text if len(text) <= _MOST_LETTERS else text[:_MOST_LETTERS] + "..."


class _Desk:
    """Shows the passport of this worker to whoever comes to its port."""

    def __init__(self, cluster, passport):
        self._reply = _line([cluster.names[cluster.index], passport])
        self._count = len(cluster.names)
        self.visitors = {cluster.index}
        port = cluster.addresses[cluster.index][1]
        try:
            self._socket = _listening(port)
        except OSError as error:
            why = os.strerror(error.errno)
            raise ValueError(
                f"TF_CONFIG: port {port} of {cluster.shown(cluster.index)} "
                f"cannot be used here ({why}); end what uses it, or give "
                "another port to all workers"
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
        with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as threads:
            while self._is_open:
                with contextlib.suppress(OSError):
                    visitor, _ = self._socket.accept()
                    threads.submit(self._receive, visitor)

    def _receive(self, visitor):
        # It may be anyone, who is told nothing and forgotten.
        with visitor, contextlib.suppress(*_STRANGE):
            if not self._is_open:  # all have been here
                return
            end = time.monotonic() + _PATIENCE
            index = _read(visitor, _MOST_OF_VISITOR, end)
            if type(index) is int and 0 <= index < self._count:
                visitor.settimeout(_PATIENCE)
                visitor.sendall(self._reply)
                # It may have gone before its turn came, to come again.
                if _read(visitor, _MOST_OF_VISITOR, end) == index:
                    self.visitors.add(index)


def _listening(port):
    if not socket.has_dualstack_ipv6():
        return socket.create_server(("", port), backlog=64)
    return socket.create_server(
        ("", port), backlog=64, family=socket.AF_INET6, dualstack_ipv6=True
    )


def _ask(cluster, end, index):
    """Name and passport of another worker, or what is wrong; two values."""
    end = min(end, time.monotonic() + _PATIENCE)
    try:
        wait = max(end - time.monotonic(), _PAUSE)
        address = cluster.addresses[index]
        with socket.create_connection(address, wait) as peer:
            peer.sendall(_line(cluster.index))
            name, theirs = _read(peer, _MOST_OF_PEER, end)
            peer.sendall(_line(cluster.index))  # it has been understood
    except OSError as error:
        return None, error.strerror or str(error)
    except _STRANGE:
        return None, _NO_WORKER
    if not isinstance(name, str) or not isinstance(theirs, dict):
        return None, _NO_WORKER
    return (name, theirs), None


def _line(value):
    return json.dumps(value).encode() + b"\n"


def _read(peer, most, end):
    """One line of JSON, however slowly it trickles in until `end`."""
    line = b""
    while not line.endswith(b"\n"):
        left = end - time.monotonic()
        if left <= 0 or len(line) > most:
            raise ValueError("no line of JSON")
        peer.settimeout(left)
        part = peer.recv(most)
        if not part:
            raise ValueError("no line of JSON")
        line += part
    return json.loads(line)


@contextlib.contextmanager
def patience(cluster, timeout):
    """Ends this process if the block, which connects TensorFlow, takes long.

    TensorFlow would wait for an hour for a worker that was ended since the
    meeting, holding back Python, Ctrl-C and SIGTERM all the while. So it is
    another process that waits, and ends this one as by SIGKILL.

    Args:
        cluster: the `Cluster`, or `None` for a process alone.
        timeout: seconds.
    """
    if cluster is None:
        yield
        return
    message = (
        f"error: TF_CONFIG: all workers had met, but after {timeout:g} s "
        "TensorFlow has not connected them; see what the others say, and "
        "start all again\n"
    )
    watch = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _WATCH, str(timeout), message],
        stdin=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for us alone
    )
    try:
        yield
    finally:
        watch.stdin.close()  # it ends now, or when we are gone
        watch.wait()
        # TensorFlow has taken this one for itself, past Python.
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))


_WATCH = f"""
import os, select, sys
parent, timeout = os.getppid(), float(sys.argv[1])
if not select.select([0], [], [], timeout)[0] and os.getppid() == parent:
    os.write(2, sys.argv[2].encode())
    os.kill(parent, {int(signal.SIGKILL)})
"""
