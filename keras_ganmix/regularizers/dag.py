"""DAG: each transform of the images has a head of its own."""

import math

import keras
import tensorflow as tf
from keras import ops

from keras_ganmix.ops import transforms
from keras_ganmix.regularizers.arguments import PLACES, check_name
from keras_ganmix.regularizers.base import Regularizer, Weight
from keras_ganmix.regularizers.transform_heads import POOLINGS, TransformHeads
from keras_ganmix.utils.models import joins_samples

NORMALIZATIONS = ("k-1", "official")
HEADS = ("per_transform", "shared")


@keras.saving.register_keras_serializable(package="keras_ganmix")
class DAG(Regularizer):
    """Compares transformed real with equally transformed generated images.

    Each transform T_k but the identity has a head D_k of its own on the trunk
    of the discriminator, so that no head ever takes a transformed image for an
    ordinary one and the transforms do not leak into what is generated:

        L_D += weight / (K - 1) * sum_k L_D(D_k(T_k x), D_k(T_k G(z)))
        L_G += generator_weight / (K - 1) * sum_k L_G(D_k(T_k G(z)))

    with the adversarial loss of the GAN, separately for each head (means of a
    relativistic loss never mix heads), plus each gradient penalty of the GAN,
    with its own weight, for each head.

    A head is linear in the pooled features of the trunk; with classes it adds
    the inner product with a class vector that all heads share (Miyato & Koyama
    2018). For random transforms (translation, cutout), the i-th real and the
    i-th generated image share their draw. The transformed images are not
    augmented.

    The order of the transforms is that of the released code, whose weights are
    0.2; the authors' runs on few data use 1.0, which is the default here, with
    heads that see the whole map, since it was the better one in our runs. Our
    reading: the class vectors belong to these heads, they are not those of the
    discriminator's own head.

    Costs K - 1 further trunk passes of the reals and the fakes (K if
    `"official"`), as one concatenated pass if the discriminator has neither
    batch normalisation nor packing, otherwise one after the other; and those of
    the penalties.

    References:

    - [Tran et al. 2021](https://arxiv.org/abs/2006.05338)

    Args:
        policy: one of `"rotation"`, `"flipping"`, `"fliprot"`, `"cropping"`,
            `"translation"`, `"cutout"`, or a list of them, whose terms add up
            (for different weights use several DAGs with different names).
            Points of the plane can be rotated, about the origin.
        weight: lambda of the discriminator, for each policy.
        generator_weight: lambda of the generator, for each policy.
        normalize: `"k-1"` as in the formula, or `"official"` as in the
            released code: divided by K, and the identity is one more transform
            with a head.
        heads: `"per_transform"`, or `"shared"`, an ablation that leaks: the
            discriminator's own head judges the transformed images too.
        real_only: an ablation that leaks: generated images are compared as
            they are with the transformed real ones.
        pooling: what a head sees of a spatial feature map: the `"average"` or
            the `"sum"` over its positions, or all of it (`"flatten"`).
        spectral_norm: whether each head and class vector is used at unit
            length, which is the spectral normalisation of a single row. For a
            spectrally normalised residual discriminator, together with
            `pooling="sum"`: then a head is as the discriminator's own.
        where: whether the real images are transformed in the training
            `"step"` or the input `"pipeline"`; the draws are the same.
        name: name of its terms and of its random draws.

    Raises:
        ValueError: for unknown names, a policy given twice, or data that a
            policy cannot transform.
    """

    def __init__(
        self,
        policy="rotation",
        weight=1.0,
        generator_weight=1.0,
        normalize="k-1",
        heads="per_transform",
        real_only=False,
        pooling="flatten",
        spectral_norm=False,
        where="step",
        name=None,
    ):
        super().__init__(
            Weight.get(weight, "DAG.weight"),
            Weight.get(generator_weight, "DAG.generator_weight"),
            name,
        )
        for argument, value, allowed in (
            ("normalize", normalize, NORMALIZATIONS),
            ("heads", heads, HEADS),
            ("pooling", pooling, POOLINGS),
            ("where", where, PLACES),
        ):
            check_name(f"DAG.{argument}", value, allowed)
        self._policies = _check_policy(policy)
        self.policy = policy
        self.normalize = normalize
        self.heads = heads
        self.real_only = real_only
        self.pooling = pooling
        self.spectral_norm = spectral_norm
        self.where = where

    @property
    def needs_features(self):
        return self.heads == "per_transform"

    def build(
        self, image_shape, feature_shape=None, latent_dim=None, num_classes=None
    ):
        self._transforms, self._shares = [], []
        for policy in self._policies:
            made = _transforms(policy, image_shape)
            used = made if self.normalize == "official" else made[1:]
            self._transforms += [(policy, transform) for transform in used]
            self._shares += [1 / len(used)] * len(used)
        if self.heads == "per_transform":
            self.transform_heads = TransformHeads(
                len(self._transforms),
                num_classes,
                self.pooling,
                self.spectral_norm,
                name="heads",
            )
            self.transform_heads.build((None, *feature_shape))
        self.built = True

    # Transforms.

    @property
    def names(self):
        """Policy and name of the transform of each head, in their order."""
        return tuple((policy, t.name) for policy, t in self._transforms)

    def prepare(self, images, draws):
        """The transformed copies of the images.

        Args:
            images: `(batch, *image_shape)`.
            draws: `Draws` of this regularizer in this step.

        Returns:
            Dictionary of `copies` `(batch, heads, *image_shape)`, copy k for
            head k, and for random transforms the `uniforms` `(batch, n)` that
            they were made by.
        """
        batch = ops.shape(images)[0]
        uniforms = [
            draws.uniform(
                f"{policy}/{transform.name}", (batch, transform.uniforms)
            )
            for policy, transform in self._transforms
            if transform.uniforms
        ]
        made = {}
        if uniforms:
            made["uniforms"] = ops.concatenate(uniforms, axis=1)
        return {"copies": self.copies(images, **made), **made}

    def copies(self, images, uniforms=None):
        """The copies of images that given uniforms make."""
        copies, first = [], 0
        for _, transform in self._transforms:
            own = None
            if transform.uniforms:
                own = uniforms[:, first : first + transform.uniforms]
                first += transform.uniforms
            copies.append(transform(images, own))
        return ops.stack(copies, axis=1)

    # Heads.

    def judge(self, view, images, labels, head):
        """Logits of one head, float32 of shape `(batch, 1)`.

        Args:
            view: `DiscriminatorView`.
            images: `(batch, *image_shape)`, transformed as the head expects.
            labels: `(batch,)` integers or `None`.
            head: index into `names`.
        """
        if self.heads == "shared":
            return view.logits(images, labels)
        return self.transform_heads.one(
            view.features(images, labels), labels, head
        )

    def judge_all(self, view, copies, labels):
        """Logits of head k for copy k, float32 of shape `(batch, heads)`.

        Args:
            view: `DiscriminatorView`.
            copies: `(batch, heads, *image_shape)`.
            labels: `(batch,)` integers or `None`.
        """
        count = len(self._transforms)
        if _couples_batch(view.model):
            columns = [
                self.judge(view, copies[:, k], labels, k) for k in range(count)
            ]
            return ops.concatenate(columns, axis=1)
        images = ops.reshape(copies, (-1, *copies.shape[2:]))
        repeated = labels
        if labels is not None:
            repeated = ops.repeat(labels, count, axis=0)
        if self.heads == "shared":
            return ops.reshape(view.logits(images, repeated), (-1, count))
        return self.transform_heads.each(
            view.features(images, repeated), labels
        )

    # Terms.

    def discriminator_loss(self, context):
        real, fake = context.real, context.fake
        view = context.discriminator
        prepared = context.prepared(self)
        copies = prepared["copies"]
        if self.real_only:
            real_logits = self.judge_all(view, copies, real.labels)
            fake_logits = self._judge_plain(fake)
            fakes = [fake.images] * len(self._transforms)
        else:
            fake_copies = self.copies(fake.images, prepared.get("uniforms"))
            real_logits, fake_logits = self._judge_both(
                view, copies, fake_copies, real.labels, fake.labels
            )
            fakes = ops.unstack(fake_copies, axis=1)
        reals = ops.unstack(copies, axis=1)
        total = 0.0
        for k, share in enumerate(self._shares):
            column = slice(k, k + 1)
            value = context.loss.discriminator(
                real_logits[:, column], fake_logits[:, column]
            )
            value += self._penalties(context, k, reals[k], fakes[k])
            total += share * value
        return total

    def generator_loss(self, context):
        view, fake = context.discriminator, context.fake
        if self.real_only:
            fake_logits = self._judge_plain(fake)
        else:
            copies = self.prepare(fake.images, context.draws)["copies"]
            fake_logits = self.judge_all(view, copies, fake.labels)
        real_logits = None
        if context.loss.needs_real:
            # Not what the pipeline has prepared: that is drawn for the
            # discriminator, and here reals and fakes share their draws.
            copies = self.prepare(context.real.images, context.draws)["copies"]
            real_logits = self.judge_all(view, copies, context.real.labels)
        total = 0.0
        for k, share in enumerate(self._shares):
            column = slice(k, k + 1)
            real = None if real_logits is None else real_logits[:, column]
            total += share * context.loss.generator(
                fake_logits[:, column], real
            )
        return total

    def _judge_both(self, view, reals, fakes, real_labels, fake_labels):
        if _couples_batch(view.model):
            return (
                self.judge_all(view, reals, real_labels),
                self.judge_all(view, fakes, fake_labels),
            )
        labels = None
        if real_labels is not None:
            labels = ops.concatenate([real_labels, fake_labels], axis=0)
        images = ops.concatenate([reals, fakes], axis=0)
        logits = self.judge_all(view, images, labels)
        batch = ops.shape(reals)[0]
        return logits[:batch], logits[batch:]

    def _judge_plain(self, samples):
        """Logits of all heads for the images as they are."""
        if self.heads == "shared":
            return ops.repeat(samples.logits, len(self._transforms), axis=1)
        return self.transform_heads.every(samples.features, samples.labels)

    def _penalties(self, context, head, real, fake):
        """The weighted gradient penalties of the GAN for one head."""

        def judge(images):
            labels = context.real.labels  # those of the fakes, too
            return self.judge(context.discriminator, images, labels, head)

        total = 0.0
        for penalty in context.penalties:
            weight = penalty.discriminator_weight
            draws = context.draws.scope(penalty.name).scope(f"head_{head}")

            def compute(penalty=penalty, draws=draws):
                return penalty.penalty(judge, real, fake, draws)

            if weight.every == 1:
                value = compute()
            else:
                value = tf.cond(
                    weight.is_active(context.step),
                    compute,
                    lambda: tf.constant(0.0),
                )
            # In steps that both are lazy in, this term counts `every` times
            # as well.
            common = math.gcd(self.discriminator_weight.every, weight.every)
            total += weight.at(context.step) / common * value
        return total


