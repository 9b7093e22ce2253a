"""A short training on eight Gaussians moves as it must."""

import keras
import numpy as np
import pytest

import keras_ganmix as kgm
from keras_ganmix.metrics import mode_coverage


@pytest.mark.slow
def test_ring_is_learned():
    """Points move to the circle, modes are found, and R1 is seen at work."""
    keras.utils.set_random_seed(0)
    source = kgm.data.load("ring")
    gan = kgm.GAN(
        kgm.networks.mlp.generator(latent_dim=16, hidden=64),
        kgm.networks.mlp.discriminator(hidden=64),
        [kgm.regularizers.R1(weight=0.05)],
        ema_momentum=0.99,
    )
    gan.compile(
        loss="logistic",
        generator_optimizer=keras.optimizers.Adam(1e-3, 0.5),
        discriminator_optimizer=keras.optimizers.Adam(2e-3, 0.5),
    )

    def off_circle():
        radius = np.linalg.norm(gan.generate(2000, seed=1), axis=1)
        return float(np.median(np.abs(radius - 1)))

    before, guessed = off_circle(), coverage(gan).high_quality
    history = gan.fit(
        kgm.data.dataset(source, batch_size=128, seed=0),
        epochs=6,
        steps_per_epoch=250,
        verbose=0,
    ).history
    assert before > 0.3 and guessed < 0.02
    assert off_circle() < 0.1
    assert coverage(gan).modes >= 6
    assert coverage(gan).high_quality > 0.1
    # At the optimum D cannot tell: both halves of the loss are log 2.
    assert abs(history["discriminator_loss"][-1] - 2 * np.log(2)) < 0.15
    assert history["discriminator/R1"][0] > 0
    for name, values in history.items():
        assert np.isfinite(values).all(), name


def coverage(gan):
    return mode_coverage(gan.generate(2500, seed=2), "ring")
