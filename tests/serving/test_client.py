"""The client against a running server, over both protocols."""

import contextlib
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import tensorflow as tf

from keras_ganmix.serving import Client, ServingError
from keras_ganmix.serving.retrying import with_retries


@pytest.fixture(params=["grpc", "rest"])
def client(request, toy_server):
    address = {
        "grpc": toy_server.grpc_address,
        "rest": toy_server.rest_address,
    }[request.param]
    with Client(address, "toy") as found:
        yield found


@pytest.fixture
def direct(toy_loaded):
    return toy_loaded.signatures


def pixels(pictures):
    return np.stack([tf.io.decode_png(p).numpy() for p in pictures.numpy()])


def test_images_are_those_of_the_saved_model(client, direct):
    latents = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    labels = np.array([0, 1, 2, 0, 1], np.int32)
    images = client.images(latents, labels)
    expected = direct["uint8"](
        latents=tf.constant(latents), labels=tf.constant(labels)
    )
    np.testing.assert_array_equal(images, expected["images"])
    floats = client.predict(latents=latents, labels=labels)["images"]
    exact = direct["serving_default"](
        latents=tf.constant(latents), labels=tf.constant(labels)
    )
    assert floats.dtype == np.float32
    np.testing.assert_array_equal(floats, exact["images"])


def test_pictures_are_those_of_the_saved_model(client, direct):
    def of(signature, **inputs):
        tensors = {k: tf.constant(v) for k, v in inputs.items()}
        return direct[signature](**tensors)

    number = {"truncation": np.float32(0.5), "label": np.int32(2)}
    sampled = of("sample", num_samples=np.int32(4), seed=np.int64(7), **number)
    images = client.generate(4, seed=7, truncation=0.5, label=2)
    np.testing.assert_array_equal(images, pixels(sampled["png_bytes"]))

    named = of("sample_by_string", strings=["Ada", "Zoë"], **number)
    images = client.sample_by_string(["Ada", "Zoë"], 0.5, 2)
    np.testing.assert_array_equal(images, pixels(named["png_bytes"]))

    a, b = client.latents(2, seed=7)
    way = of(
        "interpolate", start=a, end=b, steps=np.int32(6), label=np.int32(1)
    )
    images = client.interpolate(a, b, 6, label=1)
    np.testing.assert_array_equal(images, pixels(way["png_bytes"]))


def test_left_out_inputs_have_their_default_values(client):
    assert client.generate(3, seed=1).shape == (3, 8, 8, 1)
    np.testing.assert_array_equal(
        client.generate(3, seed=1),
        client.generate(3, seed=1, truncation=-1.0, label=-1),
    )
    assert not np.array_equal(
        client.generate(3, seed=1), client.generate(3, seed=2)
    )


def test_numbers_and_lists_become_the_dtype_of_the_input(client):
    outputs = client.predict("sample", num_samples=2, seed=2**40)
    assert outputs["latents"].shape == (2, 4)
    assert outputs["labels"].tolist() == [0, 1]
    assert outputs["png_bytes"][0].startswith(b"\x89PNG")
    outputs = client.predict(latents=[[0, 1, 2, 3]], labels=[1])
    assert outputs["images"].shape == (1, 8, 8, 1)


@pytest.mark.parametrize("words", [["a", ""], ["Zoë".encode(), b"\x00"], []])
def test_strings_survive_both_ways(client, words):
    array = np.empty(len(words), object)
    array[:] = words
    answer = client.predict("echo", strings=array)["strings"]
    assert [
        word.encode() if isinstance(word, str) else word for word in words
    ] == answer.tolist()


def test_extreme_floats_survive_both_ways(client):
    values = [
        0.0,
        -0.0,
        1.1754944e-38,
        3.4028235e38,
        0.1,
        -1 / 3,
        1.0,
        16777216.0,
    ]
    latents = np.array(values, np.float32)
    images = client.predict(
        "interpolate",
        start=latents[:4],
        end=latents[:4],
        steps=np.array(1, np.int32),
    )
    np.testing.assert_array_equal(images["latents"][0], latents[:4])
    images = client.predict(
        "interpolate",
        start=latents[4:],
        end=latents[4:],
        steps=np.array(1, np.int32),
    )
    np.testing.assert_array_equal(images["latents"][0], latents[4:])


