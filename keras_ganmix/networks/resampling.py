"""Convolutions that double or halve the size, each as one operation.

A convolution after nearest-neighbour upsampling, and average pooling after
a convolution, are strided convolutions with a larger kernel: the small
kernel convolved with a 2 x 2 box. The results are equal to rounding, and
16 multiplications do the work of 36 (as in the fused layers of
[Karras et al. 2018](https://arxiv.org/abs/1710.10196)).
"""

import keras
from keras import ops


def _box(kernel):
    """Sums the four shifts of a kernel by 0 or 1: (k, k, ...) -> (k+1, ...)."""
    # Not slices of one padded kernel, whose gradients are slow.
    shifts = [
        ops.pad(kernel, [[1 - p, p], [1 - q, q], [0, 0], [0, 0]])
        for p, q in ((1, 1), (0, 1), (1, 0), (0, 0))
    ]
    return shifts[0] + shifts[1] + shifts[2] + shifts[3]


@keras.saving.register_keras_serializable(package="keras_ganmix")
class UpsampleConv2D(keras.layers.Conv2D):
    """Doubles the size by nearest neighbours, then convolves.

    Equal to `UpSampling2D()` followed by
    `Conv2D(filters, 3, padding="same")`, with the same weights.

    Args:
        filters: output channels.
        **kwargs: as of `keras.layers.Conv2D`.
    """

    def __init__(self, filters, kernel_size=3, padding="same", **kwargs):
        _check(kernel_size, padding, kwargs)
        super().__init__(filters, kernel_size, padding=padding, **kwargs)

    def convolution_op(self, inputs, kernel):
        kernel = _box(ops.flip(kernel, (0, 1)))
        return ops.conv_transpose(
            inputs,
            ops.transpose(kernel, (0, 1, 3, 2)),
            strides=2,
            padding="same",
            data_format="channels_last",
        )

    def compute_output_shape(self, input_shape):
        batch, height, width, _ = input_shape
        return (batch, _times_two(height), _times_two(width), self.filters)


@keras.saving.register_keras_serializable(package="keras_ganmix")
class ConvPool2D(keras.layers.Conv2D):
    """Convolves, then halves the size by averaging 2 x 2 pixels.

    Equal to `Conv2D(filters, 3, padding="same")` followed by
    `AveragePooling2D()`, with the same weights, for even sizes.

    Args:
        filters: output channels.
        **kwargs: as of `keras.layers.Conv2D`.
    """

    def __init__(self, filters, kernel_size=3, padding="same", **kwargs):
        _check(kernel_size, padding, kwargs)
        super().__init__(filters, kernel_size, padding=padding, **kwargs)

    def convolution_op(self, inputs, kernel):
        return ops.conv(
            inputs,
            _box(kernel) * 0.25,
            strides=2,
            padding="same",
            data_format="channels_last",
        )

    def compute_output_shape(self, input_shape):
        batch, height, width, _ = input_shape
        for name, size in (("height", height), ("width", width)):
            if size is not None and size % 2:
                raise ValueError(
                    f"ConvPool2D: {name} {size} is odd and cannot be halved"
                )
        return (batch, height // 2, width // 2, self.filters)


def _times_two(size):
    return None if size is None else 2 * size


def _check(kernel_size, padding, kwargs):
    """Refuses what the fused kernels do not do."""
    given = {"kernel_size": kernel_size, "padding": padding, **kwargs}
    allowed = {
        "kernel_size": (3, (3, 3), [3, 3]),
        "padding": ("same",),
        "strides": (1, (1, 1), [1, 1]),
        "dilation_rate": (1, (1, 1), [1, 1]),
        "groups": (1,),
        "data_format": (None, "channels_last"),
    }
    for name, values in allowed.items():
        if name in given and given[name] not in values:
            raise ValueError(
                f"{name}: {given[name]!r} is not supported; use {values[0]!r}"
            )
