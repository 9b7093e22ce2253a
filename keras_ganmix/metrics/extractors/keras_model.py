"""Any Keras model as an extractor."""

import keras
import tensorflow as tf

from keras_ganmix.metrics.extractors.base import Extractor
from keras_ganmix.metrics.hashes import (
    hash_arrays,
)


def from_keras(
    model, name=None, value_range=(-1.0, 1.0), preprocessing=None, early=None
):
    """Makes an extractor of a Keras model.

    Args:
        model: `keras.Model` with one image input of a known shape (H, W, C).
            Its output is the features, flattened, or a dict with `features`
            and optionally `early` and `logits`.
        name: as it appears in scores; the model's own by default. The names of
            the shipped extractors are reserved.
        value_range: range of the images that the model takes, for example
            `(0, 255)`. Images reach this function in [-1, 1].
        preprocessing: function of a float32 tensor in `value_range`, applied
            before the model.
        early: name of a layer whose flattened output is the early layer.

    Returns:
        An `Extractor`.

    Raises:
        ValueError: not one image input of a known shape, no output
            `features`, or an unknown layer.
    """
    if not isinstance(model, keras.Model):
        raise ValueError(
            f"model: expected a keras.Model, got {type(model).__name__}."
        )
    name = name or model.name
    if name in ("fashion", "squeezenet", "inception"):
        raise ValueError(
            f"name: {name!r} is the name of a shipped extractor; give another "
            "one, so that scores are not mistaken for its scores."
        )
    inputs = model.inputs
    shape = tuple(inputs[0].shape[1:]) if len(inputs) == 1 else None
    if shape is None or len(shape) != 3 or None in shape:
        raise ValueError(
            "model: expected one input of images with a known shape (H, W, "
            f"C), got {[tuple(i.shape[1:]) for i in inputs]}."
        )
    outputs = model.output
    if not isinstance(outputs, dict):
        outputs = {"features": outputs}
    outputs = {
        key: value
        for key, value in outputs.items()
        if key in ("features", "early", "logits")
    }
    if "features" not in outputs:
        raise ValueError(
            f"model: no output named 'features' among {sorted(model.output)}."
        )
    if early is not None:
        outputs["early"] = model.get_layer(early).output
    layers = keras.Model(inputs, outputs)
    low, high = value_range

    @tf.function(input_signature=[tf.TensorSpec((None, *shape))])
    def function(images):
        images = (images + 1.0) * ((high - low) / 2.0) + low
        if preprocessing is not None:
            images = preprocessing(images)
        values = layers(images, training=False)
        return {
            key: tf.reshape(value, (tf.shape(images)[0], -1))
            for key, value in values.items()
        }

    steps = f"range [{low:g}, {high:g}]"
    if preprocessing is not None:
        called = getattr(preprocessing, "__qualname__", repr(preprocessing))
        steps = f"{steps}, {called}"
    return Extractor(
        name,
        function,
        shape,
        weight_hash=hash_arrays(model.get_weights()),
        preprocessing=steps,
    )
