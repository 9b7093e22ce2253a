import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_ganmix.ops.permutations import permutation_table
from keras_ganmix.ops.tiles import inverse_permutation, shuffle_tiles


def rows(batch, grid, seed=0):
    rng = np.random.default_rng(seed)
    return np.stack([rng.permutation(grid * grid) for _ in range(batch)])


def shuffle_by_loops(images, permutations, grid):
    _, height, width, channels = images.shape
    tall, wide = height // grid, width // grid
    out = []
    for image, permutation in zip(images, permutations, strict=True):
        board = np.zeros((grid * tall, grid * wide, channels), images.dtype)
        for position, source in enumerate(permutation):
            y, x = divmod(position, grid)
            v, u = divmod(int(source), grid)
            for i in range(tall):
                for j in range(wide):
                    board[y * tall + i, x * wide + j] = image[
                        v * tall + i, u * wide + j
                    ]
        pads = []
        for remainder in (height - grid * tall, width - grid * wide):
            pads.append(((remainder + 1) // 2, remainder // 2))
        out.append(np.pad(board, [*pads, (0, 0)], mode="symmetric"))
    return np.stack(out)


def test_numbered_tiles():
    numbers = np.arange(9).reshape(3, 3).repeat(4, 0).repeat(4, 1)
    images = np.broadcast_to(numbers[None, :, :, None], (30, 12, 12, 1))
    table = permutation_table(3, 30)
    shuffled = np.asarray(shuffle_tiles(images, table, 3))
    got = shuffled[:, ::4, ::4, 0].reshape(30, 9)
    np.testing.assert_array_equal(got, table)
    assert shuffled.dtype == images.dtype


@settings(max_examples=15, deadline=None)
@given(
    st.integers(1, 5),
    st.integers(5, 17),
    st.integers(5, 17),
    st.integers(1, 4),
    st.sampled_from(["float32", "float16", "uint8"]),
)
def test_equals_loops(grid, height, width, channels, dtype):
    rng = np.random.default_rng(height * width)
    shape = (3, height, width, channels)
    images = (100 * rng.random(shape)).astype(dtype)
    permutations = rows(3, grid, seed=width)
    np.testing.assert_array_equal(
        shuffle_tiles(images, permutations, grid),
        shuffle_by_loops(images, permutations, grid),
    )


@pytest.mark.parametrize("size", [30, 31, 32])
def test_padding_repeats_the_edge(size):
    images = np.random.default_rng(0).random((2, size, size, 1), "float32")
    shuffled = np.asarray(shuffle_tiles(images, rows(2, 3), 3))
    before, after = {30: (0, 0), 31: (1, 0), 32: (1, 1)}[size]
    board = shuffled[:, before : size - after, before : size - after]
    assert board.shape[1:3] == (30, 30)
    pad = (before, after)
    want = np.pad(board, [(0, 0), pad, pad, (0, 0)], mode="edge")
    np.testing.assert_array_equal(shuffled, want)


@pytest.mark.parametrize("grid, size", [(2, 8), (3, 12), (4, 16)])
def test_inverse_restores(grid, size):
    images = np.random.default_rng(1).random((5, size, size, 3), "float32")
    permutations = rows(5, grid)
    shuffled = shuffle_tiles(images, permutations, grid)
    assert (np.asarray(shuffled) != images).any()
    inverse = inverse_permutation(permutations)
    np.testing.assert_array_equal(
        shuffle_tiles(shuffled, inverse, grid), images
    )
    np.testing.assert_array_equal(
        np.take_along_axis(permutations, np.asarray(inverse), 1),
        np.broadcast_to(np.arange(grid * grid), (5, grid * grid)),
    )


def test_gradient_counts_how_often_a_pixel_is_used():
    images = tf.random.stateless_normal((4, 32, 32, 1), (0, 0))
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(shuffle_tiles(images, rows(4, 3), 3))
    counts = np.asarray(tape.gradient(total, images))
    for image in counts:
        values, number = np.unique(image, return_counts=True)
        assert dict(zip(values, number, strict=True)) == {
            0: 124,
            1: 784,
            2: 112,
            4: 4,
        }


def test_gradient_and_its_gradient_equal_those_of_loops():
    rng = np.random.default_rng(2)
    images = tf.constant(rng.random((2, 7, 8, 2), "float32"))
    permutations = rows(2, 3)
    index = np.arange(images.shape.num_elements()).reshape(images.shape)
    index = shuffle_by_loops(index, permutations, 3)
    weights = tf.constant(rng.random(images.shape, "float32"))

    def plain(x):
        return tf.gather(tf.reshape(x, [-1]), index)

    def twice(function):
        with tf.GradientTape() as outer:
            outer.watch(images)
            with tf.GradientTape() as inner:
                inner.watch(images)
                total = tf.reduce_sum(weights * function(images) ** 3)
            first = inner.gradient(total, images)
            square = tf.reduce_sum(first**2)
        return first, outer.gradient(square, images)

    ours = twice(lambda x: shuffle_tiles(x, permutations, 3))
    for got, want in zip(ours, twice(plain), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_same_under_xla_in_a_dataset_and_for_an_unknown_batch():
    images = np.random.default_rng(3).random((4, 14, 13, 3), "float32")
    permutations = rows(4, 3).astype("int32")
    want = shuffle_by_loops(images, permutations, 3)
    signature = [
        tf.TensorSpec([None, 14, 13, 3]),
        tf.TensorSpec([None, 9], tf.int32),
    ]
    for jit in (False, True):
        function = tf.function(
            lambda x, p: shuffle_tiles(x, p, 3), signature, jit_compile=jit
        )
        np.testing.assert_array_equal(function(images, permutations), want)
    dataset = tf.data.Dataset.from_tensors((images, permutations))
    dataset = dataset.map(lambda x, p: shuffle_tiles(x, p, 3))
    np.testing.assert_array_equal(next(iter(dataset)), want)


@pytest.mark.parametrize("grid", [0, 6])
def test_bad_grid_is_named(grid):
    with pytest.raises(ValueError, match=f"grid: {grid} .* 5 x 8 .* 1 to 5"):
        shuffle_tiles(np.zeros((1, 5, 8, 1)), rows(1, max(grid, 1)), grid)
