"""The scores of the shipped extractor grow with the damage."""

import itertools

import numpy as np
import pytest
import scipy.ndimage

from keras_ganmix.data import load
from keras_ganmix.metrics import Evaluator
from keras_ganmix.metrics.leak import shuffle_tiles

SCORES = ("frechet[fashion]", "kernel[fashion]", "frechet_early[fashion]")
COUNT = 400


@pytest.fixture(scope="module")
def score(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERAS_GANMIX_CACHE", str(tmp_path_factory.mktemp("c")))
        reference = load("fashion_mnist_10k", split="test", max_images=800)

        with pytest.warns(UserWarning, match="only"):
            evaluator = Evaluator(
                reference,
                "kernel,layers,spectra",
                num_fake=COUNT,
                floor=False,
            )
        yield lambda images: evaluator.evaluate(images).scores


@pytest.fixture(scope="module")
def images():
    return load("fashion_mnist_10k", max_images=COUNT).images


def noise(images, level):
    rng = np.random.default_rng(0)
    noisy = images + rng.normal(size=images.shape) * 128 * level
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def blur(images, level):
    return scipy.ndimage.gaussian_filter(images, (0, 4 * level, 4 * level, 0))


def shuffle(images, level):
    """Shuffles the tiles of a share of the images."""
    rng = np.random.default_rng(0)
    shuffled = images.copy()
    count = int(level * len(images))
    shuffled[:count] = shuffle_tiles(images[:count], rng)
    return shuffled


@pytest.mark.slow
@pytest.mark.parametrize("damage", [noise, blur, shuffle])
def test_scores_grow_with_the_damage(score, images, damage):
    found = [score(damage(images, level)) for level in (0, 0.15, 0.4, 0.9)]
    for name in SCORES:
        if damage is shuffle and name == "frechet_early[fashion]":
            # Its average over the image hardly sees where things are.
            continue
        values = [scores[name] for scores in found]
        assert all(a < b for a, b in itertools.pairwise(values)), (name, values)


@pytest.mark.slow
def test_low_and_high_level_damage_are_told_apart(score, images):
    """Noise is seen early and in high frequencies, shuffling late."""
    intact = score(images)
    noisy, shuffled = score(noise(images, 0.15)), score(shuffle(images, 0.9))

    def growth(scores, name):
        return scores[name] / intact[name]

    early, late = "frechet_early[fashion]", "frechet[fashion]"
    assert growth(noisy, early) > growth(shuffled, early)
    assert growth(noisy, late) < growth(shuffled, late)
    high, low = "spectrum_decibels_high", "spectrum_decibels_low"
    assert noisy[high] > 3 * noisy[low]
