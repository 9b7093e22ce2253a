"""With a discriminator that judges several samples at a time."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_ganmix as kgm
from keras_ganmix.discriminator import DiscriminatorView
from keras_ganmix.ops.random import Draws
from keras_ganmix.recipes.checks import _fits_packing
from keras_ganmix.recipes.regularizers import REGULARIZERS
from keras_ganmix.regularizers import DAG, AdaptiveMix, Rotation, SampleMixing

SHAPE = (16, 16, 1)


def packed(packing=2):
    keras.utils.set_random_seed(0)
    return kgm.networks.dcgan.discriminator(
        SHAPE, width=4, normalization="none", packing=packing
    )


def images(seed, n=6):
    numbers = np.random.default_rng(seed)
    return tf.constant(numbers.uniform(-1, 1, (n, *SHAPE)), tf.float32)


def test_heads_of_dag_judge_packs_of_one_transform():
    view = DiscriminatorView(packed())
    dag = DAG("rotation")
    dag.build(SHAPE, view.feature_shape)
    draws = Draws(0, 0)
    reals = dag.prepare(images(0), draws)["copies"]
    fakes = dag.prepare(images(1), draws)["copies"]
    expected = [
        dag.transform_heads.one(view.features(reals[:, k]), None, k)[:, 0]
        for k in range(3)
    ]
    logits = dag.judge_all(view, reals, None)
    np.testing.assert_allclose(logits, np.transpose(expected), atol=1e-6)
    # And no real beside a fake.
    real, _ = dag._judge_both(view, reals, fakes, None, None)
    np.testing.assert_allclose(real, logits, atol=1e-6)


@pytest.mark.parametrize(
    "regularizer", [SampleMixing, AdaptiveMix, Rotation], ids=str
)
def test_what_would_stand_beside_its_own_copies_is_refused(regularizer):
    generator = kgm.networks.dcgan.generator(SHAPE, 8, width=4)
    with pytest.raises(ValueError, match=r"does not go .*packing"):
        kgm.GAN(generator, packed(), [regularizer()])
    kgm.GAN(generator, packed(1), [regularizer()])


def test_images_that_are_rotated_once_can_be_packed():
    generator = kgm.networks.dcgan.generator(SHAPE, 8, width=4)
    kgm.GAN(generator, packed(), [Rotation(fraction=None)])


@pytest.mark.parametrize("name", sorted(REGULARIZERS.models))
def test_recipes_refuse_what_the_gan_refuses(name):
    section = REGULARIZERS.models[name](type=name)
    made = getattr(kgm.regularizers, name)()
    assert _fits_packing(section) == made.fits_packing
