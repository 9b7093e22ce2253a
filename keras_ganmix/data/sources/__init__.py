"""Where pictures come from: one module per family, registered here.

Each module has `open_records(argument, split, seed)` that returns
`keras_ganmix.data.records.Records`; `argument` is what follows the colon of
the spec. Listing the names imports none of them.
"""

import importlib
import os
from typing import NamedTuple

from keras_ganmix.utils.names import unknown


class Family(NamedTuple):
    """A registered family of sources."""

    module: str
    argument: str | None
    required: bool
    help: str


FAMILIES = {
    "fashion_mnist_10k": Family(
        "embedded", None, False, "10,000 garments that come with the package"
    ),
    "fashion_mnist": Family(
        "fashion_mnist", None, False, "all 60,000 garments, where installed"
    ),
    "tfds": Family(
        "prepared", "NAME", True, "a prepared tensorflow-datasets data set"
    ),
    "folder": Family("folder", "PATH", True, "a folder of picture files"),
    "idx": Family("idx", "PATH", True, "MNIST's file format"),
    "npz": Family("npz", "PATH", True, "arrays saved by numpy.savez"),
    "tfrecord": Family(
        "tfrecord", "PATH", True, "what keras_ganmix.prepare has written"
    ),
    "emoji": Family("emoji", None, False, "Noto colour emoji"),
    "ring": Family("toys", None, False, "8 Gaussians on a circle"),
    "grid": Family("toys", None, False, "25 Gaussians on a square grid"),
    "stacked_digits": Family(
        "stacked_digits", "SOURCE", False, "three grey pictures as RGB"
    ),
}


def names():
    """The specs that exist, with the form of their argument."""
    forms = []
    for name, family in FAMILIES.items():
        if not family.required:
            forms.append(name)
        if family.argument:
            forms.append(f"{name}:{family.argument}")
    return forms


def parse(spec):
    """Splits a spec such as `"folder:cats"` into its family and argument.

    Args:
        spec: `"NAME"` or `"NAME:ARGUMENT"`.

    Returns:
        `(family, argument)`; argument is None where none was given.

    Raises:
        ValueError: if there is no such source, an argument is missing or one
            is given that the source does not take.
    """
    if not isinstance(spec, str):
        raise ValueError(
            f"source: expected a string or arrays, got {type(spec).__name__}."
        )
    name, colon, argument = spec.partition(":")
    if name not in FAMILIES:
        if os.path.exists(os.path.expanduser(spec)):
            folder = os.path.isdir(os.path.expanduser(spec))
            kinds = "'folder:{0}' or 'idx:{0}'" if folder else "'npz:{0}'"
            raise ValueError(
                f"source: {spec!r} is a path; write {kinds.format(spec)}."
            )
        raise ValueError(f"source: {unknown('source', spec, names())}")
    family = FAMILIES[name]
    if colon and not family.argument:
        raise ValueError(
            f"source: {name!r} takes no argument, got {spec!r}; write {name!r}."
        )
    if family.required and not argument:
        raise ValueError(
            f"source: {spec!r} lacks its argument; write "
            f"'{name}:{family.argument}'."
        )
    if colon and not argument:
        raise ValueError(f"source: {spec!r} ends after the colon.")
    return name, argument or None


def open_records(spec, split, seed):
    """Opens the source that `spec` names; see `Records`."""
    name, argument = parse(spec)
    module = importlib.import_module(f"{__name__}.{FAMILIES[name].module}")
    return module.open_records(
        name if FAMILIES[name].argument is None else argument, split, seed
    )


def check_split(name, split, allowed):
    """Refuses a split that a source does not have."""
    if split not in allowed:
        raise ValueError(
            f"split: {name!r} has no split {split!r}; allowed: "
            f"{', '.join(allowed)}."
        )
