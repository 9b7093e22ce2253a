"""The typed form of a recipe. Imports neither TensorFlow nor Keras."""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from keras_ganmix.data import sources
from keras_ganmix.metrics.names import METRICS
from keras_ganmix.recipes import checks
from keras_ganmix.recipes.fields import (
    NAME,
    Allowed,
    AutoBool,
    PositiveInt,
    Section,
    Seed,
    extractor_field,
)
from keras_ganmix.recipes.networks import DISCRIMINATORS, GENERATORS
from keras_ganmix.recipes.optimizers import Optimizer
from keras_ganmix.recipes.regularizers import REGULARIZERS

VERSION = 1

LOSSES = (
    "logistic",
    "minimax",
    "hinge",
    "least_squares",
    "wasserstein",
    "relativistic_average_logistic",
    "relativistic_average_least_squares",
    "relativistic_average_hinge",
    "relativistic_pairing",
)

_PATH_SOURCES = ("folder", "idx", "npz", "tfrecord")


def _check_source(source):
    try:
        family, argument = sources.parse(source)
    except ValueError as error:
        message = str(error).removeprefix("source: ")
        raise ValueError(message.replace("Unknown", "unknown", 1)) from None
    if family in _PATH_SOURCES:
        return f"{family}:{Path(os.path.expanduser(argument)).absolute()}"
    if family == "stacked_digits" and argument:
        base, _, _ = argument.partition(":")
        if base in _PATH_SOURCES:
            return f"{family}:{_check_source(argument)}"
    return source


def _check_name(name):
    if not NAME.fullmatch(name):
        raise ValueError(
            f"got {name!r}; allowed: 1 to 64 letters, digits and _ . -, "
            "starting with a letter or digit"
        )
    return name


class Data(Section):
    """Which images, and how they become batches.

    `seed` decides which images `max_images` keeps and what drawn sources
    hold; their order is decided by `train.seed`.

    Relative paths in `source` start at the current folder, and are kept as
    absolute ones, so that a saved recipe works from anywhere.

    Attributes:
        source: what is loaded, see `data.load`.
        image_size: side of the images, in pixels; null keeps the size, which
            is refused if the pictures differ in it. Toy data have none.
        labels: `auto` keeps labels that exist, `none` drops them.
    """

    source: Annotated[
        str,
        AfterValidator(_check_source),
        Allowed(", ".join(sources.names())),
    ]
    split: Annotated[str, Field(min_length=1)] = "train"
    image_size: Annotated[int, Field(ge=1, le=4096)] | None = None
    channels: Literal[1, 3] | None = None
    resize: Literal["crop", "pad", "squeeze"] = "crop"
    background: Annotated[int, Field(ge=0, le=255)] | None = None
    batch_size: Annotated[int, Field(ge=1, le=2**20)] = 64
    max_images: PositiveInt | None = None
    max_per_class: PositiveInt | None = None
    flip: bool = False
    labels: Literal["auto", "none"] = "auto"
    on_error: Literal["skip", "raise"] = "skip"
    cache: Literal["auto", "memory", "none"] = "auto"
    seed: Seed = 0


class Train(Section):
    """How long and on what terms. A step is one generator update.

    Each update works through its batch in `accumulate` parts, one after the
    other, and then applies the mean of their gradients: less memory at a time.

    `steps_per_execution` steps are made at a time, which spares tiny networks
    the way through Python; all that happens every n steps must fit to it.

    Attributes:
        steps: length of the run.
        seed: of the initial weights, the order of the data and all that is
            drawn.
        log_every: steps over which a line of the log is the mean.
        steps_per_execution: steps that TensorFlow makes at a time; 1 with
            several devices and with a schedule.
        dtype: float32, or mixed precision: half-precision arithmetic, float32
            weights and losses. `mixed_float16` scales the loss.
        deterministic: ask TensorFlow for deterministic operations, which GPUs
            need for equal runs.
        synchronized_batch_norm: batch statistics of all devices, with
            `strategy: mirrored`.
    """

    steps: PositiveInt = 10000
    discriminator_steps: Annotated[int, Field(ge=1, le=1000)] = 1
    accumulate: Annotated[int, Field(ge=1, le=1000)] = 1
    seed: Seed = 0
    log_every: PositiveInt = 50
    steps_per_execution: PositiveInt = 1
    jit_compile: AutoBool = "auto"
    dtype: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    deterministic: bool = False
    synchronized_batch_norm: bool = False


