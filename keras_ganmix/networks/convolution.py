"""Convolutions from and to images, which have few channels.

On a CPU the matrix kernels of TensorFlow (oneDNN) work on 16 channels at a
time, so that a convolution to 3 channels wastes 13/16 of its work. Here it
makes 2 x 2 pixels at a time, 12 channels, which `depth_to_space` lays out:
same numbers to rounding, in half the time. It is used where a generator makes
images and where the gradient at images is computed.
"""

import keras
import tensorflow as tf

_MOST_CHANNELS = 4  # of an image; 2 x 2 pixels of it fill one vector.
_AROUND = [[0, 0], [1, 1], [1, 1], [0, 0]]


@keras.saving.register_keras_serializable(package="keras_ganmix")
class Conv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D`, faster from and to images on a CPU.

    Same arguments, weights and results (to rounding). Kernels of size 3 with
    stride 1, and of size 4 with stride 2, in float32, on even sizes; all else
    is left to Keras.
    """

    def convolution_op(self, inputs, kernel):
        same = (
            self.padding == "same"
            and self.dilation_rate == (1, 1)
            and self.groups == 1
            and self.data_format == "channels_last"
        )
        form = (self.kernel_size, self.strides)
        if same and _is_helped(inputs):
            kernel = tf.convert_to_tensor(kernel)
            if form == ((3, 3), (1, 1)) and self.filters <= _MOST_CHANNELS:
                return conv_to_image(inputs, kernel)
            if inputs.shape[-1] <= _MOST_CHANNELS and form in _FORMS:
                return conv_from_image(inputs, kernel)
        return super().convolution_op(inputs, kernel)


@keras.saving.register_keras_serializable(package="keras_ganmix")
class Conv2DTranspose(keras.layers.Conv2DTranspose):
    """`keras.layers.Conv2DTranspose`, faster to images on a CPU.

    Same arguments, weights and results (to rounding). Kernels of size 4 with
    stride 2 to at most 4 channels, in float32; all else is left to Keras.
    """

    def call(self, inputs):
        helped = (
            (self.kernel_size, self.strides) == ((4, 4), (2, 2))
            and self.padding == "same"
            and self.output_padding is None
            and self.dilation_rate == (1, 1)
            and self.data_format == "channels_last"
            and self.filters <= _MOST_CHANNELS
            and _is_helped(inputs)
        )
        if not helped:
            return super().call(inputs)
        kernel = tf.convert_to_tensor(self.kernel)
        outputs = conv_transpose_to_image(inputs, kernel)
        if self.use_bias:
            outputs += self.bias
        return self.activation(outputs)


_FORMS = [((3, 3), (1, 1)), ((4, 4), (2, 2))]


def _is_helped(inputs):
    height, width = inputs.shape[1:3]
    return (
        inputs.dtype == "float32"
        and not tf.config.list_physical_devices("GPU")
        and None not in (height, width)
        and height % 2 == width % 2 == 0
    )


@tf.custom_gradient
def conv_to_image(x, kernel):
    """3 x 3 convolution to few channels, 2 x 2 pixels at a time.

    Args:
        x: float32 tensor (B, H, W, N), H and W even.
        kernel: float32 tensor (3, 3, N, C).

    Returns:
        Tensor (B, H, W, C): `tf.nn.conv2d(x, kernel, 1, "SAME")`.
    """

    def gradient(upstream):
        return (
            _input_gradient(tf.shape(x), kernel, upstream, 1),
            _kernel_gradient(x, kernel, upstream),
        )

    # Pixel (p, q) of a block uses the small kernel at (p, q) of a larger one.
    blocks = tf.nn.conv2d(x, _at_corners(kernel), 2, "SAME")
    return tf.nn.depth_to_space(blocks, 2), gradient


def _at_corners(kernel):
    """(3, 3, N, C) to (4, 4, N, 4 C): shifted by 0 or 1 in both directions."""
    shifts = [
        tf.pad(kernel, [[p, 1 - p], [q, 1 - q], [0, 0], [0, 0]])
        for p in (0, 1)
        for q in (0, 1)
    ]
    return tf.concat(shifts, axis=-1)


def _kernel_gradient(x, kernel, upstream):
    channels = kernel.shape[-1]
    blocks = tf.nn.space_to_depth(upstream, 2)
    larger = tf.raw_ops.Conv2DBackpropFilter(
        input=x,
        filter_sizes=[4, 4, kernel.shape[2], 4 * channels],
        out_backprop=blocks,
        strides=[1, 2, 2, 1],
        padding="SAME",
    )
    shifts = tf.split(larger, 4, axis=-1)
    return tf.add_n(
        [
            shifts[2 * p + q][p : p + 3, q : q + 3]
            for p in (0, 1)
            for q in (0, 1)
        ]
    )


@tf.custom_gradient
def conv_transpose_to_image(x, kernel):
    """4 x 4 transposed convolution with stride 2, 2 x 2 pixels at a time.

    Args:
        x: float32 tensor (B, H, W, N).
        kernel: float32 tensor (4, 4, C, N).

    Returns:
        Tensor (B, 2 H, 2 W, C): `tf.nn.conv2d_transpose` with padding "SAME".
    """

    def gradient(upstream):
        return (
            tf.nn.conv2d(upstream, kernel, 2, "SAME"),
            _filter_gradient(upstream, kernel, x, 2),
        )

    _, _, channels, inputs = kernel.shape
    small = tf.reshape(kernel, (2, 2, 2, 2, channels, inputs))
    small = tf.transpose(small, (0, 2, 5, 1, 3, 4))
    small = tf.reshape(small, (2, 2, inputs, 4 * channels))
    blocks = tf.nn.conv2d(x, tf.reverse(small, (0, 1)), 1, _AROUND)
    # The blocks lie across those of the result, by one pixel.
    return tf.nn.depth_to_space(blocks, 2)[:, 1:-1, 1:-1], gradient


@tf.custom_gradient
def conv_from_image(x, kernel):
    """Convolution of few channels, whose gradient at `x` is as above.

    Args:
        x: float32 tensor (B, H, W, C), H and W even.
        kernel: float32 tensor, (3, 3, C, N) for stride 1 or (4, 4, C, N) for
            stride 2.

    Returns:
        Tensor: `tf.nn.conv2d` with padding "SAME".
    """
    stride = 2 if kernel.shape[0] == 4 else 1

    def gradient(upstream):
        if stride == 2:
            at_x = conv_transpose_to_image(upstream, kernel)
        else:
            turned = tf.transpose(tf.reverse(kernel, (0, 1)), (0, 1, 3, 2))
            at_x = conv_to_image(upstream, turned)
        return at_x, _filter_gradient(x, kernel, upstream, stride)

    return tf.nn.conv2d(x, kernel, stride, "SAME"), gradient


def _input_gradient(shape, kernel, upstream, stride):
    return tf.raw_ops.Conv2DBackpropInput(
        input_sizes=shape,
        filter=kernel,
        out_backprop=upstream,
        strides=[1, stride, stride, 1],
        padding="SAME",
    )


def _filter_gradient(x, kernel, upstream, stride):
    return tf.raw_ops.Conv2DBackpropFilter(
        input=x,
        filter_sizes=kernel.shape,
        out_backprop=upstream,
        strides=[1, stride, stride, 1],
        padding="SAME",
    )
