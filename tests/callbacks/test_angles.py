"""Angles between gradients over training."""

import json

import numpy as np
import pytest

from keras_ganmix import recipes
from keras_ganmix.callbacks import GradientAngles
from keras_ganmix.landscapes.gradients import angles
from keras_ganmix.landscapes.terms import Terms
from keras_ganmix.regularizers import DiffAugment, Rotation


def train(tiny, callbacks):
    regularizers = [Rotation(spectral_norm=True), DiffAugment()]
    gan = tiny.gan(regularizers, optimizer="adam")
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


def test_mistakes_are_refused(tiny, tmp_path):
    path = tmp_path / "gradients.jsonl"
    with pytest.raises(ValueError, match=r"GradientAngles\.batches: 0 is not"):
        GradientAngles(path, None, batches=0)
    with pytest.raises(ValueError, match=r"GradientAngles\.every: 0 is not"):
        GradientAngles(path, None, every=0)
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
