"""Dealing a batch out to updates, and what replicas must agree on."""

import math

import tensorflow as tf


def deal(batch, n):
    """Deals a batch out to n updates: sample i goes to update i % n.

    This way each update sees the same samples when the batch is spread over
    replicas as on one device.

    Args:
        batch: nested structure of tensors, batch first.
        n: number of updates.

    Returns:
        List of n structures.

    Raises:
        ValueError: if a static batch size is not a multiple of n.
    """
    if n == 1:
        return [batch]

    def split(tensor):
        size = tensor.shape[0]
        if size is not None and size % n:
            raise ValueError(
                f"A batch of {size} images cannot be dealt out to {n} "
                f"discriminator updates. Batch the data set by {n} times the "
                "batch size that each is to see."
            )
        return tf.unstack(
            tf.reshape(tensor, (-1, n, *tensor.shape[1:])), axis=1
        )

    parts = [split(tensor) for tensor in tf.nest.flatten(batch)]
    return [
        tf.nest.pack_sequence_as(batch, [part[i] for part in parts])
        for i in range(n)
    ]


def undeal(batches):
    """The inverse of `deal`."""
    if len(batches) == 1:
        return batches[0]

    def join(*parts):
        joined = tf.stack(parts, axis=1)
        return tf.reshape(joined, (-1, *joined.shape[2:]))

    return tf.nest.map_structure(join, *batches)


def agree(gradients):
    """Makes all gradients NaN on all replicas if one of any replica is bad.

    Loss scaling skips a step whose gradients are not finite, but Keras' looks
    at the first replica only, and those of another would poison the weights.

    Args:
        gradients: list of those of one replica.

    Returns:
        The list, unchanged where all are finite on all replicas.
    """
    gradients = [tf.convert_to_tensor(g) for g in gradients]
    finite = [tf.reduce_all(tf.math.is_finite(g)) for g in gradients]
    bad = tf.cast(~tf.reduce_all(finite), tf.float32)
    replica = tf.distribute.get_replica_context()
    bad = replica.all_reduce(tf.distribute.ReduceOp.SUM, bad) > 0
    return [tf.where(bad, tf.cast(math.nan, g.dtype), g) for g in gradients]
