"""A trained generator, and what it takes to draw pictures from it."""

import dataclasses
import functools
import json
import typing

import keras
import tensorflow as tf

from keras_ganmix import building, recipes
from keras_ganmix.ops.pixels import to_uint8
from keras_ganmix.recipes.source import open_source
from keras_ganmix.run_folder import RunFolder
from keras_ganmix.sampling import sample
from keras_ganmix.state import (
    averaged_part,
    existing,
    read_newest,
    read_parts,
)


@dataclasses.dataclass(frozen=True)
class TrainedGenerator:
    """A generator with the facts that drawing from it needs.

    Draws like a `GAN`: `generate` gives the same pictures.

    Attributes:
        model: `keras.Model` from latents, or [latents, labels], to images.
        image_shape: (H, W, C), or (2,) for points.
        latent_dim: length of a latent vector.
        latent_distribution: `"normal"`, `"uniform"` or `"truncated"`.
        num_classes: number of classes, or `None` without.
        class_names: list of names, or `None`.
        which: `"ema"`, `"last"` or `"best"`: whose weights these are.
        step: generator updates that they have seen.
        averaged: whether they are averages over the steps.
    """

    model: keras.Model
    image_shape: tuple
    latent_dim: int
    latent_distribution: str = "normal"
    num_classes: int | None = None
    class_names: list | None = None
    which: str = "ema"
    step: int = 0
    averaged: bool = True

    @classmethod
    def of_gan(cls, gan, which="ema", class_names=None):
        """The generator of a `GAN`.

        Args:
            gan: the `GAN`.
            which: `"ema"`, or `"last"` for the weights that are trained. A
                GAN without averaged weights gives these either way.
            class_names: list of names of its classes.

        Raises:
            ValueError: if an argument is not allowed.
        """
        if which not in ("ema", "last"):
            raise ValueError(
                f"which: {which!r} is not allowed; a GAN has 'ema' and 'last'."
            )
        if gan.ema_generator is None:
            which = "last"
        if class_names is not None and len(class_names) != gan.num_classes:
            raise ValueError(
                f"class_names: {len(class_names)} names for "
                f"{gan.num_classes} classes."
            )
        return cls(
            gan.sampler if which == "ema" else gan.generator,
            tuple(gan.image_shape),
            gan.latent_dim,
            gan.latent_distribution,
            gan.num_classes,
            class_names,
            which,
            int(gan.step.numpy()),
            which == "ema",
        )

    @property
    def has_labels(self):
        """Whether pictures have classes."""
        return self.num_classes is not None

    @property
    def makes_images(self):
        """Whether it makes images; otherwise these are points."""
        return len(self.image_shape) == 3

    @functools.cached_property
    def sample_function(self):
        """The model in inference mode as a graph; images as uint8."""

        @tf.function(reduce_retracing=True)
        def sample(inputs):
            images = self.model(inputs, training=False)
            return to_uint8(images) if self.makes_images else images

        return sample

    def generate(
        self, n, labels=None, seed=None, truncation=None, batch_size=64
    ):
        """Images; see `GAN.generate`."""
        return sample(self, n, labels, seed, truncation, batch_size)


class DataFacts(typing.NamedTuple):
    """What a generator's shape depends on, and what its card says.

    Its fields are those of the file `data.json` of a run. The fingerprint
    may be that of the first images only.
    """

    source: str
    image_shape: tuple
    num_classes: int | None = None
    class_names: list | None = None
    split: str | None = None
    images: int | None = None
    fingerprint: str | None = None
    fingerprint_images: int | None = None


def load_generator(run, which="ema"):
    """The generator of a run, also of one that is still being trained.

    Only reads; neither the data nor as many devices are needed as the run
    has trained with.

    Args:
        run: the run's folder.
        which: `"ema"` for the averaged weights of the newest checkpoint,
            `"last"` for the weights that are trained, `"best"` for the
            averaged weights of the checkpoint with the best score. Where a
            run keeps no average, all three take those that are trained.

    Returns:
        `(generator, facts)`: `TrainedGenerator` and `DataFacts`.

    Raises:
        ValueError: if there is no such checkpoint, or it does not fit.
    """
    folder = RunFolder(run)
    recipe = recipes.load(folder.recipe)
    facts = data_facts(folder, recipe)
    num_classes = facts.num_classes if recipe.generator.conditional else None
    with building.dtype_policy(recipe.train.dtype):
        model = building.build_network(
            recipe, "generator", facts.image_shape, num_classes
        )
    directory = folder.best if which == "best" else folder.checkpoints
    if which == "best" and not existing(directory):
        raise ValueError(
            f"{folder.path}: keeps no best checkpoint; a recipe's section "
            "`evaluate` makes one. Take 'ema'."
        )
    path, found = read_newest(
        directory, functools.partial(_read, model, which != "last")
    )
    if path is None:
        raise ValueError(f"{directory}: holds no checkpoint")
    averaged, step = found
    if not averaged and which == "ema":
        which = "last"
    generator = TrainedGenerator(
        model,
        facts.image_shape,
        model.inputs[0].shape[1],
        recipe.generator.latent_distribution,
        num_classes,
        facts.class_names if num_classes else None,
        which,
        step,
        averaged,
    )
    return generator, facts


def data_facts(folder, recipe):
    """The facts of a run's data: its `data.json`, or else the data tell.

    Raises:
        ValueError: if there is no such file and the data cannot be opened.
    """
    if folder.data.is_file():
        values = json.loads(folder.data.read_text(encoding="utf-8"))
        values = {k: values[k] for k in DataFacts._fields if k in values}
        values["image_shape"] = tuple(values["image_shape"])
        return DataFacts(**values)
    source = open_source(recipe)
    return DataFacts(
        source.name,
        tuple(source.image_shape),
        source.num_classes,
        source.class_names,
        source.split,
        source.num_images,
        source.fingerprint() if source.in_memory else None,
    )


def _read(model, averaged, path):
    """Reads a checkpoint; returns whether averaged, and the step."""
    part = averaged_part(path) if averaged else "generator"
    step = read_parts(path, [(part, model.variables)])
    return part != "generator", step
