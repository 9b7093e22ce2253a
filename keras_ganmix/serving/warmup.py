"""Requests that TensorFlow Serving makes before it serves a version.

https://www.tensorflow.org/tfx/serving/saved_model_warmup
"""

import numpy as np
import tensorflow as tf

from keras_ganmix.serving.graphs import ANY_LABEL, NO_TRUNCATION
from keras_ganmix.serving.signatures import signature_names

#: Where TensorFlow Serving looks for them.
FILE = "tf_serving_warmup_requests"

_BATCHES = (1, 8)


def write_warmup(folder, name, generator, max_samples):
    """Writes `assets.extra/tf_serving_warmup_requests`.

    All inputs are given, defaults too: servers differ in knowing them.

    Args:
        folder: of the SavedModel.
        name: of the model.
        generator: `TrainedGenerator`.
        max_samples: most pictures of a request.
    """
    extra = folder / "assets.extra"
    extra.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(extra / FILE)) as file:
        for signature in signature_names(generator):
            for batch in _BATCHES:
                count = min(batch, max_samples)
                inputs = example_inputs(generator, signature, count)
                file.write(_log(name, signature, inputs).SerializeToString())


def example_inputs(generator, signature, count):
    """Inputs of a signature for so many pictures, a dict of arrays."""
    latents = np.zeros((count, generator.latent_dim), np.float32)
    truncation = {"truncation": np.float32(NO_TRUNCATION)}
    inputs = {
        "sample": {
            "num_samples": np.int32(count),
            "seed": np.int64(0),
            **truncation,
        },
        "sample_by_string": {
            "strings": np.array([b"warm-up"] * count, object),
            **truncation,
        },
        "interpolate": {
            "start": latents[0],
            "end": latents[0],
            "steps": np.int32(count),
        },
    }.get(signature, {"latents": latents})
    if generator.has_labels:
        if "latents" in inputs:
            inputs["labels"] = np.zeros(count, np.int32)
        else:
            label = 0 if signature == "interpolate" else ANY_LABEL
            inputs["label"] = np.int32(label)
    return inputs


def _log(name, signature, inputs):
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    request = predict_pb2.PredictRequest()
    request.model_spec.name = name
    request.model_spec.signature_name = signature
    for key, value in inputs.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
    return prediction_log_pb2.PredictionLog(
        predict_log=prediction_log_pb2.PredictLog(request=request)
    )
