"""Angles between gradients over training."""

import json

import keras
import numpy as np
import pytest

import keras_ganmix as kgm
from keras_ganmix import recipes
from keras_ganmix.callbacks import GradientAngles
from keras_ganmix.gradients.angles import angles
from keras_ganmix.gradients.terms import Terms
from keras_ganmix.regularizers import DiffAugment, Rotation


def make_gan(tiny):
    """A GAN with a layer that changes its own kernel when it is called."""
    keras.utils.set_random_seed(0)
    images = keras.Input((8, 8, 1))
    convolution = keras.layers.Conv2D(4, 4, 2, "same")
    x = keras.layers.SpectralNormalization(convolution)(images)
    x = keras.layers.LeakyReLU(0.2, name="trunk_end")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    discriminator = keras.Model(images, keras.layers.Dense(1)(x))
    regularizers = [Rotation(spectral_norm=True), DiffAugment()]
    gan = kgm.GAN(tiny.generator(), discriminator, regularizers)
    gan.compile()
    return gan


def train(tiny, callbacks):
    gan = make_gan(tiny)
    gan.fit(
        tiny.dataset(),
        steps_per_epoch=4,
        callbacks=callbacks,
        verbose=0,
    )
    return gan


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def state(gan):
    variables = [*gan.variables, *gan.ema_generator.variables]
    for optimizer in (gan.generator_optimizer, gan.discriminator_optimizer):
        variables += optimizer.variables
    return [v.numpy() for v in variables]


@pytest.mark.slow
def test_training_is_the_same_bit_for_bit(tiny, tmp_path):
    path = tmp_path / "gradients.jsonl"
    plain = train(tiny, [])
    measured = train(tiny, [GradientAngles(path, tiny.dataset(), 2, 2)])
    for a, b in zip(state(plain), state(measured), strict=True):
        np.testing.assert_array_equal(a, b)
    assert [line["step"] for line in lines(path)] == [0, 2, 4]
    last = {k: v for k, v in lines(path)[-1].items() if k != "step"}
    assert last == pytest.approx(
        angles(Terms(measured, tiny.dataset(), 2)), rel=1e-4, abs=1e-6
    )

    # A run that goes on from step 4 makes no line twice, and none at 4.
    with path.open("a") as file:
        file.write('{"step": 6}\n')
    again = GradientAngles(path, tiny.dataset(), every=3, batches=1)
    again.set_model(measured)
    again.on_train_begin()
    assert [line["step"] for line in lines(path)] == [0, 2, 4]


@pytest.mark.slow
def test_each_training_is_measured_as_it_is(tiny, tmp_path):
    path = tmp_path / "gradients.jsonl"
    path.write_text('{"step": 0, "of": "another GAN"}\n{"step": 5}\n')
    callback = GradientAngles(path, tiny.dataset(), every=1, batches=1)
    gan = tiny.gan([Rotation()])
    callback.set_model(gan)
    callback.on_train_begin()
    (first,) = lines(path)
    assert first["step"] == 0 and "of" not in first
    # The standard deviation of one number is none.
    assert first["discriminator/Rotation/cosine_spread"] is None

    gan.compile(loss="least_squares")
    callback.on_train_begin()
    (again,) = lines(path)
    fresh = angles(Terms(gan, tiny.dataset(), 1))
    key = "discriminator/Rotation/ratio"
    assert again[key] == pytest.approx(fresh[key], rel=1e-4)
    assert again[key] != pytest.approx(first[key], rel=1e-2)


def test_mistakes_are_refused(tiny, tmp_path):
    path = tmp_path / "gradients.jsonl"
    with pytest.raises(ValueError, match=r"GradientAngles\.batches: 0 is not"):
        GradientAngles(path, None, batches=0)
    with pytest.raises(ValueError, match=r"GradientAngles\.every: 0 is not"):
        GradientAngles(path, None, every=0)
    few = GradientAngles(path, tiny.dataset(repeat=False).take(2))
    few.set_model(tiny.gan([Rotation()]))
    with pytest.raises(ValueError, match=r"4 are asked for, but .* has 2"):
        few.on_train_begin()
    for changes, words in (
        (["gradients={every: 0}"], "gradients.every"),
        (["gradients={}", "strategy=mirrored"], "works on one device"),
        (
            ["gradients={every: 7}", "train.steps_per_execution=5"],
            "gradients.every",
        ),
    ):
        with pytest.raises(recipes.RecipeError, match=words):
            recipes.load("quickstart", changes)
