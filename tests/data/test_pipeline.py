"""The stream is a pure function of the seed and the step."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow.python.data.experimental.ops import distribute
from tensorflow.python.distribute import input_ops

from keras_ganmix.data import dataset, load


def numbered(count, shape=(4, 4, 1)):
    """Pictures whose number can be read from their pixels."""
    images = np.zeros((count, *shape), np.uint8)
    images[:, 0, 0, 0] = np.arange(count) // 256
    images[:, 0, 1, 0] = np.arange(count) % 256
    return load((images, np.arange(count)))


def flat(lists):
    return list(itertools.chain.from_iterable(lists))


def numbers(images):
    values = np.round((np.asarray(images) + 1) * 127.5).astype(int)
    return values[:, 0, 0, 0] * 256 + values[:, 0, 1, 0]


def order(stream, steps):
    return [y.numpy().tolist() for _, y in stream.take(steps)]


def equal(first, second):
    return len(first) == len(second) > 0 and all(
        np.array_equal(a, b)
        for x, y in zip(first, second, strict=True)
        for a, b in zip(x, y, strict=True)
    )


def batches(stream, steps):
    return [tuple(t.numpy() for t in item) for item in stream.take(steps)]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    random = np.random.RandomState(0)
    for i in range(30):
        (folder / str(i % 3)).mkdir(exist_ok=True)
        array = random.randint(0, 256, (9, 7, 3)).astype(np.uint8)
        Image.fromarray(array).save(folder / str(i % 3) / f"{i}.png")
    return f"folder:{folder}"


def test_values_are_exact():
    images = np.arange(256, dtype=np.uint8).reshape(4, 8, 8, 1)
    stream = dataset(images, batch_size=4, shuffle=False)
    (got,) = stream.take(1)
    assert got.dtype == tf.float32
    expected = images.astype(np.float32) / np.float32(127.5) - 1
    assert np.abs(got - expected).max() <= 2**-23
    assert got.numpy().min() == -1 and got.numpy().max() == 1


def test_labels_belong_to_their_pictures():
    for images, labels in dataset(numbered(500), batch_size=64).take(20):
        assert labels.dtype == tf.int32
        assert np.array_equal(numbers(images), labels)


@pytest.mark.parametrize("drop", [True, False])
def test_every_epoch_shows_each_picture_once(drop):
    source = numbered(50)
    steps = 4 if drop else 5
    stream = dataset(source, batch_size=12, drop_remainder=drop)
    seen = order(stream, 3 * steps)
    missed = set()
    for epoch in range(3):
        shown = flat(seen[epoch * steps : (epoch + 1) * steps])
        assert len(shown) == len(set(shown)) == (48 if drop else 50)
        missed.add(frozenset(range(50)) - frozenset(shown))
    # With dropped remainders, others sit out each time.
    assert len(missed) == (3 if drop else 1)


@pytest.mark.parametrize("drop", [True, False])
@pytest.mark.parametrize("kind", ["array", "lazy", "stacked", "points"])
def test_start_step_continues_bitwise(kind, drop, files):
    source = {
        "array": lambda: load(files),
        "lazy": lambda: load(files, cache="none"),
        "stacked": lambda: load("stacked_digits", max_images=30),
        "points": lambda: load("ring", max_images=30),
    }[kind]()
    kwargs = {
        "batch_size": 7,
        "seed": 5,
        "flip": kind != "points",
        "drop_remainder": drop,
    }
    whole = batches(dataset(source, **kwargs), 12)
    for start in (1, 4, 9):
        rest = batches(dataset(source, start_step=start, **kwargs), 12 - start)
        assert equal(rest, whole[start:])


def test_far_away_step_needs_no_running():
    source = numbered(50)
    stream = dataset(source, batch_size=10, start_step=10**12 + 3)
    first = order(stream, 4)
    assert len(set(flat(first[:2]))) == 20
    assert order(stream, 4) == first


def test_seed_changes_the_order_and_shuffle_false_keeps_it():
    source = numbered(40)
    first = order(dataset(source, batch_size=8, seed=1), 5)
    assert order(dataset(source, batch_size=8, seed=1), 5) == first
    assert order(dataset(source, batch_size=8, seed=2), 5) != first
    plain = order(dataset(source, batch_size=8, shuffle=False), 10)
    assert flat(plain) == 2 * list(range(40))


def test_permutations_are_uniform_and_independent():
    count, epochs = 12, 2000
    stream = dataset(numbered(count), batch_size=count)
    perms = np.array(order(stream, epochs))
    table = np.zeros((count, count))
    for position in range(count):
        table[position] = np.bincount(perms[:, position], minlength=count)
    expected = epochs / count
    degrees = (count - 1) ** 2
    chi = ((table - expected) ** 2 / expected).sum()
    assert abs(chi - degrees) < 5 * np.sqrt(2 * degrees)
    # Neighbouring epochs share one position on average, as chance has it.
    shared = (perms[1:] == perms[:-1]).sum(axis=1)
    assert abs(shared.mean() - 1) < 5 / np.sqrt(epochs)


def test_cache_changes_neither_order_nor_pixels(files):
    kwargs = {"batch_size": 8, "seed": 3, "flip": True}
    memory = dataset(load(files, image_size=6), **kwargs)
    lazy = dataset(load(files, image_size=6, cache="none"), **kwargs)
    assert equal(batches(memory, 12), batches(lazy, 12))
    assert memory.element_spec == lazy.element_spec


def test_stacked_batches_equal_numpys_stacking():
    source = load("stacked_digits", max_images=200, image_size=16)
    stream = dataset(source, batch_size=50, shuffle=False)
    (images, labels), *_ = stream.take(1)
    expected = source.images[:50] / np.float32(127.5) - 1
    assert np.array_equal(images, expected.astype(np.float32))
    assert np.array_equal(labels, source.labels[:50])


def test_points_and_floats_are_not_rescaled():
    ring = load("ring", max_images=100)
    (points, _), *_ = dataset(ring, batch_size=100, shuffle=False).take(1)
    assert np.array_equal(points, ring.images)
    floats = np.linspace(-1, 1, 64, dtype=np.float32).reshape(4, 4, 4, 1)
    (same,) = dataset(floats, batch_size=4, shuffle=False).take(1)
    assert np.array_equal(same, floats)


def test_flips_mirror_half_of_the_pictures_and_only_left_to_right():
    random = np.random.RandomState(0)
    images = random.randint(0, 256, (64, 5, 6, 3)).astype(np.uint8)
    plain = images / np.float32(127.5) - 1
    kwargs = {"batch_size": 64, "shuffle": False}
    flipped = []
    for got in dataset(images, flip=True, **kwargs).take(40):
        got = got.numpy()
        same = (np.abs(got - plain) < 1e-6).all(axis=(1, 2, 3))
        mirror = (np.abs(got - plain[:, :, ::-1]) < 1e-6).all(axis=(1, 2, 3))
        assert (same ^ mirror).all()
        flipped.append(mirror)
    flipped = np.array(flipped)
    assert abs(flipped.mean() - 0.5) < 5 * 0.5 / np.sqrt(flipped.size)
    # Independent between samples and between steps.
    assert flipped.mean(axis=0).std() < 3 * 0.5 / np.sqrt(40)
    assert len({row.tobytes() for row in flipped}) == 40


def test_finite_and_infinite_cardinality():
    source = numbered(50)
    endless = dataset(source, batch_size=12)
    assert endless.cardinality() == tf.data.INFINITE_CARDINALITY
    once = dataset(source, batch_size=12, repeat=False, start_step=1)
    assert once.cardinality() == len(list(once)) == 3
    rest = dataset(source, batch_size=12, repeat=False, drop_remainder=False)
    assert [len(x) for x, _ in rest] == [12] * 4 + [2]
    beyond = dataset(source, batch_size=12, repeat=False, start_step=9)
    assert len(list(beyond)) == 0


def test_labels_can_be_left_out():
    source = numbered(20)
    spec = dataset(source, batch_size=4, labels=False).element_spec
    assert spec == tf.TensorSpec((4, 4, 4, 1), tf.float32)
    spec = dataset(source.images, batch_size=4).element_spec
    assert spec == tf.TensorSpec((4, 4, 4, 1), tf.float32)


def test_replicas_share_the_global_batch(tiny):
    strategy = tiny.strategy()
    stream = dataset(numbered(50), batch_size=8, flip=True)
    plain = batches(stream, 9)
    spread = iter(strategy.experimental_distribute_dataset(stream))
    for images, labels in plain:
        local = [strategy.experimental_local_results(t) for t in next(spread)]
        assert [len(part) for part in local[0]] == [4, 4]
        assert np.array_equal(np.concatenate(local[0]), images)
        assert np.array_equal(np.concatenate(local[1]), labels)


@pytest.mark.parametrize("workers,replicas", [(2, 1), (2, 2), (4, 1)])
def test_workers_share_the_global_batch(workers, replicas):
    """What each worker's `experimental_distribute_dataset` does, by hand."""
    source = numbered(64)
    plain = order(dataset(source, batch_size=16), 10)
    streams = []
    for worker in range(workers):
        stream = dataset(source, batch_size=16)
        sizes = distribute.batch_sizes_for_worker(16, workers, replicas, worker)
        stream = stream.rebatch(sizes)
        streams.append(
            input_ops.auto_shard_dataset(
                stream, workers, worker, workers * replicas
            )
        )
    parts = [order(stream, 10 * replicas) for stream in streams]
    for step in range(10):
        together = []
        for part in parts:
            for mine in part[step * replicas : (step + 1) * replicas]:
                assert len(mine) == 16 // (workers * replicas)
                together += mine
        assert sorted(together) == sorted(plain[step])


