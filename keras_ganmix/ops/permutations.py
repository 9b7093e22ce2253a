"""Tables of permutations of image tiles that are far from each other."""

import functools
import itertools
import math

import numpy as np

from keras_ganmix.utils.names import unknown

SELECTIONS = ("affine", "greedy")

# Candidates of the greedy rule where all n! permutations are too many.
_POOL_SIZE = 20_000


def permutation_table(grid, count, selection="affine", seed=0):
    """Returns `count` permutations of the grid * grid tiles of an image.

    `"affine"` (our choice): the maps x -> a x + b over the field with
    n = grid^2 elements. Two of them agree at one tile at most, so their Hamming
    distance is at least n - 1. Maps with a common a differ everywhere; whole
    groups of them come first and a = 1, which has lost the identity, last.

    `"greedy"`: after Noroozi & Favaro 2016 (https://arxiv.org/abs/1603.09246),
    start anywhere and add the permutation whose mean Hamming distance to those
    chosen is largest. Ties go to the larger minimum distance, then to chance.
    For grids above 3 the candidates are 20,000 random permutations, not all.

    Args:
        grid: tiles per side, at least 2. `"affine"` needs a prime power.
        count: number of permutations, at least 2.
        selection: `"affine"` or `"greedy"`.
        seed: non-negative integer, used by `"greedy"` only.

    Returns:
        numpy int32 array of shape (count, grid * grid), read-only. Rows are
        distinct and none is the identity; `table[r, t]` is the tile that goes
        to position t.

    Raises:
        ValueError: for an unknown selection, a grid that it does not serve, or
            more permutations than there are.
    """
    if grid < 2:
        raise ValueError(f"grid: {grid} is not allowed; use at least 2.")
    if count < 2:
        raise ValueError(
            f"permutations: {count} is not allowed; use at least 2."
        )
    if selection == "affine":
        table = _affine(grid)
    elif selection == "greedy":
        table = _greedy(grid, count, seed)
    else:
        raise ValueError(unknown("selection", selection, SELECTIONS))
    if count > len(table):
        hint = ' or selection="greedy"' if selection == "affine" else ""
        raise ValueError(
            f"permutations: {count} is more than the {len(table)} that "
            f"selection={selection!r} has for grid={grid}; use a smaller "
            f"number{hint}."
        )
    return table[:count]


@functools.cache
def _affine(grid):
    size = grid * grid
    prime = next(p for p in range(2, grid + 1) if grid % p == 0)
    power = round(math.log(size, prime))
    if prime**power != size:
        raise ValueError(
            f"grid: {grid} is not a prime power, so no field has {size} "
            'elements; use selection="greedy" or another grid.'
        )
    product, total = _field(prime, power)
    factors = [*range(2, size), 1]
    rows = [total[product[a], b] for a in factors for b in range(size)]
    del rows[(size - 2) * size]  # a = 1, b = 0: the identity
    return _frozen(np.array(rows))


def _field(prime, power):
    """Returns the multiplication and addition tables of GF(prime^power).

    Element e stands for the polynomial whose coefficients are the digits of e
    in base `prime`, so 0 and 1 are the neutral elements. The modulus is the
    first monic polynomial that leaves no divisors of zero.
    """
    size = prime**power
    digits = np.array(
        [[e // prime**k % prime for k in range(power)] for e in range(size)]
    )
    value = prime ** np.arange(power)
    total = (digits[:, None] + digits) % prime @ value
    for low in itertools.product(range(prime), repeat=power):
        product = _products(digits, np.array(low), prime) @ value
        if (product[1:, 1:] != 0).all():
            return product, total
    raise AssertionError("every finite field has a modulus")


def _products(digits, low, prime):
    """Multiplies all pairs of polynomials modulo x^m + sum low[k] x^k."""
    size, power = digits.shape
    result = np.zeros((size, size, 2 * power - 1), int)
    for i in range(power):
        for j in range(power):
            result[..., i + j] += digits[:, None, i] * digits[None, :, j]
    for k in range(2 * power - 2, power - 1, -1):
        result[..., k - power : k] -= result[..., k, None] * low
    return result[..., :power] % prime


@functools.lru_cache(maxsize=8)
def _greedy(grid, count, seed):
    rng = np.random.default_rng(seed)
    pool = _candidates(grid * grid, rng)
    taken = np.zeros(len(pool), bool)
    total = np.zeros(len(pool), np.int64)
    nearest = np.full(len(pool), grid * grid, np.int64)
    chosen = [0]
    while True:
        last = chosen[-1]
        taken[last] = True
        if len(chosen) == min(count, len(pool)):
            return _frozen(pool[chosen])
        distance = (pool != pool[last]).sum(axis=1)
        total += distance
        nearest = np.minimum(nearest, distance)
        score = total * (grid * grid + 1) + nearest
        chosen.append(int(np.argmax(np.where(taken, -1, score))))


def _candidates(size, rng):
    """Returns permutations without the identity, in random order."""
    if size <= 9:
        pool = np.array(list(itertools.permutations(range(size))), np.int8)
        return rng.permutation(pool[1:])
    pool = rng.permuted(
        np.tile(np.arange(size, dtype=np.int8), (_POOL_SIZE, 1)), axis=1
    )
    pool = rng.permutation(np.unique(pool, axis=0))
    return pool[(pool != np.arange(size)).any(axis=1)]


def _frozen(table):
    table = table.astype("int32")
    table.setflags(write=False)
    return table
