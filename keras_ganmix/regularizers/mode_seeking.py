"""Mode seeking: images should differ as much as their latents (MSGAN)."""

import keras
import tensorflow as tf
from keras import ops

from keras_ganmix.ops.similarity import mode_seeking_loss
from keras_ganmix.regularizers.arguments import check_number, is_positive
from keras_ganmix.regularizers.diversity import Diversity


@keras.saving.register_keras_serializable(package="keras_ganmix")
class ModeSeeking(Diversity):
    """Makes images of different latents differ (MSGAN).

    The generator maximises how far images move per movement of their latents,
    by minimising the inverse of that ratio, as in the released code:

        r = mean |G(z1) - G(z2)| / mean |z1 - z2|
        L_G = L_G^adv + weight / (r + epsilon)

    Pairs are made within the batch: sample i goes with i + B / 2, which for
    even B are the two halves of the released code. The paper pairs images of
    one class; here each goes with the next one of its class in the batch (our
    choice: no further generator pass), and one without a partner is left out.

    The term is large and steep while images hardly differ: up to 1 / epsilon.

    Cost: no pass.

    References:

    - [Mao et al. 2019, Mode Seeking Generative Adversarial Networks for
      Diverse Image Synthesis](https://arxiv.org/abs/1903.05628)

    Args:
        weight: weight of the generator's term.
        epsilon: added to the ratio, above 0.
        name: name of the term.

    Raises:
        ValueError: for epsilon <= 0 and a batch of 1.
    """

    def __init__(self, weight=1.0, epsilon=1e-5, name=None):
        super().__init__(weight, name)
        check_number(
            "ModeSeeking.epsilon", epsilon, is_positive, "a number above 0"
        )
        self.epsilon = epsilon

    def penalty(self, context):
        fake = context.fake
        first, second = pairs_of_fakes(fake.images, fake.labels)
        loss = mode_seeking_loss(
            ops.take(fake.images, first, axis=0),
            ops.take(fake.images, second, axis=0),
            ops.take(fake.latents, first, axis=0),
            ops.take(fake.latents, second, axis=0),
            self.epsilon,
        )
        # A batch whose classes are all different has no pair.
        return ops.where(ops.any(first != second), loss, 0.0)


def pairs_of_fakes(images, labels):
    """Pairs of the images of a batch.

    Args:
        images: `(batch, ...)`, of which only the number counts.
        labels: `(batch,)` integers, or `None` if all may be paired.

    Returns:
        Two int32 tensors `(batch,)`, indices of the first and of the second of
        each pair; equal ones, which have no partner, add 0 to both means.
    """
    batch = tf.shape(images)[0]
    if labels is None:
        index = tf.range(batch)
        return index, tf.roll(index, batch // 2, axis=0)
    order = tf.argsort(labels, stable=True)
    following = tf.roll(order, -1, axis=0)
    is_same = tf.gather(labels, order) == tf.gather(labels, following)
    return order, tf.where(is_same, following, order)
