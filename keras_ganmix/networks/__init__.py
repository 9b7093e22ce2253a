"""Generators and discriminators from the papers, by name.

Each family is a module with `generator(image_shape, ...)` and
`discriminator(image_shape, ...)`, which return functional Keras models:

- `mlp`: dense networks for 2-D toy data (or small images).
- `dcgan`: strided convolutions (Radford et al. 2015).
- `sngan`: residual networks with a spectrally normalised discriminator
  (Miyato et al. 2018; Miyato & Koyama 2018 with classes).
- `wgan_gp`: residual networks with layer normalisation in the
  discriminator (Gulrajani et al. 2017).

Beside them `wide_resnet` has a `classifier(image_shape, num_classes, ...)`
(Zagoruyko & Komodakis 2016).

Models take latents or [latents, labels], images or [images, labels]. Images
are float32, NHWC, in [-1, 1]; labels are int32 scalars in
[0, num_classes); discriminators return float32 logits of shape (batch, 1).

This module knows the names and the arguments without TensorFlow, so that a
recipe is checked before TensorFlow is loaded.
"""

import importlib

from keras_ganmix.networks import checks
from keras_ganmix.networks.checks import SIZES
from keras_ganmix.utils.names import unknown

__all__ = ["NAMES", "SIZES", "arguments", "build", "check"]

KINDS = ("generator", "discriminator")
_ARGUMENTS = {
    ("mlp", "generator"): (
        "image_shape",
        "latent_dim",
        "hidden",
        "layers",
        "activation",
        "batch_norm",
        "maxout_pieces",
        "orthogonal_gain",
        "num_classes",
        "synchronized",
        "width",
    ),
    ("mlp", "discriminator"): (
        "image_shape",
        "hidden",
        "layers",
        "activation",
        "batch_norm",
        "maxout_pieces",
        "orthogonal_gain",
        "num_classes",
        "synchronized",
        "width",
        "packing",
    ),
    ("dcgan", "generator"): (
        "image_shape",
        "latent_dim",
        "width",
        "num_classes",
        "kernel_size",
        "synchronized",
    ),
    ("dcgan", "discriminator"): (
        "image_shape",
        "width",
        "num_classes",
        "kernel_size",
        "normalization",
        "synchronized",
        "packing",
    ),
    ("sngan", "generator"): (
        "image_shape",
        "latent_dim",
        "width",
        "num_classes",
        "synchronized",
    ),
    ("sngan", "discriminator"): ("image_shape", "width", "num_classes"),
    ("wgan_gp", "generator"): (
        "image_shape",
        "latent_dim",
        "width",
        "num_classes",
        "synchronized",
    ),
    ("wgan_gp", "discriminator"): (
        "image_shape",
        "width",
        "num_classes",
        "layer_norm",
    ),
}
NAMES = tuple(dict.fromkeys(name for name, _ in _ARGUMENTS))


def arguments(kind, name):
    """Returns the names of a builder's arguments.

    Args:
        kind: `"generator"` or `"discriminator"`.
        name: a family, one of `NAMES`.

    Returns:
        Tuple of strings.

    Raises:
        ValueError: for an unknown kind or family.
    """
    if kind not in KINDS:
        raise ValueError(unknown("kind of network", kind, KINDS))
    if name not in NAMES:
        raise ValueError(unknown("network", name, NAMES))
    return _ARGUMENTS[name, kind]


def check(kind, name, **kwargs):
    """Raises if `build` could not use these arguments. Needs no TensorFlow.

    Args:
        kind: `"generator"` or `"discriminator"`.
        name: a family, one of `NAMES`.
        **kwargs: what `build` would be given.

    Raises:
        ValueError: for an unknown kind, family or argument, an image shape
            that the family does not support, or a number out of range.
    """
    allowed = arguments(kind, name)
    for key in kwargs:
        if key not in allowed:
            raise ValueError(
                unknown(f"argument of {name}.{kind}", key, allowed)
            )
    if "image_shape" not in kwargs:
        raise ValueError(
            f"image_shape: missing; {name}.{kind} needs (size, size, channels)"
        )
    if name == "mlp":
        checks.any_shape(kwargs["image_shape"])
    else:
        checks.image_shape(kwargs["image_shape"], name)
    numbers = ("latent_dim", "width", "hidden", "layers", "kernel_size")
    for key in (*numbers, "num_classes", "maxout_pieces", "packing"):
        if kwargs.get(key) is not None:
            checks.positive(key, kwargs[key])
    checks.choice("activation", kwargs.get("activation"), checks.ACTIVATIONS)
    checks.choice(
        "normalization", kwargs.get("normalization"), checks.NORMALIZATIONS
    )


def build(kind, name, **kwargs):
    """Builds a generator or a discriminator.

    Args:
        kind: `"generator"` or `"discriminator"`.
        name: a family, one of `NAMES`.
        **kwargs: arguments of the family's builder; `image_shape` is needed.

    Returns:
        A functional `keras.Model`.

    Raises:
        ValueError: see `check`.

    Example:

    >>> generator = build("generator", "dcgan", image_shape=(32, 32, 1))
    >>> generator.output_shape
    (None, 32, 32, 1)
    """
    check(kind, name, **kwargs)
    family = importlib.import_module(f"keras_ganmix.networks.{name}")
    return getattr(family, kind)(**kwargs)


def __getattr__(name):
    if name in (*NAMES, "wide_resnet"):
        return importlib.import_module(f"keras_ganmix.networks.{name}")
    raise AttributeError(
        f"module 'keras_ganmix.networks' has no attribute {name!r}"
    )


def __dir__():
    return sorted({*__all__, *NAMES, "wide_resnet"})
