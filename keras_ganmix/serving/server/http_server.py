"""Uvicorn in a thread, with patience for slow clients that has an end."""

import asyncio
import logging
import socket
import threading

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

_MAX_CONNECTIONS = 256
_BACKLOG = 128
_MAX_HEADERS = 16 * 1024
_KEEP_ALIVE = 30
_RECEIVED = (h11.DONE, h11.MUST_CLOSE, h11.CLOSED, h11.ERROR)


class Protocol(H11Protocol):
    """Closes connections whose request does not arrive, or whose answer is
    not taken, within a time; answers clients that have closed their side.
    """

    receive_seconds = 20
    send_seconds = 30
    _timer = None

    def connection_made(self, transport):
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        if connection is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
            connection.setsockopt(
                socket.IPPROTO_TCP,
                socket.TCP_USER_TIMEOUT,
                self.send_seconds * 1000,
            )
        self._expect()

    def data_received(self, data):
        super().data_received(data)
        self._watch()

    def eof_received(self):
        # Keep the way back open while an answer is on its way.
        answering = self.cycle is not None and not self.cycle.response_complete
        arrived = self.conn.their_state in (h11.DONE, h11.MUST_CLOSE)
        if answering and arrived:
            self.cycle.keep_alive = False
            return True
        return False

    def connection_lost(self, exc):
        self._relax()
        super().connection_lost(exc)

    def on_response_complete(self):
        super().on_response_complete()
        self._watch()

    def _watch(self):
        """Starts or stops the clock by what has arrived."""
        state = self.conn.their_state
        idle = state is h11.IDLE and not self.conn.trailing_data[0]
        if idle or state in _RECEIVED:
            self._relax()
        else:
            self._expect()

    def _expect(self):
        if self._timer is None:
            self._timer = self.loop.call_later(
                self.receive_seconds, self._give_up
            )

    def _relax(self):
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self):
        self._timer = None
        self.transport.close()


class HttpServer:
    """Serves an ASGI application on a bound socket, in a thread.

    Args:
        app: the application.
        listener: socket that is bound, and not yet listening.
        grace: seconds that requests get to end when it is stopped.
    """

    def __init__(self, app, listener, grace):
        config = uvicorn.Config(
            app,
            loop="asyncio",
            http=Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_MAX_CONNECTIONS,
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE,
            timeout_graceful_shutdown=grace,
            h11_max_incomplete_event_size=_MAX_HEADERS,
        )
        # Each piece of garbage would be a line.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        self._server = uvicorn.Server(config)
        self._listener = listener
        self._thread = threading.Thread(
            target=self._run, name="http", daemon=True
        )

    def start(self):
        # Connections may come from now on, if the thread is late.
        self._listener.listen(_BACKLOG)
        self._thread.start()

    def stop(self):
        """Takes no more connections; `join` waits for the requests."""
        self._server.should_exit = True

    def join(self, timeout):
        if self._thread.ident is not None:
            self._thread.join(timeout)
        self._listener.close()

    def _run(self):
        asyncio.run(self._server.serve(sockets=[self._listener]))


def bind(host, port):
    """Returns a TCP socket bound to an address.

    Raises:
        OSError: if the address is taken, or not of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Answers are small and waited for.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise OSError(
            f"cannot listen on {host}:{port}: {error.strerror}"
        ) from error
    return listener
