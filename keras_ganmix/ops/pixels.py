"""Pixels between floats and bytes."""

import tensorflow as tf


def to_uint8(images):
    """Images in [-1, 1] as uint8 in [0, 255], rounded to the nearest.

    Args:
        images: float tensor of any shape; values outside are clipped.
    """
    images = tf.cast(images, tf.float32)
    return tf.saturate_cast(tf.round((images + 1.0) * 127.5), tf.uint8)


def to_float(images):
    """Images in uint8 as float32 in [-1, 1]."""
    return tf.cast(images, tf.float32) * (2 / 255) - 1.0
