"""The train command, with a NaN on the last replica at a step, once.

Arguments: a number that is not used, the step, those of the command.
"""

import sys

from keras_ganmix import train
from keras_ganmix.utils import cli

with cli.without_startup_noise():
    import tensorflow as tf

    from keras_ganmix import building
    from keras_ganmix.ops.random import Draws
    from keras_ganmix.regularizers.base import Regularizer

STEP = int(sys.argv[2])


class Unlucky(Regularizer):
    """Not a number at one step, if the number drawn there is the first."""

    def __init__(self, drawn_first):
        super().__init__(discriminator_weight=1.0)
        self.drawn_first = drawn_first

    def discriminator_loss(self, context):
        replica = tf.distribute.get_replica_context()
        is_last = tf.equal(
            replica.replica_id_in_sync_group, replica.num_replicas_in_sync - 1
        )
        drawn = context.draws.uniform("luck", ())
        bad = tf.equal(context.step, STEP - 1) & is_last
        bad &= tf.abs(drawn - self.drawn_first) < 1e-6
        return tf.where(bad, float("nan"), 0.0)


def build(recipe):
    draws = Draws(recipe.train.seed, STEP - 1).scope("discriminator.0")
    return [Unlucky(float(draws.scope("Unlucky").uniform("luck", ())))]


building.build_regularizers = build
sys.exit(train.main(["train", *sys.argv[3:]]))
