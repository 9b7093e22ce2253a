"""Tensors as protocol buffers, read with care."""

import math

import numpy as np
import tensorflow as tf

from keras_ganmix.serving.server.status import invalid

# A few bytes can describe a tensor that fills the memory: protocol buffers
# may leave out repeated values.
MAX_BYTES = 256 * 2**20


def from_proto(name, proto, max_bytes=MAX_BYTES):
    """Returns the array of a `TensorProto`.

    Args:
        name: name of the input, for messages.
        proto: the `TensorProto`.
        max_bytes: the largest array that is made of it.

    Raises:
        StatusError: if it describes no array, or too large a one.
    """
    sizes = [dim.size for dim in proto.tensor_shape.dim]
    if proto.tensor_shape.unknown_rank or any(n < 0 for n in sizes):
        raise invalid(f"tensor parsing error: {name}: its shape is not known")
    try:
        dtype = tf.dtypes.as_dtype(proto.dtype)
        width = 8 if dtype == tf.string else dtype.size
    except (TypeError, KeyError):
        raise invalid(f"tensor parsing error: {name}: no such dtype") from None
    if math.prod(sizes) * width > max_bytes:
        raise invalid(
            f"tensor parsing error: {name}: shape {sizes} is more than "
            f"{max_bytes} bytes"
        )
    try:
        return tf.make_ndarray(proto)
    except (TypeError, ValueError, KeyError) as error:
        line = " ".join(str(error).split())
        raise invalid(f"tensor parsing error: {name}: {line}") from None


def fill_proto(proto, array):
    """Writes an array into a `TensorProto`, numbers as raw bytes."""
    if array.dtype == object:
        proto.dtype = tf.string.as_datatype_enum
        proto.string_val.extend(array.reshape(-1).tolist())
    else:
        proto.dtype = tf.dtypes.as_dtype(array.dtype).as_datatype_enum
        proto.tensor_content = np.ascontiguousarray(array).tobytes()
    for size in array.shape:
        proto.tensor_shape.dim.add().size = size
