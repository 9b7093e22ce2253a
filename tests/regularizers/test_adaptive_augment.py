"""ADA: the controller against a simulation, the gate, its state."""

import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ganmix import losses
from keras_ganmix.ops.random import Draws
from keras_ganmix.regularizers import AdaptiveAugment


def built(**arguments):
    method = AdaptiveAugment(**arguments)
    method.build((8, 8, 3))
    return method


def feed(method, real, fake=None, loss="logistic"):
    """One update with given logits; returns what is reported."""
    reports = {}
    fake = np.zeros_like(real) if fake is None else fake
    method.update(
        types.SimpleNamespace(
            loss=losses.get(loss),
            report=lambda name, value: reports.update({name: float(value)}),
            real=types.SimpleNamespace(
                images=tf.zeros((len(real), 8, 8, 3)),
                logits=tf.constant(real[:, None], tf.float32),
            ),
            fake=types.SimpleNamespace(
                logits=tf.constant(fake[:, None], tf.float32)
            ),
        )
    )
    return reports


@pytest.mark.parametrize("interval", [1, 4])
def test_controller_follows_a_simulation(interval):
    """Overfitting comes and goes; p rises to 1, stays, falls to 0."""
    batch, speed, target = 16, 320, 0.6
    method = built(interval=interval, speed=speed)
    rng = np.random.default_rng(0)
    p, signs, visited = 0.0, [], set()
    for i in range(160):
        level = 2.0 if i < 80 else -1.0
        logits = rng.normal(level, 1, batch)
        signs.append(np.mean(np.sign(logits)))
        if len(signs) == interval:
            p += np.sign(np.mean(signs) - target) * batch * interval / speed
            p = min(max(p, 0.0), 1.0)
            signs = []
        reports = feed(method, logits)
        assert reports["probability"] == pytest.approx(p, abs=1e-5)
        assert reports["overfitting"] == pytest.approx(
            np.mean(np.sign(logits)), abs=1e-6
        )
        visited.add(round(p, 4))
    assert {0.0, 0.6, 1.0} <= visited
    assert p == 0


@pytest.mark.parametrize(
    ("loss", "real", "fake", "expected"),
    [
        ("logistic", [1, 2, -1, 3], [9, 9, 9, 9], 0.5),
        ("hinge", [1, 2, -1, 3], [9, 9, 9, 9], 0.5),
        ("least_squares", [0.4, 0.6, 0.9, 1.3], [9, 9, 9, 9], 0.5),
        (
            {"name": "least_squares", "real_target": -1, "fake_target": 1},
            [-2, -0.1, 0.1, -1],
            [9, 9, 9, 9],
            0.5,
        ),
        ("wasserstein", [-5, -4, -6, 1], [-6, -5, -5, 0], 0.5),
        ("relativistic_pairing", [5, 4, 6, 1], [6, 5, 7, 0], -0.5),
        ("relativistic_average_hinge", [5, 4, 6, 1], [6, 5, 7, 0], -0.5),
    ],
)
def test_side_of_the_logits(loss, real, fake, expected):
    real, fake = np.array(real, float), np.array(fake, float)
    assert feed(built(), real, fake, loss)["overfitting"] == expected


@pytest.mark.parametrize("probability", [0.0, 0.1, 0.5, 0.9])
def test_gate_of_each_image_and_augmentation(probability):
    n = 4000
    method = built(initial_probability=probability, policy=("color",))
    images = np.random.default_rng(0).uniform(-1, 1, (n, 2, 2, 3))
    images = tf.constant(images, tf.float32)
    kept = [
        (method.augment(images, Draws(seed, 0)) == images)
        .numpy()
        .all((1, 2, 3))
        for seed in (0, 1)
    ]
    # Brightness, saturation and contrast, each with its own gate.
    expected = (1 - probability) ** 3
    margin = 4 * np.sqrt(expected * (1 - expected) / n)
    assert abs(kept[0].mean() - expected) <= margin
    # Independent of other draws: both with the product of the probabilities.
    both = (kept[0] & kept[1]).mean()
    margin = 4 * np.sqrt(expected**2 * (1 - expected**2) / n)
    assert abs(both - expected**2) <= margin


def test_probability_one_always_augments():
    method = built(initial_probability=1.0, policy=("cutout",))
    seen = method.augment(tf.ones((64, 8, 8, 3)), Draws(0, 0)).numpy()
    assert (seen == 0).any((1, 2, 3)).all()


def test_all_its_state_is_in_the_model_file(tiny, tmp_path):
    # interval 3, so that 2 updates wait for the next change
    gan = tiny.gan([AdaptiveAugment(speed=100, interval=3)])
    gan.fit(tiny.dataset(), steps_per_epoch=5, verbose=0)
    gan.save(tmp_path / "gan.keras")
    again = keras.saving.load_model(tmp_path / "gan.keras")
    before = [float(w) for w in gan.regularizers[0].weights]
    assert [float(w) for w in again.regularizers[0].weights] == before
    assert float(gan.regularizers[0].updates) == 2
    assert gan.regularizers[0].trainable_variables == []


def test_configuration_round_trip():
    method = AdaptiveAugment(0.5, 1000, 2, 0.25, ("flip",), "ada")
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(method)
    )
    assert again.get_config() == method.get_config()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": 1.0}, r"target: 1\.0 .*\(0, 1\)"),
        ({"target": "0.6"}, r"target: '0\.6' .*\(0, 1\)"),
        ({"speed": 0}, r"speed: 0 .*above 0"),
        ({"interval": 0}, r"interval: 0 .*at least 1"),
        ({"interval": 1.5}, r"interval: 1\.5 .*integer"),
        ({"initial_probability": 2}, r"probability: 2 .*\[0, 1\]"),
        ({"policy": ("flop",)}, r"AdaptiveAugment\.policy 'flop'.*'flip'"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        AdaptiveAugment(**arguments)
