import numpy as np
import pytest
from PIL import Image

from keras_ganmix.metrics import closest_pairs_picture, measure_memorisation


def draw(count, seed, size=6):
    rng = np.random.default_rng(seed)
    return rng.integers(256, size=(count, size, size, 1), dtype=np.uint8)


def test_held_out_like_fakes_are_calibrated():
    train, held_out = draw(300, 0), draw(400, 1)
    results = [
        measure_memorisation(draw(400, seed), train, held_out, expected=0.05)
        for seed in range(2, 12)
    ]
    assert np.mean([r.closer for r in results]) == pytest.approx(0.5, abs=0.04)
    assert np.mean([r.copied for r in results]) == pytest.approx(0.05, abs=0.03)
    assert np.mean([r.median_ratio for r in results]) == pytest.approx(1, 0.02)
    # One calibration set is shared, so that all lean to the same side.
    assert np.std([r.z for r in results]) == pytest.approx(0.7, abs=0.4)


def test_copies_are_found_with_their_sources():
    train, held_out = draw(200, 0), draw(150, 1)
    fakes = draw(100, 2)
    fakes[30] = train[7]
    fakes[60] = train[9]
    got = measure_memorisation(fakes, train, held_out, pairs=3)
    pairs = [(p.fake, p.train, p.flipped) for p in got.closest]
    assert pairs[:2] == [(30, 7, False), (60, 9, False)]
    assert got.closest[0].distance == 0
    assert got.copied == pytest.approx(0.02, abs=0.021)
    every = measure_memorisation(train[:100], train, held_out)
    assert every.copied == every.closer == 1.0
    assert every.z > 10
    assert every.median_ratio == 0


def test_mirrored_copies_count_only_when_flips_do():
    train, held_out = draw(200, 0), draw(150, 1)
    mirrored = train[:50, :, ::-1]
    assert measure_memorisation(mirrored, train, held_out).copied == 1
    without = measure_memorisation(mirrored, train, held_out, flips=False)
    assert without.copied < 0.1


def test_rank_test_equals_scipy():
    stats = pytest.importorskip("scipy.stats")
    from keras_ganmix.metrics.memorisation import _rank_test

    rng = np.random.default_rng(3)
    one, two = rng.integers(20, size=40) * 1.0, rng.integers(25, size=60) * 1.0
    closer, z = _rank_test(one, np.sort(two))
    found = stats.mannwhitneyu(two, one)
    assert closer == pytest.approx(found.statistic / (40 * 60))
    expected = (found.statistic - 1200) / np.sqrt(40 * 60 * 101 / 12)
    assert z == pytest.approx(expected)


def test_features_of_an_extractor_are_used():
    from keras_ganmix.metrics.extractors.base import Extractor

    def histogram(images):
        return {"features": np.sort(np.asarray(images).reshape(-1, 36))}

    extractor = Extractor("histogram", histogram, (6, 6, 1), "0" * 64)
    train, held_out = draw(200, 0), draw(150, 1)
    rotated = np.rot90(train[:50], axes=(1, 2))
    got = measure_memorisation(rotated, train, held_out, extractor)
    assert got.closest[0].distance == pytest.approx(0, abs=1e-6)
    assert got.copied == 1
    assert measure_memorisation(rotated, train, held_out).copied < 0.1


def test_picture_shows_fakes_above_their_sources(tmp_path):
    train, held_out = draw(50, 0), draw(100, 1)
    fakes = np.concatenate([train[3:4, :, ::-1], train[5:6]])
    got = measure_memorisation(fakes, train, held_out, pairs=2)
    path = tmp_path / "pairs.png"
    picture = closest_pairs_picture(got, fakes, train, path)
    assert picture.shape == (13, 13, 1)
    np.testing.assert_array_equal(picture[:6, :6], picture[7:, :6])
    np.testing.assert_array_equal(picture[:6, 7:], fakes[1])
    with Image.open(path) as image:
        np.testing.assert_array_equal(np.asarray(image), picture[..., 0])
    assert train.max() == 255 and got.closest[0].flipped


def test_bad_input():
    images = draw(100, 0)
    with pytest.raises(ValueError, match="held_out: 99 samples, but at least"):
        measure_memorisation(images, images, images[:99])
    with pytest.raises(ValueError, match=r"expected: 1\.5"):
        measure_memorisation(images, images, images, expected=1.5)
    with pytest.raises(ValueError, match="fakes: images of shape"):
        measure_memorisation(draw(100, 0, size=5), images, images)
