"""Scores that compare fakes with the images a generator was trained on."""

import typing

import numpy as np

from keras_ganmix.metrics.checks import check_count
from keras_ganmix.metrics.protocol import score_name

#: Fakes, and held-out images, that are looked at.
COUNT = 2000


class TrainingSetScores(typing.NamedTuple):
    """Dicts from name to number, and a `Memorisation` or `None`."""

    scores: dict
    floor: dict
    memorisation: typing.Any


def compare_with_training_set(
    metrics, fakes, train, held_out, extractor=None, seed=0
):
    """Does a generator repeat its training set, or its regularizer's damage?

    Args:
        metrics: `"memorisation"`, `"leak"` or both.
        fakes: images (N, H, W, C), see `check_images`; the first 2,000 are
            taken.
        train: `data.Source` of the training images.
        held_out: `data.Source` of other images of the same kind; 2,000 of
            them are drawn.
        extractor: `Extractor` whose features memorisation compares; `None`
            compares pixels.
        seed: of what is drawn.

    Returns:
        `TrainingSetScores`. The floor of memorisation is what no copying
        gives: half of the fakes nearer than a held-out image, 1 % called
        copies. That of a leak is the share of held-out images that the probe
        calls damaged; `detected`, the share of damaged ones, says whether it
        can see the damage at all.

    Raises:
        ValueError: too few images, or other sizes.
    """
    fakes = np.asarray(fakes)[:COUNT]
    rows = np.random.default_rng([seed, 0]).permutation(len(held_out))
    others = held_out.take(np.sort(rows[:COUNT]))
    scores, floor, found = {}, {}, None
    if "memorisation" in metrics:
        from keras_ganmix.metrics.memorisation import measure_memorisation

        check_count(len(others), "held-out images", 100, advise=False)
        found = measure_memorisation(fakes, train.images, others, extractor)
        name = None if extractor is None else extractor.name
        for key, still in (
            ("closer", 0.5),
            ("z", 0.0),
            ("copied", found.expected),
        ):
            key_name = score_name(f"memorisation_{key}", name)
            scores[key_name] = getattr(found, key)
            floor[key_name] = still
    if "leak" in metrics:
        from keras_ganmix.metrics.leak import leak_probe

        for damage, leak in leak_probe(others, fakes, seed=seed).items():
            scores[f"leak_{damage}"] = leak.fake
            floor[f"leak_{damage}"] = leak.real
            scores[f"leak_{damage}_detected"] = leak.detected
    return TrainingSetScores(scores, floor, found)
