"""Do fakes contain the artefacts of a regularizer or an augmentation?

A generator that learns from shuffled, cut, blended or rotated images may
produce them. A small classifier learns to tell real images from artificially
damaged real ones; it is then asked about the fakes.

This probe is this project's own.
"""

import typing

import numpy as np

from keras_ganmix.metrics import probes
from keras_ganmix.metrics.checks import check_count
from keras_ganmix.metrics.images import check_images
from keras_ganmix.utils.names import unknown


class Leak(typing.NamedTuple):
    """Shares of images that the probe calls damaged in one way.

    Attributes:
        fake: of the fakes.
        real: of held-out real images: the floor.
        detected: of held-out images that are damaged so; where it is low, the
            probe cannot see this damage and `fake` says nothing.
    """

    fake: float
    real: float
    detected: float


def shuffle_tiles(images, rng):
    """Cuts images into 3 x 3 tiles and permutes them, never to themselves."""
    height, width = (3 * (side // 3) for side in images.shape[1:3])
    channels = images.shape[3]
    tiles = images[:, :height, :width].reshape(
        len(images), 3, height // 3, 3, width // 3, channels
    )
    tiles = tiles.swapaxes(2, 3).reshape(
        len(images), 9, height // 3, width // 3, channels
    )
    order = rng.permuted(np.tile(np.arange(9), (len(images), 1)), axis=1)
    order[(order == np.arange(9)).all(axis=1)] = np.arange(9)[::-1]
    tiles = np.take_along_axis(tiles, order[:, :, None, None, None], axis=1)
    tiles = tiles.reshape(len(images), 3, 3, height // 3, width // 3, channels)
    out = images.copy()
    out[:, :height, :width] = tiles.swapaxes(2, 3).reshape(
        len(images), height, width, channels
    )
    return out


def cut_out(images, rng):
    """Sets a square of half the side to 0 (mid-grey), anywhere."""
    out = images.copy()
    height, width = images.shape[1:3]
    side = max(1, min(height, width) // 2)
    tops = rng.integers(height - side + 1, size=len(images))
    lefts = rng.integers(width - side + 1, size=len(images))
    for image, top, left in zip(out, tops, lefts, strict=True):
        image[top : top + side, left : left + side] = 0.0
    return out


def blend(images, rng):
    """Mixes each image with another one, shares from 0.3 to 0.7."""
    # A random cycle leaves no image with itself.
    order = rng.permutation(len(images))
    partner = np.empty_like(order)
    partner[order] = np.roll(order, 1)
    share = rng.uniform(0.3, 0.7, size=(len(images), 1, 1, 1))
    share = share.astype(np.float32)
    return share * images + (1 - share) * images[partner]


def rotate(images, rng):
    """Rotates by 90, 180 or 270 degrees (not square: by 180)."""
    if images.shape[1] != images.shape[2]:
        return images[:, ::-1, ::-1].copy()
    out = np.empty_like(images)
    turns = rng.integers(1, 4, size=len(images))
    for k in (1, 2, 3):
        out[turns == k] = np.rot90(images[turns == k], k, axes=(1, 2))
    return out


DAMAGES = {
    "blend": blend,
    "cutout": cut_out,
    "rotate": rotate,
    "shuffle": shuffle_tiles,
}


def leak_probe(
    real,
    fake,
    damages=tuple(DAMAGES),
    steps=400,
    batch_size=64,
    seed=0,
    value_range=None,
):
    """Shares of fakes that look shuffled, cut, blended or rotated.

    Args:
        real: images (N, H, W, C), at least 40; a quarter is held out for the
            floor, the others train the probe.
        fake: images (M, H, W, C).
        damages: names from `DAMAGES`: `"blend"` (Mixup), `"cutout"`,
            `"rotate"`, `"shuffle"` (tile seams). One probe tells all apart.
        steps, batch_size: of the probe's training.
        seed: of its weights, batches and damages.
        value_range: range of float images, see `check_images`.

    Returns:
        Dict from damage to `Leak(fake, real, detected)`. Compare `fake` with
        `real`; a poor generator is suspicious too, so compare it also with
        the same generator trained without the method.

    Raises:
        ValueError: unknown damages, different sizes, too few images.
    """
    for name in damages:
        if name not in DAMAGES:
            raise ValueError(unknown("damage", name, DAMAGES))
    if not damages:
        raise ValueError("damages: none given; name one or more.")
    real = check_images(real, "real", value_range=value_range)
    fake = check_images(fake, "fake", real.shape[1:], value_range)
    if min(real.shape[1:3]) < 6:
        raise ValueError(
            f"real: images of {real.shape[1:3]} are too small to be damaged; "
            "use 6 x 6 pixels or more."
        )
    check_count(len(real), "real", minimum=40, advise=False)
    check_count(len(fake), "fake", minimum=1, advise=False)
    names = tuple(sorted(set(damages)))
    rng = np.random.default_rng([seed, 0])
    order = rng.permutation(len(real))
    held_out, training = np.split(real[order], [len(real) // 4])
    classes = len(names) + 1
    # As many clean images as damaged ones: the prior of a fake is to be clean.
    each = max(2, batch_size // (2 * len(names)))
    labels = np.repeat(
        np.arange(classes), [each * len(names)] + [each] * len(names)
    )

    def batches(step):
        rng = np.random.default_rng([seed, 1, step])
        images = training[rng.integers(len(training), size=len(labels))]
        for number, name in enumerate(names, start=1):
            rows = labels == number
            images[rows] = DAMAGES[name](images[rows], rng)
        return images, labels

    model = probes.build(real.shape[1:], classes, seed, width=16)
    probes.train(model, batches, steps)

    def shares(images):
        found = probes.classify(model, images)
        return np.bincount(found, minlength=classes) / len(found)

    of_fake, of_real = shares(fake), shares(held_out)
    result = {}
    for number, name in enumerate(names, start=1):
        damaged = DAMAGES[name](held_out, np.random.default_rng([seed, 2]))
        result[name] = Leak(
            fake=float(of_fake[number]),
            real=float(of_real[number]),
            detected=float(shares(damaged)[number]),
        )
    return result
