import numpy as np
import pytest
import tensorflow as tf

from keras_ganmix import losses
from keras_ganmix.context import Context
from keras_ganmix.ops.random import Draws
from keras_ganmix.regularizers import LeCam, Weight


class Judged:
    """Samples of which only the logits are asked."""

    def __init__(self, logits):
        self.logits = tf.convert_to_tensor(logits, tf.float32)[:, None]


def context_of(real, fake, step):
    return Context(
        Judged(real),
        Judged(fake),
        None,
        None,
        losses.get("hinge"),
        tf.constant(step, tf.int64),
        Draws(0, step),
        [],
    )


def built(**kwargs):
    lecam = LeCam(**kwargs)
    lecam.build((8, 8, 1))
    return lecam


@pytest.mark.parametrize("form", ["paper", "official"])
@pytest.mark.parametrize("start", [0, 3])
def test_against_a_loop_in_numpy(form, start):
    lecam = built(decay=0.9, start=start, form=form)
    rng = np.random.default_rng(0)
    real_average = fake_average = 0.0
    relu = (lambda x: np.maximum(x, 0)) if form == "official" else (lambda x: x)
    for step in range(8):
        real, fake = rng.normal(size=(2, 5))
        context = context_of(real, fake, step)
        expected = 0.0
        if step > start:
            expected = np.mean(relu(real - fake_average) ** 2)
            expected += np.mean(relu(real_average - fake) ** 2)
        value = lecam.discriminator_loss(context)
        np.testing.assert_allclose(value, expected, rtol=1e-5)
        lecam.update(context)
        decay = 0.9 if step > start else 0.0
        real_average = decay * real_average + (1 - decay) * real.mean()
        fake_average = decay * fake_average + (1 - decay) * fake.mean()
        np.testing.assert_allclose(lecam.real_average, real_average, atol=1e-6)
        np.testing.assert_allclose(lecam.fake_average, fake_average, atol=1e-6)


def test_gradient_pulls_each_side_to_the_average_of_the_other():
    lecam = built()
    lecam.update(context_of([2.0], [-1.0], 0))
    real, fake = tf.Variable([3.0, 1.0]), tf.Variable([0.0, 4.0])
    with tf.GradientTape() as tape:
        value = lecam.discriminator_loss(context_of(real, fake, 1))
    of_real, of_fake = tape.gradient(value, [real, fake])
    np.testing.assert_allclose(of_real, (real - -1.0).numpy())  # 2 / 2 * ...
    np.testing.assert_allclose(of_fake, (fake - 2.0).numpy())
    assert not lecam.trainable_variables


@pytest.mark.parametrize("weight", [0.5, 2.0])
def test_gap_of_free_wasserstein_logits(weight):
    """They would run apart for ever; with the term they end 1 / (2 w) apart.

    Where the averages have caught up, the slope in a real logit is
    -1 + 2 w (r - f), and likewise for a fake one.
    """
    lecam = built(weight=weight, decay=0.5)
    real, fake = tf.Variable([0.0, 1.0]), tf.Variable([0.5, 0.0])
    for step in range(200):
        context = context_of(real, fake, step)
        with tf.GradientTape() as tape:
            context.real = Judged(real)
            context.fake = Judged(fake)
            loss = tf.reduce_mean(fake) - tf.reduce_mean(real)
            loss += weight * lecam.discriminator_loss(context)
        gradients = tape.gradient(loss, [real, fake])
        lecam.update(context)
        for logits, gradient in zip((real, fake), gradients, strict=True):
            logits.assign_sub(0.2 * gradient)
    gap = tf.reduce_mean(real) - tf.reduce_mean(fake)
    np.testing.assert_allclose(gap, 1 / (2 * weight), rtol=1e-3)


def test_reports_and_state(tiny, tmp_path):
    gan = tiny.gan([LeCam(weight=Weight(0.3, every=2))])
    history = gan.fit(tiny.dataset(), steps_per_epoch=3, verbose=0).history
    lecam = gan.regularizers[0]
    assert lecam.real_average != 0 and lecam.fake_average != 0
    assert "LeCam/real_average" in history and "LeCam/fake_average" in history
    gan.save(tmp_path / "gan.keras")
    loaded = tf.keras.models.load_model(tmp_path / "gan.keras")
    assert loaded.regularizers[0].get_config() == lecam.get_config()
    assert loaded.regularizers[0].real_average == lecam.real_average


def test_replicas_share_the_averages(tiny):
    gan = tiny.gan([LeCam(decay=0.5)])
    gan.fit(tiny.dataset(), steps_per_epoch=3, verbose=0)
    with tiny.strategy().scope():
        mirrored = tiny.gan([LeCam(decay=0.5)])
    mirrored.fit(tiny.dataset(), steps_per_epoch=3, verbose=0)
    for name in ("real_average", "fake_average"):
        np.testing.assert_allclose(
            getattr(mirrored.regularizers[0], name),
            getattr(gan.regularizers[0], name),
            atol=1e-6,
        )


def test_config_and_bad_input():
    lecam = LeCam(0.1, 0.9, 10, "official", "l")
    assert LeCam.from_config(lecam.get_config()).get_config() == (
        lecam.get_config()
    )
    with pytest.raises(ValueError, match=r"LeCam\.decay: 1 .*\[0, 1\)"):
        LeCam(decay=1)
    with pytest.raises(ValueError, match=r"LeCam\.start: -1"):
        LeCam(start=-1)
    with pytest.raises(ValueError, match=r"form 'papers'.*'paper'"):
        LeCam(form="papers")
    with pytest.raises(ValueError, match=r"LeCam\.weight: -1"):
        LeCam(weight=-1)
