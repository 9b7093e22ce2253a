"""What every regularizer of a GAN is."""

import inspect

import keras
import tensorflow as tf

from keras_ganmix.regularizers.arguments import (
    check_number,
    is_integer,
    is_not_negative,
)


@keras.saving.register_keras_serializable(package="keras_ganmix")
class Weight:
    """Weight of a term: a constant, a linear warm-up, every n-th step.

    Args:
        value: the weight, at least 0.
        warmup: number of steps over which it grows linearly from 0.
        every: the term is computed only in every n-th step, there with n times
            its weight ("lazy regularization", Karras et al. 2020, appendix B).

    Raises:
        ValueError: for values outside these ranges.
    """

    def __init__(self, value, warmup=0, every=1):
        _check_weight("value", value)
        for name, number, low in (
            ("warmup", warmup, 0),
            ("every", every, 1),
        ):
            check_number(
                f"Weight({name}=)",
                number,
                is_integer(low),
                f"an integer of at least {low}",
            )
        self.value, self.warmup, self.every = float(value), warmup, every

    @classmethod
    def get(cls, identifier, name="weight"):
        """A `Weight` from a number, a dictionary or a `Weight`."""
        if isinstance(identifier, cls):
            return identifier
        if isinstance(identifier, dict):
            if "class_name" in identifier:
                return keras.saving.deserialize_keras_object(identifier)
            return cls(**identifier)
        _check_weight(name, identifier)
        return cls(identifier)

    @property
    def is_zero(self):
        return self.value == 0.0

    def is_active(self, step):
        return tf.equal(step % self.every, 0)

    def at(self, step):
        """The weight at an active step, float32 scalar."""
        value = tf.constant(self.value * self.every, tf.float32)
        if self.warmup:
            grown = tf.cast(step, tf.float32) / self.warmup
            value = value * tf.minimum(grown, 1.0)
        return value

    def get_config(self):
        return {
            "value": self.value,
            "warmup": self.warmup,
            "every": self.every,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def __eq__(self, other):
        return (
            isinstance(other, Weight)
            and self.get_config() == other.get_config()
        )

    __hash__ = None

    def __repr__(self):
        return (
            f"Weight({self.value:g}, warmup={self.warmup}, every={self.every})"
        )


def _check_weight(name, value):
    allowed = "a number of at least 0, or 0 to switch the term off"
    check_number(name, value, is_not_negative, allowed)


class Regularizer(keras.layers.Layer):
    """A term beside the adversarial loss, or a change of how it is computed.

    A subclass overrides what it needs of:

    - `discriminator_loss(context)`: a scalar that the discriminator minimises
      with weight `discriminator_weight`.
    - `generator_loss(context)`: the same for the generator.
    - `prepare(images, draws)`: what it needs of the real images and nothing
      else, so that the input pipeline can make it (`where="pipeline"`).
    - `augment(images, draws)`: what the discriminator sees of images, real and
      fake.
    - `discriminator_adversarial(context)`, `generator_adversarial(context)`:
      the adversarial losses; only in one with `replaces_judging`.
    - `update(context)`: after each discriminator update, for controllers and
      running statistics.
    - `check(loss)`: refuses an adversarial loss with which it does not fit.
    - `build(image_shape, feature_shape, latent_dim, num_classes)`: makes the
      weights of further heads, which are trained with the discriminator.

    Args:
        discriminator_weight: weight of the discriminator's term: a number, a
            `Weight` or the dictionary of one's arguments.
        generator_weight: weight of the generator's term.
        name: name of its terms and of its random draws; by default the name
            of the class.

    A subclass keeps each of its arguments in an attribute of the same name (a
    single `weight` is the discriminator's), which is all that `get_config`
    needs.

    A constant weight of 0 for both terms, with judging left as it is, makes
    the regularizer inert: the GAN trains as if it was not there, bit for bit.
    """

    #: Features of the discriminator are used.
    needs_features = False
    #: It goes with a discriminator that judges several samples at a time:
    #: what it lets it judge is one sample for each of the batch, in its order.
    fits_packing = True
    #: Names of the scalars given to `context.report`.
    reports = ()
    #: It penalises gradients at images and has a method
    #: `penalty(judge, real, fake, draws)` that serves further heads too.
    is_penalty = False

    def __init__(
        self, discriminator_weight=0.0, generator_weight=0.0, name=None
    ):
        super().__init__(name=name or type(self).__name__)
        self.discriminator_weight = Weight.get(
            discriminator_weight, "discriminator_weight"
        )
        self.generator_weight = Weight.get(generator_weight, "generator_weight")

    @property
    def replaces_judging(self):
        """Whether it changes how a batch is judged."""
        return False

    @property
    def augments(self):
        """Whether it changes what the discriminator sees."""
        return False

    @property
    def is_inert(self):
        """Whether it changes nothing."""
        return (
            self.discriminator_weight.is_zero
            and self.generator_weight.is_zero
            and not self.replaces_judging
            and not self.augments
        )

    def build(
        self, image_shape, feature_shape=None, latent_dim=None, num_classes=None
    ):
        """Makes the weights of further heads.

        Args:
            image_shape: shape of one image.
            feature_shape: shape of the features of one image, `None` if the
                discriminator offers none.
            latent_dim: number of latents of one sample.
            num_classes: number of classes of a conditional GAN, or `None`.
        """
        self.built = True

    def check(self, loss):
        """Raises a ValueError if it does not fit the adversarial loss."""

    #: Whether `prepare` runs in the training `"step"` or the `"pipeline"`.
    where = "step"

    def prepare(self, images, draws):
        """What the discriminator's term needs of the real images alone.

        A pure function; asked for with `context.prepared(self)`.

        Args:
            images: `(batch, *image_shape)`.
            draws: `Draws` of this regularizer in this step.

        Returns:
            A tensor or a dictionary of tensors, batch first.
        """
        raise NotImplementedError

    def augment(self, images, draws):
        return images

    def discriminator_loss(self, context):
        raise NotImplementedError

    def generator_loss(self, context):
        raise NotImplementedError

    def discriminator_adversarial(self, context):
        """The discriminator's adversarial loss of a plain GAN."""
        return context.loss.discriminator(
            context.real.logits, context.fake.logits
        )

    def generator_adversarial(self, context):
        """The generator's adversarial loss of a plain GAN."""
        real = context.real.logits if context.loss.needs_real else None
        return context.loss.generator(context.fake.logits, real)

    def term(self, side, context):
        """One side's term in this step.

        Args:
            side: `"discriminator"` or `"generator"`.
            context: `Context` of this regularizer.

        Returns:
            The term without its weight, the weight, and whether the term is
            active in this step (1.0 or 0.0); all float32 scalars.
        """
        weight = getattr(self, f"{side}_weight")
        function = getattr(self, f"{side}_loss")
        if weight.every == 1:
            return function(context), weight.at(context.step), 1.0

        reported = []

        def compute():
            inside = context.isolated()
            value = function(inside)
            reported.extend(inside.reports)
            return (value, *(v for v, _ in inside.reports.values()))

        def skip():
            return tuple(tf.constant(0.0) for _ in range(1 + len(reported)))

        is_active = weight.is_active(context.step)
        value, *reports = tf.cond(is_active, compute, skip)
        active = tf.cast(is_active, tf.float32)
        for name, report in zip(reported, reports, strict=True):
            context.report(name, report, active)
        return value, active * weight.at(context.step), active

    def update(self, context):
        """Called after each update of the discriminator."""

    def call(self, images):
        """Regularizers act through the methods of a step; images pass."""
        return images

    @property
    def weight(self):
        """The discriminator's weight, where the paper has but one name."""
        return self.discriminator_weight

    def get_config(self):
        """The arguments of `__init__`, read from the attributes so named."""
        config = {}
        for argument in inspect.signature(type(self).__init__).parameters:
            if argument == "self":
                continue
            value = getattr(self, argument)
            if isinstance(value, Weight):
                value = keras.saving.serialize_keras_object(value)
            config[argument] = value
        return config
