"""One loaded version of a SavedModel."""

import contextlib
import json
import os
import threading
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_ganmix.serving.server.status import (
    StatusError,
    from_tensorflow,
    invalid,
)

v1 = tf.compat.v1
DEFAULT_SIGNATURE = "serving_default"
WARMUP = Path("assets.extra") / "tf_serving_warmup_requests"
_ABOUT = Path("assets.extra") / "generator.json"
MAX_WARMUP_RECORDS = 1000


class Signature:
    """A signature of a graph in a session, ready to be called.

    Args:
        definition: its `SignatureDef`.
        session: the session that holds the graph.
    """

    def __init__(self, definition, session):
        self.inputs = dict(definition.inputs)
        self.outputs = dict(definition.outputs)
        self.dtypes = {
            name: tf.dtypes.as_dtype(info.dtype)
            for name, info in self.inputs.items()
        }
        self.shapes = {
            name: tf.TensorShape(info.tensor_shape)
            for name, info in self.inputs.items()
        }
        self.defaults = {
            name: tf.make_ndarray(value)
            for name, value in definition.defaults.items()
        }
        self._session = session
        self._calls = {}

    def __call__(self, inputs, output_filter=(), timeout=None):
        """Runs the signature.

        Args:
            inputs: dict from name to array.
            output_filter: names of the outputs to compute, or none for all.
            timeout: seconds after which the computation is given up.

        Returns:
            Dict from name to array.

        Raises:
            StatusError: for wrong inputs, and for what the graph refuses.
        """
        names = self._output_names(output_filter)
        values = self._complete(inputs)
        call = self._calls.get(names)
        if call is None:
            call = self._session.make_callable(
                [self.outputs[name].name for name in names],
                [self.inputs[name].name for name in self.inputs],
                accept_options=True,
            )
            self._calls[names] = call
        options = None
        if timeout is not None:
            milliseconds = max(1, int(timeout * 1000))
            options = v1.RunOptions(timeout_in_ms=milliseconds)
        try:
            results = call(*values, options=options)
        except tf.errors.DeadlineExceededError:
            raise StatusError(
                "DEADLINE_EXCEEDED", "the model was not done in time"
            ) from None
        except tf.errors.OpError as error:
            raise from_tensorflow(error) from None
        return dict(zip(names, map(np.asarray, results), strict=True))

    def _output_names(self, output_filter):
        if not output_filter:
            return tuple(self.outputs)
        for name in output_filter:
            if name not in self.outputs:
                raise invalid(
                    f"output tensor alias not found in signature: {name} "
                    "Outputs expected to be in the set "
                    f"{{{','.join(sorted(self.outputs))}}}."
                )
        if len(set(output_filter)) < len(output_filter):
            raise invalid("duplicate output tensor alias in output_filter")
        return tuple(output_filter)

    def _complete(self, inputs):
        """Returns the arrays in the order of the inputs, all checked."""
        known, given = set(self.inputs), set(inputs)
        missing = known - given - set(self.defaults)
        if given - known or missing:
            raise invalid(
                "input size does not match signature: "
                f"{len(given)}!={len(known)} len({_set(given)}) != "
                f"len({_set(known)}). Sent extra: {_set(given - known)}. "
                f"Missing but required: {_set(missing)}."
            )
        values = []
        for name in self.inputs:
            value = inputs[name] if name in inputs else self.defaults[name]
            self._check(name, value)
            values.append(value)
        return values

    def _check(self, name, value):
        wanted, shape = self.dtypes[name], self.shapes[name]
        same = (
            value.dtype == object
            if wanted == tf.string
            else value.dtype == wanted.as_numpy_dtype
        )
        if not same:
            got = "string" if value.dtype == object else value.dtype
            raise invalid(f"{name}: expected {wanted.name}, got {got}")
        if not shape.is_compatible_with(value.shape):
            raise invalid(
                f"{name}: expected shape {_shape(shape)}, got "
                f"{_shape(value.shape)}"
            )


class Model:
    """A version of a SavedModel, warm and counted.

    Requests hold it with `enter` and let it go with `leave`; it frees its
    memory when it is retired and the last request has left.

    Args:
        path: folder of the version.
        name: name of the model.
        version: its number.

    Attributes:
        about: what an exported generator says of itself, for the page; other
            SavedModels say nothing, `None`.
    """

    def __init__(self, path, name, version):
        self.path = Path(path)
        self.name = name
        self.version = version
        self.about = _about(self.path / _ABOUT)
        self._users = 0
        self._retired = False
        self._lock = threading.Lock()
        graph = tf.Graph()
        # Devices and threads of the process are shared by all versions.
        self._session = v1.Session(graph=graph)
        try:
            with graph.as_default(), _quiet():
                meta = v1.saved_model.load(
                    self._session, ["serve"], os.fspath(path)
                )
            self.definitions = dict(meta.signature_def)
            self.signatures = {
                key: Signature(definition, self._session)
                for key, definition in self.definitions.items()
                if definition.outputs
            }
            graph.finalize()
            with _quiet():
                self._warm_up()
        except BaseException:
            self._session.close()
            raise

    def signature(self, name):
        """Returns the signature of a name, `serving_default` for none."""
        name = name or DEFAULT_SIGNATURE
        if name not in self.signatures:
            raise StatusError(
                "FAILED_PRECONDITION",
                f'Serving signature key "{name}" not found.',
            )
        return self.signatures[name]

    def enter(self):
        """Holds the model for a request; false if it has been closed."""
        with self._lock:
            if self._retired:
                return False
            self._users += 1
            return True

    def leave(self):
        """Ends the hold of a request."""
        with self._lock:
            self._users -= 1
            last = self._retired and self._users == 0
        if last:
            self._session.close()

    def retire(self):
        """Takes no further requests; frees the memory after the last one."""
        with self._lock:
            if self._retired:
                return
            self._retired = True
            last = self._users == 0
        if last:
            self._session.close()

    @property
    def closed(self):
        """Whether it has been retired and no request uses it any more."""
        with self._lock:
            return self._retired and self._users == 0

    def _warm_up(self):
        """Replays the recorded requests, so that the first one is fast."""
        from tensorflow_serving.apis import prediction_log_pb2

        from keras_ganmix.serving.server.tensors import from_proto

        path = self.path / WARMUP
        if not path.is_file():
            return
        records = v1.io.tf_record_iterator(os.fspath(path))
        for count, record in enumerate(records):
            if count >= MAX_WARMUP_RECORDS:
                raise ValueError(
                    f"{path}: more than {MAX_WARMUP_RECORDS} records"
                )
            log = prediction_log_pb2.PredictionLog.FromString(record)
            if log.WhichOneof("log_type") != "predict_log":
                continue
            request = log.predict_log.request
            arrays = {k: from_proto(k, v) for k, v in request.inputs.items()}
            signature = self.signature(request.model_spec.signature_name)
            signature(arrays, tuple(request.output_filter))


def _about(path):
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_bytes())
    except ValueError:
        return None  # of no use to the page, and nothing else reads it
    return found if isinstance(found, dict) else None


@contextlib.contextmanager
def _quiet():
    """Holds back the notices of TensorFlow's first API, which loads graphs."""
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("ERROR")
    try:
        yield
    finally:
        logger.setLevel(level)


def _set(names):
    return "{" + ",".join(sorted(names)) + "}"


def _shape(shape):
    return "[" + ",".join("?" if n is None else str(n) for n in shape) + "]"
