import math

import numpy as np
import pytest

from keras_ganmix.metrics import (
    grid,
    mode_coverage,
    ring,
    stacked_coverage,
)
from keras_ganmix.metrics.modes import Mixture


def perfect(mixture, samples, seed):
    rng = np.random.default_rng(seed)
    chosen = rng.integers(len(mixture.centres), size=samples)
    noise = rng.normal(size=(samples, 2)) * mixture.stddev
    return mixture.centres[chosen] + noise


def test_centres_are_the_exact_ones():
    centres = ring().centres
    assert len(np.unique(np.round(centres, 9), axis=0)) == 8
    np.testing.assert_allclose(np.linalg.norm(centres, axis=1), 1)
    np.testing.assert_allclose(centres[0], [1, 0], atol=1e-15)
    np.testing.assert_allclose(centres[3], [-(0.5**0.5), 0.5**0.5])
    assert ring().stddev == 0.01
    expected = {(x, y) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)}
    assert {tuple(c) for c in grid().centres} == expected
    assert grid().stddev == 0.05


@pytest.mark.parametrize(
    ("name", "modes", "kl"), [("ring", 8, 0.0014), ("grid", 25, 0.0048)]
)
def test_perfect_sampler_scores_what_is_known(name, modes, kl):
    mixture = {"ring": ring, "grid": grid}[name]()
    scores = [
        mode_coverage(perfect(mixture, 2500, seed), name) for seed in range(200)
    ]
    assert {s.modes for s in scores} == {modes}
    assert {s.of for s in scores} == {modes}
    quality = np.mean([s.high_quality for s in scores])
    assert quality == pytest.approx(1 - math.exp(-4.5), abs=0.001)  # 98.9 %
    assert np.mean([s.reverse_kl for s in scores]) == pytest.approx(kl, rel=0.1)


def test_perfect_sampler_of_stacked_digits():
    rng = np.random.default_rng(0)
    digits = rng.integers(10, size=(26_000, 1, 1, 3))
    got = stacked_coverage(digits, lambda grey: grey[:, 0, 0, 0])
    assert got.modes == got.of == 1000
    assert got.kl == pytest.approx(0.019, abs=0.002)


def test_constructed_case():
    mixture = Mixture(np.array([[0.0, 0.0], [10.0, 0.0], [20.0, 0.0]]), 1.0)
    samples = [[0, 3.0], [0, 3.01], [9, 0], [10, 1], [11, 0], [14.9, 0]]
    got = mode_coverage(samples, mixture)
    assert got.modes == 2
    assert got.high_quality == pytest.approx(4 / 6)
    expected = 0.25 * math.log(0.75) + 0.75 * math.log(2.25)
    assert got.reverse_kl == pytest.approx(expected)


def test_one_mode_is_the_largest_kl_and_so_is_none():
    one = mode_coverage(np.tile(ring().centres[:1], (100, 1)), "ring")
    assert one == (1, 8, 1.0, pytest.approx(math.log(8)))
    none = mode_coverage(np.full((100, 2), 5.0), "ring")
    assert none == (0, 8, 0.0, pytest.approx(math.log(8)))


def test_stacked_channels_are_classified_one_by_one_in_batches():
    digits = np.array([[1, 2, 3], [1, 2, 3], [3, 2, 1], [0, 0, 0]])
    images = np.repeat(digits[:, None, None], 2, axis=1) * 1.0

    def logits(grey):
        assert grey.shape[1:] == (2, 1, 1)
        return np.eye(4)[grey[:, 0, 0, 0].astype(int)]

    whole = stacked_coverage(images, logits, classes=4)
    assert (whole.modes, whole.of) == (3, 64)
    expected = 0.5 * math.log(32) + 0.5 * math.log(16)
    assert whole.kl == pytest.approx(expected)
    assert stacked_coverage([images[:1], images[1:]], logits, 4) == whole


def test_bad_input():
    with pytest.raises(ValueError, match="Did you mean 'ring'"):
        mode_coverage(np.zeros((5, 2)), "rings")
    with pytest.raises(ValueError, match="dimension 3 does not match 2"):
        mode_coverage(np.zeros((5, 3)), "ring")
    with pytest.raises(ValueError, match="0 samples"):
        mode_coverage(np.zeros((0, 2)), "ring")
    with pytest.raises(ValueError, match=r"\(5, 4, 4, 1\)"):
        stacked_coverage(np.zeros((5, 4, 4, 1)), None)
    with pytest.raises(ValueError, match="from 10 to 10, allowed are 0 to 9"):
        stacked_coverage(np.full((5, 4, 4, 3), 10), lambda g: g[:, 0, 0, 0])
    with pytest.raises(ValueError, match="0 samples"):
        stacked_coverage([], None)
