"""What a recipe may say about each family of networks.

The classes mirror the arguments of the builders in `keras_ganmix.networks`;
a test compares the two, names and defaults. Shapes and the number of classes
come from the data, `synchronized` from `train.synchronized_batch_norm`.
"""

from typing import Literal

from keras_ganmix.networks.checks import ACTIVATIONS, NORMALIZATIONS
from keras_ganmix.recipes.fields import (
    Decay,
    Kinds,
    Positive,
    PositiveInt,
    Section,
    Small,
    Width,
)


class _Generator(Section):
    """What all generators have.

    Attributes:
        network: the family.
        conditional: whether it makes images of the class that is asked for.
    """

    network: str
    latent_dim: Width = 128
    latent_distribution: Literal["normal", "uniform", "truncated"] = "normal"
    ema_momentum: Decay | None = 0.999
    conditional: bool = False


class _Discriminator(Section):
    """What all discriminators have.

    Attributes:
        network: the family.
    """

    network: str
    feature_layer: str | None = None


class _MLP(Section):
    hidden: Width = 128
    width: Width | None = None  # the other name of hidden
    layers: Small = 2
    activation: Literal[ACTIVATIONS] = "relu"
    batch_norm: bool = False
    maxout_pieces: Small | None = None
    orthogonal_gain: Positive | None = None


class MLPGenerator(_MLP, _Generator):
    network: Literal["mlp"]
    latent_dim: Width = 2


class MLPDiscriminator(_MLP, _Discriminator):
    network: Literal["mlp"]
    packing: PositiveInt = 1


class DCGANGenerator(_Generator):
    network: Literal["dcgan"]
    width: Width = 64
    kernel_size: Small = 4


class DCGANDiscriminator(_Discriminator):
    network: Literal["dcgan"]
    width: Width = 64
    kernel_size: Small = 4
    normalization: Literal[NORMALIZATIONS] = "batch"
    packing: PositiveInt = 1


class SNGANGenerator(_Generator):
    """A residual generator.

    Attributes:
        width: channels: of all layers up to 32 pixels, above of the last
            block; null for the papers', 256 and 64.
    """

    network: Literal["sngan"]
    width: Width | None = None


class SNGANDiscriminator(_Discriminator):
    """A residual discriminator.

    Attributes:
        width: channels: of all layers up to 32 pixels, above of the first
            block; null for the papers', 128 and 64.
    """

    network: Literal["sngan"]
    width: Width | None = None


class WGANGPGenerator(_Generator):
    """A residual generator.

    Attributes:
        width: channels: of all layers up to 32 pixels, above of the last
            block; null for the authors', 128 and 64.
    """

    network: Literal["wgan_gp"]
    width: Width | None = None


class WGANGPDiscriminator(_Discriminator):
    """A residual discriminator.

    Attributes:
        width: channels: of all layers up to 32 pixels, above of the first
            block; null for the authors', 128 and 64.
    """

    network: Literal["wgan_gp"]
    width: Width | None = None
    layer_norm: bool = True


GENERATORS = Kinds(
    "network",
    {
        "mlp": MLPGenerator,
        "dcgan": DCGANGenerator,
        "sngan": SNGANGenerator,
        "wgan_gp": WGANGPGenerator,
    },
)
DISCRIMINATORS = Kinds(
    "network",
    {
        "mlp": MLPDiscriminator,
        "dcgan": DCGANDiscriminator,
        "sngan": SNGANDiscriminator,
        "wgan_gp": WGANGPDiscriminator,
    },
)

# Keys of the two sections that are arguments of the GAN, not of a network.
GAN_KEYS = (
    "latent_distribution",
    "ema_momentum",
    "conditional",
    "feature_layer",
)


def builder_arguments(section):
    """Returns what a section says to the builder of its network, as a dict."""
    return section.model_dump(exclude={"network", *GAN_KEYS})
