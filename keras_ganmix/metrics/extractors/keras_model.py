"""Any Keras model as an extractor."""

import importlib
import os
import pathlib
import zipfile
import zlib

import keras
import numpy as np
import tensorflow as tf

from keras_ganmix.metrics.extractors.base import Extractor
from keras_ganmix.metrics.hashes import check_hash, hash_arrays
from keras_ganmix.metrics.names import EXTRACTORS

#: The layer of a classifier whose output is its features.
FEATURES = "features"
#: What Keras raises at files that it cannot read.
_UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    ImportError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)


def load(path, expected_hash=None):
    """The extractor of a `.keras` file, which takes images in [-1, 1].

    What its features and logits are is as for `from_keras`; the
    `classifier.keras` of `keras_ganmix.classify` has both. It is named after
    the model and the first digits of the hash of its weights, so that scores
    of two networks have two names.

    Args:
        path: of the file. Keras refuses Python code in it.
        expected_hash: SHA-256 of the weights, or its first digits.

    Raises:
        ValueError: no such file, one that Keras cannot read, another hash, or
            a model that does not fit.
    """
    path = pathlib.Path(os.path.expanduser(path))
    if not path.is_file():
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
    weight_hash = hash_arrays(model.get_weights())
    check_hash(weight_hash, expected_hash, f"extractor: {path}")
    try:
        return from_keras(model, name=f"{model.name}-{weight_hash[:8]}")
    except ValueError as error:
        raise ValueError(f"extractor: {path}: {error}") from error


def from_keras(
    model, name=None, value_range=(-1.0, 1.0), preprocessing=None, early=None
):
    """Makes an extractor of a Keras model.

    If the model has a layer named `features` that gives rows of numbers, these
    are the features, and the model's output is the logits; where it is
    probabilities, their logarithms are. Otherwise the output is the features,
    flattened, and there are no logits. A dict says itself what is what: it has
    `features`, and optionally `early` and `logits`.

    Args:
        model: `keras.Model` with one image input of a known shape (H, W, C).
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
        ValueError: not one image input of a known shape, several outputs that
            are no dict, none named `features`, logits of a single number, or
            an unknown layer.
    """
    if not isinstance(model, keras.Model):
        raise ValueError(
            f"model: expected a keras.Model, got {type(model).__name__}."
        )
    name = name or model.name
    if name in EXTRACTORS:
        raise ValueError(
            f"name: {name!r} is the name of a shipped extractor; rename the "
            "model, so that scores are not mistaken for its scores."
        )
    inputs = getattr(model, "inputs", None) or []
    shape = tuple(inputs[0].shape[1:]) if len(inputs) == 1 else None
    if shape is None or len(shape) != 3 or None in shape:
        raise ValueError(
            "model: expected one input of images with a known shape (H, W, "
            f"C), got {[tuple(i.shape[1:]) for i in inputs]}."
        )
    outputs, are_found = _outputs(model)
    if early is not None:
        outputs["early"] = model.get_layer(early).output
    layers = keras.Model(inputs, outputs)
    low, high = value_range

    def run(images):
        images = (images + 1.0) * ((high - low) / 2.0) + low
        if preprocessing is not None:
            images = preprocessing(images)
        values = layers(images, training=False)
        count = tf.shape(images)[0]
        # Half precision would be too little for distances.
        return {
            key: tf.reshape(tf.cast(value, tf.float32), (count, -1))
            for key, value in values.items()
        }

    is_probability = are_found and _is_probability(run, shape)

    @tf.function(input_signature=[tf.TensorSpec((None, *shape))])
    def function(images):
        values = run(images)
        if is_probability:
            tiny = keras.config.epsilon()
            values["logits"] = tf.math.log(tf.maximum(values["logits"], tiny))
        return values

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


def _outputs(model):
    """The tensors by name, and whether those of a classifier were found."""
    # Of a sequential model Keras knows a list alone.
    is_list = isinstance(model, keras.Sequential)
    output = model.outputs if is_list else model.output
    if isinstance(output, list | tuple) and len(output) == 1:
        (output,) = output
    if isinstance(output, dict):
        if FEATURES not in output:
            raise ValueError(
                f"model: no output named 'features' among {sorted(output)}."
            )
        known = (FEATURES, "early", "logits")
        return {k: v for k, v in output.items() if k in known}, False
    if isinstance(output, list | tuple):
        raise ValueError(
            f"model: it has {len(output)} outputs; give it a dict of them, "
            "with 'features'."
        )
    layer = next((x for x in model.layers if x.name == FEATURES), None)
    if layer is None or layer.output is output or len(layer.output.shape) != 2:
        return {FEATURES: output}, False
    if len(output.shape) != 2 or output.shape[1] == 1:
        raise ValueError(
            "model: after a layer named 'features' the output is taken for "
            "logits, rows of a number for each class; it has the shape "
            f"{tuple(output.shape)}."
        )
    return {FEATURES: layer.output, "logits": output}, True


def _is_probability(run, shape):
    """Whether what would be logits are shares of 1, of some images."""
    images = np.random.default_rng(0).uniform(-1, 1, (4, *shape))
    values = run(tf.constant(images, tf.float32))["logits"].numpy()
    sums = values.sum(axis=1)
    return bool((values >= 0).all() and np.allclose(sums, 1, atol=1e-2))
