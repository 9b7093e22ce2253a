"""Does the generator repeat its training set?

Distances of fakes to the training set say little by themselves: they are
compared with those of held-out images, which cannot have been copied.

References:
    - Meehan, Chaudhuri & Dasgupta, "A Non-Parametric Test to Detect
      Data-Copying in Generative Models", AISTATS 2020 (the rank test),
      https://arxiv.org/abs/2004.05675
    The share of copies and the flips are this project's.
"""

import dataclasses
import math

import numpy as np
from PIL import Image

from keras_ganmix.metrics.checks import check_count
from keras_ganmix.metrics.files import atomic_write
from keras_ganmix.metrics.images import check_images
from keras_ganmix.metrics.prdc import nearest_neighbours


@dataclasses.dataclass(frozen=True)
class Memorisation:
    """What `measure_memorisation` found.

    Attributes:
        closer: chance that a fake is nearer to the training set than a
            held-out image; 0.5 without copying, 1 for copies.
        z: how many standard errors `closer` is above 0.5 (rank test).
        copied: share of fakes nearer than all but the `expected` share of
            held-out images.
        expected: that share; `copied` is about as large without copying.
        median_ratio: median distance of fakes over that of held-out images.
        closest: `ClosePair`s, nearest first.
    """

    closer: float
    z: float
    copied: float
    expected: float
    median_ratio: float
    closest: tuple

    def scores(self):
        """The numbers, a dict of floats."""
        names = ("closer", "z", "copied", "expected", "median_ratio")
        return {name: getattr(self, name) for name in names}


@dataclasses.dataclass(frozen=True)
class ClosePair:
    """Fake `fake` is nearest to train image `train`, mirrored if `flipped`."""

    fake: int
    train: int
    distance: float
    flipped: bool


def measure_memorisation(
    fakes,
    train,
    held_out,
    extractor=None,
    flips=True,
    expected=0.01,
    pairs=16,
    value_range=None,
):
    """Compares fakes with held-out images by their nearest train images.

    Args:
        fakes, train, held_out: images (N, H, W, C) of one size; see
            `check_images`. `held_out` must come from the distribution of
            `train` and not be in it. A few thousand fakes and held-out images
            are enough; all of the training set should be given.
        extractor: an `Extractor`, for distances of features; `None` compares
            pixels. Blurred fakes are near to everything in pixels, so that
            features tell more.
        flips: a mirrored copy is a copy.
        expected: share of held-out images that may be called copies.
        pairs: number of closest pairs to report.
        value_range: range of float images, see `check_images`.

    Returns:
        `Memorisation`.

    Raises:
        ValueError: images of different sizes, or too few to resolve
            `expected`.
    """
    if not 0 < expected < 1:
        raise ValueError(f"expected: {expected} is not in (0, 1).")
    train = check_images(train, "train", value_range=value_range)
    shape = train.shape[1:]
    fakes = check_images(fakes, "fakes", shape, value_range)
    held_out = check_images(held_out, "held_out", shape, value_range)
    for name, images in (("fakes", fakes), ("train", train)):
        check_count(len(images), name, minimum=1, advise=False)
    check_count(
        len(held_out),
        "held_out",
        minimum=math.ceil(1 / expected),
        advise=False,
    )

    def represent(images):
        if extractor is not None:
            return extractor(images, value_range=(-1, 1))
        return images.reshape(len(images), -1)

    references = represent(train)

    def nearest(images):
        distance, index = nearest_neighbours(represent(images), references)
        mirrored = np.zeros(len(images), bool)
        if flips:
            other, where = nearest_neighbours(
                represent(images[:, :, ::-1]), references
            )
            mirrored = other < distance
            distance = np.where(mirrored, other, distance)
            index = np.where(mirrored, where, index)
        return distance, index, mirrored

    distance, index, mirrored = nearest(fakes)
    calibration = np.sort(nearest(held_out)[0])
    closer, z = _rank_test(distance, calibration)
    threshold = calibration[math.floor(expected * len(calibration))]
    order = np.argsort(distance, kind="stable")[:pairs]
    median = float(np.median(calibration))
    return Memorisation(
        closer=closer,
        z=z,
        copied=float((distance < threshold).mean()),
        expected=expected,
        median_ratio=float(np.median(distance)) / max(median, 1e-12),
        closest=tuple(
            ClosePair(
                int(i), int(index[i]), float(distance[i]), bool(mirrored[i])
            )
            for i in order
        ),
    )


def closest_pairs_picture(result, fakes, train, path=None, value_range=None):
    """Fakes (upper row) above their nearest train images (lower row).

    Args:
        result: what `measure_memorisation` returned for these images.
        fakes, train: the same images.
        path: PNG file to write; `None` writes none.
        value_range: range of float images, see `check_images`.

    Returns:
        uint8 array (2 H + 1, pairs (W + 1) - 1, C); train images are mirrored
        where the match is.
    """
    rows = []
    for images, name in ((fakes, "fake"), (train, "train")):
        chosen = np.asarray(images)[[getattr(p, name) for p in result.closest]]
        chosen = check_images(chosen, name, value_range=value_range or (-1, 1))
        if name == "train":
            for image, pair in zip(chosen, result.closest, strict=True):
                if pair.flipped:
                    image[:] = image[:, ::-1].copy()
        framed = np.pad(
            chosen, ((0, 0), (0, 1), (0, 1), (0, 0)), constant_values=1.0
        )
        rows.append(np.concatenate(list(framed), axis=1))
    picture = np.concatenate(rows, axis=0)[:-1, :-1]
    picture = np.rint((picture + 1) * 127.5).astype(np.uint8)
    if path is not None:
        mode = picture[..., 0] if picture.shape[2] == 1 else picture
        with atomic_write(path, "wb") as file:
            Image.fromarray(mode).save(file, format="PNG")
    return picture


def _rank_test(distance, calibration):
    """Mann-Whitney: P(distance < calibration), ties half, and its z."""
    below = np.searchsorted(calibration, distance, side="left")
    upto = np.searchsorted(calibration, distance, side="right")
    n, m = len(distance), len(calibration)
    closer = float((1.0 - (below + upto) / (2.0 * m)).mean())
    error = math.sqrt((n + m + 1) / (12.0 * n * m))
    return closer, (closer - 0.5) / error