def test_metadata_and_status_tell_the_same_over_both(toy_server):
    found = []
    for address in (toy_server.grpc_address, toy_server.rest_address):
        with Client(address, "toy") as client:
            found.append((client.metadata(), client.status()))
    (metadata, status), (other_metadata, other_status) = found
    assert status == other_status
    assert status == [{"version": 1, "state": "AVAILABLE", "message": ""}]
    assert metadata == other_metadata
    assert (metadata["name"], metadata["version"]) == ("toy", 1)
    sample = metadata["signatures"]["sample"]
    assert sample["inputs"]["seed"] == {"dtype": "int64", "shape": []}
    assert sample["inputs"]["label"]["default"] == -1
    assert sample["inputs"]["truncation"]["default"] == -1.0
    assert sample["outputs"]["latents"]["shape"] == [None, 4]


def test_errors_have_code_and_message(client):
    with pytest.raises(ServingError) as caught:
        client.generate(17)
    assert caught.value.code == "INVALID_ARGUMENT"
    assert caught.value.message == "num_samples: must be from 1 to 16"
    with pytest.raises(ServingError, match="NOT_FOUND: Servable not found"):
        Client(
            client._transport.address
            if client._transport.needs_metadata
            else _grpc_address(client),
            "other",
        ).generate(1)


def _grpc_address(client):
    return client._transport._channel._channel.target().decode()


def test_a_version_can_be_asked_for(toy_server):
    for address in (toy_server.grpc_address, toy_server.rest_address):
        with Client(address, "toy", version=1) as client:
            assert client.generate(1).shape == (1, 8, 8, 1)
        with Client(address, "toy", version=5) as client:
            with pytest.raises(ServingError, match=r"Specific\(toy, 5\)"):
                client.generate(1)
            with pytest.raises(ServingError, match="find version 5"):
                client.status()


def test_requests_and_answers_have_a_largest_size(toy_server):
    for address in (toy_server.grpc_address, toy_server.rest_address):
        with Client(address, "toy", max_message_mb=0.05) as client:
            client.metadata()
            words = np.full(1, b"x" * 60_000, object)
            with pytest.raises(ServingError) as caught:
                client.predict("echo", strings=words)
            assert caught.value.code == "RESOURCE_EXHAUSTED"
        with Client(address, "toy", max_message_mb=0.012) as client:
            client._known = _signatures(toy_server)
            latents = np.zeros((60, 4), np.float32)
            labels = np.zeros(60, np.int32)
            with pytest.raises(ServingError) as caught:
                # 60 images of 8 x 8 floats.
                client.predict(latents=latents * 1.5, labels=labels)
            assert caught.value.code == "RESOURCE_EXHAUSTED"


def _signatures(server):
    with Client(server.grpc_address, "toy") as client:
        return client.metadata()["signatures"]


def test_a_deadline_ends_the_wait(client):
    client.timeout = 0.3
    client.metadata()
    start = time.monotonic()
    with pytest.raises(ServingError) as caught:
        client.predict("slow", count=np.array(2**31 - 1, np.int32))
    assert caught.value.code == "DEADLINE_EXCEEDED"
    assert time.monotonic() - start < 2


