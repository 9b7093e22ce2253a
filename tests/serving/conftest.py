"""A small SavedModel with the signatures of an export, and its server."""

import gc
import json
import os
import pathlib
import shutil
import socket

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from keras_ganmix.serving import server as serving_server

CLASSES, DIM, MAX_SAMPLES = 3, 4, 16
# Default values of inputs are written if they are tensors.
NO_TRUNCATION, ANY_LABEL, FIRST_LABEL = map(tf.constant, (-1.0, -1, 0))
LABELS = tf.TensorSpec((None,), tf.int32, "labels")
LATENTS = tf.TensorSpec((None, DIM), tf.float32, "latents")


def _scalar(name, dtype=tf.int32):
    return tf.TensorSpec((), dtype, name)


def _require(condition, message, tensor):
    with tf.control_dependencies([tf.debugging.Assert(condition, [message])]):
        return tf.identity(tensor)


def _png(images):
    pixels = tf.cast(tf.round((images + 1) * 127.5), tf.uint8)
    return tf.map_fn(tf.io.encode_png, pixels, fn_output_signature=tf.string)


class Toy(tf.Module):
    """Images 8 x 8 of latents and labels; each version has its own weights.

    With the names of real exports; `slow` counts, for deadlines.
    """

    def __init__(self, version):
        rng = np.random.default_rng(version)
        kernel = rng.normal(size=(DIM, 64)).astype("float32")
        self.kernel = tf.Variable(kernel)

    def make(self, latents, labels):
        latents = _require(
            tf.reduce_all(tf.math.is_finite(latents)),
            "latents: must be finite",
            latents,
        )
        labels = _require(
            tf.reduce_all((labels >= 0) & (labels < CLASSES)),
            f"labels: must be from 0 to {CLASSES - 1}",
            labels,
        )
        shift = tf.cast(labels, tf.float32)[:, None] / CLASSES
        flat = tf.tanh(latents @ self.kernel + shift)
        return tf.reshape(flat, (-1, 8, 8, 1))

    def draw(self, seeds):
        def one(seed):
            pair = tf.stack([seed, tf.constant(0, tf.int64)])
            return tf.random.stateless_normal((DIM,), pair)

        return tf.map_fn(one, seeds, fn_output_signature=tf.float32)

    @tf.function(input_signature=[LATENTS, LABELS])
    def default(self, latents, labels):
        return {"images": self.make(latents, labels)}

    @tf.function(input_signature=[LATENTS, LABELS])
    def uint8(self, latents, labels):
        images = self.make(latents, labels)
        return {"images": tf.cast(tf.round((images + 1) * 127.5), tf.uint8)}

    @tf.function(input_signature=[LATENTS, LABELS])
    def png(self, latents, labels):
        return {"png_bytes": _png(self.make(latents, labels))}

    @tf.function(
        input_signature=[
            _scalar("num_samples"),
            _scalar("seed", tf.int64),
            _scalar("truncation", tf.float32),
            _scalar("label"),
        ]
    )
    def sample(
        self,
        num_samples,
        seed,
        truncation=NO_TRUNCATION,
        label=ANY_LABEL,
    ):
        num_samples = _require(
            (num_samples >= 1) & (num_samples <= MAX_SAMPLES),
            f"num_samples: must be from 1 to {MAX_SAMPLES}",
            num_samples,
        )
        each = tf.range(num_samples)
        latents = self.draw(tf.cast(each, tf.int64) + 1000 * seed)
        bound = tf.where(truncation < 0, 1e6, truncation)
        latents = tf.clip_by_value(latents, -bound, bound)
        labels = tf.where(label == -1, each % CLASSES, label)
        pictures = _png(self.make(latents, labels))
        return {"png_bytes": pictures, "latents": latents, "labels": labels}

    @tf.function(
        input_signature=[
            tf.TensorSpec((None,), tf.string, "strings"),
            _scalar("truncation", tf.float32),
            _scalar("label"),
        ]
    )
    def by_string(self, strings, truncation=NO_TRUNCATION, label=ANY_LABEL):
        seeds = tf.strings.to_hash_bucket_fast(strings, 2**40)
        own = tf.cast(seeds % CLASSES, tf.int32)
        labels = tf.where(label == -1, own, label)
        latents = self.draw(seeds)
        pictures = _png(self.make(latents, labels))
        return {"png_bytes": pictures, "seeds": seeds, "latents": latents}

    @tf.function(
        input_signature=[
            tf.TensorSpec((DIM,), tf.float32, "start"),
            tf.TensorSpec((DIM,), tf.float32, "end"),
            _scalar("steps"),
            _scalar("label"),
        ]
    )
    def interpolate(self, start, end, steps, label=FIRST_LABEL):
        t = tf.linspace(0.0, 1.0, steps)[:, None]
        latents = (1 - t) * start + t * end
        pictures = _png(self.make(latents, tf.fill([steps], label)))
        return {"png_bytes": pictures, "latents": latents}

    @tf.function(input_signature=[_scalar("count")])
    def slow(self, count):
        counted = tf.while_loop(
            lambda i: i < count, lambda i: i + 1, [0], parallel_iterations=1
        )
        return {"counted": counted[0]}

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, "strings")])
    def echo(self, strings):
        return {"strings": tf.identity(strings)}


