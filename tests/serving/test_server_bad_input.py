"""Requests that are wrong: TensorFlow Serving's codes, and a living server."""

import json
import socket
import struct
import time

import grpc
import numpy as np
import pytest
import requests
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

TensorProto = type(tf.make_tensor_proto(0))
Code = grpc.StatusCode
POST = b"POST /v1/models/toy:predict HTTP/1.1\r\nHost: localhost\r\n"
GOOD = {"latents": [[0.0, 1, 2, 3]], "labels": [1]}


@pytest.fixture(scope="module")
def stubs(toy_server):
    options = [("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(toy_server.grpc_address, options) as channel:
        yield (
            prediction_service_pb2_grpc.PredictionServiceStub(channel),
            model_service_pb2_grpc.ModelServiceStub(channel),
        )


@pytest.fixture(scope="module")
def url(toy_server):
    return f"{toy_server.rest_address}/v1/models/toy"


@pytest.fixture
def alive(stubs, url):
    """Checks after a test that good requests get good answers."""
    yield
    answer = requests.post(f"{url}:predict", json={"inputs": GOOD}, timeout=5)
    assert answer.status_code == 200
    images = np.array(answer.json()["outputs"])
    response = stubs[0].Predict(request(), timeout=5)
    other = tf.make_ndarray(response.outputs["images"])
    np.testing.assert_allclose(images, other, atol=1e-6)


def request(inputs=GOOD, signature="", model="toy", version=None, **other):
    """A `PredictRequest`; lists become float32, `labels` int32."""
    message = predict_pb2.PredictRequest(**other)
    message.model_spec.name = model
    message.model_spec.signature_name = signature
    if version is not None:
        message.model_spec.version.value = version
    for name, value in inputs.items():
        if isinstance(value, list):
            kind = np.int32 if name == "labels" else np.float32
            value = np.array(value, kind)
        message.inputs[name].CopyFrom(
            value
            if isinstance(value, TensorProto)
            else tf.make_tensor_proto(value)
        )
    return message


def latents(value):
    return {"latents": value, "labels": [1]}


def sample(num_samples, seed=1, **more):
    return {
        "num_samples": np.int32(num_samples),
        "seed": np.int64(seed),
        **more,
    }


def tensor(dtype, sizes, content=b"", **values):
    proto = TensorProto(dtype=dtype, tensor_content=content, **values)
    for size in sizes:
        proto.tensor_shape.dim.add().size = size
    return proto


def labelled():
    message = request()
    message.model_spec.ClearField("version")
    message.model_spec.version_label = "stable"
    return message


FLOAT = tf.float32.as_datatype_enum
PREDICT = {
    "rank": (request(latents([0.0, 1, 2, 3])), "INVALID_ARGUMENT", "shape"),
    "width": (request(latents([[0.0, 1]])), "INVALID_ARGUMENT", "shape [?,4]"),
    "float64": (
        request(latents(np.zeros((1, 4)))),
        "INVALID_ARGUMENT",
        "expected float32, got float64",
    ),
    "string for a float": (
        request(latents(np.array([["a"] * 4], object))),
        "INVALID_ARGUMENT",
        "got string",
    ),
    "NaN": (
        request(latents([[0.0, 1, 2, float("nan")]])),
        "INVALID_ARGUMENT",
        "latents: must be finite",
    ),
    "infinity": (
        request(latents([[0.0, 1, 2, float("inf")]])),
        "INVALID_ARGUMENT",
        "latents: must be finite",
    ),
    "label too large": (
        request({**GOOD, "labels": [3]}),
        "INVALID_ARGUMENT",
        "labels: must be from 0 to 2",
    ),
    "label below 0": (
        request({**GOOD, "labels": [-1]}),
        "INVALID_ARGUMENT",
        "labels: must be from 0 to 2",
    ),
    "more labels than latents": (
        request({"latents": [[0.0] * 4] * 2, "labels": [1, 1, 1]}),
        "INVALID_ARGUMENT",
        "",
    ),
    "batch above the limit": (
        request({"latents": [[0.0] * 4] * 65, "labels": [0] * 65}),
        "INVALID_ARGUMENT",
        "65 at once are more than the 64",
    ),
    "missing input": (
        request({"latents": [[0.0] * 4]}),
        "INVALID_ARGUMENT",
        "Missing but required: {labels}",
    ),
    "extra input": (
        request({**GOOD, "seed": [1.0]}),
        "INVALID_ARGUMENT",
        "Sent extra: {seed}",
    ),
    "another input in its place": (
        request({**sample(1), "lebal": np.int32(1)}, "sample"),
        "INVALID_ARGUMENT",
        "Sent extra: {lebal}",
    ),
    "no inputs": (request({}), "INVALID_ARGUMENT", "Missing but required"),
    "unknown signature": (
        request(signature="nope"),
        "FAILED_PRECONDITION",
        'Serving signature key "nope" not found.',
    ),
    "unknown model": (
        request(model="nope"),
        "NOT_FOUND",
        "Servable not found for request: Latest(nope)",
    ),
    "path as a model": (request(model="../toy"), "NOT_FOUND", "../toy"),
    "no model": (request(model=""), "INVALID_ARGUMENT", "no name specified"),
    "no model spec": (
        predict_pb2.PredictRequest(),
        "INVALID_ARGUMENT",
        "Missing ModelSpec",
    ),
    "unknown version": (
        request(version=7),
        "NOT_FOUND",
        "Servable not found for request: Specific(toy, 7)",
    ),
    "version label": (labelled(), "INVALID_ARGUMENT", "label: stable"),
    "unknown output": (
        request(output_filter=["pixels"]),
        "INVALID_ARGUMENT",
        "alias not found in signature: pixels",
    ),
    "output twice": (
        request(output_filter=["images", "images"]),
        "INVALID_ARGUMENT",
        "duplicate",
    ),
    "num_samples 0": (
        request(sample(0), "sample"),
        "INVALID_ARGUMENT",
        "num_samples: must be from 1 to 16",
    ),
    "num_samples -1": (
        request(sample(-1), "sample"),
        "INVALID_ARGUMENT",
        "num_samples: must be from 1 to 16",
    ),
    "num_samples huge": (
        request(sample(2**31 - 1), "sample"),
        "INVALID_ARGUMENT",
        "num_samples: must be from 1 to 16",
    ),
    "num_samples as a list": (
        request({**sample(1), "num_samples": [1.0]}, "sample"),
        "INVALID_ARGUMENT",
        "num_samples",
    ),
    "too few bytes": (
        request(latents(tensor(FLOAT, [1, 4], b"123"))),
        "INVALID_ARGUMENT",
        "tensor parsing error: latents",
    ),
    "no dtype": (
        request(latents(tensor(0, [1, 4]))),
        "INVALID_ARGUMENT",
        "tensor parsing error: latents",
    ),
    "unknown dtype": (
        request(latents(tensor(99, [1, 4]))),
        "INVALID_ARGUMENT",
        "tensor parsing error: latents",
    ),
    "negative shape": (
        request(latents(tensor(FLOAT, [-1, 4]))),
        "INVALID_ARGUMENT",
        "tensor parsing error: latents",
    ),
    "few bytes for a huge tensor": (
        request(latents(tensor(FLOAT, [2**40, 4], float_val=[1.0]))),
        "INVALID_ARGUMENT",
        "tensor parsing error: latents",
    ),
    "oversized": (
        request(latents(np.zeros((60_000, 4), np.float32))),
        "RESOURCE_EXHAUSTED",
        "larger than max",
    ),
}


@pytest.mark.usefixtures("alive")
@pytest.mark.parametrize("name", PREDICT)
def test_grpc(name, stubs):
    message, code, text = PREDICT[name]
    with pytest.raises(grpc.RpcError) as caught:
        stubs[0].Predict(message, timeout=5)
    assert (caught.value.code().name, text in caught.value.details()) == (
        code,
        True,
    ), caught.value.details()
    assert "\n" not in caught.value.details()
    assert "{{node" not in caught.value.details()


@pytest.mark.usefixtures("alive")
def test_grpc_methods_that_are_not_offered(stubs):
    predictions, models = stubs
    for method, message in (
        (predictions.Classify, classification_pb2.ClassificationRequest()),
        (
            models.HandleReloadConfigRequest,
            model_management_pb2.ReloadConfigRequest(),
        ),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            method(message, timeout=5)
        assert caught.value.code() is Code.UNIMPLEMENTED


@pytest.mark.usefixtures("alive")
def test_grpc_metadata_and_status_of_what_is_not_there(stubs):
    predictions, models = stubs
    metadata = get_model_metadata_pb2.GetModelMetadataRequest()
    status = get_model_status_pb2.GetModelStatusRequest()
    cases = []

    def case(method, message, code):
        copy = type(message).FromString(message.SerializeToString())
        cases.append((method, copy, code))

    case(predictions.GetModelMetadata, metadata, Code.INVALID_ARGUMENT)
    case(models.GetModelStatus, status, Code.INVALID_ARGUMENT)
    metadata.model_spec.name = status.model_spec.name = "toy"
    case(predictions.GetModelMetadata, metadata, Code.INVALID_ARGUMENT)
    metadata.metadata_field.append("weights")
    case(predictions.GetModelMetadata, metadata, Code.INVALID_ARGUMENT)
    metadata.metadata_field[:] = ["signature_def"]
    metadata.model_spec.name = status.model_spec.name = "nope"
    case(predictions.GetModelMetadata, metadata, Code.NOT_FOUND)
    case(models.GetModelStatus, status, Code.NOT_FOUND)
    status.model_spec.name = "toy"
    status.model_spec.version.value = 9
    case(models.GetModelStatus, status, Code.NOT_FOUND)
    for method, message, code in cases:
        with pytest.raises(grpc.RpcError) as caught:
            method(message, timeout=5)
        assert caught.value.code() is code


@pytest.mark.usefixtures("alive")
def test_grpc_deadlines(stubs):
    with pytest.raises(grpc.RpcError) as caught:
        stubs[0].Predict(request(), timeout=-1)
    assert caught.value.code() is Code.DEADLINE_EXCEEDED
    slow = request({"count": np.int32(2**31 - 1)}, "slow")
    start = time.monotonic()
    with pytest.raises(grpc.RpcError) as caught:
        stubs[0].Predict(slow, timeout=0.2)
    assert caught.value.code() is Code.DEADLINE_EXCEEDED
    assert time.monotonic() - start < 1


def test_grpc_bytes_that_are_no_message(stubs, alive, toy_server):
    with grpc.insecure_channel(toy_server.grpc_address) as channel:
        call = channel.unary_unary(
            "/tensorflow.serving.PredictionService/Predict",
            request_serializer=bytes,
            response_deserializer=bytes,
        )
        with pytest.raises(grpc.RpcError) as caught:
            call(b"\xff\xff\xff garbage", timeout=5)
        assert caught.value.code() in (Code.INTERNAL, Code.UNKNOWN)


BODIES = {
    "empty": (b"", 400, "The document is empty"),
    "no JSON": (b"{latents: 1", 400, "JSON Parse error"),
    "no object": (b"[1, 2]", 400, "Is not object"),
    "not UTF-8": (b'{"inputs": "\xff\xfe"}', 400, "JSON Parse error"),
    "deep": (b'{"inputs": ' + b"[" * 100_000, 400, "JSON Parse error"),
    "deep and whole": (
        b'{"inputs": ' + b"[" * 900 + b"]" * 900 + b"}",
        400,
        "",
    ),
    "endless number": (
        b'{"inputs": {"latents": [['
        + b"9" * 9999
        + b',0,0,0]], "labels":[0]}}',
        400,
        "",
    ),
    "no inputs": ({"signature_name": "png"}, 400, "Missing 'inputs' or"),
    "both formats": ({"inputs": GOOD, "instances": []}, 400, "only one of"),
    "signature no string": ({"signature_name": 1, "inputs": GOOD}, 400, ""),
    "unknown signature": (
        {"signature_name": "nope", "inputs": GOOD},
        400,
        'Serving signature name: "nope" not found in signature def',
    ),
    "missing input": (
        {"inputs": {"latents": [[0, 1, 2, 3]]}},
        400,
        "Missing named input: labels",
    ),
    "default left out": (
        {"signature_name": "sample", "inputs": {"num_samples": 1, "seed": 1}},
        400,
        "Missing named input",
    ),
    "plain list for two inputs": (
        {"inputs": [[0, 1, 2, 3]]},
        400,
        "expecting an object as multiple input tensors required",
    ),
    "plain rows for two inputs": (
        {"instances": [[0, 1, 2, 3]]},
        400,
        "expecting list of objects",
    ),
    "no rows": ({"instances": []}, 400, "No values in 'instances'"),
    "rows no list": ({"instances": {"latents": [0]}}, 400, "list/array"),
    "row without an input": (
        {"instances": [{"latents": [0, 1, 2, 3]}]},
        400,
        "keys must be equal to: labels,latents",
    ),
    "row with another input": (
        {"instances": [{"latents": [0, 1, 2, 3], "labels": 0, "x": 1}]},
        400,
        "keys must be equal to: labels,latents",
    ),
    "rows of two kinds": (
        {"instances": [{"latents": [0, 1, 2, 3], "labels": 0}, 1]},
        400,
        "Expecting object but got list at item 1",
    ),
    "rows of two sizes": (
        {
            "instances": [
                {"latents": [0, 1, 2, 3], "labels": 0},
                {"latents": [0, 1], "labels": 0},
            ]
        },
        400,
        "unexpected size: 2",
    ),
    "string for a number": (
        {"inputs": {"latents": [["0", 1, 2, 3]], "labels": [0]}},
        400,
        "is not of expected type: float",
    ),
    "null": (
        {"inputs": {"latents": [[None, 1, 2, 3]], "labels": [0]}},
        400,
        "is not of expected type: float",
    ),
    "fraction for a label": (
        {"inputs": {"latents": [[0, 1, 2, 3]], "labels": [0.5]}},
        400,
        "is not of expected type: int",
    ),
    "true for a label": (
        {"inputs": {"latents": [[0, 1, 2, 3]], "labels": [True]}},
        400,
        "is not of expected type: int",
    ),
    "label beyond int32": (
        {"inputs": {"latents": [[0, 1, 2, 3]], "labels": [2**40]}},
        400,
        "is not of expected type: int",
    ),
    "beyond float32": (
        {"inputs": {"latents": [[1e39, 1, 2, 3]], "labels": [0]}},
        400,
        "without loss of precision",
    ),
    "NaN": (
        b'{"inputs": {"latents": [[NaN, 1, 2, 3]], "labels": [0]}}',
        400,
        "latents: must be finite",
    ),
    "infinity": (
        b'{"inputs": {"latents": [[-Infinity, 1, 2, 3]], "labels": [0]}}',
        400,
        "latents: must be finite",
    ),
    "list among numbers": (
        {"inputs": {"latents": [[0, [1], 2, 3]], "labels": [0]}},
        400,
        "unexpected level",
    ),
    "number among lists": (
        {"inputs": {"latents": [[0, 1, 2, 3], 4], "labels": [0]}},
        400,
        "incorrect level",
    ),
    "wrong width": (
        {"inputs": {"latents": [[0, 1]], "labels": [0]}},
        400,
        "expected shape [?,4], got [1,2]",
    ),
    "num_samples 0": (
        {
            "signature_name": "sample",
            "inputs": {
                "num_samples": 0,
                "seed": 1,
                "truncation": -1,
                "label": -1,
            },
        },
        400,
        "num_samples: must be from 1 to 16",
    ),
    "no base64": (
        {"signature_name": "echo", "inputs": [{"b64": "not base64!"}]},
        400,
        "Unable to base64 decode",
    ),
    "base64 no string": (
        {"signature_name": "echo", "inputs": {"strings": [{"b64": 1}]}},
        400,
        "base64",
    ),
    "number for a string": (
        {"signature_name": "echo", "inputs": [1]},
        400,
        "is not of expected type: string",
    ),
    "oversized": (b" " * 600_000, 413, "larger than"),
}


@pytest.mark.usefixtures("alive")
@pytest.mark.parametrize("name", BODIES)
def test_rest_predict(name, url):
    body, code, text = BODIES[name]
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    answer = requests.post(f"{url}:predict", data=body, timeout=5)
    assert answer.status_code == code, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json()) == ["error"]
    assert text in answer.json()["error"]
    assert len(answer.json()["error"]) < 600


def test_rest_oversized_without_a_length(alive, url):
    def pieces():
        for _ in range(20):
            yield b" " * 65536

    answer = requests.post(f"{url}:predict", data=pieces(), timeout=5)
    assert answer.status_code == 413


def test_rest_takes_any_content_type(alive, url):
    """As TensorFlow Serving does."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = requests.post(
            f"{url}:predict",
            data=json.dumps({"inputs": GOOD}),
            headers={"Content-Type": kind},
            timeout=5,
        )
        assert answer.status_code == 200


PATHS = {
    "GET /v1/models/nope": 404,
    "GET /v1/models/toy/versions/9": 404,
    "GET /v1/models/toy/versions/9/metadata": 404,
    "GET /v1/models/nope/metadata": 404,
    "GET /v1/models/toy/labels/stable/metadata": 400,
    "GET /v1/models": 400,
    "GET /v1/models/": 400,
    "GET /v1/models/toy/": 400,
    "GET /v1/models/toy/versions/": 400,
    "GET /v1/models/toy/versions/one": 400,
    "GET /v1/models/toy/versions/../1": 400,
    "GET /v1/models/toy/versions/99999999999999999999": 400,
    "GET /v1/models/toy/versions/-1": 400,
    "GET /v1/models/toy/versions/%C2%B2": 400,
    "GET /v1/models/toy:predict": 400,
    "GET /v1/models/../../etc": 400,
    "GET /v1/models/..": 404,
    "GET /v1/models/..%2f..%2fetc%2fpasswd": 404,
    "GET /v1/models/%2e%2e%2ftoy": 404,
    "GET /v1/models/toy%00": 404,
    "GET /v1/models/%ff": 404,
    "GET /v1/../etc/passwd": 400,
    "GET /../../etc/passwd": 404,
    "GET /page/../page.js": 404,
    "GET /page/%2e%2e/__init__.py": 404,
    "GET /page/__init__.py": 404,
    "GET //etc/passwd": 404,
    "GET /favicon.ico": 404,
    "POST /": 405,
    "DELETE /page/page.js": 405,
    "POST /v1/models/toy": 400,
    "PUT /v1/models/toy:predict": 400,
    "DELETE /v1/models/toy": 400,
    "BREW /v1/models/toy:predict": 400,
    "POST /v1/models/toy:classify": 501,
    "POST /v1/models/toy:regress": 501,
    "POST /v1/models/toy:explain": 400,
    "POST /v1/models/nope:predict": 404,
    "POST /v1/models/toy/versions/9:predict": 404,
    "POST /v1/models/toy/versions/../../1:predict": 400,
    "POST /v1/models/toy/labels/stable:predict": 400,
}


@pytest.mark.usefixtures("alive")
@pytest.mark.parametrize("line", PATHS)
def test_rest_paths(line, connect):
    body = json.dumps({"inputs": GOOD}).encode() if "POST" in line else b""
    head = f"{line} HTTP/1.1\r\nHost: localhost\r\n".encode()
    head += b"Content-Length: %d\r\n\r\n" % len(body)
    status, text = answer_of(connect("rest", head + body))
    assert status == PATHS[line], text
    assert b"root:" not in text
    assert b'"error"' in text


def answer_of(connection):
    """Status and body of the next answer on a connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return None, data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next(x for x in lines if x.startswith(b"content-length:"))
    while len(body) < int(length.split(b":")[1]):
        body += connection.recv(65536)
    return int(lines[0].split()[1]), body


def ended(connection):
    """Whether the other side closes, whatever it says first."""
    try:
        while connection.recv(65536):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        return False
    return True


GARBAGE = {
    "nulls": b"\0" * 2000,
    "text": b"hello, who is there?\r\n\r\n",
    "TLS": bytes.fromhex("16030100c8010000c40303") + b"\x11" * 200,
    "half of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100,
    "long header": b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
    "length no number": POST + b"Content-Length: ten\r\n\r\n",
    "negative length": POST + b"Content-Length: -5\r\n\r\n",
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
    "broken chunks": POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
}


@pytest.mark.usefixtures("alive")
@pytest.mark.parametrize("name", GARBAGE)
@pytest.mark.parametrize("which", ["grpc", "rest"])
def test_garbage_on_the_ports(which, name, connect):
    connection = connect(which, timeout=3)
    try:
        connection.sendall(GARBAGE[name])
        connection.shutdown(socket.SHUT_WR)
    except OSError:
        return  # closed before all of it was sent
    assert ended(connection)


@pytest.mark.usefixtures("alive")
@pytest.mark.parametrize("which", ["grpc", "rest"])
def test_connections_that_break_off(which, connect):
    body = json.dumps({"inputs": GOOD}).encode()
    whole = POST + b"Content-Length: %d\r\n\r\n" % len(body) + body
    for data in (b"", whole[:30], whole[:-3], whole):
        connection = connect(which, data)
        # Reset, without waiting for what is on its way.
        connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        connection.close()


def test_half_closed_connections_get_their_answer(alive, connect):
    body = json.dumps({"inputs": GOOD}).encode()
    data = POST + b"Content-Length: %d\r\n\r\n" % len(body) + body
    connection = connect("rest", data)
    connection.shutdown(socket.SHUT_WR)
    status, text = answer_of(connection)
    assert status == 200
    assert b"outputs" in text
    assert ended(connection)


def test_old_and_pipelined_http(alive, connect):
    line = b"GET /v1/models/toy HTTP/1.0\r\n\r\n"
    connection = connect("rest", line)
    assert answer_of(connection)[0] == 200
    assert ended(connection)
    two = b"GET /v1/models/toy HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2
    connection = connect("rest", two)
    time.sleep(0.2)
    assert connection.recv(65536).count(b"200 OK") == 2


def test_a_second_request_on_the_same_connection(alive, url):
    with requests.Session() as session:
        bad = session.post(f"{url}:predict", data=b" " * 600_000, timeout=5)
        good = session.post(f"{url}:predict", json={"inputs": GOOD}, timeout=5)
    assert (bad.status_code, good.status_code) == (413, 200)


def test_slow_senders_are_cut_off(alive, connect, monkeypatch):
    """A header, a body and a silence that never end."""
    from keras_ganmix.serving.server.http_server import Protocol

    monkeypatch.setattr(Protocol, "receive_seconds", 0.5)
    starts = [b"", POST, POST + b"Content-Length: 1000\r\n\r\n{"]
    connections = [connect("rest", start, timeout=3) for start in starts]
    second = connect(
        "rest", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", timeout=3
    )
    assert answer_of(second)[0] == 200
    connections.append(second)
    second.sendall(b"GET /")
    start = time.monotonic()
    while time.monotonic() - start < 0.4:
        time.sleep(0.1)
        connections[1].sendall(b"X-Slow: 1\r\n")
        connections[2].sendall(b" ")
    assert all(map(ended, connections))
    assert time.monotonic() - start < 2
