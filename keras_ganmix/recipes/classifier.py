"""The typed form of a classifier's recipe. Imports no TensorFlow."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from keras_ganmix.recipes.checks import POINT_SOURCES
from keras_ganmix.recipes.fields import (
    Decay,
    Fraction,
    Kinds,
    NonNegative,
    Positive,
    PositiveInt,
    Section,
    Seed,
    Width,
)
from keras_ganmix.recipes.schema import Checkpoint, Data, _check_name

OUTLIERS = ("digits", "uniform", "gaussian", "emoji")


class ClassifierData(Data):
    """The labelled images to train on; see `schema.Data`."""

    batch_size: Annotated[int, Field(ge=2, le=2**20)] = 128
    labels: Literal["auto"] = "auto"


class WideResNet(Section):
    """WRN-depth-width, with a head that is trained or frozen."""

    depth: Annotated[int, Field(ge=10, le=1000)] = 28
    width: Width = 10
    orthogonal_head: bool = False


class Plain(Section):
    type: Literal["plain"] = "plain"


class Mixup(Section):
    type: Literal["mixup"]
    alpha: Positive = 1.0


class CutMix(Section):
    type: Literal["cutmix"]
    alpha: Positive = 1.0


class SRMix(Section):
    type: Literal["srmix"]
    alpha: Positive = 1.0
    sigma: NonNegative = 0.1


class AdaptiveMix(Section):
    type: Literal["adaptive_mix"]
    alpha: Positive = 1.0
    noise_stddev: NonNegative = 0.05
    mix_per: Literal["batch", "sample"] = "batch"
    weight: NonNegative = 1.0


METHODS = Kinds(
    "type",
    {
        "plain": Plain,
        "mixup": Mixup,
        "cutmix": CutMix,
        "srmix": SRMix,
        "adaptive_mix": AdaptiveMix,
    },
    default="plain",
)


class Cosine(Section):
    """The rate falls to 0 along a half cosine, over all steps of the run."""

    type: Literal["cosine"]


class Steps(Section):
    """The rate is multiplied by `factor` at these shares of the run."""

    type: Literal["steps"]
    at: Annotated[list[Fraction], Field(min_length=1)] = [0.3, 0.6, 0.8]  # noqa: RUF012
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.2


SCHEDULES = Kinds("type", {"cosine": Cosine, "steps": Steps})


class SGD(Section):
    """Stochastic gradient descent with momentum.

    `weight_decay` times each trained weight is added to its gradient.
    """

    learning_rate: Positive = 0.1
    momentum: Decay = 0.9
    nesterov: bool = True
    weight_decay: NonNegative = 5e-4
    schedule: SCHEDULES.annotation | None = Cosine(type="cosine")


class ClassifierTrain(Section):
    """How long: `epochs` of the data, or `steps` if they are given.

    An epoch is as many whole batches as there are in the data.
    """

    epochs: PositiveInt = 20
    steps: PositiveInt | None = None
    seed: Seed = 0
    log_every: PositiveInt = 50


Level = Annotated[float, Field(gt=0, le=255)]


class ClassifierEvaluate(Section):
    """What is measured after the last step, on held-out images.

    `fgsm` lists the strengths of attacks in pixel values of [0, 255], `ood`
    the images that are none of the data's.
    """

    split: Annotated[str, Field(min_length=1)] = "test"
    fgsm: list[Level] = [1.0, 2.0, 4.0, 8.0]  # noqa: RUF012
    ood: list[Literal[OUTLIERS]] = list(OUTLIERS)  # noqa: RUF012
    noise_images: Annotated[int, Field(ge=20, le=10**6)] = 2000


class ClassifierRecipe(Section):
    """Everything that makes a run of `keras_ganmix.classify`."""

    #: What may differ between a run and the recipe that continues it.
    FREE: ClassVar = (
        "description",
        "name",
        "data.cache",
        "train.log_every",
        "checkpoint",
        "evaluate",
    )

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    kind: Literal["classifier"]
    name: Annotated[str, AfterValidator(_check_name)]
    description: str = ""
    data: ClassifierData
    network: WideResNet = WideResNet()
    method: METHODS.annotation = Plain()
    optimizer: SGD = SGD()
    train: ClassifierTrain = ClassifierTrain()
    checkpoint: Checkpoint = Checkpoint()
    evaluate: ClassifierEvaluate | None = ClassifierEvaluate()

    @model_validator(mode="after")
    def _check_combinations(self):
        problems = list(self._problems())
        if problems:
            raise PydanticCustomError(
                "combination",
                "sections that do not go together",
                {"problems": problems},
            )
        return self

    def _problems(self):
        if self.data.source in POINT_SOURCES:
            yield (
                "data.source",
                f"{self.data.source!r} has points; a classifier needs images",
            )
        if self.network.depth % 6 != 4:
            yield (
                "network.depth",
                f"got {self.network.depth}; allowed: 6 n + 4, as 10, 16, 22",
            )
        schedule = self.optimizer.schedule
        if isinstance(schedule, Steps) and sorted(set(schedule.at)) != list(
            schedule.at
        ):
            yield "optimizer.schedule.at", "allowed: numbers that grow"
        for name in ("fgsm", "ood"):
            listed = getattr(self.evaluate, name, [])
            if len(set(listed)) < len(listed):
                yield f"evaluate.{name}", f"got {listed}; one is there twice"

    def to_dict(self):
        """Returns the whole recipe, defaults included, as plain data."""
        return self.model_dump(by_alias=True)
