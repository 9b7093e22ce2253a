import numpy as np
import pytest
from scipy import stats

from keras_ganmix.comparing.intervals import (
    difference,
    summarize,
    t_quantile,
)
from keras_ganmix.comparing.table import _verdict


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 7, 15, 60, 500])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
def test_t_quantiles_are_scipy_s(degrees, level):
    expected = stats.t.ppf(0.5 + level / 2, degrees)
    assert t_quantile(degrees, level) == pytest.approx(expected, rel=1e-5)


def test_paired_interval_is_scipy_s():
    rng = np.random.default_rng(0)
    a, b = rng.normal(5, 1, 6), rng.normal(4, 2, 6)
    found = difference(dict(enumerate(a)), dict(enumerate(b)))
    test = stats.ttest_rel(a, b)
    interval = test.confidence_interval(0.95)
    assert found.mean == pytest.approx((a - b).mean())
    assert found.interval == pytest.approx((interval.low, interval.high))
    assert found.sign == (test.pvalue < 0.05) * np.sign(found.mean)


def test_intervals_cover_as_they_say():
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(300):
        own = dict(enumerate(rng.normal(1, 3, 4)))
        found = difference(own, dict.fromkeys(own, 0.0))
        low, high = found.interval
        hits += low < 1 < high
    assert 0.91 < hits / 300 < 0.985


def test_only_seeds_that_both_have_are_paired():
    found = difference({0: 3.0, 1: 5.0, 9: 100.0}, {0: 1.0, 1: 1.0, 7: -50.0})
    assert (found.mean, found.count) == (3.0, 2)
    assert difference({0: 3.0}, {0: 1.0}) == (2.0, None, 1)
    assert difference({0: 3.0}, {0: 1.0}).sign == 0
    assert difference({0: 3.0}, {1: 1.0}) is None


def test_differences_without_spread_have_no_interval():
    own, base = {0: 8.0, 1: 8.0}, {0: 7.0, 1: 7.0}
    assert difference(own, base) == (1.0, None, 2)
    assert _verdict(difference(own, base), "higher") == "same in all seeds"
    assert _verdict(difference({0: 8.0}, base), "higher") == "one seed"
    assert difference(base, base) == (0.0, (0.0, 0.0), 2)
    assert _verdict(difference(base, base), "higher") == "not told apart"


def test_spread_is_the_unbiased_standard_deviation():
    assert summarize([1.0, 2.0, 6.0]) == pytest.approx(
        (3.0, np.std([1, 2, 6], ddof=1), 3)
    )
    assert summarize([4.0]).spread is None
