"""The input pipeline: an endless stream that is a pure function of a step."""

import hashlib

import numpy as np
import tensorflow as tf

from keras_ganmix.data.lazy import LazyStore
from keras_ganmix.data.loading import load
from keras_ganmix.data.source import ArrayStore, Source, StackedStore

_INT64_MAX = 2**63 - 1


def dataset(
    source,
    *,
    batch_size,
    seed=0,
    start_step=0,
    shuffle=True,
    flip=False,
    labels=None,
    drop_remainder=True,
    repeat=True,
    prefetch=True,
):
    """Streams batches; batch `s` depends on nothing but `(seed, s)`.

    Each epoch is a new uniform permutation of all pictures, keyed by the seed
    and the epoch, cut into batches. With `drop_remainder` the pictures that
    do not fill the last batch sit out this epoch: others each time when
    shuffled. So `start_step=k` continues a stream exactly where one that
    started at 0 stood after k batches, also in the middle of an epoch.

    An endless stream needs `steps_per_epoch` in `fit`.

    Works under `tf.distribute` with a global `batch_size` on axis 0: the
    auto-shard policy is DATA, so that every worker makes the global batches
    and keeps its replicas' slices of them.

    Args:
        source: a `Source`, or anything that `load` takes.
        batch_size: pictures per batch, over all replicas.
        seed: integer from 0; another seed is another order.
        start_step: the step of the first batch.
        shuffle: False keeps the order of the source.
        flip: mirror each picture left to right with probability 1/2, keyed
            by the seed and the step.
        labels: None yields labels if the source has them, True requires
            them, False yields images only.
        drop_remainder: False ends each epoch with a smaller batch (and
            `start_step` counts it).
        repeat: False ends after one epoch.
        prefetch: prepare batches ahead.

    Returns:
        `tf.data.Dataset` of images, or of (images, labels): float32
        (batch_size, h, w, c) in [-1, 1] (points: (batch_size, d), as they
        are) and int32 (batch_size,).

    Raises:
        ValueError: if `batch_size` exceeds the data set, labels are required
            and missing, points are to be flipped, or a number is out of range.
    """
    if not isinstance(source, Source):
        source = load(source)
    _check(source, batch_size, seed, start_step, flip, labels)
    with_labels = source.labels is not None and labels is not False
    fetch = _fetcher(source.store)
    label_tensor = None
    if with_labels:
        with tf.device("CPU:0"):
            label_tensor = tf.constant(source.labels)
    flip_key = _key(seed, "flip")

    def make_batch(step, indices):
        images = fetch(indices)
        if flip:
            images = _flip(images, flip_key, step)
        if images.dtype == tf.uint8:
            images = tf.cast(images, tf.float32) / 127.5 - 1.0
        if label_tensor is None:
            return images
        return images, tf.gather(label_tensor, indices)

    batches = _index_batches(
        len(source), batch_size, seed, start_step, shuffle, drop_remainder
    )
    cardinality = tf.data.INFINITE_CARDINALITY
    if not repeat:
        steps = _steps_per_epoch(len(source), batch_size, drop_remainder)
        cardinality = max(0, steps - int(start_step))
        batches = batches.take(cardinality)
    # Gathering alone is faster without threads.
    busy = flip or not isinstance(source.store, ArrayStore)
    parallel = {"num_parallel_calls": tf.data.AUTOTUNE, "deterministic": True}
    stream = batches.map(make_batch, **(parallel if busy else {}))
    # `take` and `flat_map` hide the length that progress bars show.
    stream = stream.apply(tf.data.experimental.assert_cardinality(cardinality))
    if prefetch:
        stream = stream.prefetch(2)
    return stream.with_options(_options())


def _check(source, batch_size, seed, start_step, flip, labels):
    for name, got, low in (
        ("batch_size", batch_size, 1),
        ("seed", seed, 0),
        ("start_step", start_step, 0),
    ):
        if (
            not isinstance(got, (int, np.integer))
            or isinstance(got, bool)
            or not low <= got <= _INT64_MAX
        ):
            raise ValueError(
                f"{name}: {got!r}; expected an integer from {low}."
            )
    if batch_size > len(source):
        raise ValueError(
            f"batch_size: {batch_size} is more than the {len(source)} pictures "
            f"of {source.name!r}; use a smaller batch or more data."
        )
    if labels not in (None, True, False):
        raise ValueError(f"labels: {labels!r}; allowed: None, True, False.")
    if labels is True and source.labels is None:
        raise ValueError(
            f"labels: {source.name!r} has none; use labels=False or a "
            "labelled source (in a folder, the sub-folders are the classes)."
        )
    if flip and source.is_points:
        raise ValueError(
            f"flip: {source.name!r} holds points, which cannot be mirrored; "
            "use flip=False."
        )


