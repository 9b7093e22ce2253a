"""Generated images from a run, a SavedModel or a folder."""

import typing

import numpy as np
import tensorflow as tf

from keras_ganmix import building, data, recipes
from keras_ganmix.generating.folders import has_facts, newest_version
from keras_ganmix.generating.saved import load_saved
from keras_ganmix.ops.random import Draws
from keras_ganmix.recipes.source import open_source
from keras_ganmix.run_folder import RunFolder
from keras_ganmix.sampling import sample_batches
from keras_ganmix.state import RunState, existing

_BATCH = 64


class Fakes(typing.NamedTuple):
    """Where fakes come from.

    Attributes:
        image_shape: (H, W, C), or (2,) for points.
        batches: function of a count, a seed and the number of classes (or
            `None`) that yields batches of images, or `(images, labels)`.
        ema: whether they come from averaged weights; `None` if that is not
            known.
        step: of the run; `None` if that is not known.
        count: how many there are; `None` where more can be made.
    """

    image_shape: tuple
    batches: typing.Callable
    ema: bool | None = None
    step: int | None = None
    count: int | None = None


def load_run(run, checkpoint="newest"):
    """The GAN of a run.

    Args:
        run: its folder.
        checkpoint: `"newest"`, or `"best"` by the score that the run watched.

    Returns:
        `(gan, source)`: the `GAN` and the `data.Source` of its training.

    Raises:
        ValueError: if there is no checkpoint, or it does not fit.
    """
    folder = RunFolder(run)
    recipe = recipes.load(folder.recipe)
    directory = {"newest": folder.checkpoints, "best": folder.best}[checkpoint]
    if not existing(directory):
        raise ValueError(f"--run {run}: holds no {checkpoint} checkpoint")
    building.set_up(recipe)
    source = open_source(recipe)
    gan = building.build_gan(recipe, source)
    RunState(gan, directory).restore()
    return gan, source


def of_gan(gan):
    """Fakes of a GAN's averaged generator."""
    return Fakes(
        gan.image_shape,
        _drawn_from(gan),
        ema=gan.ema_generator is not None,
        step=int(gan.step.numpy()),
    )


def _drawn_from(generator):
    def batches(count, seed, num_classes):
        for images, labels in sample_batches(generator, count, seed=seed):
            yield images if labels is None else (images, labels)

    return batches


def of_saved_model(folder, distribution="normal"):
    """Fakes of a SavedModel: an export of this package, or any other.

    Args:
        folder: the SavedModel, or the folder of its versions.
        distribution: of the latents of another's SavedModel, see
            `Draws.latents`; an export knows its own.

    Raises:
        ValueError: if it is none, or has another signature.
    """
    folder = newest_version(folder)
    if not has_facts(folder):
        return _of_signature(folder, distribution)
    generator = load_saved(folder)
    return Fakes(
        tuple(generator.image_shape),
        _drawn_from(generator),
        ema=generator.averaged,
        step=generator.step,
    )


def _of_signature(folder, distribution):
    """Fakes of a SavedModel's signature `serving_default`.

    Args:
        folder: the SavedModel. The signature takes `latents` and, where it is
            conditional, integer `labels`; it returns `images`, or nothing
            else, as uint8 or floats in [-1, 1]. Labels go round the classes.
        distribution: of the latents, see `Draws.latents`.

    Raises:
        ValueError: if it is none, or has another signature.
    """
    try:
        model = tf.saved_model.load(str(folder))
    except (OSError, ValueError) as error:
        raise ValueError(f"--savedmodel {folder}: {error}") from error
    signature = model.signatures.get("serving_default")
    inputs = {}
    if signature is not None:
        inputs = signature.structured_input_signature[1]
    if inputs.keys() not in ({"latents"}, {"latents", "labels"}):
        got = ", ".join(sorted(inputs)) or "none"
        raise ValueError(
            f"--savedmodel {folder}: the inputs of serving_default are "
            f"{got}; latents, or latents and labels, are needed"
        )
    dimension = inputs["latents"].shape[1]

    def make(latents, labels):
        given = {"latents": tf.constant(latents)}
        if "labels" in inputs:
            given["labels"] = tf.cast(labels, inputs["labels"].dtype)
        made = signature(**given)
        if "images" not in made and len(made) != 1:
            raise ValueError(
                f"--savedmodel {folder}: serving_default returns "
                f"{', '.join(sorted(made))}; images are needed"
            )
        return (made.get("images", next(iter(made.values())))).numpy()

    def batches(count, seed, num_classes):
        if "labels" in inputs and num_classes is None:
            raise ValueError(
                f"--savedmodel {folder}: takes labels, but the real images "
                "have none that would say how many classes there are; use "
                "labelled --data"
            )
        draws = Draws(seed, 0).scope("generate")
        latents = draws.latents("latents", (count, dimension), distribution)
        labels = np.arange(count) % (num_classes or 1)
        for i in range(0, count, _BATCH):
            images = make(latents[i : i + _BATCH], labels[i : i + _BATCH])
            if "labels" in inputs:
                yield images, labels[i : i + _BATCH]
            else:
                yield images

    images = make(np.zeros((1, dimension), np.float32), np.zeros(1))
    return Fakes(tuple(images.shape[1:]), batches)


def of_folder(folder, image_shape):
    """The images of a folder, in their order, brought to a size."""
    if len(image_shape) != 3:
        raise ValueError(
            f"--images {folder}: the real data are points, not images; score "
            "the run"
        )
    height, width, channels = image_shape
    try:
        source = data.load(
            f"folder:{folder}",
            image_size=(height, width),
            channels=channels,
            labels=False,
        )
    except ValueError as error:
        raise ValueError(f"--images {folder}: {error}") from error

    def batches(count, seed, num_classes):
        for i in range(0, min(count, len(source)), _BATCH):
            yield source.take(np.arange(i, min(i + _BATCH, len(source))))

    return Fakes(tuple(image_shape), batches, count=len(source))
