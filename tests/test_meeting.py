"""Workers meet before TensorFlow starts, or are told who is missing."""

import concurrent.futures
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from keras_ganmix import cluster, meeting, recipes

ROOT = Path(cluster.__file__).resolve().parents[1]


def three(addresses):
    """A cluster, as each of its workers sees it."""
    names = tuple(f"worker {i}" for i in range(3))
    return [cluster.Cluster(names, addresses, index) for index in range(3)]


@pytest.fixture
def team():
    """Three workers of this machine, each as it sees the cluster."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    addresses = tuple(s.getsockname() for s in sockets)
    for s in sockets:
        s.close()
    return three(addresses)


def meet(team, passports, timeout=20):
    """What each gets from `meet`: `None` or an exception."""
    with concurrent.futures.ThreadPoolExecutor(len(team)) as threads:
        meetings = [
            threads.submit(meeting.meet, one, passport, timeout)
            for one, passport in zip(team, passports, strict=True)
        ]
    return [meeting.exception() for meeting in meetings]


def test_workers_that_are_alike_meet(team):
    recipe = recipes.load("ring").to_dict()
    passport = meeting.passport(recipe, False)
    assert {"python", "tensorflow", "keras"} <= passport["versions"].keys()
    assert meet(team, [passport] * 3) == [None] * 3
    # And leave their ports to TensorFlow.
    for one in team:
        socket.create_server(one.addresses[one.index]).close()


def test_differences_are_told_to_each(team):
    passports = [
        {"recipe": {"train": {"steps": n}}, "versions": {"keras": "3"}}
        for n in (5, 5, 6)
    ]
    errors = meet(team, passports)
    assert all(isinstance(error, ValueError) for error in errors)
    assert "recipe.train.steps: 6 there, 5 here" in str(errors[0])
    assert team[0].shown(2) in str(errors[0])
    assert "recipe.train.steps: 5 there, 6 here" in str(errors[2])


def test_missing_workers_are_named(team):
    errors = meet(team[:2], [{}, {}], timeout=1.5)
    for error in errors:
        assert isinstance(error, cluster.PeerError)
        missing = f"{team[0].shown(2)}: Connection refused;"
        assert f"after 1.5 s still missing: {missing}" in str(error)


@contextlib.contextmanager
def answering(address, answer):
    """A service that gives the same answer to all."""
    with (
        socket.create_server(address) as server,
        concurrent.futures.ThreadPoolExecutor(1) as threads,
    ):

        def serve():
            with contextlib.suppress(OSError):  # at its end
                while True:
                    visitor, _ = server.accept()
                    with visitor:
                        visitor.recv(64)
                        visitor.sendall(answer)
                        visitor.recv(64)

        threads.submit(serve)
        yield
        server.shutdown(socket.SHUT_RDWR)


def test_who_cannot_come_here_is_named(team):
    """As behind a firewall: it can be asked, and never comes."""
    reply = json.dumps(["worker 1", {"workers": list(team[0].names)}])
    with answering(team[1].addresses[1], reply.encode() + b"\n"):
        error = meet(team[:1], [{}], timeout=0.5)[0]
    assert f"{team[0].shown(1)}: is there, but has not come" in str(error)


def test_a_port_in_use_is_named(team):
    with (
        socket.create_server(("", team[0].addresses[0][1])),
        pytest.raises(
            ValueError, match=r"port \d+ of worker 0 .* cannot be used"
        ),
    ):
        meeting.meet(team[0], {}, 1.0)


def _connected(address):
    """A connection to a port that will soon be listened at."""
    end = time.monotonic() + 10
    while True:
        try:
            return socket.create_connection(address)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)


def test_strangers_at_the_port_do_no_harm(team):
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        first = threads.submit(meeting.meet, team[0], {}, 20)
        for words in (b"GET / HTTP/1.0\r\n\r\n", b"", b"99\n", b'{"a": 1}\n'):
            with _connected(team[0].addresses[0]) as stranger:
                stranger.sendall(words)
        rest = [threads.submit(meeting.meet, one, {}, 20) for one in team[1:]]
    assert [x.exception() for x in (first, *rest)] == [None] * 3


def test_those_who_say_nothing_hold_nobody_up(team, monkeypatch):
    """More silent visitors than are served at a time, one that trickles."""
    monkeypatch.setattr(meeting, "_PATIENCE", 0.5)
    address = team[0].addresses[0]
    with (
        concurrent.futures.ThreadPoolExecutor(3) as threads,
        contextlib.ExitStack() as open_strangers,
    ):
        first = threads.submit(meeting.meet, team[0], {}, 20)
        for _ in range(20):
            stranger = open_strangers.enter_context(_connected(address))
            stranger.sendall(b" ")
        begin = time.monotonic()
        rest = [threads.submit(meeting.meet, one, {}, 20) for one in team[1:]]
        while not all(x.done() for x in (first, *rest)):
            with contextlib.suppress(OSError):  # it was sent away
                stranger.sendall(b" ")
            time.sleep(0.1)
    assert [x.exception() for x in (first, *rest)] == [None] * 3
    assert time.monotonic() - begin < 5


def test_who_waits_when_all_have_met_is_sent_away(team, monkeypatch):
    monkeypatch.setattr(meeting, "_PATIENCE", 1.0)
    address = team[0].addresses[0]
    with contextlib.ExitStack() as open_strangers:
        with meeting._Desk(team[0], {}):
            for _ in range(60):
                open_strangers.enter_context(_connected(address))
            time.sleep(0.3)  # until all are in the queue
            begin = time.monotonic()
        assert time.monotonic() - begin < 2


@pytest.mark.parametrize(
    "answer",
    [
        b"[" * 100_000 + b"\n",
        b"HTTP/1.0 400 no\n",
        b'["worker 1"]\n',
        b"7\n",
        b"",
    ],
    ids=["brackets", "http", "short", "number", "silence"],
)
def test_other_services_are_no_workers(team, answer):
    with answering(team[1].addresses[1], answer):
        error = meet(team[:1], [{}], timeout=0.5)[0]
    first, second = team[0].shown(1), team[0].shown(2)
    why = "no worker answers there" if answer else "timed out"
    assert f"{first}: {why}, {second}: Connection refused" in str(error)


def test_workers_that_mistake_who_they_are_are_told(team, monkeypatch):
    """The second calls itself the first, as if on another machine."""
    monkeypatch.setattr(meeting, "_GRACE", 0.5)
    addresses = list(team[0].addresses)
    # What it takes for its own port is that at which it is the second.
    twin = three((addresses[1], addresses[1], addresses[2]))[0]
    errors = meet([team[0], twin], [{}, {}])
    for error in errors:
        assert isinstance(error, ValueError)
        assert f"at {team[0].shown(1)} is one that calls itself 'worker 0'" in (
            str(error)
        )


SLOW = """
import signal, sys, time
from keras_ganmix import cluster, meeting
team = cluster.Cluster(("worker 0", "worker 1"), (("a", 1), ("b", 1)), 0)
with meeting.patience(team, float(sys.argv[1])):
    # Deaf to Python's signals, as TensorFlow while it connects.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    time.sleep(float(sys.argv[2]))
print("connected")
"""


@pytest.mark.parametrize("patience, seconds", [(0.5, 30), (30, 0.1)])
def test_connecting_is_waited_for_with_patience(patience, seconds):
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", SLOW, str(patience), str(seconds)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert time.monotonic() - begin < 15
    if patience < seconds:
        assert done.returncode == -signal.SIGKILL
        assert done.stderr.startswith("error: TF_CONFIG: all workers had met")
        assert "after 0.5 s" in done.stderr and done.stderr.count("\n") == 1
    else:
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == "connected\n"
