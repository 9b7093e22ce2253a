"""Which pictures are asked for. Needs no TensorFlow."""

import re
import typing

from keras_ganmix.utils.cli import UsageError
from keras_ganmix.utils.names import unknown

MAX_SEED = 2**63 - 1
_MAX_SEEDS = 100_000


class Picture(typing.NamedTuple):
    """The picture number `index` of the seed, with a class or `None`."""

    seed: int
    index: int
    label: int | None


def parse_seeds(text, flag):
    """Seeds of a list such as `0-35,100`.

    Raises:
        UsageError: if it is none; the message begins with the flag.
    """
    seeds = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d+)(?:\s*-\s*(\d+))?\s*", part)
        first, last = (found[1], found[2] or found[1]) if found else (0, -1)
        first, last = int(first), int(last)
        if not 0 <= first <= last <= MAX_SEED:
            raise UsageError(
                f"--{flag}: {part.strip()!r} is no seed and no range; give "
                f"numbers from 0 to {MAX_SEED} such as 0-35,100"
            )
        if last - first + len(seeds) >= _MAX_SEEDS:
            raise UsageError(
                f"--{flag}: more than {_MAX_SEEDS} seeds; ask for fewer"
            )
        seeds += range(first, last + 1)
    return seeds


def parse_labels(text, num_classes, class_names):
    """Class numbers of a list such as `3`, `0,1,2` or `Sandal,Bag`.

    Args:
        text: the list; numbers count from 0, names are those of the classes.
        num_classes: number of classes, or `None` without.
        class_names: list of names, or `None`.

    Raises:
        UsageError: for a class that does not exist.
    """
    if num_classes is None:
        raise UsageError(
            "--labels: this generator has no classes; leave the flag out"
        )
    names = [name.lower() for name in class_names or ()]
    labels = []
    for part in map(str.strip, text.split(",")):
        if part.lower() in names and not part.isdecimal():
            labels.append(names.index(part.lower()))
        elif part.isdecimal() and int(part) < num_classes:
            labels.append(int(part))
        else:
            allowed = [*map(str, range(num_classes)), *(class_names or ())]
            raise UsageError(f"--labels: {unknown('class', part, allowed)}")
    return labels


def plan_pictures(n, seed, seeds, labels, num_classes):
    """The list of `Picture`s.

    Args:
        n, seed: the first `n` pictures of one seed, or
        seeds: the first picture of each of these, where it is a list.
        labels: classes that are gone through in turn; `None` for all.
        num_classes: number of classes, or `None` without.
    """
    if seeds is None:
        places = [(seed, index) for index in range(n)]
    else:
        places = [(seed, 0) for seed in seeds]
    if num_classes is None:
        labels = [None]
    elif labels is None:
        labels = list(range(num_classes))
    return [
        Picture(*place, labels[i % len(labels)])
        for i, place in enumerate(places)
    ]


def file_name(picture):
    """Name of the PNG file of a `Picture`."""
    return f"seed{picture.seed:04d}-{picture.index:05d}.png"
