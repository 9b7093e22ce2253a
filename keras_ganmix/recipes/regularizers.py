"""What a recipe may say about each regularizer.

The classes mirror the arguments of those in `keras_ganmix.regularizers`; a
test compares the two, names and defaults. `name` is what the regularizer's
terms are logged under, by default its type.
"""

from typing import Annotated, Literal

from pydantic import Field

from keras_ganmix.recipes.fields import (
    Allowed,
    Decay,
    Fraction,
    Kinds,
    NonNegative,
    Positive,
    PositiveInt,
    Section,
    WeightField,
)


class _Regularizer(Section):
    type: str
    name: str | None = None


class SampleMixing(_Regularizer):
    type: Literal["SampleMixing"]
    mask: Literal["mixup", "cutmix", "srmix"] = "srmix"
    mode: Literal["auto", "interpolate", "target", "as_fake", "consistency"] = (
        "auto"
    )
    apply: Literal["add", "replace", "ramp"] = "add"
    alpha: Positive = 1.0
    sigma: NonNegative = 0.1
    weight: WeightField = 1.0
    generator_weight: WeightField = 0.0


class AdaptiveMix(_Regularizer):
    type: Literal["AdaptiveMix"]
    distance: Literal["cosine", "l2"] = "cosine"
    alpha: Positive = 1.0
    noise_stddev: NonNegative = 0.05
    mix_per: Literal["batch", "sample"] = "batch"
    logits: Literal["sum", "mean", "plain"] = "sum"
    weight: WeightField = 1.0
    generator_weight: WeightField = 1.0


_Policy = Literal[
    "rotation", "flipping", "fliprot", "cropping", "translation", "cutout"
]


class DAG(_Regularizer):
    type: Literal["DAG"]
    policy: Annotated[
        _Policy | Annotated[list[_Policy], Field(min_length=1)],
        Allowed(
            "rotation, flipping, fliprot, cropping, translation, cutout, or "
            "a list of them"
        ),
    ] = "rotation"
    weight: WeightField = 0.2
    generator_weight: WeightField = 0.2
    normalize: Literal["k-1", "official"] = "k-1"
    heads: Literal["per_transform", "shared"] = "per_transform"
    real_only: bool = False


class DiversityPenalty(_Regularizer):
    type: Literal["DiversityPenalty"]
    scale: Positive = 5.0
    weight: WeightField = 1.0
    latent_weighting: Literal["ratio", "threshold"] = "ratio"


class ModeSeeking(_Regularizer):
    type: Literal["ModeSeeking"]
    weight: WeightField = 1.0


class GDPP(_Regularizer):
    type: Literal["GDPP"]
    weight: WeightField = 1.0


class Deshuffle(_Regularizer):
    type: Literal["Deshuffle"]
    grid: PositiveInt = 3
    permutations: PositiveInt = 30
    selection: Literal["affine", "greedy"] = "affine"
    discriminator_weight: WeightField = 1.0
    generator_weight: WeightField = 0.5


class Rotation(_Regularizer):
    type: Literal["Rotation"]
    discriminator_weight: WeightField = 1.0
    generator_weight: WeightField = 0.2
    fraction: Fraction = 1.0


class R1(_Regularizer):
    type: Literal["R1"]
    weight: WeightField = 10.0


class R2(_Regularizer):
    type: Literal["R2"]
    weight: WeightField = 10.0


class GradientPenalty(_Regularizer):
    type: Literal["GradientPenalty"]
    weight: WeightField = 10.0


class Consistency(_Regularizer):
    type: Literal["Consistency"]
    weight: WeightField = 10.0


class DiffAugment(_Regularizer):
    type: Literal["DiffAugment"]


class AdaptiveAugment(_Regularizer):
    type: Literal["AdaptiveAugment"]


class LeCam(_Regularizer):
    type: Literal["LeCam"]
    weight: WeightField = 0.3
    decay: Decay = 0.99


_ALL = (
    SampleMixing,
    AdaptiveMix,
    DAG,
    DiversityPenalty,
    ModeSeeking,
    GDPP,
    Deshuffle,
    Rotation,
    R1,
    R2,
    GradientPenalty,
    Consistency,
    DiffAugment,
    AdaptiveAugment,
    LeCam,
)
REGULARIZERS = Kinds("type", {model.__name__: model for model in _ALL})
