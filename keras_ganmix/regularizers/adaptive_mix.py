"""AdaptiveMix: pulls features of mixed images to mixtures of features."""

import keras
import tensorflow as tf
from keras import ops

from keras_ganmix.ops.masks import mix
from keras_ganmix.regularizers.arguments import (
    PLACES,
    check_name,
    check_number,
    is_not_negative,
    is_positive,
)
from keras_ganmix.regularizers.base import Regularizer, Weight

_DISTANCES = ("cosine", "l2")
_MIX_PER = ("batch", "sample")
_LOGITS = ("sum", "mean", "plain")
_APPLY_TO = ("real", "fake", "generator")


@keras.saving.register_keras_serializable(package="keras_ganmix")
class AdaptiveMix(Regularizer):
    """Shrinks the regions that images take in the discriminator's features.

    Images are mixed with others of their own batch, reals with reals and fakes
    with fakes, and the features of a mixture are pulled to the mixture of the
    features. The adversarial loss judges the mixtures instead of the images.

    With trunk F, head J, a random permutation that pairs b with a, and
    lambda ~ Beta(alpha, alpha):

        v_hat = F(lambda x_a + (1 - lambda) x_b)
        v_mix = lambda F(x_a) + (1 - lambda) F(x_b)
        term  = -cosine(v_hat, stop_gradient(v_mix + noise))
        logit = J(v_mix) + J(v_hat)

    The term is the mean over a batch and, in the discriminator's step, the
    sum of those of reals and fakes. Its gradient flows through v_hat only.

    Costs two trunk passes for each batch that it applies to, one more than
    the plain GAN: F(x_b) is F(x_a) in another order.

    As in the authors' released code: the formulas above, one lambda per batch,
    noise in the target only, both players minimising the term. Of our own:
    `logits="mean"` and `"plain"`, one lambda per sample, penalties of image
    gradients (R1 and the like) on the plain logits, since on the sum of two
    they would be four times as strong. So is the treatment of labels: a
    mixture is judged with the labels of its a; if the trunk takes labels,
    F(x_b) is that of b with its own.

    Augmentation, if any, comes before mixing. Permutations are those of one
    replica's batch.

    References:

    - [Liu et al. 2023](https://arxiv.org/abs/2303.01559)

    Args:
        distance: `"cosine"`, the negative cosine of the flattened features,
            or `"l2"`, their mean squared difference.
        alpha: parameter of the Beta distribution of lambda, above 0.
        noise_stddev: standard deviation of the noise in the target, at
            least 0.
        mix_per: one lambda per `"batch"` (the same on all replicas) or per
            `"sample"`.
        logits: what the adversarial loss judges: the `"sum"` or the `"mean"`
            of J(v_mix) and J(v_hat), or the `"plain"` J(F(x)).
        apply_to: which batches are mixed: any of `"real"` and `"fake"` in the
            discriminator's step, and `"generator"` for the generator's
            step (fakes, and reals where a relativistic loss judges them).
            Others are judged plainly and have no term.
        weight: weight of the discriminator's term.
        generator_weight: weight of the generator's term.
        where: `"step"`, or `"pipeline"` to let `GAN.prepare` mix the reals of
            the discriminator's step in the input pipeline; that excludes
            augmentation and several replicas.
        name: name of its terms and draws.

    Raises:
        ValueError: for arguments out of range, a discriminator without
            features, or batches of one image.
    """

    needs_features = True
    fits_packing = False

    def __init__(
        self,
        distance="cosine",
        alpha=1.0,
        noise_stddev=0.05,
        mix_per="batch",
        logits="sum",
        apply_to=("real", "fake", "generator"),
        weight=1.0,
        generator_weight=1.0,
        where="step",
        name=None,
    ):
        for argument, value, allowed in (
            ("distance", distance, _DISTANCES),
            ("mix_per", mix_per, _MIX_PER),
            ("logits", logits, _LOGITS),
            ("where", where, PLACES),
        ):
            check_name(f"AdaptiveMix.{argument}", value, allowed)
        check_number(
            "AdaptiveMix.alpha", alpha, is_positive, "a number above 0"
        )
        check_number(
            "AdaptiveMix.noise_stddev",
            noise_stddev,
            is_not_negative,
            "a number of at least 0",
        )
        apply_to = _check_apply_to(apply_to)
        if where == "pipeline" and "real" not in apply_to:
            raise ValueError(
                "AdaptiveMix.where: 'pipeline' mixes real images, but "
                f"apply_to={apply_to} has no 'real'; use where='step'."
            )
        weight = Weight.get(weight, "AdaptiveMix.weight")
        generator_weight = Weight.get(
            generator_weight, "AdaptiveMix.generator_weight"
        )
        super().__init__(
            # What is not mixed has no term.
            discriminator_weight=weight if apply_to != ("generator",) else 0,
            generator_weight=generator_weight if "generator" in apply_to else 0,
            name=name,
        )
        self.distance = distance
        self.alpha = alpha
        self.noise_stddev = noise_stddev
        self.mix_per = mix_per
        self.logits = logits
        self.apply_to = apply_to
        self.where = where

    @classmethod
    def official(cls, name=None):
        """The form of the authors' released code."""
        return cls(
            distance="cosine",
            alpha=1.0,
            noise_stddev=0.05,
            mix_per="batch",
            logits="sum",
            apply_to=_APPLY_TO,
            weight=1.0,
            generator_weight=1.0,
            name=name,
        )

    @property
    def replaces_judging(self):
        return self.logits != "plain"

    def prepare(self, images, draws):
        """Mixes real images with others of their batch.

        Args:
            images: `(batch, *image_shape)`, at least two.
            draws: `Draws` of this regularizer in this step.

        Returns:
            Dictionary of `"images"`, the mixtures; `"ratio"`, lambda as float32
            of shape `(batch,)`; `"partner"`, the indices of the b, int32.
        """
        return self._mix_images(images, draws.scope("real"))

    def discriminator_adversarial(self, context):
        return context.loss.discriminator(
            self._judge(context, "real", "real" in self.apply_to),
            self._judge(context, "fake", "fake" in self.apply_to),
        )

    def generator_adversarial(self, context):
        mixed = "generator" in self.apply_to
        real = None
        if context.loss.needs_real:
            real = self._judge(context, "real", mixed, prepared=False)
        return context.loss.generator(self._judge(context, "fake", mixed), real)

    def discriminator_loss(self, context):
        kinds = [kind for kind in ("real", "fake") if kind in self.apply_to]
        return sum(self._term(context, kind) for kind in kinds)

    def generator_loss(self, context):
        return self._term(context, "fake")

    def _judge(self, context, kind, mixed, prepared=True):
        """Logits of one batch, `(batch, 1)`."""
        samples = getattr(context, kind)
        if not mixed or self.logits == "plain":
            return samples.logits
        v_mix, v_hat = self._features(context, kind, prepared)
        head = context.discriminator.head
        logits = head(v_mix, samples.labels) + head(v_hat, samples.labels)
        return logits / 2.0 if self.logits == "mean" else logits

    def _term(self, context, kind):
        v_mix, v_hat = self._features(context, kind)
        target = v_mix
        if self.noise_stddev > 0:
            noise = context.draws.scope(kind).normal("noise", ops.shape(v_mix))
            target += self.noise_stddev * noise
        target = ops.stop_gradient(target)
        v_hat = ops.cast(v_hat, "float32")
        if self.distance == "cosine":
            return -ops.mean(_cosine(v_hat, target))
        return ops.mean(ops.square(v_hat - target))

    def _features(self, context, kind, prepared=True):
        """v_mix, float32, and v_hat of one batch, once per step."""

        def compute():
            samples = getattr(context, kind)
            mixture = self.mixture(context, kind, prepared)
            ratio, partner = mixture["ratio"], mixture["partner"]
            features = ops.cast(samples.features, "float32")
            others = ops.take(features, partner, axis=0)
            v_mix = mix(features, others, _beside(ratio, features))
            v_hat = context.discriminator.features(
                mixture["images"], samples.labels
            )
            return v_mix, v_hat

        return context.once(kind, compute)

    def mixture(self, context, kind, prepared=True):
        """Mixes one batch of a step with others of it.

        Args:
            context: `Context` of the step.
            kind: `"real"` or `"fake"`.
            prepared: whether that of the input pipeline is taken, if any.

        Returns:
            As `prepare`.

        Raises:
            ValueError: if that of the pipeline does not fit the step.
        """
        samples = getattr(context, kind)
        made = prepared and samples.prepared.get(self.name)
        if not made:
            return self._mix_images(samples.seen, context.draws.scope(kind))
        if samples.seen is not samples.images:
            raise ValueError(
                f"{self.name}.where: 'pipeline' mixes images before they are "
                "augmented; use where='step' together with augmentation."
            )
        replica = tf.distribute.get_replica_context()
        replicas = 1 if replica is None else replica.num_replicas_in_sync
        if replicas * context.draws.parts > 1:
            raise ValueError(
                f"{self.name}.where: 'pipeline' pairs images of the whole "
                "batch, which is divided over replicas or by accumulate; use "
                "where='step'."
            )
        return made

    def _mix_images(self, images, draws):
        n = ops.shape(images)[0]
        if isinstance(n, int) and n < 2:
            raise ValueError(
                f"{self.name} mixes each image with another of its batch, but "
                "a batch (on each replica) has only 1; use at least 2."
            )
        if self.mix_per == "batch":
            ratio = draws.beta("lambda", (), self.alpha)
            ratio = ops.broadcast_to(ratio, (n,))
        else:
            ratio = draws.beta("lambda", (n,), self.alpha)
        partner = draws.permutation("partner", n)
        others = ops.take(images, partner, axis=0)
        mixed = mix(images, others, _beside(ratio, images))
        return {"images": mixed, "ratio": ratio, "partner": partner}


def _beside(ratio, x):
    """Ratios (batch,) in the rank of x."""
    return ops.reshape(ratio, (-1, *[1] * (len(x.shape) - 1)))


def _cosine(a, b):
    """Cosine of each pair of flattened features, (batch,); 0 for zeros."""
    axes = list(range(1, len(a.shape)))

    def dot(x, y):
        return ops.sum(x * y, axis=axes)

    # The bound is inside the root, whose gradient at 0 would be NaN.
    scale_a = ops.rsqrt(ops.maximum(dot(a, a), 1e-16))
    scale_b = ops.rsqrt(ops.maximum(dot(b, b), 1e-16))
    return dot(a, b) * scale_a * scale_b


def _check_apply_to(apply_to):
    names = apply_to if isinstance(apply_to, (list, tuple)) else [apply_to]
    for name in names:
        check_name("AdaptiveMix.apply_to", name, _APPLY_TO)
    if not names:
        raise ValueError(
            f"AdaptiveMix.apply_to: {apply_to!r} is not allowed; give at "
            f"least one of {', '.join(_APPLY_TO)}."
        )
    return tuple(name for name in _APPLY_TO if name in names)
