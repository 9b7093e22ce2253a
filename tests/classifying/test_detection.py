"""Scores of detection beside scikit-learn's curves and slow loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from keras_ganmix.classifying import detection

# Few values, so that there are many ties.
numbers = st.lists(st.integers(-3, 4), min_size=1, max_size=30)
FAST = settings(deadline=None, max_examples=80, derandomize=True)


def curve(inside, foreign):
    """False and true positive rates, images of the data positive."""
    truth = [1] * len(inside) + [0] * len(foreign)
    every = roc_curve(truth, [*inside, *foreign], drop_intermediate=False)
    return every[0], every[1]


@FAST
@given(numbers, numbers)
def test_auroc_is_scikit_learns_and_counts_pairs(inside, foreign):
    truth = [1] * len(inside) + [0] * len(foreign)
    expected = roc_auc_score(truth, [*inside, *foreign])
    found = detection.auroc(inside, foreign)
    assert found == pytest.approx(expected)
    pairs = [(a > b) + 0.5 * (a == b) for a in inside for b in foreign]
    assert found == pytest.approx(np.mean(pairs))


@FAST
@given(numbers, numbers)
def test_false_positive_rate_is_that_of_the_curve(inside, foreign):
    fpr, tpr = curve(inside, foreign)
    first = np.argmax(tpr >= 0.95 - 1e-9)
    assert detection.fpr_at_tpr(inside, foreign) == pytest.approx(fpr[first])
    turned = detection.fpr_of_foreign(inside, foreign)
    fpr, tpr = curve([-x for x in foreign], [-x for x in inside])
    assert turned == pytest.approx(fpr[np.argmax(tpr >= 0.95 - 1e-9)])


@FAST
@given(numbers, numbers)
def test_detection_error_is_the_least_on_the_curve(inside, foreign):
    fpr, tpr = curve(inside, foreign)
    expected = ((1 - tpr + fpr) / 2).min()
    found = detection.detection_error(inside, foreign)
    assert found == pytest.approx(expected, abs=1e-12)
    errors = [
        (np.mean([a < t for a in inside]) + np.mean([b >= t for b in foreign]))
        / 2
        for t in [*inside, *foreign, 9]
    ]
    assert found == pytest.approx(min(errors), abs=1e-12)


def test_95_percent_of_20_are_19():
    inside = np.arange(20.0)
    assert detection.fpr_at_tpr(inside, [0.5]) == 0.0
    assert detection.fpr_at_tpr(inside, [1.0]) == 1.0


def test_perfect_and_reversed():
    report = detection.report([2.0, 3.0], [0.0, 1.0])
    assert report == {
        "auroc": 1.0,
        "fpr95": 0.0,
        "fpr95_of_foreign": 0.0,
        "detection_error": 0.0,
    }
    reversed_report = detection.report([0.0, 1.0], [2.0, 3.0])
    assert reversed_report["auroc"] == 0.0
    assert reversed_report["detection_error"] == 0.5


@pytest.mark.parametrize("bad", [[], [np.nan], [[1.0]], [np.inf]])
def test_what_cannot_be_ranked_is_refused(bad):
    with pytest.raises(ValueError, match=r"^foreign: "):
        detection.report([1.0], bad)
    with pytest.raises(ValueError, match=r"^inside: "):
        detection.report(bad, [1.0])
