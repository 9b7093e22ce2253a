"""Mode seeking: pairs and values against loops, edge cases, cost."""

import keras
import numpy as np
import pytest

from keras_ganmix.regularizers import ModeSeeking


def batch(n, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.uniform(-1, 1, (n, 4, 4, 3)).astype("float32")
    return rng.normal(size=(n, 5)).astype("float32"), images


def loss_of(pairs, latents, images, epsilon=1e-5):
    moved = np.mean([abs(images[i] - images[j]).mean() for i, j in pairs])
    by = np.mean([abs(latents[i] - latents[j]).mean() for i, j in pairs])
    return 1 / (moved / by + epsilon)


def test_even_batch_is_its_two_halves(given):
    """The released code: mean |G(z1) - G(z2)| / mean |z1 - z2|, inverted."""
    latents, images = batch(8)
    value = ModeSeeking(epsilon=0.1).generator_loss(
        given(latents, images=images)
    )
    ratio = abs(images[:4] - images[4:]).mean()
    ratio /= abs(latents[:4] - latents[4:]).mean()
    assert float(value) == pytest.approx(1 / (ratio + 0.1), rel=1e-5)


def test_odd_batch_uses_every_image_twice(given):
    latents, images = batch(7)
    value = ModeSeeking().generator_loss(given(latents, images=images))
    pairs = [(i, (i - 3) % 7) for i in range(7)]
    assert float(value) == pytest.approx(
        loss_of(pairs, latents, images), rel=1e-5
    )


def test_pairs_are_of_one_class(given):
    latents, images = batch(9)
    labels = np.array([2, 0, 1, 2, 0, 2, 2, 3, 0], "int32")
    value = ModeSeeking().generator_loss(given(latents, labels, images=images))
    # Each with the next one of its class: 0: 1-4-8, 2: 0-3-5-6.
    pairs = [(1, 4), (4, 8), (0, 3), (3, 5), (5, 6)]
    assert float(value) == pytest.approx(
        loss_of(pairs, latents, images), rel=1e-5
    )


def test_all_classes_different_gives_nothing(given):
    latents, images = batch(4)
    labels = np.arange(4, dtype="int32")
    context = given(latents, labels, images=images)
    assert float(ModeSeeking().generator_loss(context)) == 0


def test_collapse_is_bounded(given):
    latents, images = batch(6)
    context = given(latents, images=np.tile(images[:1], (6, 1, 1, 1)))
    assert float(ModeSeeking().generator_loss(context)) == pytest.approx(1e5)


@pytest.mark.parametrize("num_classes", [None, 3])
def test_gradient_reaches_the_generator_alone(tiny, step_of, num_classes):
    method = ModeSeeking()
    labels = np.arange(8) % 3 if num_classes else None
    step = step_of(tiny.gan([method], num_classes=num_classes), labels=labels)
    found = step.gradients("generator", method)
    assert found["generator"] > 0
    assert found["discriminator"] is None
    assert step.passes == 0


def test_configuration_round_trip():
    method = ModeSeeking(0.5, epsilon=0.01, name="ms")
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(method)
    )
    assert again.get_config() == method.get_config()


def test_bad_arguments(given):
    with pytest.raises(ValueError, match=r"ModeSeeking\.epsilon: 0 "):
        ModeSeeking(epsilon=0)
    with pytest.raises(ValueError, match=r"ModeSeeking\.weight: nan"):
        ModeSeeking(float("nan"))
    latents, images = batch(1)
    with pytest.raises(ValueError, match="batch of 1 is too small"):
        ModeSeeking().generator_loss(given(latents, images=images))
