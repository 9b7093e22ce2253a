"""R1 and R2: gradient penalties on real and on generated images."""

import keras
import tensorflow as tf
from keras import ops

from keras_ganmix.regularizers.base import Regularizer, Weight


def image_gradient(judge, images):
    """Gradient of each image's logit at the image, float32.

    Args:
        judge: function of images that gives logits `(batch, 1)`.
        images: `(batch, *image_shape)`.
    """
    with tf.GradientTape() as tape:
        tape.watch(images)
        logits = judge(images)
    return tf.cast(tape.gradient(logits, images), tf.float32)


def square_norms(gradient):
    """Squared Euclidean norm for each sample, `(batch,)`."""
    return ops.sum(
        ops.square(gradient), axis=tuple(range(1, len(gradient.shape)))
    )


@keras.saving.register_keras_serializable(package="keras_ganmix")
class R1(Regularizer):
    """Pulls the discriminator's gradient at real images to zero.

    Where the generator's distribution is the data's, a discriminator without
    slope leaves it in peace, so that training can end there:

        L_D += weight * E_real ||grad_x D(x)||^2

    The papers write gamma / 2 for the weight, so the default 5 is their
    gamma = 10. D(x) is the logit; the gradient of a logit is that of its own
    image only if the discriminator does not couple the images of a batch, as
    batch normalisation does. Augmentation is part of D: the gradient is taken
    at the image before it, as in the released code of ADA.

    Costs no pass of the trunk but the gradient of one and the gradient of that;
    `weight=Weight(5.0, every=16)` pays this in every 16th step only, there with
    16 times the weight ("lazy regularization").

    References:

    - [Mescheder et al. 2018](https://arxiv.org/abs/1801.04406), section 4.1
    - [Karras et al. 2020](https://arxiv.org/abs/1912.04958), appendix B, on
      lazy regularization

    Args:
        weight: gamma / 2; a number, a `Weight` or the dictionary of one's
            arguments.
        name: name of its term.
    """

    is_penalty = True

    def __init__(self, weight=5.0, name=None):
        super().__init__(Weight.get(weight, "R1.weight"), name=name)

    def discriminator_loss(self, context):
        return ops.mean(square_norms(context.real.image_gradient))

    def penalty(self, judge, real, fake, draws):
        """The term for another head, float32 scalar, without its weight.

        Args:
            judge: function of images that gives float32 logits `(batch, 1)`.
            real: images, `(batch, *image_shape)`.
            fake: generated images; not used.
            draws: `Draws`; not used.
        """
        return ops.mean(square_norms(image_gradient(judge, real)))


@keras.saving.register_keras_serializable(package="keras_ganmix")
class R2(Regularizer):
    """Pulls the discriminator's gradient at generated images to zero.

    The counterpart of `R1`, alone or with it:

        L_D += weight * E_fake ||grad_x D(x)||^2

    The weight is gamma / 2 and all that is said of `R1` holds. No gradient
    flows into the generator.

    Costs no pass of the trunk but the gradient of one and the gradient of that,
    in every step or, with `weight=Weight(5.0, every=16)`, in every 16th.

    References:

    - [Mescheder et al. 2018](https://arxiv.org/abs/1801.04406), section 4.1

    Args:
        weight: gamma / 2; a number, a `Weight` or the dictionary of one's
            arguments.
        name: name of its term.
    """

    is_penalty = True

    def __init__(self, weight=5.0, name=None):
        super().__init__(Weight.get(weight, "R2.weight"), name=name)

    def discriminator_loss(self, context):
        return ops.mean(square_norms(context.fake.image_gradient))

    def penalty(self, judge, real, fake, draws):
        """The term for another head, float32 scalar, without its weight.

        Args:
            judge: function of images that gives float32 logits `(batch, 1)`.
            real: real images; not used.
            fake: generated images, `(batch, *image_shape)`.
            draws: `Draws`; not used.
        """
        return ops.mean(square_norms(image_gradient(judge, fake)))
