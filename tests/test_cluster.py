"""What `TF_CONFIG` may say, and who of those that it names is there."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from keras_ganmix import cluster, recipes, train

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
    found = read(config({"worker": ["[::1]:80", "a-b.c:1"]}, FIRST))
    assert found.addresses == (("::1", 80), ("a-b.c", 1))
    assert found.shown(0) == "worker 0 ([::1]:80)"


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
        (config({"worker": ["http://a:1"]}, FIRST), "address 'http://a:1'"),
        (config({"worker": ["a:\u00b2"]}, FIRST), "expected host:port"),
        (config({"worker": ["::1:1"]}, FIRST), "address '::1:1'"),
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


def test_who_trains_alone_among_others_is_warned(monkeypatch, capsys):
    monkeypatch.setenv("TF_CONFIG", config(TWO, FIRST))
    assert train._team(recipes.load("ring", ["strategy=mirrored"])) is None
    warning = capsys.readouterr().err
    assert "TF_CONFIG is set, but strategy is 'mirrored'" in warning
    assert train._team(recipes.load("ring", ["strategy=multi_worker"])).is_chief
    monkeypatch.delenv("TF_CONFIG")
    assert train._team(recipes.load("ring")) is None
    assert capsys.readouterr().err == ""


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


def test_those_that_do_not_answer_are_known(team):
    with socket.create_server(team[0].addresses[1]):
        assert team[0].silent() == [team[0].shown(2)]
