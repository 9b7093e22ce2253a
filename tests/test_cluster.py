"""Workers meet before TensorFlow starts, or are told who is missing."""

import concurrent.futures
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from keras_ganmix import cluster, recipes

ROOT = Path(cluster.__file__).resolve().parents[1]


def config(cluster, task):
    return json.dumps({"cluster": cluster, "task": task})


TWO = {"worker": ["a:1", "b:2"]}
FIRST = {"type": "worker", "index": 0}


def read(text):
    return cluster.from_environment({"TF_CONFIG": text})


def test_the_chief_comes_first():
    found = read(
        config({"worker": ["w:2", "v:3"], "chief": ["c:1"]}, FIRST),
    )
    assert found.names == ("chief 0", "worker 0", "worker 1")
    assert found.addresses == (("c", 1), ("w", 2), ("v", 3))
    assert found.index == 1 and not found.is_chief
    assert read(config(TWO, FIRST)).is_chief
    assert found.shown(2) == "worker 1 (v:3)"


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "is not set"),
        ("{", "is no JSON"),
        ("[]", "has no 'cluster'"),
        ("{}", "has no 'cluster'"),
        (config({"worker": []}, FIRST), "is no list of addresses"),
        (config({"worker": "a:1"}, FIRST), "is no list of addresses"),
        (config({"worker": ["a"]}, FIRST), "address 'a' of worker 0"),
        (config({"worker": ["a:0"]}, FIRST), "address 'a:0'"),
        (config({"worker": [7]}, FIRST), "address 7"),
        (config({"worker": ["a:1", "a:1"]}, FIRST), "one address to two"),
        (config({**TWO, "ps": ["c:3"]}, FIRST), "tasks 'ps'"),
        (config({**TWO, "chief": ["c:3", "d:4"]}, FIRST), "more than one"),
        (config(TWO, {"type": "worker", "index": 2}), "task 'worker 2'"),
        (config(TWO, {"type": "evaluator", "index": 0}), "'evaluator 0'"),
        (config(TWO, {"type": "worker"}), "has no 'task'"),
        (config(TWO, None), "has no 'task'"),
    ],
)
def test_what_is_no_cluster_is_refused(text, words):
    with pytest.raises(ValueError, match=r"^TF_CONFIG: ") as error:
        read(text)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_the_command_refuses_it_before_tensorflow():
    code = (
        "import sys; from keras_ganmix import train; "
        "code = train.main(['train', '--recipe=ring', "
        "'--strategy=multi_worker']); "
        "assert 'tensorflow' not in sys.modules; sys.exit(code)"
    )
    for text in ("{", config(TWO, {"type": "ps", "index": 0})):
        environment = {**os.environ, "TF_CONFIG": text}
        environment["PYTHONPATH"] = str(ROOT)
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 2
        assert done.stderr.startswith("error: TF_CONFIG: ")
        assert len(done.stderr.splitlines()) == 1


@pytest.fixture
def team():
    """Three workers of this machine, each as it sees the cluster."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    addresses = [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]
    for s in sockets:
        s.close()
    return [
        read(config({"worker": addresses}, {"type": "worker", "index": i}))
        for i in range(3)
    ]


def meet(team, passports, timeout=20):
    """What each gets from `meet`: `None` or an exception."""
    with concurrent.futures.ThreadPoolExecutor(len(team)) as threads:
        meetings = [
            threads.submit(cluster.meet, one, passport, timeout)
            for one, passport in zip(team, passports, strict=True)
        ]
    return [meeting.exception() for meeting in meetings]


def test_workers_that_are_alike_meet(team):
    recipe = recipes.load("ring").to_dict()
    passport = cluster.passport(recipe, False)
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
        assert f"after 1.5 s still missing: {team[0].shown(2)};" in str(error)


def test_a_port_in_use_is_named(team):
    with (
        socket.create_server(("", team[0].addresses[0][1])),
        pytest.raises(
            ValueError, match=r"port \d+ of worker 0 .* cannot be used"
        ),
    ):
        cluster.meet(team[0], {}, 1.0)


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
        first = threads.submit(cluster.meet, team[0], {}, 20)
        for words in (b"GET / HTTP/1.0\r\n\r\n", b"", b"99\n", b'{"a": 1}\n'):
            with _connected(team[0].addresses[0]) as stranger:
                stranger.sendall(words)
        rest = [threads.submit(cluster.meet, one, {}, 20) for one in team[1:]]
    assert [x.exception() for x in (first, *rest)] == [None] * 3


def test_those_that_do_not_answer_are_known(team):
    with socket.create_server(team[0].addresses[1]):
        assert team[0].silent() == [team[0].shown(2)]
