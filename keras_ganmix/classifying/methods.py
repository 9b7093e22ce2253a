"""How a classifier is trained: on images, or on mixtures of two.

b is a, in another order of the same batch, and lambda is the share of a. A
method says what a step minimises, and what the trained network's logits are.
"""

import keras
import tensorflow as tf

from keras_ganmix.ops import masks


class Plain:
    """Cross-entropy of the images and their labels."""

    #: Names of what `terms` returns.
    names = ("cross_entropy",)
    #: Passes of the trunk in a step.
    passes = 1

    def terms(self, classifier, images, labels, draws):
        """What a step minimises.

        Args:
            classifier: the `Classifier`.
            images: float32 (B, h, w, c) in [-1, 1].
            labels: int32 (B,).
            draws: `Draws` of this step.

        Returns:
            `(terms, accuracy)`: a dict of float32 scalars, and how much of
            the labels, each with its share, is right; (B,).
        """
        logits = classifier.network(images, training=True)
        loss = cross_entropy(labels, logits)
        return {"cross_entropy": tf.reduce_mean(loss)}, hits(labels, logits)

    def inference(self, network):
        """The model from images to logits that is tested and saved."""
        return network


class Mixing(Plain):
    """Mixtures of two images, and of their labels with the same shares.

    With a mask M and lambda = mean(M), one of each per sample:

        x    = M x_a + (1 - M) x_b
        loss = lambda CE(logits(x), y_a) + (1 - lambda) CE(logits(x), y_b)

    Masks: `"mixup"` is lambda ~ Beta(alpha, alpha) everywhere; `"cutmix"` is 0
    in a box of nominal area 1 - lambda and 1 outside; `"srmix"` is that box
    with soft borders, as in `SampleMixing`. Both papers draw one lambda per
    batch, ours is one per sample; CutMix is applied to every batch.

    References:

    - [Zhang et al. 2018](https://arxiv.org/abs/1710.09412), Mixup
    - [Yun et al. 2019](https://arxiv.org/abs/1905.04899), CutMix
    - [Takamoto & Morishita 2021](https://arxiv.org/abs/2104.03535), SRMix,
      there for GANs

    Args:
        mask: `"mixup"`, `"cutmix"` or `"srmix"`.
        alpha: of the Beta distribution, above 0.
        sigma: width of SRMix' borders as a share of the height.
    """

    def __init__(self, mask, alpha=1.0, sigma=0.1):
        self.mask = mask
        self.alpha = alpha
        self.sigma = sigma

    def terms(self, classifier, images, labels, draws):
        draws = draws.scope(self.mask)
        partner = draws.permutation("partner", tf.shape(images)[0])
        mask = self._mask(images, draws)
        mixed = masks.mix(images, tf.gather(images, partner), mask)
        logits = classifier.network(mixed, training=True)
        ratio, others = masks.mask_mean(mask), tf.gather(labels, partner)
        loss = blend(cross_entropy, labels, others, ratio, logits)
        accuracy = blend(hits, labels, others, ratio, logits)
        return {"cross_entropy": tf.reduce_mean(loss)}, accuracy

    def _mask(self, images, draws):
        n, (height, width) = tf.shape(images)[0], images.shape[1:3]
        ratio = draws.beta("lambda", (n,), self.alpha)
        if self.mask == "mixup":
            return masks.mixup_mask(ratio, height, width)
        y, x = draws.uniform("y", (n,)), draws.uniform("x", (n,))
        if self.mask == "cutmix":
            return masks.cutmix_mask(ratio, y, x, height, width)
        return masks.srmix_mask(ratio, y, x, height, width, self.sigma)


