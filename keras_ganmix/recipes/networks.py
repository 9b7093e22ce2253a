"""What a recipe may say about each family of networks.

The classes mirror the arguments of the builders in `keras_ganmix.networks`;
a test compares the two, names and defaults.
"""

from typing import Literal

from keras_ganmix.recipes.fields import Decay, Kinds, PositiveInt, Section


class _Generator(Section):
    network: str
    latent_dim: PositiveInt = 128
    latent_distribution: Literal["normal", "uniform", "truncated"] = "normal"
    ema_momentum: Decay | None = 0.999
    conditional: bool = False


class _Discriminator(Section):
    network: str
    feature_layer: str | None = None


class MLPGenerator(_Generator):
    network: Literal["mlp"]
    width: PositiveInt = 128


class MLPDiscriminator(_Discriminator):
    network: Literal["mlp"]
    width: PositiveInt = 128


class DCGANGenerator(_Generator):
    network: Literal["dcgan"]
    width: PositiveInt = 64


class DCGANDiscriminator(_Discriminator):
    network: Literal["dcgan"]
    width: PositiveInt = 64


class SNGANGenerator(_Generator):
    network: Literal["sngan"]
    width: PositiveInt = 256


class SNGANDiscriminator(_Discriminator):
    network: Literal["sngan"]
    width: PositiveInt = 128


class WGANGPGenerator(_Generator):
    network: Literal["wgan_gp"]
    width: PositiveInt = 128


class WGANGPDiscriminator(_Discriminator):
    network: Literal["wgan_gp"]
    width: PositiveInt = 128


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

# Keys of the sections that are not arguments of the network builders.
NOT_BUILDER_ARGUMENTS = {
    "network",
    "latent_distribution",
    "ema_momentum",
    "conditional",
    "feature_layer",
}
