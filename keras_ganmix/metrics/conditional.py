"""Scores of class-conditional generators.

References:
    - Miyato & Koyama, "cGANs with Projection Discriminator", ICLR 2018
      (intra-class Frechet distance), https://arxiv.org/abs/1802.05637
    - Ravuri & Vinyals, "Classification Accuracy Score for Conditional
      Generative Models", NeurIPS 2019, https://arxiv.org/abs/1905.10887
"""

import typing

import numpy as np

from keras_ganmix.metrics import probes
from keras_ganmix.metrics.checks import check_count, check_features
from keras_ganmix.metrics.frechet import FeatureStatistics, frechet_distance
from keras_ganmix.metrics.images import check_images


class IntraClassFrechet(typing.NamedTuple):
    """Mean over the classes, and a dict from class to its distance."""

    mean: float
    per_class: dict


class ClassificationAccuracy(typing.NamedTuple):
    """Accuracy on the test images, and a dict from class to its accuracy."""

    accuracy: float
    per_class: dict


class ClassStatistics:
    """`FeatureStatistics` of each class, over batches.

    Memory is D x D for each class.
    """

    def __init__(self):
        self.classes = {}

    def update(self, features, labels):
        """Adds features (N, D) with integer labels (N,). Returns self."""
        features = check_features(features)
        labels = check_labels(labels, len(features))
        for label in np.unique(labels):
            statistics = self.classes.setdefault(
                int(label), FeatureStatistics(features.shape[1])
            )
            statistics.update(features[labels == label])
        return self

    def frechet(self, other):
        """Frechet distance within each class, and its mean.

        Classes have few samples each, so that these distances are biased
        upwards: compare only those of the same counts per class.

        Returns:
            `IntraClassFrechet(mean, per_class)`.

        Raises:
            ValueError: different classes, or fewer than two samples of one.
        """
        if set(self.classes) != set(other.classes) or not self.classes:
            lonely = sorted(set(self.classes) ^ set(other.classes))
            raise ValueError(
                f"labels: the classes {lonely} are on one side only; score "
                "fakes of the classes that the reference has."
            )
        per_class = {}
        for label in sorted(self.classes):
            pair = self.classes[label], other.classes[label]
            for statistics in pair:
                check_count(statistics.count, f"class {label}", advise=False)
            per_class[label] = frechet_distance(
                *pair[0].gaussian(), *pair[1].gaussian()
            )
        return IntraClassFrechet(
            float(np.mean(list(per_class.values()))), per_class
        )


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


def check_labels(labels, count, name="labels"):
    """Returns labels as int64 (count,), or says what is wrong with them.

    Raises:
        ValueError: missing, another shape, not integers, negative.
    """
    if labels is None:
        raise ValueError(
            f"{name}: none given; this score needs a labelled reference and a "
            "class-conditional generator."
        )
    labels = np.asarray(labels)
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise ValueError(
            f"{name}: expected {count} integers, got {labels.dtype} of shape "
            f"{labels.shape}."
        )
    if count and labels.min() < 0:
        raise ValueError(f"{name}: {labels.min()} is negative.")
    return labels.astype(np.int64)
