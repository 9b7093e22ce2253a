"""Fixed transforms of images, grouped in the policies of DAG.

Policies and their order are those of Tran et al. 2021
(https://arxiv.org/abs/2006.05338). Every function takes and returns images of
shape (batch, height, width, channels) and keeps their dtype; all but the batch
must be static. Random numbers come in as uniforms.
"""

import dataclasses
from collections.abc import Callable

import tensorflow as tf
from keras import ops

from keras_ganmix.utils.names import unknown


@dataclasses.dataclass(frozen=True)
class Transform:
    """One transform of a policy, called as `transform(images, uniforms)`.

    Attributes:
        name: its name, unique within a policy.
        function: images, or images and uniforms, to images.
        uniforms: how many random numbers it needs per image. If any, they are
            passed with shape (batch, uniforms); otherwise they may be omitted.
        square: whether it needs images as high as wide.
    """

    name: str
    function: Callable
    uniforms: int = 0
    square: bool = False

    def __call__(self, images, uniforms=None):
        if self.uniforms == 0:
            return self.function(images)
        if uniforms is None:
            raise ValueError(
                f"uniforms: transform {self.name!r} needs {self.uniforms} "
                f"per image; pass shape (batch, {self.uniforms})."
            )
        return self.function(images, uniforms)


def transforms(policy):
    """Returns the transforms of a DAG policy, the identity first.

    `"rotation"`: 0, 90, 180, 270 degrees counter-clockwise. `"flipping"`:
    identity, up-down, left-right, both. `"fliprot"`: identity, up-down,
    left-right, 90 degrees. `"cropping"`: identity and the 75 % window at each
    corner, resized back. `"translation"`: identity and a random shift by at
    most 1/8. `"cutout"`: identity and a random hole of half the side.

    Args:
        policy: one of `POLICIES`.

    Returns:
        Tuple of `Transform`.

    Raises:
        ValueError: for an unknown policy.
    """
    if policy not in POLICIES:
        raise ValueError(unknown("policy", policy, POLICIES))
    return POLICIES[policy]


def identity(images):
    """Returns the images as they are."""
    return images


def flip_up_down(images):
    """Returns the images upside down."""
    return ops.flip(images, axis=1)


def flip_left_right(images):
    """Returns the images mirrored."""
    return ops.flip(images, axis=2)


def rotate90(images, k):
    """Rotates by k * 90 degrees counter-clockwise.

    Args:
        images: shape (batch, height, width, channels).
        k: a Python integer for all images, or integers of shape (batch,), one
            per image.

    Returns:
        Images of the same shape.

    Raises:
        ValueError: if the images are not square and k is not known to be even.
    """
    images = ops.convert_to_tensor(images)
    static = isinstance(k, int)
    if images.shape[1] != images.shape[2] and not (static and k % 2 == 0):
        raise ValueError(
            "images: rotation by 90 degrees needs square images, got "
            f"{images.shape[1]} x {images.shape[2]}; crop or pad them."
        )
    if static:
        return _rotate_all(images, k % 4)
    k = ops.reshape(ops.cast(k, "int32") % 4, (-1, 1, 1, 1))
    images = ops.where(k % 2 == 1, ops.transpose(images, (0, 2, 1, 3)), images)
    images = ops.where(
        ops.logical_or(k == 1, k == 2), flip_up_down(images), images
    )
    return ops.where(k >= 2, flip_left_right(images), images)


def _rotate_all(images, k):
    if k % 2 == 1:
        images = ops.transpose(images, (0, 2, 1, 3))
    if k in (1, 2):
        images = flip_up_down(images)
    if k in (2, 3):
        images = flip_left_right(images)
    return images


def crop_corner(images, bottom, right, share=0.75):
    """Cuts the window at a corner and resizes it back.

    The window's sides are `share` of the image's, rounded. Resizing is bilinear
    with pixel centres at half-integers; it only enlarges, so antialiasing does
    not enter.

    Args:
        images: shape (batch, height, width, channels).
        bottom: whether the window lies at the bottom, not at the top.
        right: whether the window lies at the right, not at the left.
        share: sides of the window relative to the image's, in (0, 1].
    """
    images = ops.convert_to_tensor(images)
    size = images.shape[1:3]
    height, width = (max(1, round(share * n)) for n in size)
    top = size[0] - height if bottom else 0
    left = size[1] - width if right else 0
    window = images[:, top : top + height, left : left + width]
    resized = tf.image.resize(window, size, method="bilinear")
    return ops.cast(resized, images.dtype)


