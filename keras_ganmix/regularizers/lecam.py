"""LeCam: pulls the logits to moving averages of the other side's."""

import keras
import tensorflow as tf
from keras import ops

from keras_ganmix.regularizers.arguments import (
    check_name,
    check_number,
    is_integer,
)
from keras_ganmix.regularizers.base import Regularizer, Weight

FORMS = ("paper", "official")


@keras.saving.register_keras_serializable(package="keras_ganmix")
class LeCam(Regularizer):
    """Keeps the discriminator from drifting apart on few training images.

    The logits of real images are pulled to the average logit of generated
    ones, a_f, and the other way round, where both are exponential moving
    averages over the discriminator's updates:

        paper:    L_D += weight * (E (D(x) - a_f)^2 + E (D(G(z)) - a_r)^2)
        official: L_D += weight * (E relu(D(x) - a_f)^2
                                   + E relu(a_r - D(G(z)))^2)

    `"paper"` is the paper's equation; the released code has the rectified one,
    which leaves alone what is on the wrong side already. The weight is that of
    the released run on 10 % of CIFAR-10 (a BigGAN with the hinge loss), the
    decay the default of that code.

    As in the released code, up to step `start` the averages are the latest
    logits' means and there is no term; so there is none in the very first
    step. Under a distribution strategy the averages are those of all replicas.

    Costs no pass. Reports `real_average` (a_r) and `fake_average` (a_f).

    References:

    - [Tseng et al. 2021](https://arxiv.org/abs/2104.03310)

    Args:
        weight: lambda; a number, a `Weight` or the dictionary of one's
            arguments.
        decay: of the moving averages, in [0, 1).
        start: the last step without the term, at least 0.
        form: `"paper"` or `"official"`.
        name: name of its term.

    Raises:
        ValueError: for arguments outside these ranges.
    """

    reports = ("real_average", "fake_average")

    def __init__(
        self, weight=0.3, decay=0.99, start=0, form="paper", name=None
    ):
        check_number(
            "LeCam.decay", decay, lambda d: 0 <= d < 1, "a number in [0, 1)"
        )
        check_number(
            "LeCam.start",
            start,
            is_integer(0),
            "an integer of at least 0, a number of steps",
        )
        check_name("LeCam.form", form, FORMS)
        super().__init__(Weight.get(weight, "LeCam.weight"), name=name)
        self.decay = decay
        self.start = start
        self.form = form

    def build(
        self, image_shape, feature_shape=None, latent_dim=None, num_classes=None
    ):
        self.real_average = self._average("real_average")
        self.fake_average = self._average("fake_average")
        self.built = True

    def _average(self, name):
        return self.add_weight(
            shape=(),
            dtype="float32",
            initializer="zeros",
            trainable=False,
            aggregation="mean",
            name=name,
        )

    def discriminator_loss(self, context):
        real_average = ops.convert_to_tensor(self.real_average)
        fake_average = ops.convert_to_tensor(self.fake_average)
        context.report("real_average", real_average)
        context.report("fake_average", fake_average)
        real = context.real.logits - fake_average
        fake = real_average - context.fake.logits
        if self.form == "official":
            real, fake = ops.relu(real), ops.relu(fake)
        value = ops.mean(ops.square(real)) + ops.mean(ops.square(fake))
        return tf.where(context.step > self.start, value, 0.0)

    def update(self, context):
        decay = tf.where(context.step <= self.start, 0.0, self.decay)
        for average, logits in (
            (self.real_average, context.real.logits),
            (self.fake_average, context.fake.logits),
        ):
            average.assign(decay * average + (1 - decay) * ops.mean(logits))