@pytest.mark.parametrize("scheme", ["", "http://"])
def test_a_server_that_starts_late_is_waited_for(scheme, toy_server):
    """A port that refuses, then one that forwards to the server."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        target = toy_server.rest_api_port if scheme else toy_server.port
        late = threading.Timer(0.4, _forward, (listener, target))
        late.start()
        address = f"{scheme}127.0.0.1:{port}"
        with Client(address, "toy", retries=20) as client:
            assert client.status()[0]["state"] == "AVAILABLE"
        late.join()


def _forward(listener, port):
    listener.listen()
    inner, _ = listener.accept()
    outer = socket.create_connection(("127.0.0.1", port))

    def pump(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        sink.close()

    for pair in ((inner, outer), (outer, inner)):
        threading.Thread(target=pump, args=pair, daemon=True).start()


def test_nobody_there_is_said_within_the_time():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        for scheme in ("", "http://"):
            start = time.monotonic()
            with (
                Client(f"{scheme}127.0.0.1:{port}", "toy", timeout=1) as client,
                pytest.raises(ServingError) as caught,
            ):
                client.status()
            assert caught.value.code == "UNAVAILABLE"
            assert "refused" in caught.value.message
            assert time.monotonic() - start < 1.5


def test_only_what_was_not_answered_is_asked_again():
    """Counts of calls and waits, for each code."""

    def run(codes, retries=3, timeout=10):
        calls, waits = [], []

        def ask(left):
            calls.append(left)
            code = codes[min(len(calls), len(codes)) - 1]
            if code:
                raise ServingError(code, "no")
            return "answer"

        with contextlib.suppress(ServingError):
            with_retries(ask, timeout, retries, sleep=waits.append)
        return len(calls), waits

    assert run([None]) == (1, [])
    assert run(["INVALID_ARGUMENT", None]) == (1, [])
    assert run(["DEADLINE_EXCEEDED", None]) == (1, [])
    calls, waits = run(["UNAVAILABLE", "UNAVAILABLE", None])
    assert calls == 3
    assert 0.05 <= waits[0] <= 0.1 <= waits[1] <= 0.2
    assert run(["UNAVAILABLE"], retries=2)[0] == 3
    assert run(["UNAVAILABLE"], timeout=0.01)[0] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"transport": "gprc"}, "Did you mean 'grpc'"),
        ({"timeout": 0}, "Client.timeout"),
        ({"timeout": float("nan")}, "Client.timeout"),
        ({"retries": -1}, "Client.retries"),
        ({"max_message_mb": 0}, "Client.max_message_mb"),
        ({"address": "http://here:1", "transport": "grpc"}, "host:port"),
        ({"address": ""}, "host:port or a URL"),
        ({"version": -1}, "Client.version: -1"),
        ({"version": 2**63}, "Client.version"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        Client(**{"address": "here:1", "model": "toy", **arguments})


def test_an_answer_that_trickles_in_has_its_time():
    """A byte now and then, each long before the deadline."""
    done = threading.Event()

    def trickle(listener):
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n"
            )
            while not done.wait(0.05):
                connection.sendall(b" ")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=trickle, args=(listener,), daemon=True)
        server.start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        start = time.monotonic()
        with (
            Client(address, "toy", timeout=0.4) as client,
            pytest.raises(ServingError) as caught,
        ):
            client.status()
        assert caught.value.code == "DEADLINE_EXCEEDED"
        assert time.monotonic() - start < 2
        done.set()
        server.join()


def test_numbers_that_no_input_holds_are_named(client):
    for arguments, words in (
        ({"n": 2**31}, "n: 2147483648 is too large for int32"),
        ({"n": 1, "seed": 2**63}, "seed: 9223372036854775808 is too"),
        ({"n": 1, "label": -(2**40)}, "label: -1099511627776 is too"),
    ):
        with pytest.raises(ValueError, match=words):
            client.generate(**arguments)
    with pytest.raises(ValueError, match="steps: 1099511627776 is too"):
        client.interpolate([0] * 4, [0] * 4, 2**40)


def test_http_needs_no_tensorflow(toy_server):
    code = f"""
import sys
import keras_ganmix as kgm
with kgm.serving.Client({toy_server.rest_address!r}, "toy") as client:
    print(client.generate(2, seed=1).shape)
print("tensorflow" in sys.modules or "grpc" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert done.stdout.split("\n")[:2] == ["(2, 8, 8, 1)", "False"], done.stderr