class AdaptiveMix(Plain):
    """Features of mixtures, pulled to mixtures of features.

    With F the pooled features, of length 1 before an orthogonal head, and J
    the head; lambda ~ Beta(alpha, alpha), one for the whole batch:

        v_hat  = F(lambda x_a + (1 - lambda) x_b)
        v_mix  = lambda F(x_a) + (1 - lambda) F(x_b)
        logits = J(v_mix) + J(v_hat)
        loss   = lambda CE(logits, y_a) + (1 - lambda) CE(logits, y_b)
                 + weight * mean((v_hat - stop_gradient(v_mix + noise))^2)

    as in the authors' released code, where v_mix keeps the length that mixing
    leaves it, below 1. The mean is over batch and features. An image alone is
    a mixture with itself: its logits are 2 J(F(x)), which is our reading of
    how such a network is tested. So is the treatment of what the code does not
    say: normal noise of 0.05 as in its GAN form, and a linear head.

    Costs two trunk passes where plain training costs one.

    References:

    - [Liu et al. 2023](https://arxiv.org/abs/2303.01559)
    - [Liu et al. 2022](https://arxiv.org/abs/2205.07466), its predecessor

    Args:
        alpha: of the Beta distribution, above 0.
        noise_stddev: of the noise in the target, at least 0.
        mix_per: one lambda per `"batch"` or per `"sample"`.
        weight: of the second term.
    """

    names = ("cross_entropy", "adaptive_mix")
    passes = 2

    def __init__(
        self, alpha=1.0, noise_stddev=0.05, mix_per="batch", weight=1.0
    ):
        self.alpha = alpha
        self.noise_stddev = noise_stddev
        self.mix_per = mix_per
        self.weight = weight

    def terms(self, classifier, images, labels, draws):
        draws = draws.scope("adaptive_mix")
        n = tf.shape(images)[0]
        ratio = self._ratio(n, draws)
        partner = draws.permutation("partner", n)

        features = classifier.features(images, training=True)
        v_mix = _mix(features, partner, ratio)
        v_hat = classifier.features(_mix(images, partner, ratio), training=True)
        logits = classifier.head(v_mix) + classifier.head(v_hat)

        noise = self.noise_stddev * draws.normal("noise", tf.shape(v_mix))
        target = tf.stop_gradient(v_mix + noise)
        distance = tf.reduce_mean(tf.square(v_hat - target))
        others = tf.gather(labels, partner)
        loss = blend(cross_entropy, labels, others, ratio, logits)
        terms = {
            "cross_entropy": tf.reduce_mean(loss),
            "adaptive_mix": self.weight * distance,
        }
        return terms, blend(hits, labels, others, ratio, logits)

    def _ratio(self, n, draws):
        if self.mix_per == "sample":
            return draws.beta("lambda", (n,), self.alpha)
        return tf.fill([n], draws.beta("lambda", (), self.alpha))

    def inference(self, network):
        logits = keras.layers.Rescaling(2.0, name="logits", dtype="float32")
        return keras.Model(
            network.inputs, logits(network.output), name=network.name
        )


def cross_entropy(labels, logits):
    """Cross-entropy of each sample, (B,)."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)


def hits(labels, logits):
    """1.0 for each sample whose largest logit is its label's, (B,)."""
    guesses = tf.argmax(logits, axis=-1, output_type=labels.dtype)
    return tf.cast(guesses == labels, tf.float32)


def blend(function, labels, others, ratio, logits):
    """lambda f(labels, logits) + (1 - lambda) f(others, logits), (B,)."""
    return ratio * function(labels, logits) + (1.0 - ratio) * function(
        others, logits
    )


def _mix(x, partner, ratio):
    ratio = tf.reshape(ratio, (-1, *[1] * (len(x.shape) - 1)))
    return masks.mix(x, tf.gather(x, partner), ratio)


_METHODS = {
    "plain": Plain,
    "adaptive_mix": AdaptiveMix,
    "mixup": lambda **kwargs: Mixing("mixup", **kwargs),
    "cutmix": lambda **kwargs: Mixing("cutmix", **kwargs),
    "srmix": lambda **kwargs: Mixing("srmix", **kwargs),
}


def build(section):
    """The method of a recipe's section `method`."""
    return _METHODS[section.type](**section.model_dump(exclude={"type"}))
