"""The server: wire format, limits, load, start and end."""

import base64
import concurrent.futures
import json
import socket
import threading
import time

import grpc
import numpy as np
import pytest
import requests
import tensorflow as tf
from google.protobuf import wrappers_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from keras_ganmix.serving import Client, ServingError
from keras_ganmix.serving.server import Server, hosts
from keras_ganmix.serving.server.grpc_service import Health

ROWS = {"latents": [[0.5, 1, -1, 0], [1, 1, 1, 1]], "labels": [0, 2]}


@pytest.fixture(scope="module")
def expected(toy_loaded):
    images = toy_loaded.signatures["serving_default"](
        latents=tf.constant(ROWS["latents"], tf.float32),
        labels=tf.constant(ROWS["labels"]),
    )
    return images["images"].numpy()


@pytest.fixture(scope="module")
def url(toy_server):
    return f"{toy_server.rest_address}/v1/models/toy"


def start(folder, **options):
    options = {"port": 0, "rest_api_port": 0, **options}
    return Server({"toy": folder}, report=lambda line: None, **options)


def slow(client, count=200_000):
    return client.predict("slow", count=np.array(count, np.int32))


def test_predict_over_grpc_with_the_published_stubs(toy_server, expected):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "toy"
    request.model_spec.version.value = 1
    for name, value in ROWS.items():
        kind = tf.int32 if name == "labels" else tf.float32
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value, kind))
    with grpc.insecure_channel(toy_server.grpc_address) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        response = stub.Predict(request, timeout=5)
    assert response.model_spec.name == "toy"
    assert response.model_spec.version.value == 1
    assert response.model_spec.signature_name == "serving_default"
    assert list(response.outputs) == ["images"]
    np.testing.assert_array_equal(
        tf.make_ndarray(response.outputs["images"]), expected
    )


