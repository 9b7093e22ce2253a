"""Classification accuracy score: train on fakes, test on real images.

Reference:
    - Ravuri & Vinyals, "Classification Accuracy Score for Conditional
      Generative Models", NeurIPS 2019, https://arxiv.org/abs/1905.10887
"""

import typing

import numpy as np

from keras_ganmix.metrics import probes
from keras_ganmix.metrics.checks import check_count
from keras_ganmix.metrics.conditional import check_labels
from keras_ganmix.metrics.images import check_images


class ClassificationAccuracy(typing.NamedTuple):
    """Accuracy on the test images, and a dict from class to its accuracy."""

    accuracy: float
    per_class: dict


def classification_accuracy_score(
    fakes,
    fake_labels,
    test,
    test_labels,
    build=None,
    steps=1000,
    batch_size=64,
    seed=0,
    value_range=None,
):
    """Trains a classifier on fakes and tests it on real images.

    Args:
        fakes: images (N, H, W, C) with the integer labels `fake_labels` (N,)
            that they were generated for.
        test: held-out real images (M, H, W, C) with `test_labels` (M,).
        build: function of `(image_shape, classes, seed)` to a Keras model with
            logits; a small convolutional network by default.
        steps, batch_size: of the training; batches are drawn with a seed.
        seed: of weights and batches.
        value_range: range of float images, see `check_images`.

    Returns:
        `ClassificationAccuracy(accuracy, per_class)`; compare it with that of
        a classifier trained on as many real images.

    Raises:
        ValueError: sizes or labels that do not fit, too few images.
    """
    fakes = check_images(fakes, "fakes", value_range=value_range)
    test = check_images(test, "test", fakes.shape[1:], value_range)
    fake_labels = check_labels(fake_labels, len(fakes), "fake_labels")
    test_labels = check_labels(test_labels, len(test), "test_labels")
    check_count(len(fakes), "fakes", advise=False)
    check_count(len(test), "test", minimum=1, advise=False)
    classes = int(max(fake_labels.max(), test_labels.max())) + 1

    def batches(step):
        rng = np.random.default_rng([seed, step])
        rows = rng.integers(len(fakes), size=batch_size)
        return fakes[rows], fake_labels[rows]

    model = (build or probes.build)(fakes.shape[1:], classes, seed)
    probes.train(model, batches, steps)
    right = probes.classify(model, test) == test_labels
    per_class = {
        int(label): float(right[test_labels == label].mean())
        for label in np.unique(test_labels)
    }
    return ClassificationAccuracy(float(right.mean()), per_class)
