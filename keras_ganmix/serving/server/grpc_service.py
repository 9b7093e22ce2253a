"""TensorFlow Serving's gRPC services, and the standard health check."""

import functools
import logging
from concurrent import futures

import grpc
from google.protobuf import wrappers_pb2
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from keras_ganmix.serving.server.serving import METADATA_FIELD
from keras_ganmix.serving.server.status import (
    NUMBERS,
    StatusError,
    invalid,
)
from keras_ganmix.serving.server.tensors import fill_proto, from_proto

_log = logging.getLogger(__name__)
_CODE_NUMBERS = {name: number for number, name in NUMBERS.items()}
_HEALTH = "grpc.health.v1.Health"
_SERVING, _NOT_SERVING = 1, 2


def answers(method):
    """Turns `StatusError`s of a method into statuses of the call."""

    @functools.wraps(method)
    def call(self, request, context):
        try:
            return method(self, request, context)
        except StatusError as error:
            context.abort(grpc.StatusCode[error.code], error.message)
        except Exception:
            _log.exception("a request failed")
            context.abort(grpc.StatusCode.INTERNAL, "internal error")

    return call


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """`Predict` and `GetModelMetadata`; what is missing is UNIMPLEMENTED.

    Args:
        models: the `Models`.
        gate: the `Gate` that requests go through.
        timeout: seconds that a request may take; its deadline may be sooner.
    """

    def __init__(self, models, gate, timeout):
        self.models = models
        self.gate = gate
        self.timeout = timeout

    @answers
    def Predict(self, request, context):  # noqa: N802
        if not request.HasField("model_spec"):
            raise invalid("Missing ModelSpec")

        def inputs(_):
            return {
                name: from_proto(name, proto)
                for name, proto in request.inputs.items()
            }

        with self.gate():
            spec, outputs = self.models.predict(
                request.model_spec,
                inputs,
                tuple(request.output_filter),
                _time_left(context, self.timeout),
            )
        response = predict_pb2.PredictResponse(model_spec=spec)
        for name, array in outputs.items():
            fill_proto(response.outputs[name], array)
        return response

    @answers
    def GetModelMetadata(self, request, context):  # noqa: N802
        if not request.HasField("model_spec"):
            raise invalid("Missing ModelSpec")
        if not request.metadata_field:
            raise invalid(
                "GetModelMetadataRequest must specify at least one "
                "metadata_field"
            )
        for field in request.metadata_field:
            if field != METADATA_FIELD:
                raise invalid(f"Metadata field {field} is not supported")
        return self.models.metadata(request.model_spec)


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """`GetModelStatus`; models are given at the start, so none can be set.

    Args:
        models: the `Models`.
    """

    def __init__(self, models):
        self.models = models

    @answers
    def GetModelStatus(self, request, context):  # noqa: N802
        if not request.HasField("model_spec"):
            raise invalid("Missing ModelSpec")
        return status_response(self.models.statuses(request.model_spec))


def status_response(versions):
    """Returns the `GetModelStatusResponse` of a list of `Version`s."""
    response = get_model_status_pb2.GetModelStatusResponse()
    states = get_model_status_pb2.ModelVersionStatus.State
    for version in versions:
        entry = response.model_version_status.add()
        entry.version = version.number
        entry.state = states.Value(version.state)
        entry.status.error_code = _CODE_NUMBERS.get(version.code, 0)
        entry.status.error_message = version.message
    return response


class Health:
    """The standard health check, `grpc.health.v1.Health/Check`.

    Its messages have one field each, so the well-known wrappers are the same
    on the wire.

    Args:
        ready: function that tells whether requests are answered.
    """

    services = (
        "",
        "PredictionService",
        "ModelService",
        "tensorflow.serving.PredictionService",
        "tensorflow.serving.ModelService",
    )

    def __init__(self, ready):
        self.ready = ready

    def check(self, request, context):
        if request.value not in self.services:
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        state = _SERVING if self.ready() else _NOT_SERVING
        return wrappers_pb2.Int32Value(value=state)

    def handler(self):
        method = grpc.unary_unary_rpc_method_handler(
            self.check,
            request_deserializer=wrappers_pb2.StringValue.FromString,
            response_serializer=wrappers_pb2.Int32Value.SerializeToString,
        )
        return grpc.method_handlers_generic_handler(_HEALTH, {"Check": method})


def make_server(models, gate, ready, threads, max_message_bytes, timeout):
    """Returns a `grpc.Server` without a port.

    Args:
        models: the `Models`.
        gate: the `Gate` that requests go through.
        ready: function that tells whether requests are answered.
        threads: number of requests that run at the same time.
        max_message_bytes: the largest request.
        timeout: seconds that a request may take.
    """
    pool = futures.ThreadPoolExecutor(threads, thread_name_prefix="grpc")
    server = grpc.server(
        pool,
        # Calls wait for a thread in a queue of no bound; the gate is behind.
        maximum_concurrent_rpcs=gate.places,
        options=[
            ("grpc.max_receive_message_length", max_message_bytes),
            ("grpc.max_send_message_length", -1),
            ("grpc.max_metadata_size", 16 * 1024),
            ("grpc.server_handshake_timeout_ms", 10_000),
            # A second server on a port must fail, not share it.
            ("grpc.so_reuseport", 0),
        ],
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        PredictionService(models, gate, timeout), server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(
        ModelService(models), server
    )
    server.add_generic_rpc_handlers((Health(ready).handler(),))
    return server


def _time_left(context, limit):
    left = context.time_remaining()
    if left is None:
        return limit
    if left <= 0:
        raise StatusError("DEADLINE_EXCEEDED", "the deadline has passed")
    return min(left, limit)