def translate(images, uniforms, ratio=0.125):
    """Shifts each image by whole pixels and fills with zeros.

    As in DiffAugment (Zhao et al. 2020): shifts are uniform integers in
    [-s, s], s = floor(ratio * side + 1/2), for each axis.

    Args:
        images: shape (batch, height, width, channels).
        uniforms: in [0, 1), shape (batch, 2), for rows and columns; 1/2 is no
            shift.
        ratio: largest shift relative to the side, in [0, 1].
    """
    images = ops.convert_to_tensor(images)
    uniforms = ops.cast(uniforms, "float32")
    shifts = []
    for axis in (0, 1):
        limit = int(images.shape[axis + 1] * ratio + 0.5)
        draw = ops.floor(uniforms[:, axis] * (2 * limit + 1))
        shifts.append(ops.cast(draw, "int32") - limit)
    return shift(images, *shifts)


def shift(images, rows, columns):
    """Moves each image down and right and fills with zeros.

    Args:
        images: shape (batch, height, width, channels).
        rows: integers, shape (batch,), pixels down.
        columns: integers, shape (batch,), pixels to the right.
    """

    # The gradient of a shift is the opposite shift; that of a gather would be
    # a scatter, which is several times slower.
    @tf.custom_gradient
    def move(images):
        def gradient(upstream):
            return shift(upstream, -rows, -columns)

        height, width = images.shape[1:3]
        source_y, valid_y = _source(rows, height)
        source_x, valid_x = _source(columns, width)
        moved = tf.gather(images, source_y, batch_dims=1)
        moved = tf.gather(moved, source_x, axis=2, batch_dims=1)
        valid = ops.logical_and(
            valid_y[:, :, None, None], valid_x[:, None, :, None]
        )
        return moved * ops.cast(valid, moved.dtype), gradient

    return move(ops.convert_to_tensor(images))


def _source(offset, size):
    source = ops.arange(size, dtype="int32") - offset[:, None]
    valid = ops.logical_and(source >= 0, source < size)
    return ops.clip(source, 0, size - 1), valid


def cutout(images, uniforms, ratio=0.5):
    """Sets a square of each image to zero.

    As in DiffAugment (Zhao et al. 2020): the square has sides
    floor(ratio * side + 1/2), its centre is uniform over the image and it is
    clipped at the borders.

    Args:
        images: shape (batch, height, width, channels).
        uniforms: in [0, 1), shape (batch, 2), centre's row and column.
        ratio: sides of the square relative to the image's, in [0, 1].
    """
    images = ops.convert_to_tensor(images)
    uniforms = ops.cast(uniforms, "float32")
    inside = []
    for axis in (0, 1):
        size = images.shape[axis + 1]
        length = int(size * ratio + 0.5)
        centre = ops.floor(uniforms[:, axis] * (size + 1 - length % 2))
        start = centre[:, None] - length // 2
        position = ops.arange(size, dtype="float32")[None]
        inside.append(
            ops.logical_and(position >= start, position < start + length)
        )
    hole = ops.logical_and(
        inside[0][:, :, None, None], inside[1][:, None, :, None]
    )
    return images * ops.cast(ops.logical_not(hole), images.dtype)


def _rotation(k):
    return Transform(
        f"rotate_{90 * k}",
        lambda images: rotate90(images, k),
        square=k % 2 == 1,
    )


def _crop(bottom, right):
    name = (
        f"crop_{'bottom' if bottom else 'top'}_{'right' if right else 'left'}"
    )
    return Transform(name, lambda images: crop_corner(images, bottom, right))


_IDENTITY = Transform("identity", identity)
_UP_DOWN = Transform("flip_up_down", flip_up_down)
_LEFT_RIGHT = Transform("flip_left_right", flip_left_right)

POLICIES = {
    "rotation": (_IDENTITY, _rotation(1), _rotation(2), _rotation(3)),
    "flipping": (
        _IDENTITY,
        _UP_DOWN,
        _LEFT_RIGHT,
        Transform("flip_both", lambda images: rotate90(images, 2)),
    ),
    "fliprot": (_IDENTITY, _UP_DOWN, _LEFT_RIGHT, _rotation(1)),
    "cropping": (
        _IDENTITY,
        *(_crop(bottom, right) for bottom in (0, 1) for right in (0, 1)),
    ),
    "translation": (_IDENTITY, Transform("translate", translate, uniforms=2)),
    "cutout": (_IDENTITY, Transform("cutout", cutout, uniforms=2)),
}
