"""The kinds of values that recipe sections are made of."""

import re
from typing import Annotated, Any, Literal, Union

from annotated_types import Ge, Gt, Le, Lt
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Tag,
    field_validator,
)

from keras_ganmix.metrics.names import EXTRACTORS, check_extractor

# What TensorFlow's int32 and float32 can hold.
MOST_INTEGER = 2**31 - 1
MOST_NUMBER = 1e38


class Section(BaseModel):
    """A mapping of a recipe: typed, unknown keys refused, read only."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        validate_by_name=True,
        validate_by_alias=True,
    )

    @field_validator("*")
    @classmethod
    def _check_magnitude(cls, value):
        for kind, most in ((int, MOST_INTEGER), (float, MOST_NUMBER)):
            if type(value) is kind and abs(value) > most:
                raise ValueError(
                    f"got {value} ({kind.__name__}); allowed: at most {most}"
                )
        return value


class Allowed:
    """Says in words what a field accepts, where its type does not.

    Put into `Annotated`; error messages and the schema's table use it.
    """

    def __init__(self, text):
        self.text = text


class Weight(Section):
    """A loss weight that warms up linearly or is used every few steps.

    Attributes:
        value: the weight.
        warmup: steps over which it grows from 0.
        every: the term is computed in every n-th step, with n times its weight.
    """

    value: Annotated[float, Ge(0)]
    warmup: Annotated[int, Ge(0)] = 0
    every: Annotated[int, Ge(1)] = 1


def _weight_kind(value):
    return "mapping" if isinstance(value, (dict, Weight)) else "number"


WeightField = Annotated[
    Annotated[float, Ge(0), Tag("number")] | Annotated[Weight, Tag("mapping")],
    Discriminator(_weight_kind),
    Allowed("number >= 0, or {value: ..., warmup: steps, every: steps}"),
]

PositiveInt = Annotated[int, Ge(1)]
# Of layers: more than these would only fill the memory.
Width = Annotated[int, Ge(1), Le(2**14)]
Small = Annotated[int, Ge(1), Le(64)]
NonNegativeInt = Annotated[int, Ge(0)]
NonNegative = Annotated[float, Ge(0)]
Positive = Annotated[float, Gt(0)]
Fraction = Annotated[float, Ge(0), Le(1)]
Decay = Annotated[float, Ge(0), Lt(1)]
Seed = Annotated[int, Ge(0), Lt(2**31)]
AutoBool = Literal["auto"] | bool

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


def extractor_field(*more):
    """The annotation of an extractor's name, or one of a few others.

    A file's path is kept as an absolute one.
    """

    def check(extractor):
        return check_extractor(extractor, more)

    names = ("auto", *EXTRACTORS, *more, "path of a .keras file")
    return Annotated[str, AfterValidator(check), Allowed(", ".join(names))]


class Kinds:
    """The models among which one key of a mapping chooses.

    Args:
        key: the key whose value names the model, for example `"type"`.
        models: dict from that value to a `Section`.
        default: the value that a mapping without the key stands for.
    """

    def __init__(self, key, models, default=None):
        self.key = key
        self.models = models
        self.default = default

    def tag(self, value):
        """Returns the name of the model that a value is meant for."""
        if isinstance(value, dict):
            value = value.get(self.key, self.default)
            # Only strings can be tags; anything else is reported as it is.
            return value if isinstance(value, str) else repr(value)
        return getattr(value, self.key, None)

    @property
    def annotation(self) -> Any:
        """The pydantic annotation of a field that holds one of the models."""
        members = tuple(
            Annotated[model, Tag(tag)] for tag, model in self.models.items()
        )
        return Annotated[Union[members], Discriminator(self.tag), self]  # noqa: UP007
