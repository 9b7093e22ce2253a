"""Differentiable augmentations of what the discriminator sees.

Images have shape (batch, height, width, channels), values about [-1, 1] and
any float dtype, which is kept; random numbers come in as uniforms in [0, 1).
"""

import dataclasses
from collections.abc import Callable

import keras
from keras import ops

from keras_ganmix.ops import transforms
from keras_ganmix.utils.names import unknown


def brightness(images, u):
    """Adds u - 1/2 to each image (DiffAugment, Zhao et al. 2020).

    Args:
        images: shape (batch, height, width, channels).
        u: uniforms, shape (batch,); 1/2 changes nothing.
    """
    return _blend(images, None, 1.0, _per_image(u) - 0.5)


def saturation(images, u):
    """Scales the distance from the pixel's grey value by 2 u (DiffAugment).

    Images with one channel have no saturation and are returned as they are.

    Args:
        images: shape (batch, height, width, channels).
        u: uniforms, shape (batch,); 1/2 changes nothing.
    """
    images = ops.convert_to_tensor(images)
    if images.shape[-1] == 1:
        return images
    return _blend(images, -1, 2.0 * _per_image(u), 0.0)


def contrast(images, u):
    """Scales the distance from the image's mean by u + 1/2 (DiffAugment).

    Args:
        images: shape (batch, height, width, channels).
        u: uniforms, shape (batch,); 1/2 changes nothing.
    """
    return _blend(images, (1, 2, 3), _per_image(u) + 0.5, 0.0)


def flip(images, u):
    """Mirrors images left-right where u < 1/2.

    Args:
        images: shape (batch, height, width, channels).
        u: uniforms, shape (batch,).
    """
    return apply_with_probability(
        images, transforms.flip_left_right(images), u, 0.5
    )


def rotation(images, u):
    """Rotates each image by floor(4 u) * 90 degrees counter-clockwise.

    Args:
        images: shape (batch, side, side, channels).
        u: uniforms, shape (batch,).

    Raises:
        ValueError: if the images are not square.
    """
    return transforms.rotate90(
        images, ops.cast(ops.floor(4.0 * _float(u)), "int32")
    )


def apply_with_probability(images, augmented, u, probability):
    """Returns the augmented image where u < probability, else the image.

    Args:
        images: shape (batch, ...).
        augmented: their augmented version, same shape.
        u: uniforms, shape (batch,), one gate per image.
        probability: number or scalar tensor in [0, 1].
    """
    images = ops.convert_to_tensor(images)
    gate = _float(u) < _float(probability)
    gate = ops.reshape(gate, (-1,) + (1,) * (len(images.shape) - 1))
    return ops.where(gate, augmented, images)


@dataclasses.dataclass(frozen=True)
class Piece:
    """A step of an augmentation.

    Attributes:
        function: images and uniforms of shape (batch,), or (batch, uniforms)
            if it needs several, to images.
        uniforms: how many random numbers it needs per image.
    """

    function: Callable
    uniforms: int = 1

    def __call__(self, images, u):
        return self.function(images, u[:, 0] if self.uniforms == 1 else u)


POLICIES = {
    "flip": (Piece(flip),),
    "rotation": (Piece(rotation),),
    "translation": (Piece(transforms.translate, uniforms=2),),
    "color": (Piece(brightness), Piece(saturation), Piece(contrast)),
    "cutout": (Piece(transforms.cutout, uniforms=2),),
}


def uniforms_needed(policy, gated=False):
    """Returns how many uniforms per image `augment` needs.

    Args:
        policy: names of `POLICIES`, in the order of application.
        gated: whether a probability will be given.

    Raises:
        ValueError: for an unknown name.
    """
    pieces = _pieces(policy)
    return sum(piece.uniforms + bool(gated) for piece in pieces)


def augment(images, uniforms, policy, probability=None):
    """Applies augmentations, always or each with a probability.

    Without a probability this is DiffAugment (Zhao et al. 2020,
    https://arxiv.org/abs/2006.10738): with its policy
    `("color", "translation", "cutout")` brightness, saturation and contrast,
    shifts by at most 1/8 and a square of half the side set to zero. With one,
    each piece is applied to each image independently with this probability, as
    in ADA (Karras et al. 2020, https://arxiv.org/abs/2006.06676); flips and
    rotations, when applied, still keep the image with probability 1/2 and 1/4.

    Args:
        images: shape (batch, height, width, channels).
        uniforms: shape (batch, uniforms_needed(policy, gated)), in [0, 1).
        policy: names of `POLICIES`, in the order of application.
        probability: number or scalar tensor in [0, 1], or `None` for always.

    Returns:
        Images of the same shape and dtype, differentiable in `images`.

    Raises:
        ValueError: for an unknown name, or a wrong number of uniforms.
    """
    gated = probability is not None
    uniforms = _float(uniforms)
    needed = uniforms_needed(policy, gated)
    if uniforms.shape[-1] != needed:
        raise ValueError(
            f"uniforms: got {uniforms.shape[-1]} per image, policy "
            f"{tuple(policy)} needs {needed}."
        )
    column = 0
    for piece in _pieces(policy):
        u = uniforms[:, column : column + piece.uniforms]
        column += piece.uniforms
        augmented = piece(images, u)
        if gated:
            augmented = apply_with_probability(
                images, augmented, uniforms[:, column], probability
            )
            column += 1
        images = augmented
    return images


def _pieces(policy):
    for name in policy:
        if name not in POLICIES:
            raise ValueError(unknown("augmentation", name, POLICIES))
    return [piece for name in policy for piece in POLICIES[name]]


def _blend(images, axes, factor, offset):
    """Returns (images - mean) * factor + mean + offset, in float32 inside."""
    images = ops.convert_to_tensor(images)
    x = _float(images)
    mean = 0.0 if axes is None else ops.mean(x, axis=axes, keepdims=True)
    x = (x - mean) * factor + (mean + offset)
    return ops.cast(x, keras.backend.standardize_dtype(images.dtype))


def _per_image(u):
    return ops.reshape(_float(u), (-1, 1, 1, 1))


def _float(x):
    return ops.cast(x, "float32")
