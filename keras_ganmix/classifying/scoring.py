"""Accuracy, calibration, robustness, and foreign images told apart."""

import numpy as np
import tensorflow as tf

from keras_ganmix.classifying import attacks, detection
from keras_ganmix.classifying.subspaces import ClassDirections
from keras_ganmix.ops.pixels import to_float

_BATCH = 500
_BINS = 15


def score(classifier, train, test, foreign, strengths):
    """Everything that is measured of a trained classifier.

    Args:
        classifier: the `Classifier`.
        train: its `data.Source`, from which the classes' directions come.
        test: held-out `data.Source` with labels.
        foreign: dict from a name to uint8 images.
        strengths: list of FGSM's eps, in levels of [0, 255].

    Returns:
        Dict: `accuracy`, `loss` and `ece` on `test`; `fgsm`, the accuracy at
        each eps; `ood`, for each name of `foreign` its number of images and
        what `detection.report` says of the scores `1ds`, the angle to the
        classes' directions, and `max_softmax`, the largest probability.
    """
    images, labels = test.images, test.labels
    features, logits = observe(classifier, images)
    loss = -log_softmax(logits)[np.arange(len(labels)), labels]
    scores = {
        "accuracy": float(np.mean(logits.argmax(axis=1) == labels)),
        "loss": float(np.mean(loss)),
        "ece": calibration_error(logits, labels),
        "fgsm": accuracy_under_attack(classifier, images, labels, strengths),
        "ood": {},
    }
    if foreign:
        directions = ClassDirections(
            observe(classifier, train.images)[0],
            train.labels,
            train.num_classes,
        )
        inside = _confidences(directions, features, logits)
    for name, others in foreign.items():
        outside = _confidences(directions, *observe(classifier, others))
        scores["ood"][name] = {
            "images": len(others),
            **{
                kind: detection.report(inside[kind], outside[kind])
                for kind in inside
            },
        }
    return scores


def observe(classifier, images):
    """Pooled features and logits of uint8 or float images, as arrays."""
    found = [
        [part.numpy() for part in classifier.observe(batch)]
        for batch in _batches(images)
    ]
    return [np.concatenate(parts) for parts in zip(*found, strict=True)]


def accuracy_under_attack(classifier, images, labels, strengths):
    """Accuracy on images that FGSM has changed, for each strength.

    The attacker knows the network and the labels, and sees the loss of the
    logits that are tested. One gradient serves all strengths.

    Args:
        classifier: the `Classifier`.
        images: uint8 or float images.
        labels: int32 (N,).
        strengths: list of numbers, in levels of [0, 255].

    Returns:
        Dict from a strength, as text (`"1"`, `"0.5"`), to the accuracy.
    """
    if not strengths:
        return {}

    @tf.function(reduce_retracing=True)
    def count(x, y):
        gradient = attacks.loss_gradient(classifier, x, y)
        return tf.stack(
            [
                _right(classifier, attacks.fgsm(x, gradient, eps), y)
                for eps in strengths
            ]
        )

    right = np.zeros(len(strengths))
    for start, x in zip(
        range(0, len(images), _BATCH), _batches(images), strict=True
    ):
        right += count(x, labels[start : start + _BATCH]).numpy()
    shares = (right / len(images)).tolist()
    return {
        f"{eps:g}": share for eps, share in zip(strengths, shares, strict=True)
    }


def _right(classifier, images, labels):
    guesses = tf.argmax(classifier(images), axis=-1, output_type=labels.dtype)
    return tf.math.count_nonzero(guesses == labels)


def calibration_error(logits, labels, bins=_BINS):
    """Expected calibration error, in [0, 1].

    Predictions are sorted by confidence into bins of equal width; the error is
    the mean, over samples, of |accuracy - mean confidence| of their bin (Guo
    et al. 2017, https://arxiv.org/abs/1706.04599).

    Args:
        logits: array (N, classes).
        labels: int (N,).
        bins: number of bins.
    """
    confidence = np.exp(log_softmax(logits).max(axis=1))
    right = logits.argmax(axis=1) == labels
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gap = np.bincount(place, right - confidence, bins)
    return float(np.abs(gap).sum() / len(labels))


def log_softmax(logits):
    """Logarithms of the softmax, float64 (N, classes)."""
    logits = np.asarray(logits, np.float64)
    logits = logits - logits.max(axis=1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def _confidences(directions, features, logits):
    """Two numbers that shall be larger for images of the data."""
    return {
        "1ds": -directions.angles(features),
        "max_softmax": log_softmax(logits).max(axis=1),
    }


def _batches(images):
    for start in range(0, len(images), _BATCH):
        batch = images[start : start + _BATCH]
        yield to_float(batch) if batch.dtype == np.uint8 else tf.constant(batch)