def _key(seed, purpose):
    """Two int32 numbers that belong to this seed and purpose."""
    digest = hashlib.sha256(f"keras_ganmix.data/{purpose}/{seed}".encode())
    return np.frombuffer(digest.digest()[:8], "<i4").astype(np.int32)


def _steps_per_epoch(count, batch_size, drop_remainder):
    whole = count // batch_size
    return whole if drop_remainder else -(-count // batch_size)


def _index_batches(
    count, batch_size, seed, start_step, shuffle, drop_remainder
):
    """Dataset of (step, indices of the batch), endless."""
    steps = _steps_per_epoch(count, batch_size, drop_remainder)
    first_epoch = int(start_step) // steps
    key = _key(seed, "order").astype(np.int64)

    def epoch_batches(epoch):
        indices = tf.range(count, dtype=tf.int64)
        if shuffle:
            # A full permutation per epoch: `index_shuffle` would be lazy, but
            # its permutations of neighbouring seeds are strongly correlated.
            mixed = tf.random.experimental.stateless_fold_in(key, epoch)
            indices = tf.random.experimental.stateless_shuffle(indices, mixed)
        begin = tf.where(epoch == first_epoch, start_step % steps, 0)
        begin = tf.cast(begin, tf.int64)
        numbers = tf.data.Dataset.range(begin, steps)
        last = tf.cast(count, tf.int64)

        def cut(number):
            low = number * batch_size
            high = tf.minimum(low + batch_size, last)
            batch = indices[low:high]
            if drop_remainder:
                batch = tf.ensure_shape(batch, (batch_size,))
            return epoch * steps + number, batch

        return numbers.map(cut)

    epochs = tf.data.Dataset.range(first_epoch, _INT64_MAX)
    return epochs.flat_map(epoch_batches)


def _fetcher(store):
    """Function of an index tensor (b,) that returns the pictures."""
    if isinstance(store, LazyStore):

        def decode(indices):
            images = tf.numpy_function(
                store.take, [indices], tf.as_dtype(store.dtype), stateful=False
            )
            return tf.ensure_shape(images, (indices.shape[0], *store.shape))

        return decode
    if store.tensor is None:
        with tf.device("CPU:0"):
            store.tensor = tf.constant(store.array)
        # A view of the tensor, so that the data are not held twice.
        store.array = np.asarray(store.tensor)
    pictures = store.tensor
    if not isinstance(store, StackedStore):
        return lambda indices: tf.gather(pictures, indices)
    with tf.device("CPU:0"):
        triples = tf.constant(store.triples)

    def stack(indices):
        parts = tf.gather(triples, indices)
        channels = [tf.gather(pictures, parts[:, i]) for i in range(3)]
        return tf.concat(channels, axis=-1)

    return stack


def _flip(images, key, step):
    step_key = tf.random.experimental.stateless_fold_in(
        tf.constant(key, tf.int64), step
    )
    heads = tf.random.stateless_uniform((tf.shape(images)[0],), step_key) < 0.5
    rows = tf.range(tf.shape(images)[0])
    keep, turn = tf.dynamic_partition(rows, tf.cast(heads, tf.int32), 2)
    # Turning half of the pictures costs half of `tf.where` on all of them;
    # `tf.reverse` is several times faster than a slice with step -1.
    turned = tf.reverse(tf.gather(images, turn), [2])
    stitched = tf.dynamic_stitch(
        [keep, turn], [tf.gather(images, keep), turned]
    )
    return tf.ensure_shape(stitched, images.shape)


def _options():
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = (
        tf.data.experimental.AutoShardPolicy.DATA
    )
    options.deterministic = True
    # Its thread sleeps up to a minute before it lets a run end.
    options.autotune.enabled = False
    return options
