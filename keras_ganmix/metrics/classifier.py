"""What a classifier says of fakes: confident, of all classes?

Reference:
    - Salimans et al., "Improved Techniques for Training GANs", NeurIPS 2016
      (section 4), https://arxiv.org/abs/1606.03498
"""

import typing

import numpy as np

from keras_ganmix.metrics.checks import check_count, check_features


class ClassifierScore(typing.NamedTuple):
    """Mean and stddev over splits, between 1 and the number of classes."""

    mean: float
    stddev: float


def classifier_score(logits, splits=10):
    """exp of the mean KL(p(y|x) || p(y)), over splits of the samples.

    It is called Inception score only when the logits are those of the 2015
    Inception network.

    Args:
        logits: array (N, classes), before the softmax.
        splits: consecutive parts of nearly equal size. The mean over parts is
            biased upwards when they are small (few samples per class).

    Returns:
        `ClassifierScore(mean, stddev)`, floats.

    Raises:
        ValueError: fewer samples than splits, one class, NaN.
    """
    logits = check_features(logits, "logits")
    if splits < 1:
        raise ValueError(f"splits: {splits} is too few; use 1 or more.")
    if logits.shape[1] < 2:
        raise ValueError("logits: one class only; the score needs two.")
    check_count(len(logits), "logits", minimum=splits, advise=False)
    logits = logits - logits.max(axis=1, keepdims=True)
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    scores = []
    for part in np.array_split(log_p, splits):
        p = np.exp(part)
        marginal = np.log(np.maximum(p.mean(axis=0), np.finfo(float).tiny))
        scores.append(np.exp((p * (part - marginal)).sum(axis=1).mean()))
    return ClassifierScore(float(np.mean(scores)), float(np.std(scores)))


def classes_covered(real_logits, fake_logits, least=0.5):
    """Share of the classes that the fakes have at least half as often.

    A class is covered if the share of fakes that the classifier takes for it
    is at least `least` times the share of the real images that it takes for
    it. Classes without real images do not count. This score is this project's
    own.

    Args:
        real_logits, fake_logits: arrays (N, classes) and (M, classes).
        least: part of the real images' share, in (0, 1].

    Returns:
        Float in [0, 1].

    Raises:
        ValueError: different numbers of classes, no images, NaN.
    """
    real = _class_shares(real_logits, "real_logits")
    fake = _class_shares(fake_logits, "fake_logits")
    if len(real) != len(fake):
        raise ValueError(
            f"fake_logits: {len(fake)} classes, but real_logits has "
            f"{len(real)}."
        )
    known = real > 0
    return float(np.mean(fake[known] >= least * real[known]))


def _class_shares(logits, name):
    logits = check_features(logits, name)
    check_count(len(logits), name, minimum=1, advise=False)
    counts = np.bincount(logits.argmax(axis=1), minlength=logits.shape[1])
    return counts / len(logits)
