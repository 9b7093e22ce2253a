"""A stand-in for TensorFlow Serving, where its binary is not at hand.

It speaks its protocols: PredictionService and ModelService over gRPC, the
paths `/v1/models/...` over HTTP, with its rules and its codes. See
docs/serving.md for what differs.
"""

import contextlib
import logging
import os
import signal
import sys
import threading
from concurrent import futures
from pathlib import Path

from keras_ganmix.serving.server.grpc_service import make_server
from keras_ganmix.serving.server.hosts import is_loopback
from keras_ganmix.serving.server.http_server import HttpServer, bind
from keras_ganmix.serving.server.rest import RestApp
from keras_ganmix.serving.server.serving import Gate, Models
from keras_ganmix.serving.server.versions import Versions
from keras_ganmix.utils import cli

__all__ = ["Server"]

# Seconds after which a signal is heeded at the latest.
_LOOK_AGAIN = 0.5
_GRACE = 10
_log = logging.getLogger(__name__)


class Server:
    """Serves the models in folders, until it is stopped.

    ```python
    with Server({"garments": "savedmodels/garments"}, port=0) as server:
        client = kgm.serving.Client(server.grpc_address, "garments")
    ```

    Args:
        folders: dict from a model's name to the folder with its versions.
        host: address to listen on.
        port: port of gRPC; 0 takes a free one.
        rest_api_port: port of HTTP; 0 takes a free one.
        max_message_mb: largest request, in MiB.
        max_batch: largest first dimension of an input.
        max_waiting: how many requests may be running or waiting.
        poll_seconds: time between two looks at the folders.
        threads: number of requests that run at the same time; default, one
            for each processor.
        timeout: seconds that a request may take.
        report: function of a line of text, called when something happens.

    Raises:
        OSError: if a port is taken.
    """

    def __init__(
        self,
        folders,
        host="127.0.0.1",
        port=8500,
        rest_api_port=8501,
        max_message_mb=4,
        max_batch=1024,
        max_waiting=64,
        poll_seconds=1.0,
        threads=None,
        timeout=30.0,
        report=None,
    ):
        self.host = host
        self.poll_seconds = poll_seconds
        threads = threads or os.cpu_count() or 1
        max_bytes = int(max_message_mb * 2**20)
        self.versions = [
            Versions(name, Path(folder), report or _print)
            for name, folder in folders.items()
        ]
        models = Models(self.versions, max_batch)
        gate = Gate(max_waiting)
        self._pool = futures.ThreadPoolExecutor(
            threads, thread_name_prefix="rest"
        )
        self._ready = threading.Event()
        self._stopping = threading.Event()
        listener = bind(host, rest_api_port)
        try:
            self.rest_api_port = listener.getsockname()[1]
            self._grpc = make_server(
                models, gate, self._ready.is_set, threads, max_bytes, timeout
            )
            self.port = _add_port(self._grpc, host, port)
        except BaseException:
            listener.close()
            raise
        app = RestApp(
            models, gate, self._pool, max_bytes, timeout, is_loopback(host)
        )
        self._http = HttpServer(app, listener, _GRACE)
        self._poller = threading.Thread(
            target=self._poll, name="versions", daemon=True
        )

    @property
    def grpc_address(self):
        """Where gRPC clients connect, `host:port`."""
        return f"{_in_url(self.host)}:{self.port}"

    @property
    def rest_address(self):
        """Where HTTP clients connect, a URL."""
        return f"http://{_in_url(self.host)}:{self.rest_api_port}"

    def load(self):
        """Loads what is in the folders now."""
        for versions in self.versions:
            versions.poll(settled=False)

    def start(self):
        """Answers requests from now on; `load` comes before."""
        self._grpc.start()
        self._http.start()
        self._ready.set()
        self._poller.start()

    @contextlib.contextmanager
    def heeding_signals(self):
        """In this block SIGTERM and Ctrl-C end `wait`; for the main thread."""
        received = []

        def note(number, _):
            received.append(number)
            self._stopping.set()
            # A second one ends the program as usual.
            signal.signal(number, signal.SIG_DFL)

        before = {
            number: signal.signal(number, note)
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            yield
        finally:
            if not received:
                for number, handler in before.items():
                    signal.signal(number, handler)

    def wait(self):
        """Waits for `stop`, or for a signal that is heeded."""
        # Python does not heed a signal that comes just before it waits, until
        # the wait is over.
        while not self._stopping.wait(_LOOK_AGAIN):
            pass

    def stop(self):
        """Takes no more requests, lets the others end, frees the models."""
        self._ready.clear()
        self._stopping.set()
        ended = self._grpc.stop(_GRACE)
        self._http.stop()
        ended.wait(_GRACE + 1)
        self._http.join(_GRACE + 1)
        if self._poller.ident is not None:
            self._poller.join(_GRACE)
        self._pool.shutdown(wait=False, cancel_futures=True)
        for versions in self.versions:
            versions.close()

    def __enter__(self):
        try:
            self.load()
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def _poll(self):
        while not self._stopping.wait(self.poll_seconds):
            for versions in self.versions:
                try:
                    versions.poll()
                except Exception:
                    # What is served goes on being served, and looked after.
                    _log.exception("%s: looking for versions", versions.name)


def _add_port(server, host, port):
    # What is wrong with the address is told better by a socket, without the
    # log of gRPC.
    bind(host, port).close()
    try:
        return server.add_insecure_port(f"{_in_url(host)}:{port}")
    except RuntimeError as error:
        raise OSError(f"cannot listen on {host}:{port}") from error


def _in_url(host):
    return f"[{host}]" if ":" in host else host


def _print(line):
    cli.say(line, sys.stderr)
