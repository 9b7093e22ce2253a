"""`fashion`: a small classifier of garments, shipped with the package.

Trained with plain cross-entropy on the 50,000 train images of Fashion-MNIST
that are not embedded in the package, by `tools/train_fashion_extractor.py`.
Neither the embedded images, which generators are trained on, nor the test
images, which they are scored against, were seen by it.
"""

import io
from importlib import resources

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from keras_ganmix.metrics.extractors.base import Extractor
from keras_ganmix.metrics.frechet import FeatureStatistics
from keras_ganmix.metrics.hashes import (
    check_hash,
    hash_arrays,
)
from keras_ganmix.metrics.reference import ReferenceStatistics

INPUT_SHAPE = (28, 28, 1)
CLASSES = 10
WIDTHS = (24, 48, 64, 128)
WEIGHT_HASH = "1b9012cb39d242377ee0e869c94fec2f0be549693677b7368b3b342e2957ab2c"
WEIGHTS_FILE = "fashion_weights.npz"
STATISTICS_SIZES = (28, 32)
STATISTICS_FILE = "fashion_test_statistics.npz"


def build(batch_norm=False):
    """The network: four 3x3 convolutions, global average, one dense layer.

    Args:
        batch_norm: with batch normalisation after each convolution, as it is
            trained. The shipped weights have it folded in.

    Returns:
        Functional model from images (B, 28, 28, 1) in [-1, 1] to a dict:
        `early` (B, 48), the average over the image of the second layer;
        `features` (B, 128); `logits` (B, 10).
    """
    x = images = keras.Input(INPUT_SHAPE)
    early = None
    for i, width in enumerate(WIDTHS, start=1):
        x = layers.Conv2D(
            width,
            3,
            padding="same",
            use_bias=not batch_norm,
            kernel_initializer="he_normal",
            name=f"conv{i}",
        )(x)
        if batch_norm:
            x = layers.BatchNormalization(momentum=0.9, name=f"norm{i}")(x)
        x = layers.ReLU(name=f"relu{i}")(x)
        if i == 2:
            early = layers.GlobalAveragePooling2D(name="early")(x)
        if i < 3:
            x = layers.MaxPooling2D(2, name=f"pool{i}")(x)
    features = layers.GlobalAveragePooling2D(name="features")(x)
    logits = layers.Dense(CLASSES, name="logits")(features)
    return keras.Model(
        images, {"early": early, "features": features, "logits": logits}
    )


def fold(trained):
    """Weights of a network with batch normalisation for one without.

    Returns:
        List of arrays in the order of `build().weights`.
    """
    folded = []
    for i in range(1, len(WIDTHS) + 1):
        norm = trained.get_layer(f"norm{i}")
        gamma, beta, mean, variance = (
            keras.ops.convert_to_numpy(w).astype(np.float64)
            for w in (
                norm.gamma,
                norm.beta,
                norm.moving_mean,
                norm.moving_variance,
            )
        )
        scale = gamma / np.sqrt(variance + norm.epsilon)
        kernel = trained.get_layer(f"conv{i}").get_weights()[0]
        folded += [kernel * scale, beta - mean * scale]
    return folded + trained.get_layer("logits").get_weights()


def load(expected_hash=None):
    """The extractor `fashion`.

    Args:
        expected_hash: hash that the weights must have; `WEIGHT_HASH` by
            default.

    Raises:
        ValueError: the file of weights is not the one that was shipped.
    """
    arrays = _read(WEIGHTS_FILE)
    weights = [arrays[key] for key in sorted(arrays)]
    weight_hash = hash_arrays(weights)
    check_hash(weight_hash, expected_hash or WEIGHT_HASH, WEIGHTS_FILE)
    model = build()
    model.set_weights([w.astype(np.float32) for w in weights])
    return Extractor(
        "fashion", _compiled(model), INPUT_SHAPE, weight_hash=weight_hash
    )


def reference_statistics(image_size=28):
    """`ReferenceStatistics` of the 10,000 test images, without the images.

    Args:
        image_size: side of the fakes, 28 or 32; the test images were resized
            to it as `keras_ganmix.data.load` does.

    Raises:
        ValueError: another size.
    """
    if image_size not in STATISTICS_SIZES:
        raise ValueError(
            f"image_size: no statistics are shipped for {image_size}; use "
            f"{' or '.join(map(str, STATISTICS_SIZES))}, or the images of "
            "fashion_mnist."
        )
    arrays = _read(STATISTICS_FILE)
    return ReferenceStatistics(
        "fashion_mnist",
        "test",
        (image_size, image_size, 1),
        FeatureStatistics.from_gaussian(
            arrays[f"mu_{image_size}"],
            arrays[f"sigma_{image_size}"],
            int(arrays["count"]),
        ),
        fingerprint=str(arrays[f"fingerprint_{image_size}"]),
        extractor_hash=str(arrays["extractor_hash"]),
    )


def _read(name):
    file = resources.files("keras_ganmix.metrics.extractors") / name
    with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as arrays:
        return {key: arrays[key] for key in arrays.files}


def _compiled(model):
    return tf.function(
        model, input_signature=[tf.TensorSpec((None, *INPUT_SHAPE))]
    )
