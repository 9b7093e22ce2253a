"""Gradient penalties between or around images: WGAN-GP and DRAGAN."""

import keras
from keras import ops

from keras_ganmix.regularizers.arguments import (
    check_name,
    check_number,
    is_positive,
)
from keras_ganmix.regularizers.base import Regularizer, Weight
from keras_ganmix.regularizers.r1_r2 import image_gradient, square_norms

KINDS = ("wgan_gp", "dragan")
_EPSILON = 1e-10  # below the root, whose gradient at 0 would be infinite


@keras.saving.register_keras_serializable(package="keras_ganmix")
class GradientPenalty(Regularizer):
    """Pulls the norm of the discriminator's gradient to a target.

    At points x^ between real and generated images (WGAN-GP) or around real
    ones (DRAGAN), with u ~ U[0, 1) drawn for each sample:

        L_D += weight * E (||grad D(x^)|| / target - 1)^2
        wgan_gp: x^ = x + u (G(z) - x)
        dragan:  x^ = x + u n,  n = std(x) / 2 * U[0, 1) for each pixel

    `wgan_gp` as in the paper (equation 3) and in tensorflow-gan, whose
    `target` and `one_sided` it has too. `dragan` as in the authors' released
    code, where std(x) is one number, the standard deviation of all pixels of
    the batch (here that of one replica); the paper has Gaussian noise.

    Our reading: a point is judged with the label of its image and without
    augmentation. Both papers want a discriminator that does not couple the
    images of a batch: use layer normalisation or none instead of batch
    normalisation.

    Costs one trunk pass, its gradient, and the gradient of that.

    References:

    - [Gulrajani et al. 2017](https://arxiv.org/abs/1704.00028)
    - [Kodali et al. 2017](https://arxiv.org/abs/1705.07215)

    Args:
        kind: `"wgan_gp"` or `"dragan"`.
        weight: lambda; a number, a `Weight` or the dictionary of one's
            arguments.
        target: the norm that costs nothing, above 0.
        one_sided: whether only norms above the target cost.
        name: name of its term and of its random draws.

    Raises:
        ValueError: for an unknown kind, or a target that is not above 0.
    """

    is_penalty = True

    def __init__(
        self,
        kind="wgan_gp",
        weight=10.0,
        target=1.0,
        one_sided=False,
        name=None,
    ):
        check_name("GradientPenalty.kind", kind, KINDS)
        check_number(
            "GradientPenalty.target", target, is_positive, "a number above 0"
        )
        super().__init__(
            Weight.get(weight, "GradientPenalty.weight"), name=name
        )
        self.kind = kind
        self.target = target
        self.one_sided = one_sided

    def discriminator_loss(self, context):
        points = self.points(
            context.real.images, context.fake.images, context.draws
        )
        samples = context.samples(points, context.real.labels)
        return self._loss(samples.image_gradient)

    def penalty(self, judge, real, fake, draws):
        """The term for another head, float32 scalar, without its weight.

        Args:
            judge: function of images that gives float32 logits `(batch, 1)`.
            real: images, `(batch, *image_shape)`.
            fake: generated images, of the same shape.
            draws: `Draws`.
        """
        points = self.points(real, fake, draws)
        return self._loss(image_gradient(judge, points))

    def points(self, real, fake, draws):
        """The x^ of the formula.

        Args:
            real: images, `(batch, *image_shape)`.
            fake: generated images, of the same shape; not used by `dragan`.
            draws: `Draws`.
        """
        shape = ops.shape(real)
        ones = (1,) * (len(shape) - 1)
        share = draws.uniform("interpolation", (shape[0], *ones))
        if self.kind == "wgan_gp":
            return real + share * (fake - real)
        noise = draws.uniform("noise", shape)
        return real + share * (0.5 * ops.std(real) * noise)

    def _loss(self, gradient):
        norms = ops.sqrt(square_norms(gradient) + _EPSILON)
        excess = norms / self.target - 1.0
        if self.one_sided:
            excess = ops.relu(excess)
        return ops.mean(ops.square(excess))
