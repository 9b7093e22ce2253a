"""What a recipe may say about the two optimizers."""

from typing import Literal

from keras_ganmix.recipes.fields import (
    Decay,
    Kinds,
    NonNegative,
    NonNegativeInt,
    Positive,
    PositiveInt,
    Section,
)


class Adam(Section):
    """Adam, as Keras has it.

    Attributes:
        learning_rate: step size.
        beta_1: decay of the mean of gradients.
        beta_2: decay of the mean of their squares.
        epsilon: added to the root of the latter.
    """

    type: Literal["adam"] = "adam"
    learning_rate: Positive = 2e-4
    beta_1: Decay = 0.5
    beta_2: Decay = 0.999
    epsilon: Positive = 1e-7


class AdamW(Adam):
    """Adam with weight decay that is not part of the gradient.

    Attributes:
        weight_decay: share of a weight that goes per step, times the rate.
    """

    type: Literal["adamw"]
    weight_decay: NonNegative = 0.004


class RMSprop(Section):
    """RMSprop, as Keras has it.

    Attributes:
        learning_rate: step size.
        rho: decay of the mean of squared gradients.
        momentum: decay of the sum of updates.
        epsilon: added to the mean of squares.
    """

    type: Literal["rmsprop"]
    learning_rate: Positive = 2e-4
    rho: Decay = 0.9
    momentum: Decay = 0.0
    epsilon: Positive = 1e-7


class SGD(Section):
    """Gradient descent.

    Attributes:
        learning_rate: step size.
        momentum: decay of the sum of updates.
        nesterov: look ahead by the momentum.
    """

    type: Literal["sgd"]
    learning_rate: Positive = 0.01
    momentum: Decay = 0.0
    nesterov: bool = False


OPTIMIZERS = Kinds(
    "type",
    {"adam": Adam, "adamw": AdamW, "rmsprop": RMSprop, "sgd": SGD},
    default="adam",
)


class LinearDecay(Section):
    """The learning rates fall from step `start` to step `end`.

    They go from their value to `final` times their value; `end: null` is
    the last step of the run.

    Attributes:
        start: step at which the decay begins.
        end: step at which it ends.
        final: factor at the end.
    """

    type: Literal["linear_decay"] = "linear_decay"
    start: NonNegativeInt = 0
    end: PositiveInt | None = None
    final: Decay = 0.0


class Optimizer(Section):
    """One optimizer for each network, and their common schedule.

    Attributes:
        generator: its optimizer.
        discriminator: its optimizer.
        schedule: of both rates; null for constant ones.
    """

    generator: OPTIMIZERS.annotation = Adam()
    discriminator: OPTIMIZERS.annotation = Adam()
    schedule: LinearDecay | None = None
