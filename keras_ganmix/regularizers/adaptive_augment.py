"""Augmentation with a probability that follows overfitting (ADA)."""

import keras
import tensorflow as tf
from keras import ops

from keras_ganmix.losses import Wasserstein
from keras_ganmix.regularizers.arguments import (
    check_number,
    is_integer,
    is_positive,
)
from keras_ganmix.regularizers.diff_augment import POLICY, DiffAugment


@keras.saving.register_keras_serializable(package="keras_ganmix")
class AdaptiveAugment(DiffAugment):
    """Augments as much as the discriminator overfits (ADA's controller).

    Each augmentation is applied to each image with probability p, which keeps
    it from leaking into the generator's images while p is well below 1. The
    discriminator overfits when it is sure of all real images, measured by

        r = E[sign(D(T(x)))],   p <- p + sign(r - target) * images / speed

    after every `interval` discriminator updates, over whose (augmented) real
    images r is the mean; `images` is their number. p stays within [0, 1]; the
    released code has no upper bound, which only delays the way back. The
    augmentations are those of `DiffAugment`, not the paper's larger set.

    The sign is taken about the point where D is undecided: 0, or the middle
    of the two targets of a least squares loss. Wasserstein and relativistic
    losses have no such point; there each logit is compared with that of the
    fake beside it (our reading).

    Reports `probability`, p, and `overfitting`, r of each update.

    Cost: no pass.

    References:

    - [Karras et al. 2020, Training Generative Adversarial Networks with
      Limited Data](https://arxiv.org/abs/2006.06676)

    Args:
        target: r that is aimed at, in (0, 1).
        speed: number of real images in which p can go from 0 to 1, above 0.
        interval: discriminator updates between changes of p, at least 1.
        initial_probability: p at the start, in [0, 1].
        policy: names of augmentations, as for `DiffAugment`.
        name: name of the random draws.

    Raises:
        ValueError: for numbers outside these ranges, and as `DiffAugment`.
    """

    reports = ("probability", "overfitting")

    def __init__(
        self,
        target=0.6,
        speed=500_000,
        interval=4,
        initial_probability=0.0,
        policy=POLICY,
        name=None,
    ):
        super().__init__(policy, name)
        for argument, value, is_allowed, allowed in (
            ("target", target, lambda r: 0 < r < 1, "a number in (0, 1)"),
            ("speed", speed, is_positive, "a number above 0"),
            ("interval", interval, is_integer(1), "an integer of at least 1"),
            (
                "initial_probability",
                initial_probability,
                lambda p: 0 <= p <= 1,
                "a number in [0, 1]",
            ),
        ):
            check_number(
                f"AdaptiveAugment.{argument}", value, is_allowed, allowed
            )
        self.target = target
        self.speed = speed
        self.interval = interval
        self.initial_probability = initial_probability

    def build(
        self, image_shape, feature_shape=None, latent_dim=None, num_classes=None
    ):
        super().build(image_shape)
        initial = keras.initializers.Constant(self.initial_probability)
        self.probability = self._state("probability", initial)
        # Since the last change of p: the sum of r and the number of updates.
        self.signs = self._state("signs")
        self.updates = self._state("updates")

    def _state(self, name, initializer="zeros"):
        return self.add_weight(
            shape=(),
            dtype="float32",
            initializer=initializer,
            trainable=False,
            autocast=False,
            aggregation="only_first_replica",
            name=name,
        )

    def update(self, context):
        overfitting = ops.mean(ops.sign(_margins(context)))
        images = context.real.images
        batch = ops.cast(tf.shape(images)[0], "float32")
        replica = tf.distribute.get_replica_context()
        if replica.num_replicas_in_sync > 1:
            # All must agree on p.
            overfitting, batch = replica.all_reduce(
                tf.distribute.ReduceOp.MEAN, [overfitting, batch]
            )
            batch *= replica.num_replicas_in_sync
        signs = self.signs + overfitting
        updates = self.updates + 1.0
        is_due = updates >= self.interval
        change = ops.sign(signs / updates - self.target)
        change *= batch * self.interval / self.speed
        moved = ops.clip(self.probability + change, 0.0, 1.0)
        self.probability.assign(ops.where(is_due, moved, self.probability))
        self.signs.assign(ops.where(is_due, 0.0, signs))
        self.updates.assign(ops.where(is_due, 0.0, updates))
        context.report("probability", self.probability)
        context.report("overfitting", overfitting)


def _margins(context):
    """How far real logits lie on the real side, float32 (batch, 1)."""
    loss = context.loss
    real = ops.cast(context.real.logits, "float32")
    if getattr(loss, "needs_real", False) or isinstance(loss, Wasserstein):
        return real - ops.cast(context.fake.logits, "float32")
    if getattr(loss, "targets", None) is None:
        return real
    real_target, fake_target = loss.targets
    middle = (real_target + fake_target) / 2
    return (real - middle) * (1.0 if real_target > fake_target else -1.0)
