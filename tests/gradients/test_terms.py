"""Terms are those of training, and taking them changes nothing."""

import keras
import pytest
import tensorflow as tf

from keras_ganmix.gradients.terms import Terms, unchanged
from keras_ganmix.regularizers import R1, Deshuffle, Rotation
from keras_ganmix.regularizers.base import Weight


def measured(monkeypatch, gan, dataset, side):
    """Terms of the first batch, with the random numbers of the next step."""
    terms = Terms(gan, dataset, 1)
    scope = {"discriminator": "discriminator.0"}.get(side, side)
    monkeypatch.setattr(terms, "_draws", lambda *_: gan.draws(scope))
    return {name: value for name, (value,) in terms.values(side).items()}


def logged(monkeypatch, gan, dataset):
    """What the next step logs, of several updates the first."""
    found = {}
    monkeypatch.setattr(
        gan,
        "_log",
        lambda name, value, weight=None: found.setdefault(name, value),
    )
    gan.train_step(next(iter(dataset)))
    return {name: float(tf.reduce_mean(x)) for name, x in found.items()}


@pytest.mark.parametrize(
    "changes",
    [{}, {"num_classes": 3}, {"discriminator_steps": 2}],
    ids=["plain", "labels", "two updates"],
)
def test_terms_of_the_discriminator(tiny, changes, monkeypatch):
    deshuffle = Deshuffle(discriminator_weight=0.5, grid=2, permutations=4)
    # A lazy term is that of a step in which it is active.
    lazy = R1(weight=Weight(1.0, every=4))
    gan = tiny.gan([deshuffle, lazy], run_eagerly=True, **changes)
    dataset = tiny.dataset(num_classes=changes.get("num_classes"))
    before = measured(monkeypatch, gan, dataset, "discriminator")
    found = logged(monkeypatch, gan, dataset)
    for name in ("adversarial", "Deshuffle", "R1"):
        assert before[name] == pytest.approx(
            found[f"discriminator/{name}"], rel=1e-5
        )
    # The lazy term has four times its weight in such a step.
    expected = found["discriminator_loss"] - 3 * found["discriminator/R1"]
    assert before["total"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("classes", [None, 3])
def test_terms_of_the_generator(tiny, classes, monkeypatch):
    gan = tiny.gan(
        [Rotation(generator_weight=0.3)], num_classes=classes, run_eagerly=True
    )
    gan.discriminator_optimizer.learning_rate = 0.0
    dataset = tiny.dataset(num_classes=classes)
    before = measured(monkeypatch, gan, dataset, "generator")
    found = logged(monkeypatch, gan, dataset)
    for name, key in (
        ("adversarial", "generator/adversarial"),
        ("Rotation", "generator/Rotation"),
        ("total", "generator_loss"),
    ):
        assert before[name] == pytest.approx(found[key], rel=1e-5)


def test_the_total_is_the_logged_loss(tiny, monkeypatch):
    gan = tiny.gan(
        [Deshuffle(discriminator_weight=0.5, grid=2, permutations=4)],
        run_eagerly=True,
    )
    before = measured(monkeypatch, gan, tiny.dataset(), "discriminator")
    found = logged(monkeypatch, gan, tiny.dataset())
    assert before["total"] == pytest.approx(
        found["discriminator_loss"], rel=1e-5
    )
    assert before["Deshuffle"] > 0.1  # or the weight would not show


@pytest.mark.parametrize("there", [0, 2])
def test_too_few_batches_are_refused(tiny, there):
    dataset = tiny.dataset().take(there)
    words = rf"3 are asked for, but the dataset has {there}\..*repeat"
    with pytest.raises(ValueError, match=words):
        Terms(tiny.gan(), dataset, 3)


def test_variables_are_put_back_after_a_failure():
    variable = keras.Variable(1.0)
    with pytest.raises(KeyboardInterrupt), unchanged([variable]):
        variable.assign(2.0)
        raise KeyboardInterrupt
    assert float(variable) == 1.0
