import itertools
import operator

import numpy as np
import pytest

from keras_ganmix.ops.permutations import permutation_table


def distances(table):
    return np.array(
        [
            sum(a != b for a, b in zip(p, q, strict=True))
            for i, p in enumerate(table)
            for q in table[:i]
        ]
    )


def check(table, count, size):
    assert table.shape == (count, size) and table.dtype == np.int32
    assert (np.sort(table, axis=1) == np.arange(size)).all()
    assert len({tuple(row) for row in table}) == count
    assert tuple(range(size)) not in {tuple(row) for row in table}


@pytest.mark.parametrize("grid, most", [(2, 11), (3, 71), (4, 239), (5, 599)])
def test_affine_maps_are_almost_disjoint(grid, most):
    size = grid * grid
    table = permutation_table(grid, most)
    check(table, most, size)
    agree = (table[:, None] == table[None]).sum(-1)
    assert agree[~np.eye(most, dtype=bool)].max() == 1
    # A group of maps with a common factor differs everywhere.
    assert distances(table[:size]).min() == size


@pytest.mark.parametrize("grid", [7, 8, 9])
def test_affine_maps_of_larger_fields(grid):
    table = permutation_table(grid, 100)
    check(table, 100, grid * grid)
    assert distances(table[:100]).min() >= grid * grid - 1


def test_thirty_of_nine_tiles():
    table = permutation_table(3, 30)
    check(table, 30, 9)
    got = distances(table)
    assert got.min() == 8
    np.testing.assert_allclose(got.mean(), 8.255, atol=5e-4)


def test_greedy_adds_a_farthest_permutation():
    table = permutation_table(2, 8, "greedy", seed=3)
    check(table, 8, 4)
    pool = list(itertools.permutations(range(4)))[1:]
    for k in range(1, 8):
        chosen = [tuple(row) for row in table[:k]]
        mean = {
            p: np.mean([sum(map(operator.ne, p, q)) for q in chosen])
            for p in pool
            if p not in chosen
        }
        assert mean[tuple(table[k])] == max(mean.values())


@pytest.mark.parametrize("seed", [0, 1])
def test_greedy_on_nine_tiles(seed):
    table = permutation_table(3, 30, "greedy", seed)
    check(table, 30, 9)
    assert distances(table).min() >= 4
    assert distances(table).mean() > 8.2


def test_greedy_depends_on_the_seed_only():
    a = permutation_table(2, 5, "greedy", 0)
    b = permutation_table(2, 5, "greedy", 1)
    assert (a == permutation_table(2, 5, "greedy", 0)).all()
    assert (a != b).any()


def test_greedy_samples_candidates_of_large_grids():
    table = permutation_table(4, 20, "greedy")
    check(table, 20, 16)
    assert distances(table).min() >= 12


def test_greedy_can_give_all():
    check(permutation_table(2, 23, "greedy"), 23, 4)


def test_tables_cannot_be_written():
    with pytest.raises(ValueError, match="read-only"):
        permutation_table(3, 30)[0, 0] = 1


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((3, 72), r"permutations: 72 is more than the 71 .*greedy"),
        ((2, 24, "greedy"), r"permutations: 24 is more than the 23"),
        ((6, 30), r"grid: 6 is not a prime power.*greedy"),
        ((1, 30), r"grid: 1 .* at least 2"),
        ((3, 1), r"permutations: 1 .* at least 2"),
        ((3, 30, "afine"), r"selection 'afine'.*'affine'"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        permutation_table(*arguments)
