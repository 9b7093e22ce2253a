"""Differentiable augmentation of all that the discriminator sees."""

import keras
import tensorflow as tf

from keras_ganmix.ops.augment import POLICIES, augment, uniforms_needed
from keras_ganmix.regularizers.arguments import check_name
from keras_ganmix.regularizers.base import Regularizer

POLICY = ("color", "translation", "cutout")


@keras.saving.register_keras_serializable(package="keras_ganmix")
class DiffAugment(Regularizer):
    """Augments the real and the generated images that are judged.

    A small training set is soon known by heart. So the discriminator sees real
    images and fakes only through random transforms T, in both steps, and the
    generator is trained through them:

        L_D = L_D^adv(D(T(x)), D(T(G(z)))),   L_G = L_G^adv(D(T(G(z))))

    Each image is transformed in its own way. `"color"` changes brightness,
    saturation and contrast, `"translation"` shifts by at most 1/8 of the side
    and fills with 0, `"cutout"` sets a square of half the side to 0, as in
    the paper; `"flip"` and `"rotation"` are ours. Use only what cannot leak
    into the generator's images: a transform that always acts can, if its
    result looks like a real image.

    Other regularizers see the features of augmented images; tasks of their own
    (`Deshuffle`, `Rotation`) start from the images as they are.

    Cost: no pass.

    References:

    - [Zhao et al. 2020, Differentiable Augmentation for Data-Efficient GAN
      Training](https://arxiv.org/abs/2006.10738)

    Args:
        policy: names of augmentations, in the order in which they are applied:
            `"color"`, `"translation"`, `"cutout"`, `"flip"`, `"rotation"`.
        name: name of the random draws.

    Raises:
        ValueError: for unknown names, an empty policy, data that are not
            images, and rotation of images that are not square.
    """

    def __init__(self, policy=POLICY, name=None):
        super().__init__(name=name)
        who = type(self).__name__
        if isinstance(policy, str):
            policy = (policy,)
        if not isinstance(policy, (list, tuple)) or not policy:
            raise ValueError(
                f"{who}.policy: {policy!r} is not allowed; name at least one "
                f"of {', '.join(sorted(POLICIES))}."
            )
        policy = tuple(policy)
        for augmentation in policy:
            check_name(f"{who}.policy", augmentation, POLICIES)
        self.policy = policy

    @property
    def augments(self):
        return True

    #: Probability of each augmentation; `None` for always.
    probability = None

    def build(
        self, image_shape, feature_shape=None, latent_dim=None, num_classes=None
    ):
        who = type(self).__name__
        if len(image_shape) != 3:
            raise ValueError(
                f"{who} augments images of shape (height, width, channels), "
                f"but the GAN makes {tuple(image_shape)}."
            )
        if "rotation" in self.policy and image_shape[0] != image_shape[1]:
            raise ValueError(
                f"{who}.policy: 'rotation' needs square images, but the GAN "
                f"makes {image_shape[0]} x {image_shape[1]}; leave it out."
            )
        self.built = True

    def augment(self, images, draws):
        batch = images.shape[0] or tf.shape(images)[0]
        needed = uniforms_needed(self.policy, self.probability is not None)
        uniforms = draws.uniform("augment", (batch, needed))
        return augment(images, uniforms, self.policy, self.probability)
