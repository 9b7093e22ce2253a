"""Cutting images into tiles and putting them back in another order."""

import tensorflow as tf
from keras import ops


def shuffle_tiles(images, permutations, grid):
    """Puts tile `permutations[b, t]` of image b at position t.

    Tiles are numbered row by row. Their sides are height // grid and
    width // grid, the grid starts at the top left, and what remains at the
    right and bottom is cut. The result is padded back by reflection of its
    border, half of the remainder on each side and the odd pixel at the left and
    top, as in the released code of DeshuffleGAN (Baykal et al. 2020,
    https://arxiv.org/abs/2011.01730), where a pad is never above one pixel.

    Args:
        images: shape (batch, height, width, channels), any dtype; all but the
            batch static.
        permutations: integers, shape (batch, grid * grid), each row a
            permutation of range(grid * grid).
        grid: tiles per side.

    Returns:
        Tensor of the shape and dtype of `images`.

    Raises:
        ValueError: if the grid is larger than the images.
    """
    images = ops.convert_to_tensor(images)
    height, width, channels = images.shape[1:]
    if not 1 <= grid <= min(height, width):
        raise ValueError(
            f"grid: {grid} is not allowed for images of {height} x {width} "
            f"pixels; use 1 to {min(height, width)}."
        )
    rows, columns = grid * (height // grid), grid * (width // grid)
    if (rows, columns) != (height, width):
        images = images[:, :rows, :columns]
    # A strip is one pixel row of one tile: contiguous, so that tiles move by a
    # single gather without transposing.
    strips = ops.reshape(images, (-1, rows * grid, columns // grid * channels))
    strips = _move(strips, ops.cast(permutations, "int32"), grid)
    images = ops.reshape(strips, (-1, rows, columns, channels))
    if (rows, columns) != (height, width):
        pads = [_pad(height - rows), _pad(width - columns)]
        images = ops.pad(images, [(0, 0), *pads, (0, 0)], mode="symmetric")
    return images


def inverse_permutation(permutations):
    """Returns the permutations that undo `permutations`.

    Args:
        permutations: integers, shape (..., n), permutations of range(n).

    Returns:
        int32 tensor q of the same shape with `p[q[i]] = q[p[i]] = i`.
    """
    return ops.cast(ops.argsort(permutations, axis=-1), "int32")


def _pad(remainder):
    return (remainder + 1) // 2, remainder // 2


def _move(strips, permutations, grid):
    # The gradient of moving tiles is moving them back. TensorFlow's own is a
    # scatter, which is several times slower.
    @tf.custom_gradient
    def move(strips):
        def gradient(upstream):
            return _move(upstream, inverse_permutation(permutations), grid)

        index = _strip_index(permutations, grid, strips.shape[1])
        return tf.gather(strips, index, batch_dims=1), gradient

    return move(strips)


def _strip_index(permutations, grid, count):
    source = ops.reshape(permutations, (-1, grid, 1, grid))
    height = count // (grid * grid)
    line = ops.reshape(ops.arange(height, dtype="int32"), (1, 1, height, 1))
    strip = ((source // grid) * height + line) * grid + source % grid
    return ops.reshape(strip, (-1, count))