class Samples(Section):
    """Pictures of fixed latents during the run.

    Attributes:
        every: steps between pictures.
    """

    every: PositiveInt = 1000
    count: Annotated[int, Field(ge=1, le=1024)] = 64


class Gradients(Section):
    """Angles between the gradients of the terms during the run.

    Measured on fixed batches; changes nothing of what is trained.

    Attributes:
        every: steps between lines of the file.
    """

    every: PositiveInt = 100
    batches: Annotated[int, Field(ge=1, le=1024)] = 4


class Checkpoint(Section):
    """How often the state of the run is saved, how many are kept.

    Attributes:
        every: steps between checkpoints.
        keep: how many of them are kept, the newest.
    """

    every: PositiveInt = 1000
    keep: PositiveInt = 2


class Guards(Section):
    """What happens when training goes wrong.

    At NaN and infinite numbers the run goes back to its last checkpoint and
    on with other random numbers, at most `retries` times from the same one.

    Attributes:
        retries: how often it goes back to the same checkpoint.
    """

    retries: Annotated[int, Field(ge=0, le=100)] = 2
    on_saturation: Literal["warn", "stop"] = "warn"


MetricList = Annotated[list[Literal[tuple(METRICS)]], Field(min_length=1)]


class Evaluate(Section):
    """Scores of fixed latents during the run.

    The best checkpoint by the score `watch`, by default the first one, is
    kept. Evaluations that would take more than `max_share` of the wall time
    are skipped; `patience` and `on_collapse` can end the run.

    Attributes:
        every: steps between scores.
        num_fake: generated images that are scored.
        metrics: which scores.
        extractor: the network that looks at the images; `auto` takes
            `fashion` for grey images, `squeezenet` for colour; a file is a
            Keras model of your own.
        split: of the data, that fakes are compared with.
    """

    every: PositiveInt = 1000
    num_fake: Annotated[int, Field(ge=2)] = 2048
    metrics: MetricList = ["frechet"]  # noqa: RUF012
    extractor: extractor_field() = "auto"
    split: Annotated[str, Field(min_length=1)] = "test"
    watch: str | None = None
    patience: PositiveInt | None = None
    max_share: Annotated[float, Field(gt=0, le=1)] | None = 0.1
    on_collapse: Literal["warn", "stop"] = "warn"


class Recipe(Section):
    """Everything that makes a run, from the data to the number of steps.

    Attributes:
        schema: version of this format.
        name: of the run, and of its folder and its export by default.
        description: a line about it.
        data: which images.
        generator: its network.
        discriminator: its network.
        loss: the adversarial loss.
        regularizers: names of types, or mappings with a `type`.
        optimizer: of both networks.
        train: how long and on what terms.
        samples: pictures during the run; null for none.
        gradients: angles between gradients during the run; null for none.
        checkpoint: the saved states.
        guards: what happens when training goes wrong.
        evaluate: scores during the run; null for none.
        strategy: one device, all of this machine, or all of several machines.
    """

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    name: Annotated[str, AfterValidator(_check_name)]
    description: str = ""
    data: Data
    generator: GENERATORS.annotation
    discriminator: DISCRIMINATORS.annotation
    loss: Literal[LOSSES] = "logistic"
    regularizers: list[REGULARIZERS.annotation] = []  # noqa: RUF012
    optimizer: Optimizer = Optimizer()
    train: Train = Train()
    samples: Samples | None = Samples()
    gradients: Gradients | None = None
    checkpoint: Checkpoint = Checkpoint()
    guards: Guards = Guards()
    evaluate: Evaluate | None = None
    strategy: Literal["none", "mirrored", "multi_worker"] = "none"

    @model_validator(mode="after")
    def _check_combinations(self):
        problems = checks.problems(self)
        if problems:
            raise PydanticCustomError(
                "combination",
                "sections that do not go together",
                {"problems": problems},
            )
        return self

    def to_dict(self):
        """Returns the whole recipe, defaults included, as plain data."""
        return self.model_dump(by_alias=True)
