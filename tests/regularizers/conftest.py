"""One eager step of a tiny GAN, as its regularizers see it."""

import types

import numpy as np
import pytest
import tensorflow as tf

BATCH = 8


class Step:
    """A discriminator or generator step.

    Args:
        gan: a compiled GAN.
        real: real images; by default random ones.
        labels: of both real images and fakes.
        step: the step counter.
        batch: number of images.
    """

    def __init__(self, gan, real=None, labels=None, step=3, batch=BATCH):
        numbers = np.random.default_rng(1)
        if real is None:
            shape = (batch, *gan.image_shape)
            real = numbers.uniform(-1, 1, shape).astype("float32")
        latents = numbers.normal(size=(len(real), gan.latent_dim))
        self.gan = gan
        self.draws = gan.draws("discriminator.0")
        self.real = tf.constant(real)
        self.latents = tf.constant(latents.astype("float32"))
        self.labels = None if labels is None else tf.constant(labels, tf.int32)
        self.step = step
        self.passes = 0
        self._features = gan.view.features
        gan.view.features = self._counted

    def _counted(self, images, *args, **kwargs):
        self.passes += images.shape[0] / self.real.shape[0]
        return self._features(images, *args, **kwargs)

    def context(self, regularizer):
        gan, draws = self.gan, self.draws
        fakes = gan.fakes(self.latents, self.labels)
        real = gan.samples("real", self.real, self.labels, None, draws)
        fake = gan.samples("fake", fakes, self.labels, self.latents, draws)
        return gan.context(real, fake, draws).of(regularizer.name)

    def gradients(self, side, regularizer):
        """Largest gradient of one side's term at each group of weights."""
        with tf.GradientTape() as tape:
            context = self.context(regularizer)
            value = getattr(regularizer, f"{side}_loss")(context)
        groups = {
            "generator": self.gan.generator.trainable_variables,
            "discriminator": self.gan.discriminator.trainable_variables,
            "head": regularizer.trainable_variables,
        }
        gradients = tape.gradient(value, groups)
        return {
            group: max(
                (
                    float(tf.reduce_max(abs(tf.convert_to_tensor(g))))
                    for g in found
                    if g is not None
                ),
                default=None,
            )
            for group, found in gradients.items()
        }


@pytest.fixture
def step_of():
    return Step


@pytest.fixture
def given():
    """A context of given fakes (and reals), for terms without draws."""

    def context(latents=None, labels=None, real=None, **fake):
        fake.setdefault("images", fake.get("features"))
        fake = {key: tf.constant(value) for key, value in fake.items()}
        return types.SimpleNamespace(
            fake=types.SimpleNamespace(
                latents=None if latents is None else tf.constant(latents),
                labels=None if labels is None else tf.constant(labels),
                **fake,
            ),
            real=types.SimpleNamespace(
                features=None if real is None else tf.constant(real)
            ),
        )

    return context
