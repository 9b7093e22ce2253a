"""Deshuffle: the shuffle against a loop, its tables, training everywhere."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ganmix.ops.tiles import inverse_permutation, shuffle_tiles
from keras_ganmix.regularizers import (
    AdaptiveAugment,
    Deshuffle,
    DiversityPenalty,
)


def shuffle(image, order, grid):
    """The tile shuffle of the paper's code, one tile at a time."""
    height, width, _ = image.shape
    h, w = height // grid, width // grid
    result = np.zeros_like(image[: h * grid, : w * grid])
    for t, source in enumerate(order):
        row, column = divmod(t, grid)
        from_row, from_column = divmod(source, grid)
        result[row * h : (row + 1) * h, column * w : (column + 1) * w] = image[
            from_row * h : (from_row + 1) * h,
            from_column * w : (from_column + 1) * w,
        ]
    pads = {0: (0, 0), 1: (1, 0), 2: (1, 1)}
    return np.pad(
        result, [pads[height % grid], pads[width % grid], (0, 0)], mode="edge"
    )


@pytest.mark.parametrize("selection", ["affine", "greedy"])
@pytest.mark.parametrize("size", [9, 10, 11])
@pytest.mark.parametrize("channels", [1, 3])
def test_shuffle_is_that_of_a_loop(tiny, selection, size, channels):
    method = Deshuffle(selection=selection)
    images = tiny.images(30, channels, size)
    classes = np.random.default_rng(0).permutation(30).astype("int32")
    shuffled = method.transform(images, classes).numpy()
    for image, k, result in zip(images, classes, shuffled, strict=True):
        np.testing.assert_array_equal(
            result, shuffle(image, method.table[k], 3)
        )


def test_inverse_permutation_restores(tiny):
    method = Deshuffle()
    images = tiny.images(30, 3, 12)
    orders = method.table
    shuffled = method.transform(images, np.arange(30, dtype="int32"))
    again = shuffle_tiles(shuffled, inverse_permutation(orders), 3)
    np.testing.assert_array_equal(again, images)


def test_gradient_of_the_shuffle_at_32_pixels(tiny):
    images = tf.constant(tiny.images(4, 1, 32))
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(Deshuffle().transform(images, [0, 7, 19, 29]))
    for gradient in tape.gradient(total, images).numpy():
        values, counts = np.unique(gradient, return_counts=True)
        found = dict(zip(values, counts, strict=True))
        # Cut: 124. Doubled: the 28 inner pixels of 4 edges; 4 corners.
        assert found == {0: 124, 1: 1024 - 124 - 112 - 4, 2: 112, 4: 4}


@pytest.mark.parametrize(("selection", "least"), [("affine", 8), ("greedy", 4)])
def test_orders_are_far_apart(selection, least):
    table = Deshuffle(selection=selection).table
    assert table.shape == (30, 9)
    assert (np.sort(table) == np.arange(9)).all()
    assert (table != np.arange(9)).any(1).all()
    distances = (table[:, None] != table).sum(-1)[~np.eye(30, dtype=bool)]
    assert distances.min() >= least


def test_classes_are_drawn_afresh_and_uniformly(tiny, step_of):
    method = Deshuffle(grid=2, permutations=11)
    gan = tiny.gan([method])
    images = np.zeros((5500, 2, 2, 1), "float32")
    classes = [
        method.prepare(images, gan.draws(scope))["classes"].numpy()
        for scope in ("discriminator.0", "generator")
    ]
    assert (classes[0] != classes[1]).mean() > 0.8
    counts = np.bincount(classes[0], minlength=11)
    # Chi-squared with 10 degrees of freedom: 29.6 has probability 0.001.
    assert ((counts - 500) ** 2 / 500).sum() < 29.6


def test_the_task_can_be_learnt(tiny):
    """Numbered tiles: a linear head tells all orders apart."""
    method = Deshuffle(pooling="flatten")
    method.build((9, 9, 1), (9, 9, 1), 8, None)
    image = np.repeat(np.repeat(np.arange(9).reshape(3, 3), 3, 0), 3, 1)
    images = np.tile(image[None, :, :, None] / 4 - 1, (30, 1, 1, 1))
    images = images.astype("float32")
    classes = np.arange(30, dtype="int32")
    shuffled = method.transform(images, classes)
    optimizer = keras.optimizers.Adam(0.05)
    optimizer.build(method.trainable_variables)

    @tf.function
    def learn():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(
                keras.ops.sparse_categorical_crossentropy(
                    classes, method.classify(shuffled), from_logits=True
                )
            )
        variables = method.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)

    for _ in range(150):
        learn()
    told = tf.argmax(method.classify(shuffled), -1)
    np.testing.assert_array_equal(told, classes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"permutations": 73}, "Deshuffle.permutations: 73 .* 71 .*greedy"),
        ({"permutations": 1}, "Deshuffle.permutations: 1 .* at least 2"),
        ({"grid": 1}, "Deshuffle.grid: 1 .* at least 2"),
        ({"grid": 2.5}, "Deshuffle.grid: 2.5 .* integer"),
        ({"grid": 6}, "Deshuffle.grid: 6 .*greedy"),
        ({"selection": "afine"}, "Deshuffle.selection 'afine'.*'affine'"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Deshuffle(**arguments)


def test_grid_larger_than_the_image(tiny):
    with pytest.raises(ValueError, match=r"Deshuffle\.grid: 9 .* 8 x 8"):
        tiny.gan([Deshuffle(grid=9, permutations=2)])


def methods():
    return [
        Deshuffle(grid=2, permutations=11),
        DiversityPenalty(),
        AdaptiveAugment(speed=100, interval=1, initial_probability=0.5),
    ]


def train(tiny, gan, **kwargs):
    data = tiny.dataset(num_classes=3, **kwargs)
    history = gan.fit(data, steps_per_epoch=3, verbose=0).history
    assert all(np.isfinite(v).all() for v in history.values())
    assert abs(history["AdaptiveAugment/probability"][0] - 0.5) > 0.05
    for layer in (gan.generator, gan.discriminator, gan.regularizers[1]):
        for weight in layer.weights:
            assert np.isfinite(weight.numpy()).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("jit_compile", "policy"),
    [
        pytest.param(True, "float32", marks=pytest.mark.long),
        (False, "mixed_float16"),
    ],
)
def test_training_together(tiny, jit_compile, policy):
    keras.mixed_precision.set_global_policy(policy)
    try:
        gan = tiny.gan(
            methods(), num_classes=3, channels=3, jit_compile=jit_compile
        )
        train(tiny, gan, channels=3)
    finally:
        keras.mixed_precision.set_global_policy("float32")


@pytest.mark.slow
def test_training_on_two_replicas(tiny):
    with tiny.strategy().scope():
        gan = tiny.gan(methods(), num_classes=3)
    train(tiny, gan)
    probability = gan.regularizers[0].probability.value
    copies = [float(copy) for copy in probability.values]
    assert copies[0] == copies[1]


@pytest.mark.slow
def test_replicas_change_nothing(tiny):
    """A term of single samples does not depend on the number of replicas."""
    method = {"grid": 2, "permutations": 11}
    one = tiny.gan([Deshuffle(**method)])
    with tiny.strategy().scope():
        two = tiny.gan([Deshuffle(**method)])
    for gan in (one, two):
        gan.fit(tiny.dataset(), steps_per_epoch=3, verbose=0)
    pairs = zip(one.weights, two.weights, strict=True)
    for a, b in pairs:
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=2e-6)
