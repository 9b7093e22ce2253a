"""Rotation: angles, shares of the batch, refusals."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_ganmix.ops.random import Draws
from keras_ganmix.regularizers import Rotation


def test_each_class_is_a_quarter_turn_counter_clockwise(tiny):
    images = tiny.images(8, 3)
    made = Rotation(fraction=1.0).prepare(images, Draws(0, 0))
    assert made["images"].shape == (32, 8, 8, 3)
    for j, (image, k) in enumerate(
        zip(made["images"].numpy(), made["classes"].numpy(), strict=True)
    ):
        assert k == j % 4
        np.testing.assert_array_equal(image, np.rot90(images[j // 4], k))


def test_each_image_once(tiny):
    images = tiny.images(64)
    made = Rotation(fraction=None).prepare(images, Draws(0, 0))
    classes = made["classes"].numpy()
    assert set(classes) == {0, 1, 2, 3}
    for image, k, original in zip(
        made["images"].numpy(), classes, images, strict=True
    ):
        np.testing.assert_array_equal(image, np.rot90(original, k))


@settings(deadline=None, max_examples=60)
@given(
    batch=st.integers(1, 40), parts=st.integers(1, 12), of=st.integers(1, 12)
)
def test_share_of_the_batch(batch, parts, of):
    fraction = min(parts, of) / of
    method = Rotation(fraction=fraction)
    index = method.select(batch).numpy()
    count = max(1, batch * min(parts, of) // of)
    chosen = index[::4]
    assert len(index) == 4 * count == len(method.draw_classes(batch, None))
    assert (np.repeat(chosen, 4) == index).all()
    assert len(set(chosen)) == count
    assert 0 <= chosen.min() <= chosen.max() < batch
    dynamic = method.select(tf.constant(batch)).numpy()
    np.testing.assert_array_equal(dynamic, index)


@pytest.mark.parametrize("fraction", [1 / 4, 1 / 2, 3 / 4, 1.0, 1 / 3])
def test_shares_of_replicas_make_the_share_of_all(fraction):
    method = Rotation(fraction=fraction)
    local = method.select(12).numpy()
    np.testing.assert_array_equal(
        method.select(24), np.concatenate([local, local + 12])
    )


@pytest.mark.parametrize("fraction", [0, -0.5, 1.01, True, "half"])
def test_bad_fraction(fraction):
    with pytest.raises(ValueError, match=r"Rotation\.fraction: .*\(0, 1\]"):
        Rotation(fraction=fraction)


def test_images_that_are_not_square():
    with pytest.raises(ValueError, match=r"square images.* 8 x 12"):
        Rotation().build((8, 12, 3), (4, 6, 16), 8, None)
