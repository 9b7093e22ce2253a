"""Consistency regularization: CR, balanced (bCR) and latent (zCR)."""

import keras
from keras import ops

from keras_ganmix.ops.augment import flip
from keras_ganmix.ops.transforms import translate
from keras_ganmix.regularizers.arguments import (
    PLACES,
    check_name,
    check_number,
    is_positive,
)
from keras_ganmix.regularizers.base import Regularizer, Weight

KINDS = ("cr", "bcr", "zcr")
_DEFAULT_WEIGHTS = {"cr": (10.0, 0.0), "bcr": (10.0, 0.0), "zcr": (5.0, 0.5)}


@keras.saving.register_keras_serializable(package="keras_ganmix")
class Consistency(Regularizer):
    """Asks the discriminator for the same logit before and after a change.

    The change T is a random mirroring and shift of an image, or z' = z + noise
    in the latents:

        cr:  L_D += weight * E_real (D(x) - D(T(x)))^2
        bcr: L_D += weight * (E_real (D(x) - D(T(x)))^2
                              + E_fake (D(G(z)) - D(T(G(z))))^2)
        zcr: L_D += weight * E (D(G(z)) - D(G(z')))^2
             L_G += generator_weight * -E mean (G(z) - G(z'))^2

    zCR asks the generator to change where the discriminator may not. bCR and
    zCR together (two of these, with two names) are the papers' ICR.

    Our reading: shifts are filled with zeros (mid-grey); the distance of two
    images is the mean over their pixels; z' has the label of z; D(T(x)) is
    taken without the augmentation that DiffAugment and the like add to D(x).
    Gradient flows through both logits. The noise and the weights are those of
    PyTorch-StudioGAN's configurations, but zcr's of the discriminator, which is
    ours.

    Costs a trunk pass of the reals (cr), of reals and fakes (bcr), or of the
    fakes (zcr). zcr also runs the generator once more, in both players' steps,
    so batch normalisation there updates its statistics twice.

    References:

    - [Zhang et al. 2020](https://arxiv.org/abs/1910.12027), CR
    - [Zhao et al. 2020](https://arxiv.org/abs/2002.04724), bCR, zCR, ICR

    Args:
        kind: `"cr"`, `"bcr"` or `"zcr"`.
        weight: weight of the discriminator's term; by default 10, for zcr 5.
        generator_weight: weight of the generator's term, which only zcr has;
            by default 0.5.
        mirror: whether images are mirrored left-right, with probability 1/2.
            Not for pictures of text or digits.
        shift: largest shift relative to the side, in [0, 1]; 1/8 is 4 of 32
            pixels.
        noise_stddev: standard deviation of the latents' noise, above 0.
        where: whether the real images are changed in the training `"step"` or
            the input `"pipeline"`; the draws are the same.
        name: name of its terms and of its random draws.

    Raises:
        ValueError: for arguments outside these ranges, a change that changes
            nothing, or cr and bcr on data that are not images.
    """

    def __init__(
        self,
        kind="cr",
        weight=None,
        generator_weight=None,
        mirror=True,
        shift=0.125,
        noise_stddev=0.05,
        where="step",
        name=None,
    ):
        check_name("Consistency.kind", kind, KINDS)
        check_name("Consistency.where", where, PLACES)
        defaults = _DEFAULT_WEIGHTS[kind]
        weight = defaults[0] if weight is None else weight
        if generator_weight is None:
            generator_weight = defaults[1]
        super().__init__(
            Weight.get(weight, "Consistency.weight"),
            Weight.get(generator_weight, "Consistency.generator_weight"),
            name,
        )
        if kind != "zcr" and not self.generator_weight.is_zero:
            raise ValueError(
                f"Consistency.generator_weight: {generator_weight!r} is not "
                f"allowed, since kind={kind!r} has no term for the generator; "
                "leave it, or use kind='zcr'."
            )
        if kind == "zcr" and where == "pipeline":
            raise ValueError(
                "Consistency.where: 'pipeline' changes real images, but "
                "kind='zcr' looks at generated ones only; use where='step'."
            )
        check_number(
            "Consistency.shift",
            shift,
            lambda share: 0 <= share <= 1,
            "a number in [0, 1], relative to the side of the image",
        )
        if kind != "zcr" and not mirror and shift == 0:
            raise ValueError(
                "Consistency.shift: 0 with mirror=False changes no image; "
                "give a number above 0, or mirror=True."
            )
        check_number(
            "Consistency.noise_stddev",
            noise_stddev,
            is_positive,
            "a number above 0",
        )
        self.kind = kind
        self.mirror = mirror
        self.shift = shift
        self.noise_stddev = noise_stddev
        self.where = where

    def build(
        self, image_shape, feature_shape=None, latent_dim=None, num_classes=None
    ):
        if self.kind != "zcr" and len(image_shape) != 3:
            raise ValueError(
                f"Consistency.kind: {self.kind!r} mirrors and shifts images of "
                "shape (height, width, channels), but the GAN makes "
                f"{tuple(image_shape)}; use kind='zcr'."
            )
        self.built = True

    def prepare(self, images, draws):
        """The changed images, of the same shape.

        Args:
            images: `(batch, height, width, channels)`.
            draws: `Draws` of this regularizer in this step.
        """
        return self.change(images, draws.scope("real"))

    def change(self, images, draws):
        """Mirrors and shifts each image at random.

        Args:
            images: `(batch, height, width, channels)`.
            draws: `Draws`.
        """
        batch = ops.shape(images)[0]
        if self.mirror:
            images = flip(images, draws.uniform("mirror", (batch,)))
        return translate(images, draws.uniform("shift", (batch, 2)), self.shift)

    def discriminator_loss(self, context):
        if self.kind == "zcr":
            return self._latent_term(context)
        value = self._term(context, context.real, context.prepared(self))
        if self.kind == "bcr":
            fake = context.fake
            changed = self.change(fake.images, context.draws.scope("fake"))
            value += self._term(context, fake, changed)
        return value

    def _term(self, context, samples, changed):
        others = context.samples(changed, samples.labels)
        return ops.mean(ops.square(samples.logits - others.logits))

    def _latent_term(self, context):
        others = ops.stop_gradient(self.neighbours(context))
        return self._term(context, context.fake, others)

    def neighbours(self, context):
        """G(z'), images of latents near those of the fakes.

        Args:
            context: `Context` of this regularizer.
        """
        latents = context.fake.latents
        noise = context.draws.normal("noise", ops.shape(latents))
        latents = latents + self.noise_stddev * noise
        return context.generate(latents, context.fake.labels)

    def generator_loss(self, context):
        images = ops.cast(context.fake.images, "float32")
        others = ops.cast(self.neighbours(context), "float32")
        return -ops.mean(ops.square(images - others))