def write_toy(folder, version, warmup=True):
    """Writes a version of the toy, as an export appears: all at once."""
    toy = Toy(version)
    temporary = folder / f".tmp-{version}"
    signatures = {
        "serving_default": toy.default,
        "uint8": toy.uint8,
        "png": toy.png,
        "sample": toy.sample,
        "sample_by_string": toy.by_string,
        "interpolate": toy.interpolate,
        "slow": toy.slow,
        "echo": toy.echo,
    }
    tf.saved_model.save(toy, str(temporary), signatures)
    extra = temporary / "assets.extra"
    extra.mkdir()
    about = {
        "schema": 1,
        "name": "toy",
        "version": version,
        "image_shape": [8, 8, 1],
        "latent_dim": DIM,
        "latent_distribution": "normal",
        "num_classes": CLASSES,
        "class_names": ["circle", "square", "star"],
        "max_samples": MAX_SAMPLES,
    }
    (extra / "generator.json").write_text(json.dumps(about))
    if warmup:
        write_warmup(extra / "tf_serving_warmup_requests")
    target = folder / str(version)
    os.replace(temporary, target)
    return target


def write_warmup(path, signature="sample"):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "toy"
    request.model_spec.signature_name = signature
    request.inputs["num_samples"].CopyFrom(tf.make_tensor_proto(1))
    request.inputs["seed"].CopyFrom(tf.make_tensor_proto(np.array(1, np.int64)))
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.CopyFrom(request)
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(log.SerializeToString())


@pytest.fixture(scope="session")
def toy_export(tmp_path_factory):
    """Folder of the model `toy` with version 1."""
    folder = tmp_path_factory.mktemp("served") / "toy"
    folder.mkdir()
    write_toy(folder, 1)
    return folder


@pytest.fixture(scope="session")
def toy_loaded(toy_export):
    """Version 1 of the toy, loaded by TensorFlow itself."""
    return tf.saved_model.load(str(toy_export / "1"))


@pytest.fixture(scope="session")
def toy_versions(tmp_path_factory):
    """Folder with versions 2 and 3 of the toy, to be copied from."""
    folder = tmp_path_factory.mktemp("more")
    write_toy(folder, 2)
    write_toy(folder, 3, warmup=False)
    return folder


@pytest.fixture
def own_toy(toy_export, tmp_path):
    """A folder of the model `toy` that a test may change."""
    return shutil.copytree(toy_export, tmp_path / "toy")


@pytest.fixture(scope="session")
def toy_server(toy_export):
    """A running server of the toy."""
    server = serving_server.Server(
        {"toy": toy_export},
        port=0,
        rest_api_port=0,
        max_message_mb=0.5,
        max_batch=64,
        timeout=3,
        report=lambda line: None,
    )
    with server:
        yield server


@pytest.fixture
def memory():
    """Function that returns the memory of this process in MiB."""
    path = pathlib.Path("/proc/self/statm")
    if not path.exists():
        pytest.skip("memory is read from /proc")

    def read():
        gc.collect()
        pages = int(path.read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE") / 2**20

    return read


@pytest.fixture
def connect(toy_server):
    """Function of `"grpc"`, `"rest"` and bytes: a raw connection."""
    connections = []

    def open_one(which, data=b"", timeout=5):
        port = toy_server.port if which == "grpc" else toy_server.rest_api_port
        connection = socket.create_connection(("127.0.0.1", port), timeout)
        connections.append(connection)
        connection.sendall(data)
        return connection

    yield open_one
    for connection in connections:
        connection.close()
