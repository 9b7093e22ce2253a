"""Any Keras model as an extractor."""

import importlib
import pathlib
import zipfile

import keras
import tensorflow as tf

from keras_ganmix.metrics.extractors.base import Extractor
from keras_ganmix.metrics.hashes import check_hash, hash_arrays

#: What Keras raises at files that it cannot read.
_UNREADABLE = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    ImportError,
    zipfile.BadZipFile,
)


def load(path, expected_hash=None):
    """The extractor of a `.keras` file, its images in [-1, 1].

    Of a classifier, a model that ends in a layer with weights which makes rows
    of numbers of rows of numbers, the features are what this layer sees, and
    the logits what comes out, probabilities as logarithms. That is so of the
    `classifier.keras` of `keras_ganmix.classify`. All else is as for
    `from_keras`: an output that is a dict says itself what is what.

    Args:
        path: of the file; it can run no code of its own, which Keras refuses.
        expected_hash: SHA-256 of the weights, or its first digits.

    Raises:
        ValueError: no such file, one that Keras cannot read, another hash, or
            a model that does not fit.
    """
    if not pathlib.Path(path).is_file():
        raise ValueError(f"extractor: {path}: there is no such file.")
    # Or Keras would not know the head of our own classifiers.
    importlib.import_module("keras_ganmix.networks.wide_resnet")
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except _UNREADABLE as error:
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise ValueError(
            f"extractor: {path}: Keras cannot read this file ({reason})."
        ) from error
    try:
        extractor = from_keras(_told_apart(model))
    except ValueError as error:
        raise ValueError(f"extractor: {path}: {error}") from error
    check_hash(extractor.weight_hash, expected_hash, "extractor")
    return extractor


def _told_apart(model):
    """A classifier with its features beside its logits; else the model."""
    output = _output(model)
    if not isinstance(output, keras.KerasTensor):
        return model
    last = _maker(model, output)
    is_probability = _ends_in_softmax(last)
    while last is not None and not last.weights:
        last = _maker(model, last.input)
    seen = getattr(last, "input", None)
    if not isinstance(seen, keras.KerasTensor):
        return model
    if len(seen.shape) != 2 or len(output.shape) != 2:
        return model
    if is_probability:
        tiny = keras.config.epsilon()
        output = keras.ops.log(keras.ops.maximum(output, tiny))
    outputs = {"features": seen, "logits": output}
    return keras.Model(model.inputs, outputs, name=model.name)


def _output(model):
    """A tensor or a structure of them; `None` of a model without a graph."""
    if isinstance(model, keras.Sequential):  # knows it as a list alone
        return model.outputs[0] if model.outputs else None
    return getattr(model, "output", None)


def _maker(model, tensor):
    """The layer of a model that makes a tensor, or `None`."""
    return next(
        (x for x in model.layers if getattr(x, "output", None) is tensor), None
    )


def _ends_in_softmax(layer):
    if isinstance(layer, keras.layers.Softmax):
        return True
    activation = getattr(layer, "activation", None)
    return activation is keras.activations.softmax


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
    inputs = getattr(model, "inputs", None) or []
    shape = tuple(inputs[0].shape[1:]) if len(inputs) == 1 else None
    if shape is None or len(shape) != 3 or None in shape:
        raise ValueError(
            "model: expected one input of images with a known shape (H, W, "
            f"C), got {[tuple(i.shape[1:]) for i in inputs]}."
        )
    outputs = _output(model)
    if not isinstance(outputs, dict):
        outputs = {"features": outputs}
    if "features" not in outputs:
        raise ValueError(
            f"model: no output named 'features' among {sorted(outputs)}."
        )
    outputs = {
        key: value
        for key, value in outputs.items()
        if key in ("features", "early", "logits")
    }
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
