"""The versions in the folder of a model: which one is served, and when."""

import contextlib
import dataclasses
import os
import re
import threading
import time
from pathlib import Path

import tensorflow as tf

from keras_ganmix.serving.server.model import Model
from keras_ganmix.serving.server.status import (
    StatusError,
    from_tensorflow,
)
from keras_ganmix.utils.cli import one_line

_NUMBER = re.compile(r"[0-9]{1,18}")
_ENDED = 8  # versions that are gone and still reported


@dataclasses.dataclass
class Version:
    """What is known of a version.

    Attributes:
        number: its number.
        state: START, LOADING, AVAILABLE, UNLOADING or END.
        code: name of the status code, OK unless it could not be loaded.
        message: why it could not be loaded.
    """

    number: int
    state: str = "START"
    code: str = "OK"
    message: str = ""


class Versions:
    """Serves the newest version in a folder that can be loaded.

    `poll` looks at the folder once, loads a new version beside the old one,
    swaps them, and lets the old one go when its last request is done. What
    cannot be loaded is reported, and tried again when its files change.

    Args:
        name: name of the model in requests.
        folder: the folder that holds the versions, each under its number.
        report: function of a line of text, called when something happens.
    """

    def __init__(self, name, folder, report):
        self.name = name
        self.folder = Path(folder)
        self._report = report
        self._lock = threading.Lock()
        self._polling = threading.Lock()
        self._versions = {}
        self._serving = None
        self._leaving = []
        self._broken = {}
        self._seen = {}
        self._unreadable = None

    @contextlib.contextmanager
    def hold(self, number=None):
        """Yields the `Model` of a version, the served one for none.

        It stays loaded to the end of the block.

        Raises:
            StatusError: NOT_FOUND if it is not loaded.
        """
        with self._lock:
            model = self._serving
            wrong = number is not None and model and model.version != number
            if model is None or wrong or not model.enter():
                request = (
                    f"Latest({self.name})"
                    if number is None
                    else f"Specific({self.name}, {number})"
                )
                raise StatusError(
                    "NOT_FOUND", f"Servable not found for request: {request}"
                )
        try:
            yield model
        finally:
            model.leave()

    def statuses(self, number=None):
        """Returns the known `Version`s, the newest first.

        Raises:
            StatusError: NOT_FOUND if there is none.
        """
        self._forget_closed()
        with self._lock:
            known = [dataclasses.replace(v) for v in self._versions.values()]
        if number is not None:
            known = [version for version in known if version.number == number]
            if not known:
                raise StatusError(
                    "NOT_FOUND",
                    f"Could not find version {number} of model {self.name}",
                )
        if not known:
            raise StatusError(
                "NOT_FOUND",
                f"Could not find any versions of model {self.name}",
            )
        return sorted(known, key=lambda version: -version.number)

    @property
    def available(self):
        """Number of the version that is served, `None` without one."""
        with self._lock:
            return self._serving.version if self._serving else None

    def poll(self, settled=True):
        """Looks at the folder; loads, swaps and lets go.

        Args:
            settled: whether to load only what has not changed since the last
                look, so that a folder that is being copied is left alone.
        """
        with self._polling:
            try:
                found = self._find()
            except OSError as error:
                # TensorFlow Serving too keeps what it has when the whole
                # folder is out of reach.
                if self._unreadable != (reason := one_line(error)):
                    self._unreadable = reason
                    self._say(f"cannot read the folder: {reason}")
                return
            self._unreadable = None
            self._load_newest(found, settled)
            if not found:
                self._replace(None)
            self._forget_closed()
            self._drop_missing(found)

    def close(self):
        """Lets the served version go."""
        with self._polling:
            self._replace(None)

    def _find(self):
        """Returns a dict from number to folder."""
        found = {}
        with os.scandir(self.folder) as entries:
            for entry in entries:
                if _NUMBER.fullmatch(entry.name) and entry.is_dir():
                    found[int(entry.name)] = Path(entry.path)
        return found

    def _load_newest(self, found, settled):
        for number in sorted(found, reverse=True):
            if number == self.available:
                return
            state = _fingerprint(found[number])
            before = self._seen.get(number)
            self._seen[number] = state
            if state == self._broken.get(number):
                continue
            if settled and state != before:
                continue
            if self._load(number, found[number]):
                self._broken.pop(number, None)
                return
            self._broken[number] = state

    def _load(self, number, path):
        self._set(Version(number, "LOADING"))
        start = time.perf_counter()
        try:
            model = Model(path, self.name, number)
        except Exception as error:
            code, message = _reason(error)
            self._set(Version(number, "END", code, message))
            self._say(f"version {number} cannot be loaded: {message}")
            return False
        seconds = time.perf_counter() - start
        self._replace(model)
        self._say(f"version {number} loaded and warm in {seconds:.1f} s")
        return True

    def _replace(self, model):
        with self._lock:
            old, self._serving = self._serving, model
            if model is not None:
                self._versions[model.version] = Version(
                    model.version, "AVAILABLE"
                )
            if old is not None:
                self._versions[old.version].state = "UNLOADING"
                self._leaving.append(old)
        if old is not None:
            old.retire()
            self._say(f"version {old.version} is no longer served")
        self._forget_closed()

    def _forget_closed(self):
        with self._lock:
            for model in [m for m in self._leaving if m.closed]:
                self._leaving.remove(model)
                version = self._versions.get(model.version)
                if version and version.state == "UNLOADING":
                    version.state = "END"

    def _drop_missing(self, found):
        """Forgets what is gone, so that nothing grows with time."""
        for known in (self._broken, self._seen):
            for number in set(known) - set(found):
                del known[number]
        with self._lock:
            gone = [
                number
                for number, version in self._versions.items()
                if version.state == "END" and number not in found
            ]
            for number in sorted(gone)[:-_ENDED]:
                del self._versions[number]

    def _set(self, version):
        with self._lock:
            self._versions[version.number] = version

    def _say(self, line):
        self._report(f"{self.name}: {line}")


def _fingerprint(folder):
    """What changes when a file of a version does."""
    files = []
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            # Gone by now, or not for us to see: loading will tell.
            with contextlib.suppress(OSError):
                status = os.stat(path)
                files.append((path, status.st_size, status.st_mtime_ns))
    return sorted(files)


def _reason(error):
    """Code and message of what went wrong while loading."""
    if isinstance(error, StatusError):
        return error.code, error.message
    if isinstance(error, tf.errors.OpError):
        found = from_tensorflow(error)
        return found.code, found.message
    if isinstance(error, OSError):
        return "NOT_FOUND", one_line(error)
    return "UNKNOWN", one_line(error)
