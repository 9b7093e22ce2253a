"""Frechet distance within the classes of a conditional generator.

Reference:
    - Miyato & Koyama, "cGANs with Projection Discriminator", ICLR 2018
      (intra-class Frechet distance), https://arxiv.org/abs/1802.05637
"""

import typing

import numpy as np

from keras_ganmix.metrics.checks import check_count, check_features
from keras_ganmix.metrics.frechet import FeatureStatistics, frechet_distance


class IntraClassFrechet(typing.NamedTuple):
    """Mean over the classes, and a dict from class to its distance."""

    mean: float
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