def test_values_may_be_written_in_any_way_the_proto_has(toy_server, expected):
    """Fields of values, raw bytes, and one value that stands for many."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "toy"
    latents = request.inputs["latents"]
    latents.dtype = tf.float32.as_datatype_enum
    latents.float_val.extend(np.ravel(ROWS["latents"]).tolist())
    labels = request.inputs["labels"]
    labels.dtype = tf.int32.as_datatype_enum
    labels.tensor_content = np.array(ROWS["labels"], np.int32).tobytes()
    for proto, shape in ((latents, (2, 4)), (labels, (2,))):
        for size in shape:
            proto.tensor_shape.dim.add().size = size
    with grpc.insecure_channel(toy_server.grpc_address) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        response = stub.Predict(request, timeout=5)
        images = tf.make_ndarray(response.outputs["images"])
        np.testing.assert_array_equal(images, expected)
        del latents.float_val[1:]
        response = stub.Predict(request, timeout=5)
    images = tf.make_ndarray(response.outputs["images"])
    assert images.shape == (2, 8, 8, 1)


def test_only_the_outputs_that_are_asked_for_are_sent(toy_server):
    request = predict_pb2.PredictRequest(output_filter=["latents"])
    request.model_spec.name = "toy"
    request.model_spec.signature_name = "sample"
    request.inputs["num_samples"].CopyFrom(tf.make_tensor_proto(2))
    request.inputs["seed"].CopyFrom(tf.make_tensor_proto(1, tf.int64))
    with grpc.insecure_channel(toy_server.grpc_address) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        response = stub.Predict(request, timeout=5)
    assert list(response.outputs) == ["latents"]


def test_metadata_and_status_with_the_published_stubs(toy_server, toy_export):
    metadata = get_model_metadata_pb2.GetModelMetadataRequest()
    metadata.model_spec.name = "toy"
    metadata.metadata_field.append("signature_def")
    status = get_model_status_pb2.GetModelStatusRequest()
    status.model_spec.name = "toy"
    with grpc.insecure_channel(toy_server.grpc_address) as channel:
        predictions = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        models = model_service_pb2_grpc.ModelServiceStub(channel)
        answer = predictions.GetModelMetadata(metadata, timeout=5)
        (version,) = models.GetModelStatus(
            status, timeout=5
        ).model_version_status
    found = get_model_metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(found)
    assert answer.model_spec.version.value == 1
    assert found.signature_def["sample"].defaults["label"].int_val == [-1]
    assert version.version == 1
    assert version.state == get_model_status_pb2.ModelVersionStatus.AVAILABLE
    assert (version.status.error_code, version.status.error_message) == (0, "")


def test_row_format_of_rest(url, expected):
    rows = [
        {"latents": latents, "labels": label}
        for latents, label in zip(*ROWS.values(), strict=True)
    ]
    answer = requests.post(
        f"{url}/versions/1:predict", json={"instances": rows}, timeout=5
    )
    assert list(answer.json()) == ["predictions"]
    images = np.array(answer.json()["predictions"], np.float32)
    np.testing.assert_array_equal(images, expected)


def test_bytes_are_base64_where_the_name_says_so(url):
    """Both ways; other outputs are text, or cannot be sent as JSON."""
    body = {"signature_name": "echo", "instances": ["Zoë", {"b64": "WsO2"}]}
    answer = requests.post(f"{url}:predict", json=body, timeout=5)
    assert answer.json()["predictions"] == ["Zoë", "Zö"]
    body["instances"][1] = {"b64": "/wA="}
    answer = requests.post(f"{url}:predict", json=body, timeout=5)
    assert answer.status_code == 400
    assert "names end in _bytes" in answer.json()["error"]
    body = {
        "signature_name": "sample_by_string",
        "inputs": {"strings": ["Ada", "Bo"], "truncation": 0.5, "label": 1},
    }
    columns = requests.post(f"{url}:predict", json=body, timeout=5).json()
    assert set(columns["outputs"]) == {"png_bytes", "seeds", "latents"}
    (first, second) = columns["outputs"]["png_bytes"]
    assert base64.b64decode(first["b64"]).startswith(b"\x89PNG")
    assert first != second


def test_rows_need_outputs_of_one_batch(url):
    """Scalars cannot be sent by the row."""
    body = {"signature_name": "slow", "instances": [1]}
    answer = requests.post(f"{url}:predict", json=body, timeout=5)
    assert answer.status_code == 400
    body = {"signature_name": "slow", "inputs": 3}
    answer = requests.post(f"{url}:predict", json=body, timeout=5)
    assert answer.json() == {"outputs": 3}


def test_columnar_format_of_rest(url, expected):
    answer = requests.post(f"{url}:predict", json={"inputs": ROWS}, timeout=5)
    assert list(answer.json()) == ["outputs"]
    images = np.array(answer.json()["outputs"], np.float32)
    np.testing.assert_array_equal(images, expected)
    upper = requests.post(
        url.replace("/v1/models", "/V1/MODELS") + ":PREDICT",
        json={"inputs": ROWS, "unknown": 1},
        timeout=5,
    )
    assert upper.json() == answer.json()


def test_names_of_models_are_decoded_in_urls(toy_export):
    server = Server(
        {"my toy & ü": toy_export}, port=0, rest_api_port=0, report=print
    )
    with server, Client(server.rest_address, "my toy & ü") as client:
        assert client.generate(1).shape == (1, 8, 8, 1)


def test_several_models(toy_export, toy_versions):
    folders = {"first": toy_export, "more": toy_versions}
    server = Server(folders, port=0, rest_api_port=0, report=lambda line: None)
    with server:
        for name, version in (("first", 1), ("more", 3)):
            with Client(server.grpc_address, name) as client:
                assert client.metadata()["version"] == version


def health(channel, service=""):
    call = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=wrappers_pb2.StringValue.SerializeToString,
        response_deserializer=wrappers_pb2.Int32Value.FromString,
    )
    request = wrappers_pb2.StringValue(value=service)
    return call(request, timeout=5).value


def test_the_standard_health_check(toy_server):
    with grpc.insecure_channel(toy_server.grpc_address) as channel:
        assert health(channel) == 1
        assert health(channel, "PredictionService") == 1
        with pytest.raises(grpc.RpcError) as caught:
            health(channel, "nothing")
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_the_health_check_of_a_server_that_stops():
    stopping = Health(lambda: False)
    assert stopping.check(wrappers_pb2.StringValue(), None).value == 2


def test_requests_in_flight_end_when_the_server_does(toy_export):
    """Also: nobody new is answered."""
    server = start(toy_export)
    server.load()
    server.start()
    addresses = server.grpc_address, server.rest_address
    clients = [Client(address, "toy", retries=0) for address in addresses]
    for client in clients:
        client.metadata()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        answers = [pool.submit(slow, client) for client in clients]
        time.sleep(0.3)
        begun = time.monotonic()
        server.stop()
        assert time.monotonic() - begun < 8
        for answer in answers:
            assert answer.result()["counted"] == 200_000
    for client in clients:
        with pytest.raises(ServingError, match="UNAVAILABLE"):
            client.generate(1)
        client.close()


NAMES = {
    "localhost": True,
    "LOCALHOST:8501": True,
    "page.localhost": True,
    "127.0.0.1:8501": True,
    "[::1]:8501": True,
    "192.168.0.7": True,
    "": True,
    "evil.example": False,
    "evil.example:8501": False,
    "127.0.0.1.evil.example": False,
    "localhost.evil.example": False,
    "notlocalhost": False,
    "evil.example:127.0.0.1": False,
    "localhost@evil.example": False,
}


@pytest.mark.parametrize("name", NAMES)
def test_whom_a_request_may_take_the_server_for(name):
    assert hosts.is_nobodys_name(name) is NAMES[name]


def test_pages_of_other_sites_read_nothing(toy_server, toy_export):
    """Whatever name of theirs they let point here (DNS rebinding)."""
    for path in ("/", "/page/models.json", "/v1/models/toy"):
        url = toy_server.rest_address + path
        headers = {"Host": "evil.example", "Origin": "http://evil.example"}
        answer = requests.get(url, headers=headers, timeout=5)
        assert answer.status_code == 403
        assert "'evil.example' is refused" in answer.json()["error"]
        answer = requests.get(url, timeout=5)
        assert answer.status_code == 200
        assert answer.headers["x-content-type-options"] == "nosniff"
        policy = answer.headers["cross-origin-resource-policy"]
        assert policy == "same-origin"
        assert "access-control-allow-origin" not in answer.headers


def test_a_server_for_the_network_has_any_name(toy_export):
    with start(toy_export, host="0.0.0.0") as server:
        url = f"http://127.0.0.1:{server.rest_api_port}/v1/models/toy"
        headers = {"Host": "pictures.example"}
        assert requests.get(url, headers=headers, timeout=5).status_code == 200


def test_too_many_requests_are_refused_at_once(toy_export):
    with start(toy_export, max_waiting=2, threads=1) as server:
        for address, code in (
            (server.grpc_address, "RESOURCE_EXHAUSTED"),
            (server.rest_address, "UNAVAILABLE"),
        ):
            with Client(address, "toy", retries=0) as client:
                client.metadata()
                with concurrent.futures.ThreadPoolExecutor(6) as pool:
                    answers = [
                        pool.submit(slow, client, 80_000) for _ in range(6)
                    ]
                errors = [answer.exception() for answer in answers]
                refused = [error for error in errors if error]
                assert {error.code for error in refused} == {code}
                assert 3 <= len(refused) <= 5
                assert client.generate(1).shape == (1, 8, 8, 1)


def test_a_refusal_over_http_says_when_to_come_back(toy_export):
    with start(toy_export, max_waiting=1) as server:
        body = {"signature_name": "slow", "inputs": 100_000}
        url = f"{server.rest_address}/v1/models/toy:predict"
        with concurrent.futures.ThreadPoolExecutor() as pool:
            first = pool.submit(requests.post, url, json=body, timeout=5)
            time.sleep(0.1)
            answer = requests.post(url, json=body, timeout=5)
        assert first.result().status_code == 200
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"


def test_the_time_of_a_request_has_an_end(toy_export):
    with start(toy_export, timeout=0.2) as server:
        for address in (server.grpc_address, server.rest_address):
            with (
                Client(address, "toy") as client,
                pytest.raises(ServingError, match="not done in time") as caught,
            ):
                slow(client, 2**31 - 1)
            assert caught.value.code == "DEADLINE_EXCEEDED"


def test_clients_that_do_not_read_do_not_hold_up_others(toy_server):
    """Thirty connections with large answers that nobody takes."""
    latents = [[0.0] * 4] * 64
    body = {"inputs": {"latents": latents, "labels": [0] * 64}}
    data = json.dumps(body).encode()
    head = b"POST /v1/models/toy:predict HTTP/1.1\r\nHost: localhost\r\n"
    head += b"Content-Length: %d\r\n\r\n" % len(data)
    lazy = []
    for _ in range(30):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        connection.connect(("127.0.0.1", toy_server.rest_api_port))
        connection.sendall(head + data)
        lazy.append(connection)
    with Client(toy_server.rest_address, "toy", timeout=5) as client:
        assert client.generate(2).shape == (2, 8, 8, 1)
    for connection in lazy:
        connection.close()


def test_ports_that_are_taken(toy_export, toy_server):
    for ports in (
        {"port": toy_server.port},
        {"rest_api_port": toy_server.rest_api_port},
    ):
        with pytest.raises(OSError):
            start(toy_export, **ports)


def hammer(server, seconds=None, count=None, threads=8):
    """Asks from many threads; returns the errors and the answers' number."""
    errors, answers = [], []
    end = time.monotonic() + (seconds or 3600)
    lock = threading.Lock()

    def ask(i):
        address = (server.grpc_address, server.rest_address)[i % 2]
        with Client(address, "toy", retries=0) as client:
            expected = client.generate(2, seed=i)
            done = 0
            while time.monotonic() < end and (not count or done < count):
                try:
                    found = client.generate(2, seed=i)
                    np.testing.assert_array_equal(found, expected)
                except (ServingError, AssertionError) as error:
                    errors.append(error)
                done += 1
            with lock:
                answers.append(done)

    asking = [threading.Thread(target=ask, args=(i,)) for i in range(threads)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    return errors, sum(answers)


def test_eight_clients_at_once_get_their_own_answers(toy_server):
    errors, answers = hammer(toy_server, seconds=2)
    assert not errors, errors[0]
    assert answers > 100


@pytest.mark.long
def test_eight_clients_for_a_minute_and_flat_memory(toy_server, memory):
    hammer(toy_server, count=250)
    before = memory()
    errors, answers = hammer(toy_server, seconds=60)
    grown = memory() - before
    assert not errors, errors[0]
    assert answers > 10_000
    assert grown < 20
