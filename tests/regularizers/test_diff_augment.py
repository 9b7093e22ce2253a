"""DiffAugment: what is seen by whom, gradients, refusals."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ganmix.ops.random import Draws
from keras_ganmix.regularizers import DiffAugment


def test_shifts_and_holes_by_brute_force():
    """An augmented image is one of all shifts with one of all holes."""
    size = 8
    images = np.random.default_rng(0).uniform(0.1, 1, (24, size, size, 1))
    images = images.astype("float32")
    method = DiffAugment(("translation", "cutout"))
    seen = method.augment(tf.constant(images), Draws(0, 0)).numpy()
    positions = np.arange(size)
    holes = set()
    for image, result in zip(images, seen, strict=True):
        found = 0
        padded = np.pad(image, [(1, 1), (1, 1), (0, 0)])
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                moved = padded[1 - dy : 1 - dy + size, 1 - dx : 1 - dx + size]
                for top in range(-2, size - 1):
                    for left in range(-2, size - 1):
                        rows = (positions >= top) & (positions < top + 4)
                        columns = (positions >= left) & (positions < left + 4)
                        hole = (rows[:, None] & columns)[..., None]
                        if np.array_equal(result, np.where(hole, 0, moved)):
                            found += 1
                            holes.add((top, left))
        assert found >= 1
    assert len(holes) > 12  # each image has its own


def test_color_by_loop():
    images = np.random.default_rng(0).uniform(-1, 1, (6, 5, 4, 3))
    images = images.astype("float32")
    draws = Draws(0, 0)
    seen = DiffAugment("color").augment(tf.constant(images), draws).numpy()
    uniforms = draws.uniform("augment", (6, 3)).numpy()
    for image, u, result in zip(images, uniforms, seen, strict=True):
        x = image + (u[0] - 0.5)
        grey = x.mean(-1, keepdims=True)
        x = (x - grey) * (2 * u[1]) + grey
        x = (x - x.mean()) * (u[2] + 0.5) + x.mean()
        np.testing.assert_allclose(result, x, atol=1e-6)


def test_judged_images_are_augmented(tiny, step_of):
    method = DiffAugment()
    step = step_of(tiny.gan([method]))
    context = step.context(method)
    view = step.gan.view
    for kind in ("real", "fake"):
        samples = getattr(context, kind)
        seen = method.augment(samples.images, context.draws.scope(kind))
        np.testing.assert_array_equal(samples.features, view.features(seen))
        assert abs(seen - samples.images).numpy().max() > 0
    pairs = [
        method.augment(step.real, context.draws.scope(kind)).numpy()
        for kind in ("real", "fake")
    ]
    assert abs(pairs[0] - pairs[1]).max() > 0  # transforms of their own


def test_generator_is_trained_through_it(tiny, step_of):
    method = DiffAugment()
    gan = tiny.gan([method])
    step = step_of(gan)
    with tf.GradientTape() as tape:
        context = step.context(method)
        loss = method.generator_adversarial(context)
    kernel = gan.generator.layers[1].kernel.value
    assert abs(tape.gradient(loss, kernel)).numpy().max() > 0
    assert step.passes == 1


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_shape_and_dtype_are_kept(tiny, channels, dtype):
    policy = ("color", "translation", "cutout", "flip", "rotation")
    images = tf.cast(tiny.images(4, channels), dtype)
    seen = DiffAugment(policy).augment(images, Draws(0, 0))
    assert (seen.shape, seen.dtype) == (images.shape, images.dtype)


def test_it_is_there_though_it_has_no_weight():
    assert not DiffAugment().is_inert


def test_configuration_round_trip():
    method = DiffAugment(["flip", "color"], name="mirror")
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(method)
    )
    assert again.get_config() == method.get_config()
    assert DiffAugment("flip").policy == ("flip",)


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"policy 'colour'.*'color'"):
        DiffAugment(("colour",))
    for policy in ((), None, 5):
        with pytest.raises(ValueError, match=r"policy: .* at least one of"):
            DiffAugment(policy)
    with pytest.raises(ValueError, match=r"images of shape .*\(2,\)"):
        DiffAugment().build((2,))
    with pytest.raises(ValueError, match=r"square images.* 8 x 12"):
        DiffAugment("rotation").build((8, 12, 3))
