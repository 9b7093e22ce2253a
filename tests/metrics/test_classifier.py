import math

import numpy as np
import pytest

from keras_ganmix.metrics import classes_covered, classifier_score


def test_certain_and_balanced_scores_the_number_of_classes():
    logits = np.tile(np.eye(7) * 100, (30, 1))
    got = classifier_score(logits, splits=3)
    assert got.mean == pytest.approx(7)
    assert got.stddev == pytest.approx(0, abs=1e-12)


def test_equal_predictions_score_one():
    logits = np.tile(np.random.default_rng(0).normal(size=5), (50, 1))
    assert classifier_score(logits).mean == pytest.approx(1)


def test_equals_the_definition_and_ignores_the_logits_offset():
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(40, 4)) * 3
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    scores = []
    for part in (p[:20], p[20:]):
        marginal = part.mean(0)
        kl = [
            sum(q * math.log(q / m) for q, m in zip(r, marginal, strict=True))
            for r in part
        ]
        scores.append(math.exp(sum(kl) / len(kl)))
    got = classifier_score(logits + rng.normal(size=(40, 1)) * 500, splits=2)
    assert got.mean == pytest.approx(np.mean(scores), rel=1e-9)
    assert got.stddev == pytest.approx(np.std(scores), rel=1e-6)


def test_impossible_classes_are_finite():
    logits = np.tile([[0.0, -1e6, -np.finfo(np.float32).max]], (10, 1))
    assert classifier_score(logits).mean == pytest.approx(1)


def test_bad_input():
    with pytest.raises(ValueError, match="logits: 5 samples, but at least 10"):
        classifier_score(np.zeros((5, 3)))
    with pytest.raises(ValueError, match="one class"):
        classifier_score(np.zeros((50, 1)))
    with pytest.raises(ValueError, match="splits: 0"):
        classifier_score(np.zeros((50, 2)), splits=0)


def test_a_class_with_less_than_half_its_share_is_not_covered():
    def logits(counts):
        return np.repeat(np.eye(4), counts, axis=0)

    real = logits([10, 10, 20, 0])
    assert classes_covered(real, real) == 1
    # Shares 1/4, 1/4, 1/2: at least half of them, less than half, none.
    assert classes_covered(real, logits([10, 9, 61, 0])) == pytest.approx(2 / 3)
    assert classes_covered(real, logits([0, 0, 0, 5])) == 0
    with pytest.raises(ValueError, match="3 classes, but real_logits has 4"):
        classes_covered(real, np.eye(3))
