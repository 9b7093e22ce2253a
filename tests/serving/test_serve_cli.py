"""The commands serve and request, as a user meets them."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_ganmix import request, serve
from keras_ganmix.serving import Client
from keras_ganmix.utils.pictures import image_grid

ROOT = Path(serve.__file__).resolve().parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


class Served:
    """`python -m keras_ganmix.serve` in a process of its own."""

    def __init__(self, folder, *flags):
        self.ready = folder.parent / "ready.json"
        command = [sys.executable, "-m", "keras_ganmix.serve", str(folder)]
        command += ["--port=0", "--rest_api_port=0", "--poll_seconds=0.05"]
        command += [f"--ready_file={self.ready}", *flags]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
        )
        end = time.monotonic() + 60
        while not self.ready.exists():
            assert self.process.poll() is None, self.process.stderr.read()
            assert time.monotonic() < end
            time.sleep(0.05)
        addresses = json.loads(self.ready.read_text())
        self.grpc, self.rest = addresses["grpc"], addresses["rest"]

    def end(self, number):
        """Sends a signal; returns exit code, output, errors, seconds."""
        start = time.monotonic()
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err, time.monotonic() - start


def test_a_process_serves_and_ends_when_told(own_toy, toy_versions):
    """Ready line, a new version, requests in flight, SIGTERM."""
    served = Served(own_toy)
    with Client(served.grpc, "toy", retries=10) as client:
        before = client.generate(2, seed=1)
        shutil.copytree(toy_versions / "3", own_toy / ".tmp")
        os.replace(own_toy / ".tmp", own_toy / "3")
        end = time.monotonic() + 10
        while client.metadata()["version"] != 3 and time.monotonic() < end:
            time.sleep(0.05)
        assert (client.generate(2, seed=1) != before).any()
        code, out, err, seconds = served.end(signal.SIGTERM)
    assert code == 0, err
    assert seconds < 8
    lines = out.splitlines()
    assert lines[0] == (
        f"serving toy version 1 on {served.grpc} (gRPC) and {served.rest}"
    )
    assert lines[-1] == "stopping"
    assert "toy: version 3 loaded and warm" in err
    assert "Traceback" not in err
    assert not served.ready.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_is_told_that_it_is_ready_may_believe_it(
    number, own_toy, tmp_path, capsys
):
    """In this process: both ports answer, and the signal ends it in order."""
    ready, connected = tmp_path / "ready.json", []

    def connect_and_stop():
        while not ready.exists():
            time.sleep(0.001)
        for address in json.loads(ready.read_text()).values():
            host, _, port = address.removeprefix("http://").partition(":")
            with contextlib.suppress(OSError):
                socket.create_connection((host, int(port)), 1).close()
                connected.append(port)
        os.kill(os.getpid(), number)

    before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}
    # So that a signal that nobody heeds is no end of the tests.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    other = threading.Thread(target=connect_and_stop)
    other.start()
    try:
        ports = ["--port=0", "--rest_api_port=0", f"--ready_file={ready}"]
        assert serve.main(["serve", str(own_toy), *ports]) == 0
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        other.join()
    assert len(connected) == 2
    assert not ready.exists()
    assert capsys.readouterr().out.splitlines()[-1] == "stopping"


@pytest.fixture
def wrong(tmp_path, toy_export, toy_server):
    (tmp_path / "empty").mkdir()
    (tmp_path / "a:b").mkdir()
    (tmp_path / "a:b" / "1").mkdir()
    return {
        "empty": tmp_path / "empty",
        "colon": tmp_path / "a:b",
        "toy": toy_export,
        "version": toy_export / "1",
        "port": toy_server.port,
        "http": toy_server.rest_api_port,
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "which model?"),
        (["/no/such"], "no such folder"),
        (["{empty}"], "holds no version"),
        (["{version}"], "is a version itself; give the folder above it"),
        (["{colon}"], "cannot be part of a URL; use --model_name"),
        (["{toy}", "{toy}"], "has the name 'toy' too"),
        (["{toy}", "{empty}", "--model_name=x"], "--model_name"),
        (["{toy}", "--prot=1"], "Did you mean 'port'"),
        (["{toy}", "--port=70000"], "port"),
        (["{toy}", "--max_message_mb=0"], "max_message_mb"),
        (["{toy}", "--threads=0"], "threads"),
        (["{toy}", "--port={port}", "--rest_api_port=0"], "{port}: Address al"),
        (["{toy}", "--port=0", "--rest_api_port={http}"], "{http}: Addr"),
        (
            ["{toy}", "--host=1.2.3.4", "--port=0", "--rest_api_port=0"],
            "1.2.3.4",
        ),
    ],
)
def test_bad_input_of_serve_is_one_line(arguments, message, wrong, capfd):
    arguments = [argument.format(**wrong) for argument in arguments]
    assert serve.main(["serve", *arguments]) == 2
    errors = capfd.readouterr().err.strip().splitlines()
    assert errors[-1].startswith("error: ")
    assert message.format(**wrong) in errors[-1]
    assert len([e for e in errors if not e.startswith("warning: ")]) == 1


def test_nothing_to_load_is_a_failure(tmp_path, capsys):
    (tmp_path / "broken" / "1").mkdir(parents=True)
    code = serve.main(
        ["serve", str(tmp_path / "broken"), "--port=0", "--rest_api_port=0"]
    )
    assert code == 3
    errors = capsys.readouterr().err
    assert "broken: version 1 cannot be loaded" in errors
    assert "error: no version could be loaded" in errors


def test_other_hosts_are_warned_of(tmp_path, capsys):
    (tmp_path / "broken" / "1").mkdir(parents=True)
    arguments = ["serve", str(tmp_path / "broken"), "--host=0.0.0.0"]
    serve.main([*arguments, "--port=0", "--rest_api_port=0"])
    assert "there is no authentication" in capsys.readouterr().err


@pytest.fixture
def ask(toy_server, tmp_path):
    """Runs the command request; returns its exit code and the picture."""

    def run(*arguments, address=None):
        out = tmp_path / "out" / "picture.png"
        address = address or toy_server.grpc_address
        code = request.main(
            ["request", address, "--model=toy", f"--out={out}", *arguments]
        )
        return code, np.asarray(Image.open(out)) if out.exists() else None

    return run


def test_request_writes_the_pictures(ask, toy_server):
    with Client(toy_server.grpc_address, "toy") as client:
        start, end = (client.latents(1, seed=s)[0] for s in (3, 4))
        wanted = {
            ("--n=5", "--seed=2", "--truncation=0.5", "--label=1"): (
                client.generate(5, 2, 0.5, 1)
            ),
            ("--string=Ada", "--string=Zoë"): (
                client.sample_by_string(["Ada", "Zoë"])
            ),
            ("--interpolate=3,4", "--n=6"): client.interpolate(start, end, 6),
        }
    for arguments, images in wanted.items():
        for address in (None, toy_server.rest_address):
            code, picture = ask(*arguments, address=address)
            assert code == 0
            np.testing.assert_array_equal(picture, image_grid(images))


def test_request_tells_the_status(toy_server, capsys):
    arguments = ["--model=toy", "--status"]
    assert request.main(["request", toy_server.rest_address, *arguments]) == 0
    assert capsys.readouterr().out == "version 1 AVAILABLE\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model=toy", "--out=x"], "give one address"),
        (["a:1", "b:2", "--model=toy", "--out=x"], "got 2 words"),
        (["a:1", "--out=x"], "--model: missing"),
        (["a:1", "--model=toy"], "--out: missing"),
        (["a:1", "--model=toy", "--out=x", "--n=0"], "n"),
        (["a:1", "--model=", "--out=x"], "--model: missing"),
        (["", "--model=toy", "--status"], "Client.address: is empty"),
        (["a:1", "--model=toy", "--out=x", "--n=3000000000"], "n: 3000000000"),
        (["a:1", "--model=t", "--status", "--version=-1"], "Client.version"),
        (["a:1", "--model=toy", "--out=x", "--interpolate=1"], "two seeds"),
        (
            ["a:1", "--model=t", "--out=x", "--interpolate=1,2", "--string=a"],
            "--string and --interpolate: give one",
        ),
        (["http://a:1", "--model=t", "--status", "--transport=grpc"], "URL"),
    ],
)
def test_bad_input_of_request_is_one_line(arguments, message, capfd):
    assert request.main(["request", *arguments]) == 2
    errors = capfd.readouterr().err.strip()
    assert errors.startswith("error: ")
    assert message in errors
    assert "\n" not in errors


def test_refusals_are_one_line(ask, capfd):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{taken.getsockname()[1]}"
        for arguments, address, message in (
            (["--n=99"], None, "num_samples: must be from 1 to 16"),
            (["--model=other"], None, "NOT_FOUND"),
            (["--timeout=1"], f"http://{nobody}", "UNAVAILABLE"),
        ):
            code, picture = ask(*arguments, address=address)
            errors = capfd.readouterr().err.strip()
            assert (code, picture) == (3, None)
            assert errors.startswith("error: ")
            assert message in errors
            assert "\n" not in errors


@pytest.mark.parametrize("command", ["serve", "request"])
def test_help_needs_no_tensorflow(command):
    code = f"""
import sys
from keras_ganmix import {command}
for flags in (["--help"], ["--nonsense"]):
    print({command}.main(["{command}", *flags]))
print("tensorflow" in sys.modules or "grpc" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
    )
    assert done.stdout.splitlines()[-3:] == ["0", "2", "False"]
