"""SS-GAN: the discriminator tells how far an image was rotated."""

import keras
import tensorflow as tf

from keras_ganmix.ops.transforms import rotate90
from keras_ganmix.regularizers.arguments import check_number
from keras_ganmix.regularizers.self_supervision import SelfSupervision


@keras.saving.register_keras_serializable(package="keras_ganmix")
class Rotation(SelfSupervision):
    """Rotation as a self-supervised task (SS-GAN).

    Images are rotated by 0, 90, 180 and 270 degrees counter-clockwise, and a
    further head Q of the discriminator tells by how much; the generator makes
    images whose rotation can be told. With R(x, k) the image rotated k times,

        L_D = L_D^adv + discriminator_weight * E_real CE(Q(F(R(x, k))), k)
        L_G = L_G^adv + generator_weight * E_fake CE(Q(F(R(x, k))), k)

    Guessing gives a term of ln 4 = 1.386.

    Cost: 4 `fraction` more trunk passes (one by default) in the
    discriminator's step and as many in the generator's.

    References:

    - [Chen et al. 2019, Self-Supervised GANs via Auxiliary Rotation
      Loss](https://arxiv.org/abs/1811.11212)

    Args:
        discriminator_weight: weight of the discriminator's term.
        generator_weight: weight of the generator's term.
        fraction: share of the batch, in (0, 1], that is used in all four
            rotations: as many images as that gives, rounded down but at least
            one, spread evenly over the batch. 0.25, as in the paper's
            experiments, makes four times a quarter of the batch. `None` rotates
            each image once, by an angle of its own.
        where: `"step"` or `"pipeline"`, where real images are rotated. For
            equal results on several replicas, a replica's batch times
            `fraction` must be an integer.
        pooling: `"average"` or `"flatten"`, the head after a spatial trunk;
            see `SelfSupervision`.
        spectral_norm: whether the head is spectrally normalised.
        name: name of the terms and of the random draws.

    Raises:
        ValueError: for a fraction outside (0, 1], unknown names, and data that
            are not square images.
    """

    num_tasks = 4

    def __init__(
        self,
        discriminator_weight=1.0,
        generator_weight=0.2,
        fraction=0.25,
        where="step",
        pooling="average",
        spectral_norm=False,
        name=None,
    ):
        super().__init__(
            discriminator_weight,
            generator_weight,
            where,
            pooling,
            spectral_norm,
            name,
        )
        if fraction is not None:
            check_number(
                "Rotation.fraction",
                fraction,
                lambda share: 0 < share <= 1,
                "a number in (0, 1], or None to rotate each image once",
            )
        self.fraction = fraction

    def check_images(self, image_shape):
        super().check_images(image_shape)
        if image_shape[0] != image_shape[1]:
            raise ValueError(
                "Rotation needs square images, but the GAN makes "
                f"{image_shape[0]} x {image_shape[1]}; crop or pad them."
            )

    @property
    def fits_packing(self):
        """Not if an image is judged beside its own rotations."""
        return self.fraction is None

    # Every image is followed by its own rotations, so that a batch can be
    # spread over replicas. The small numbers guard against 3 * (1 / 3) < 1.

    def _count(self, batch):
        if isinstance(batch, int):
            return max(1, int(batch * self.fraction + 1e-3))
        share = tf.cast(batch, tf.float32) * self.fraction + 1e-3
        return tf.maximum(1, tf.cast(share, tf.int32))

    def select(self, batch):
        if self.fraction is None:
            return None
        order = tf.cast(tf.range(self._count(batch)), tf.float32)
        index = tf.cast(order / self.fraction + 1e-3, tf.int32)
        return tf.repeat(index, self.num_tasks)

    def draw_classes(self, batch, draws):
        if self.fraction is None:
            return super().draw_classes(batch, draws)
        return tf.tile(tf.range(self.num_tasks), [self._count(batch)])

    def transform(self, images, classes):
        return rotate90(images, classes)
