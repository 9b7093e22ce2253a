"""What a recipe may say about each regularizer.

The classes mirror the arguments of those in `keras_ganmix.regularizers`; a
test compares the two, names and defaults. `name` is what the regularizer's
terms are logged under, by default its type.
"""

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt
from pydantic import Field

from keras_ganmix.recipes.fields import (
    Allowed,
    Decay,
    Fraction,
    Kinds,
    NonNegative,
    NonNegativeInt,
    Positive,
    PositiveInt,
    Section,
    WeightField,
)

_Grid = Annotated[int, Ge(2), Le(64)]
_Permutations = Annotated[int, Ge(2), Le(1000)]
_Place = Literal["step", "pipeline"]
_Pooled = Literal["flattened", "pooled"]


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
    ramp_steps: PositiveInt = 10_000


class AdaptiveMix(_Regularizer):
    type: Literal["AdaptiveMix"]
    distance: Literal["cosine", "l2"] = "cosine"
    alpha: Positive = 1.0
    noise_stddev: NonNegative = 0.05
    mix_per: Literal["batch", "sample"] = "batch"
    logits: Literal["sum", "mean", "plain"] = "sum"
    apply_to: Annotated[
        list[Literal["real", "fake", "generator"]], Field(min_length=1)
    ] = ["real", "fake", "generator"]  # noqa: RUF012
    weight: WeightField = 1.0
    generator_weight: WeightField = 1.0
    where: _Place = "step"


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
    weight: WeightField = 1.0
    generator_weight: WeightField = 1.0
    normalize: Literal["k-1", "official"] = "k-1"
    heads: Literal["per_transform", "shared"] = "per_transform"
    real_only: bool = False
    pooling: Literal["average", "sum", "flatten"] = "flatten"
    spectral_norm: bool = False
    where: _Place = "step"


class DiversityPenalty(_Regularizer):
    type: Literal["DiversityPenalty"]
    scale: Positive = 5.0
    weight: WeightField = 0.01
    latent_weighting: Literal["ratio", "threshold"] = "ratio"
    threshold: Annotated[float, Ge(-1), Le(1)] = 0.5
    features: _Pooled = "flattened"
    center: bool = False
    include_diagonal: bool = False


class ModeSeeking(_Regularizer):
    type: Literal["ModeSeeking"]
    weight: WeightField = 1.0
    epsilon: Positive = 1e-5


class GDPP(_Regularizer):
    type: Literal["GDPP"]
    weight: WeightField = 1.0
    magnitude_weight: NonNegative = 1e-4
    signed: bool = False
    features: _Pooled = "flattened"


class _SelfSupervision(_Regularizer):
    discriminator_weight: WeightField = 1.0
    generator_weight: WeightField
    where: _Place = "step"
    pooling: Literal["average", "flatten"] = "average"
    spectral_norm: bool = False


class Deshuffle(_SelfSupervision):
    type: Literal["Deshuffle"]
    grid: _Grid = 3
    permutations: _Permutations = 30
    selection: Literal["affine", "greedy"] = "affine"
    generator_weight: WeightField = 0.5


class Rotation(_SelfSupervision):
    type: Literal["Rotation"]
    fraction: Annotated[float, Gt(0), Le(1)] | None = 0.25
    generator_weight: WeightField = 0.2


class R1(_Regularizer):
    type: Literal["R1"]
    weight: WeightField = 5.0


class R2(_Regularizer):
    type: Literal["R2"]
    weight: WeightField = 5.0


class GradientPenalty(_Regularizer):
    type: Literal["GradientPenalty"]
    kind: Literal["wgan_gp", "dragan"] = "wgan_gp"
    weight: WeightField = 10.0
    target: Positive = 1.0
    one_sided: bool = False


class Consistency(_Regularizer):
    type: Literal["Consistency"]
    kind: Literal["cr", "bcr", "zcr"] = "cr"
    weight: WeightField | None = None
    generator_weight: WeightField | None = None
    mirror: bool = True
    shift: Fraction = 0.125
    noise_stddev: Positive = 0.05
    where: _Place = "step"


_Augmentations = Annotated[
    list[Literal["color", "translation", "cutout", "flip", "rotation"]],
    Field(min_length=1),
]


class DiffAugment(_Regularizer):
    type: Literal["DiffAugment"]
    policy: _Augmentations = ["color", "translation", "cutout"]  # noqa: RUF012


class AdaptiveAugment(DiffAugment):
    type: Literal["AdaptiveAugment"]
    target: Annotated[float, Gt(0), Lt(1)] = 0.6
    speed: Positive = 500_000
    interval: PositiveInt = 4
    initial_probability: Fraction = 0.0


class LeCam(_Regularizer):
    type: Literal["LeCam"]
    weight: WeightField = 0.3
    decay: Decay = 0.99
    start: NonNegativeInt = 0
    form: Literal["paper", "official"] = "paper"


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
