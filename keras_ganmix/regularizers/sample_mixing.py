"""Sample mixing: the discriminator grades mixtures of real and fake images."""

import keras
import tensorflow as tf
from keras import ops

from keras_ganmix import losses
from keras_ganmix.ops import masks
from keras_ganmix.regularizers.arguments import (
    check_name,
    check_number,
    is_integer,
    is_positive,
)
from keras_ganmix.regularizers.base import Regularizer, Weight

_MASKS = ("mixup", "cutmix", "srmix")
_MODES = ("auto", "interpolate", "target", "as_fake", "consistency")
_APPLY = ("add", "replace", "ramp")


@keras.saving.register_keras_serializable(package="keras_ganmix")
class SampleMixing(Regularizer):
    """Shows the discriminator mixtures of real and fake images.

    The i-th real is mixed with the i-th fake under a mask M, and the
    discriminator is to say how real the mixture is, where a plain GAN asks for
    yes or no:

        x_mix = M x_real + (1 - M) x_fake,    lambda = mean(M),    d = D(x_mix)

    Masks, one per sample:

    - `"mixup"`: M = lambda everywhere, lambda ~ Beta(alpha, alpha).
    - `"cutmix"`: 0 inside a box, 1 outside; roles exchanged in every other
      sample on average, so that lambda is symmetric about 1/2.
    - `"srmix"`: that box with soft borders, between the other two: sigma 0 is
      CutMix, infinity a constant mask.

    Terms, means over the batch; f_r and f_f are the discriminator's losses of
    real and fake logits, t_r and t_f their targets:

    - `"interpolate"`: lambda f_r(d) + (1 - lambda) f_f(d); with the logistic
      loss the cross-entropy of the soft label lambda.
    - `"target"`: (d - t)^2 with t = lambda t_r + (1 - lambda) t_f; keeps the
      grading with the hinge loss, where `"interpolate"` loses it.
    - `"as_fake"`: f_f(d), where M is exchanged for 1 - M if lambda > 1/2.
    - `"consistency"`: (d - lambda D(x_real) - (1 - lambda) D(x_fake))^2, with
      the gradient of all three; for any loss.
    - `"auto"`: `"target"` for hinge, `"consistency"` for Wasserstein and
      relativistic losses, `"interpolate"` for the others.

    The generator, with `generator_weight`, minimises the mean of
    (1 - lambda) g(d), g its adversarial loss of a logit; its gradient is
    masked by 1 - M.

    Costs one more pass of the discriminator in its step, with `"ramp"` in
    mixed steps only, and one in the generator's step if that has a term. With
    `"replace"`, reals and fakes are still judged for the logs, without a
    backward pass.

    As published: that Mixup, CutMix and SRMix of real and fake images are
    used, that losses without labels need a form of their own, and that SRMix
    is smoothed and lies between the others. The paper's masks and equations
    were not accessible to us, so the rest is our reading: the masks, the laws
    of lambda, the default modes. `"as_fake"` is the rule of manifold-mixup
    GANs, `"consistency"` and `"ramp"` are after U-Net GAN.

    Images are mixed as the discriminator sees them, after augmentation; a
    mixture of a conditional GAN has the label of its real image, which is that
    of the fake too.

    Note: patents of the authors' company on position-dependent mixing of real
    and generated images exist (US20220366228A1, WO2021220343A1).

    References:

    - [Takamoto & Morishita 2021](https://arxiv.org/abs/2104.03535)
    - [Zhang et al. 2018](https://arxiv.org/abs/1710.09412), Mixup
    - [Yun et al. 2019](https://arxiv.org/abs/1905.04899), CutMix
    - [Verma et al. 2019](https://arxiv.org/abs/1806.05236), `"as_fake"`
    - [Schönfeld et al. 2020](https://arxiv.org/abs/2002.12655),
      `"consistency"` and `"ramp"`

    Args:
        mask: `"mixup"`, `"cutmix"` or `"srmix"`.
        mode: `"auto"`, `"interpolate"`, `"target"`, `"as_fake"` or
            `"consistency"`.
        apply: `"add"` the term to the adversarial loss of the discriminator;
            `"replace"` that loss by the term; or `"ramp"`, replace it in some
            steps, whose probability grows linearly from 0 to 1/2. What
            replaces must tell real from fake by itself: `"replace"` goes with
            `"interpolate"` and `"target"` only.
        alpha: parameter of the Beta distribution, above 0. For the boxes it
            decides their nominal area, lambda is what is left of the mask
            after clipping.
        sigma: standard deviation of SRMix' smoothing as a share of the
            image's height, at least 0.
        weight: weight of the discriminator's term; must be left at 1 unless
            `apply="add"`.
        generator_weight: weight of the generator's term.
        ramp_steps: number of steps in which the probability of `"ramp"`
            grows, at least 1.
        name: name of its terms and draws.

    Raises:
        ValueError: for arguments out of range, an adversarial loss that does
            not go with them, or boxes in data that are not images.
    """

    fits_packing = False

    def __init__(
        self,
        mask="srmix",
        mode="auto",
        apply="add",
        alpha=1.0,
        sigma=0.1,
        weight=1.0,
        generator_weight=0.0,
        ramp_steps=10_000,
        name=None,
    ):
        for argument, value, allowed in (
            ("mask", mask, _MASKS),
            ("mode", mode, _MODES),
            ("apply", apply, _APPLY),
        ):
            check_name(f"SampleMixing.{argument}", value, allowed)
        for argument, value, is_allowed, allowed in (
            ("alpha", alpha, is_positive, "a number above 0"),
            ("sigma", sigma, lambda v: v >= 0, "a number of at least 0"),
            (
                "ramp_steps",
                ramp_steps,
                is_integer(1),
                "an integer of at least 1",
            ),
        ):
            check_number(f"SampleMixing.{argument}", value, is_allowed, allowed)
        weight = Weight.get(weight, "SampleMixing.weight")
        if apply != "add" and weight != Weight(1.0):
            raise ValueError(
                f"SampleMixing.weight: {weight} is not allowed with apply="
                f"{apply!r}, where the term is the adversarial loss itself; "
                "leave it at 1, or use apply='add'."
            )
        super().__init__(
            discriminator_weight=weight if apply == "add" else 0.0,
            generator_weight=Weight.get(
                generator_weight, "SampleMixing.generator_weight"
            ),
            name=name,
        )
        self.mask = mask
        self.mode = mode
        self.apply = apply
        self.alpha = alpha
        self.sigma = sigma
        self.ramp_steps = ramp_steps
        self._weight = weight

    @property
    def weight(self):
        return self._weight

    @property
    def replaces_judging(self):
        return self.apply != "add"

    def build(
        self, image_shape, feature_shape=None, latent_dim=None, num_classes=None
    ):
        if self.mask != "mixup" and len(image_shape) != 3:
            raise ValueError(
                f"SampleMixing.mask: {self.mask!r} cuts boxes out of images, "
                f"but the data have shape {tuple(image_shape)}; use 'mixup'."
            )
        super().build(image_shape, feature_shape, latent_dim, num_classes)

    def check(self, loss):
        name, mode = type(loss).__name__, self.mode_for(loss)
        if mode in ("interpolate", "as_fake") and not loss.has_branches:
            raise ValueError(
                f"SampleMixing.mode: {mode!r} needs separate losses of real "
                f"and fake logits, which {name} has not; use 'consistency'."
            )
        if mode == "target" and loss.targets is None:
            raise ValueError(
                "SampleMixing.mode: 'target' needs finite targets of real and "
                f"fake logits, which {name} has not; use "
                + ("'interpolate' or " if loss.has_branches else "")
                + "'consistency'."
            )
        if self.apply == "replace" and mode in ("as_fake", "consistency"):
            how = "" if self.mode == mode else f" (for {name} by mode='auto')"
            raise ValueError(
                f"SampleMixing.apply: 'replace' does not go with mode={mode!r}"
                f"{how}, which alone teaches the discriminator nothing of "
                "reals; use apply='add' or 'ramp', or mode='interpolate' or "
                "'target' where the loss allows it."
            )
        if not self.generator_weight.is_zero and not loss.has_branches:
            raise ValueError(
                "SampleMixing.generator_weight: the generator's term needs a "
                f"loss of single logits, which {name} has not; use 0."
            )

    def mode_for(self, loss):
        """The mode that is used with an adversarial loss."""
        if self.mode != "auto":
            return self.mode
        if isinstance(loss, losses.Hinge):
            return "target"
        if isinstance(loss, losses.Wasserstein) or not loss.has_branches:
            return "consistency"
        return "interpolate"

    def masks(self, images, draws):
        """Draws a mask for each image.

        Args:
            images: `(batch, *image_shape)`, of which only the shape counts.
            draws: `Draws` of this regularizer in this step.

        Returns:
            M, float32 of shape `(batch, height, width, 1)`, or `(batch, 1)`
            for data that are not images; the share of the real image.
        """
        n = ops.shape(images)[0]
        lam = draws.beta("lambda", (n,), self.alpha)
        if len(images.shape) != 4:
            return ops.reshape(lam, (-1, *[1] * (len(images.shape) - 1)))
        height, width = images.shape[1:3]
        if self.mask == "mixup":
            return masks.mixup_mask(lam, height, width)
        y, x, swap = (
            draws.uniform(name, (n,))
            for name in ("centre_y", "centre_x", "swap")
        )
        if self.mask == "cutmix":
            return masks.cutmix_mask(lam, y, x, height, width, swap)
        return masks.srmix_mask(lam, y, x, height, width, self.sigma, swap)

    def mix(self, real, fake, draws, fold=False):
        """Mixes real with fake images.

        Args:
            real: `(batch, *image_shape)`.
            fake: the same shape.
            draws: `Draws` of this regularizer in this step.
            fold: whether the share of the real image is at most 1/2.

        Returns:
            The mixtures, and lambda, the shares of the real images, float32 of
            shape `(batch,)`.
        """
        mask = self.masks(fake, draws)  # whose shape is always known
        lam = masks.mask_mean(mask)
        if fold:
            high = ops.reshape(lam > 0.5, (-1, *[1] * (len(mask.shape) - 1)))
            mask = ops.where(high, 1.0 - mask, mask)
            lam = ops.minimum(lam, 1.0 - lam)
        return masks.mix(real, fake, mask), lam

    def discriminator_adversarial(self, context):
        if self.apply == "add":
            return super().discriminator_adversarial(context)
        if self.apply == "replace":
            return self._mixed_term(context)
        # Judged outside of the branches, as other terms use the logits too.
        pure = super().discriminator_adversarial(context)
        step = ops.cast(context.step, "float32")
        probability = 0.5 * ops.minimum(step / self.ramp_steps, 1.0)
        return tf.cond(
            context.draws.uniform("ramp", ()) < probability,
            lambda: self._mixed_term(context.isolated()),
            lambda: pure,
        )

    def discriminator_loss(self, context):
        return self._mixed_term(context)

    def generator_loss(self, context):
        logits, lam = self._judge_mixed(context)
        return ops.mean((1.0 - lam) * context.loss.generator_branch(logits))

    def _mixed_term(self, context):
        logits, lam = self._judge_mixed(context)
        loss, mode = context.loss, self.mode_for(context.loss)
        if mode == "as_fake":
            return ops.mean(loss.fake_branch(logits))
        if mode == "interpolate":
            real = lam * loss.real_branch(logits)
            return ops.mean(real + (1.0 - lam) * loss.fake_branch(logits))
        if mode == "target":
            real, fake = loss.targets
        else:
            real, fake = context.real.logits, context.fake.logits
        goal = lam * real + (1.0 - lam) * fake
        return ops.mean(ops.square(logits - goal))

    def _judge_mixed(self, context):
        """Logits of mixtures and lambda, both `(batch, 1)`."""
        real, fake = context.real, context.fake
        fold = self.mode_for(context.loss) == "as_fake"
        images, lam = self.mix(real.seen, fake.seen, context.draws, fold)
        return context.samples(images, real.labels).logits, lam[:, None]
