"""Dealing a batch out to updates, and what replicas must agree on."""

import math

import tensorflow as tf


def deal(batch, n):
    """Deals a batch out to n updates: sample i goes to update i % n.

    This way each update sees the same samples when the batch is spread over
    replicas as on one device.

    Args:
        batch: nested structure of tensors, batch first; what is `None` stays
            so.
        n: number of updates.

    Returns:
        List of n structures.

    Raises:
        ValueError: if a static batch size is not a multiple of n. Another one
            is refused in the step, by `tf.errors.InvalidArgumentError`.
    """
    return _split(
        batch,
        n,
        1,
        f"cannot be dealt out to {n} discriminator updates. Batch the data "
        f"set by {n} times the batch size that each is to see.",
    )


def divide(batch, n):
    """Divides the batch of an update into n parts of neighbours.

    Args:
        batch: as for `deal`.
        n: number of parts.

    Returns:
        List of n structures.

    Raises:
        ValueError: if a static batch size is not a multiple of n. Another one
            is refused in the step, by `tf.errors.InvalidArgumentError`.
    """
    return _split(
        batch,
        n,
        0,
        f"cannot be divided into {n} parts (`accumulate`); use a multiple of "
        f"{n} on each replica.",
    )


def _split(batch, n, axis, problem):
    """Takes apart a table of rows, n wide (axis 1) or n high (axis 0)."""
    if n == 1:
        return [batch]

    def split(tensor):
        if tensor is None:
            return [None] * n
        size, *shape = tensor.shape
        if size is None:
            tensor = _checked(tensor, n, f"The last batch of images {problem}")
        elif size % n:
            raise ValueError(f"A batch of {size} images {problem}")
        table = (-1, n) if axis else (n, -1)
        return tf.unstack(tf.reshape(tensor, (*table, *shape)), axis=axis)

    parts = [split(tensor) for tensor in tf.nest.flatten(batch)]
    return [
        tf.nest.pack_sequence_as(batch, [part[i] for part in parts])
        for i in range(n)
    ]


def _checked(tensor, n, message):
    """The tensor, whose size is checked when it is known (not under XLA)."""
    rest = tf.shape(tensor)[0] % n
    check = tf.debugging.assert_equal(rest, 0, message=message)
    with tf.control_dependencies([check]):
        return tf.identity(tensor)


class Parts:
    """The parts of an update's batch, and the sum of their gradients.

    Iterating gives `(images, labels, prepared, draws)` of each part, which
    begins only when the gradients of the one before have been added, so that
    what it needs of memory is free again.

    Args:
        batch: `(images, labels, prepared)`; labels may be `None`.
        draws: `Draws` of the update.
        n: number of parts.
    """

    def __init__(self, batch, draws, n):
        self._parts = [
            (*part, draws.part(i, n)) for i, part in enumerate(divide(batch, n))
        ]
        self.gradients = None

    def __iter__(self):
        for part in self._parts:
            before = [
                tf.convert_to_tensor(gradient)  # those of embeddings are sparse
                for gradient in self.gradients or []
                if gradient is not None
            ]
            with tf.control_dependencies(before):
                yield part

    def add(self, gradients):
        """Adds a part's gradients, of which each may be `None`."""
        if self.gradients is not None:
            pairs = zip(self.gradients, gradients, strict=True)
            gradients = [g if s is None else tf.add_n([s, g]) for s, g in pairs]
        self.gradients = gradients


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
