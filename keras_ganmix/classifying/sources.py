"""The data of a classifier's recipe. Needs no TensorFlow."""

import typing

import numpy as np

from keras_ganmix import data
from keras_ganmix.classifying import outliers


class Sources(typing.NamedTuple):
    """What a run trains on, and what it is tested with, if it is."""

    train: data.Source
    test: data.Source | None
    foreign: dict


def open_sources(recipe):
    """Opens all data of a recipe, so that bad ones show before training.

    Raises:
        ValueError: if data are missing, damaged or without labels, or fewer
            than a batch takes; the message begins with the key.
    """
    section = recipe.data
    train = _load("data", section, split=section.split)
    if section.batch_size > len(train):
        raise ValueError(
            f"data.batch_size: {section.batch_size} is more than the "
            f"{len(train)} of {train.name!r}; use a smaller batch or more data."
        )
    if recipe.evaluate is None:
        return Sources(train, None, {})
    test = _load(
        "evaluate",
        section,
        split=recipe.evaluate.split,
        image_size=train.image_shape[:2],
        channels=train.image_shape[2],
        max_images=None,
        max_per_class=None,
    )
    if test.num_classes > train.num_classes:
        raise ValueError(
            f"evaluate.split: {recipe.evaluate.split!r} has "
            f"{test.num_classes} classes, more than the {train.num_classes} "
            "that are trained."
        )
    _check_numbering(train.class_names, test.class_names, recipe)
    foreign = {}
    empty = np.flatnonzero(
        np.bincount(train.labels, minlength=train.num_classes) == 0
    )
    if recipe.evaluate.ood and len(empty):
        raise ValueError(
            f"evaluate.ood: no image of class {empty[0]} is trained on, and "
            "foreign images are told by the directions of all classes; use "
            "more images, or evaluate.ood=[]"
        )
    for index, name in enumerate(recipe.evaluate.ood):
        try:
            foreign[name] = outliers.load(
                name, train.image_shape, recipe.evaluate.noise_images
            )
        except ValueError as error:
            raise ValueError(f"evaluate.ood.{index}: {error}") from error
    return Sources(train, test, foreign)


def _check_numbering(trained, tested, recipe):
    """Folders number the classes that they have, so one less shifts them."""
    if trained is None or tested is None:
        return
    for old, new in zip(trained, tested, strict=False):
        if old != new:
            raise ValueError(
                f"evaluate.split: {recipe.evaluate.split!r} has the class "
                f"{new!r} where {old!r} is trained; both need the same "
                "classes."
            )


def _load(place, section, **changes):
    arguments = section.model_dump(exclude={"batch_size", "flip", "labels"})
    try:
        return data.load(**{**arguments, **changes}, labels=True)
    except ValueError as error:
        raise ValueError(f"{place}.{error}") from error


def total_steps(recipe, source):
    """How many steps a recipe asks for."""
    if recipe.train.steps is not None:
        return recipe.train.steps
    return recipe.train.epochs * (len(source) // recipe.data.batch_size)