def _couples_batch(model):
    """Whether an image's features depend on the other images of the batch."""
    return joins_samples(model) or any(
        isinstance(layer, keras.layers.BatchNormalization)
        for layer in model._flatten_layers()
    )


def _check_policy(policy):
    names = list(policy) if isinstance(policy, (list, tuple)) else [policy]
    for name in names:
        check_name("DAG.policy", name, transforms.POLICIES)
    if not names or len(set(names)) < len(names):
        raise ValueError(
            f"DAG.policy: {policy!r} is not allowed; give at least one policy, "
            "each once."
        )
    return names


def _transforms(policy, image_shape):
    """The transforms of a policy for data of a shape, the identity first."""
    if len(image_shape) != 3:
        if tuple(image_shape) == (2,) and policy == "rotation":
            return [_point_rotation(k) for k in range(4)]
        raise ValueError(
            f"DAG.policy: {policy!r} transforms images of shape (height, "
            f"width, channels), but the GAN makes {tuple(image_shape)}. Points "
            "of the plane, shape (2,), can have 'rotation'."
        )
    made = transforms.transforms(policy)
    height, width = image_shape[:2]
    if height != width and any(transform.square for transform in made):
        raise ValueError(
            f"DAG.policy: {policy!r} needs square images, but the GAN makes "
            f"{height} x {width}; use 'flipping', 'cropping', 'translation' or "
            "'cutout', or crop the images."
        )
    return made


def _point_rotation(k):
    """Rotates points (batch, 2) by k * 90 degrees counter-clockwise."""

    def rotate(points):
        x, y = points[:, 0], points[:, 1]
        rotated = [(x, y), (-y, x), (-x, -y), (y, -x)][k]
        return ops.stack(rotated, axis=1)

    return transforms.Transform(f"rotate_{90 * k}", rotate)
