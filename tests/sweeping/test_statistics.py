"""The t test and Holm's correction against independent ones."""

import itertools

import numpy as np
import pytest
from scipy import stats

from keras_ganmix.sweeping.statistics import holm, paired_p, t_tails


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 9, 30])
@pytest.mark.parametrize("t", [0.0, 0.3, -1.7, 2.8, 12.0, 60.0])
def test_tails_equal_scipy(degrees, t):
    expected = 2 * stats.t.sf(abs(t), degrees)
    assert t_tails(t, degrees) == pytest.approx(expected, rel=1e-5, abs=1e-12)


@pytest.mark.parametrize("count", [2, 3, 5, 10])
def test_paired_p_equals_scipy(count):
    rng = np.random.default_rng(count)
    own, base = rng.normal(0.7, 1, count), rng.normal(0, 1, count)
    expected = stats.ttest_rel(own, base).pvalue
    assert paired_p(own - base) == pytest.approx(expected, rel=1e-5)


def test_paired_p_where_there_is_nothing_to_test():
    assert paired_p([0.3]) is None
    assert paired_p([0, 0, 0]) == 1.0
    assert paired_p([2, 2, 2]) is None
    assert paired_p([0.1] * 3) is None
    # What is no number tells nothing apart.
    assert paired_p([0.1, float("inf"), 0.2]) == 1.0


def closed_testing(values):
    """Holm is the closed test of all intersections by Bonferroni."""
    indices = range(len(values))
    sets = [
        subset
        for size in range(1, len(values) + 1)
        for subset in itertools.combinations(indices, size)
    ]
    return [
        max(
            min(1.0, len(subset) * min(values[j] for j in subset))
            for subset in sets
            if i in subset
        )
        for i in indices
    ]


@pytest.mark.parametrize("seed", range(4))
def test_holm_is_the_closed_test(seed):
    rng = np.random.default_rng(seed)
    values = [float(p) for p in rng.uniform(0, 0.2, 6)]
    values[3] = values[1]
    assert holm(values) == pytest.approx(closed_testing(values))


def test_holm_counts_tests_that_could_not_be_made():
    assert holm([None, 0.01, 0.02]) == [None, 0.03, 0.04]
    assert holm([]) == []