@pytest.mark.parametrize(
    "kwargs,message",
    [
        ({"batch_size": 51}, "51 is more than the 50 pictures"),
        ({"batch_size": 0}, "batch_size: 0"),
        ({"batch_size": 2.0}, r"batch_size: 2\.0"),
        ({"batch_size": 4, "seed": -1}, "seed: -1"),
        ({"batch_size": 4, "start_step": -1}, "start_step: -1"),
        ({"batch_size": 4, "labels": True}, "labels: 'arrays' has none"),
        ({"batch_size": 4, "labels": "auto"}, "labels: 'auto'"),
    ],
)
def test_bad_arguments_are_named(kwargs, message):
    images = np.zeros((50, 4, 4, 1), np.uint8)
    with pytest.raises(ValueError, match=message):
        dataset(images, **kwargs)


def test_points_cannot_be_flipped():
    with pytest.raises(ValueError, match="cannot be mirrored"):
        dataset("ring", batch_size=4, flip=True)


def test_the_data_are_not_held_twice():
    source = load(np.zeros((64, 64, 64, 3), np.uint8))
    dataset(source, batch_size=4)
    assert np.shares_memory(source.images, np.asarray(source.store.tensor))
    again = source.store.tensor
    dataset(source, batch_size=4)
    assert source.store.tensor is again
