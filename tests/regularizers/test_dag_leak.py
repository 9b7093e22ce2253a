"""Transforms leak into what is generated, unless each has its own head."""

import numpy as np
import pytest

from tools import dag_leak

pytestmark = pytest.mark.slow
SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2))]


@pytest.mark.long
@pytest.mark.parametrize("seed", SEEDS)
def test_dag_learns_the_data_and_not_its_rotations(seed):
    found = dag_leak.shares(dag_leak.train("dag", seed))
    assert found[0] > 0.9
    assert found[1:].max() < 0.01


@pytest.mark.parametrize("seed", SEEDS)
def test_rotating_reals_only_copies_all_four(seed):
    found = dag_leak.shares(dag_leak.train("real_only", seed))
    assert found.min() > 0.1


def test_shares_against_a_loop():
    points = np.random.default_rng(0).normal(size=(50, 2)) * 2
    counts = [0, 0, 0, 0]
    for x, y in points:
        for i, (a, b) in enumerate(dag_leak.CENTRES):
            counts[i] += (x - a) ** 2 + (y - b) ** 2 < 0.36
    np.testing.assert_allclose(dag_leak.shares(points), np.array(counts) / 50)
