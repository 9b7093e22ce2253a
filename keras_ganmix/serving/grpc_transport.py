"""Requests over gRPC, with the stubs of tensorflow-serving-api."""

import grpc
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from keras_ganmix.serving.errors import ServingError


class GrpcTransport:
    """Talks to TensorFlow Serving, or its stand-in, over gRPC.

    Args:
        address: `host:port`.
        max_message_bytes: largest request and largest answer.
    """

    needs_metadata = False

    def __init__(self, address, max_message_bytes):
        self._channel = grpc.insecure_channel(
            address,
            options=[
                ("grpc.max_receive_message_length", max_message_bytes),
                ("grpc.max_send_message_length", max_message_bytes),
                ("grpc.enable_retries", 0),
                ("grpc.initial_reconnect_backoff_ms", 100),
                ("grpc.max_reconnect_backoff_ms", 2000),
            ],
        )
        self._predictions = prediction_service_pb2_grpc.PredictionServiceStub(
            self._channel
        )
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)

    def predict(self, model, version, signature, inputs, info, timeout):
        """Returns a dict from name to array."""
        request = predict_pb2.PredictRequest()
        _fill(request.model_spec, model, version)
        request.model_spec.signature_name = signature
        for name, value in inputs.items():
            proto = tf.make_tensor_proto(value)
            request.inputs[name].CopyFrom(proto)
        response = _call(self._predictions.Predict, request, timeout)
        return {
            name: tf.make_ndarray(proto)
            for name, proto in response.outputs.items()
        }

    def metadata(self, model, version, timeout):
        """Returns version and signatures as `Client.metadata` gives them."""
        request = get_model_metadata_pb2.GetModelMetadataRequest()
        _fill(request.model_spec, model, version)
        request.metadata_field.append("signature_def")
        response = _call(self._predictions.GetModelMetadata, request, timeout)
        found = get_model_metadata_pb2.SignatureDefMap()
        response.metadata["signature_def"].Unpack(found)
        return {
            "name": response.model_spec.name,
            "version": response.model_spec.version.value,
            "signatures": {
                key: {
                    "inputs": _tensors(value.inputs, value.defaults),
                    "outputs": _tensors(value.outputs, {}),
                }
                for key, value in found.signature_def.items()
                if not key.startswith("__")
            },
        }

    def status(self, model, version, timeout):
        """Returns the versions as `Client.status` gives them."""
        request = get_model_status_pb2.GetModelStatusRequest()
        _fill(request.model_spec, model, version)
        response = _call(self._models.GetModelStatus, request, timeout)
        states = get_model_status_pb2.ModelVersionStatus.State
        return [
            {
                "version": entry.version,
                "state": states.Name(entry.state),
                "message": entry.status.error_message,
            }
            for entry in response.model_version_status
        ]

    def close(self):
        self._channel.close()


def _fill(spec, model, version):
    spec.name = model
    if version is not None:
        spec.version.value = version


def _tensors(infos, defaults):
    tensors = {}
    for name, info in infos.items():
        shape = tf.TensorShape(info.tensor_shape)
        entry = {
            "dtype": tf.dtypes.as_dtype(info.dtype).name,
            "shape": None if shape.rank is None else shape.as_list(),
        }
        if name in defaults:
            entry["default"] = tf.make_ndarray(defaults[name])
        tensors[name] = entry
    return tensors


def _call(method, request, timeout):
    try:
        return method(request, timeout=timeout)
    except grpc.RpcError as error:
        raise ServingError(error.code().name, error.details()) from error
