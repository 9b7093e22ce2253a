"""The base of self-supervised tasks of the discriminator."""

import math

import keras
import tensorflow as tf
from keras import ops

from keras_ganmix.networks.spectral_norm import SpectralNormalization
from keras_ganmix.regularizers.arguments import PLACES, check_name
from keras_ganmix.regularizers.base import Regularizer, Weight

POOLINGS = ("average", "flatten")


class SelfSupervision(Regularizer):
    """The discriminator tells what was done to an image.

    Each image x is transformed by a class k drawn for it, and a further head Q
    on the trunk F of the discriminator classifies the result:

        L_D += discriminator_weight * E_real CE(Q(F(T(x, k))), k)
        L_G += generator_weight * E_fake CE(Q(F(T(x, k))), k)

    The task is cooperative: G minimises its term too, so it makes images whose
    transforms can be told. D learns the task from real images only. The head of
    the logits never sees a transformed image and Q never an intact one, unless
    the identity is one of the classes. Images are transformed as they are,
    before any augmentation of what the discriminator sees.

    A subclass gives `num_tasks` and `transform`, and `select` and
    `draw_classes` where not every image is transformed once.

    Reports `real_accuracy` and `fake_accuracy`, the share of transforms told
    correctly, and `chance`, what guessing gives.

    Args:
        discriminator_weight: weight of the discriminator's term.
        generator_weight: weight of the generator's term.
        where: whether the real images are transformed in the training
            `"step"` or the input `"pipeline"`; the draws are the same.
        pooling: what Q is after a spatial trunk: `"average"`, ReLU, average
            over positions and a dense layer, or `"flatten"`, a dense layer
            with weights of its own for each position. A trunk that gives
            vectors has nothing to pool: there Q is a dense layer.
        spectral_norm: whether Q is spectrally normalised.
        name: name of the terms and of the random draws.

    Raises:
        ValueError: for unknown names and for data that are not images.
    """

    needs_features = True

    def __init__(
        self,
        discriminator_weight,
        generator_weight,
        where="step",
        pooling="average",
        spectral_norm=False,
        name=None,
    ):
        who = type(self).__name__
        super().__init__(
            Weight.get(discriminator_weight, f"{who}.discriminator_weight"),
            Weight.get(generator_weight, f"{who}.generator_weight"),
            name,
        )
        check_name(f"{who}.where", where, PLACES)
        check_name(f"{who}.pooling", pooling, POOLINGS)
        self.where = where
        self.pooling = pooling
        self.spectral_norm = bool(spectral_norm)

    @property
    def num_tasks(self):
        """Number of classes that Q tells apart."""
        raise NotImplementedError

    def transform(self, images, classes):
        """Images of the shape of `images`, each transformed by its class.

        Args:
            images: `(batch, height, width, channels)`.
            classes: int32 of shape `(batch,)`, in [0, num_tasks).
        """
        raise NotImplementedError

    def select(self, batch):
        """Indices of the images to be transformed, `None` for each once.

        Args:
            batch: number of images, an integer or a scalar tensor.
        """
        return None

    def draw_classes(self, batch, draws):
        """The classes of the selected images, int32 of one dimension.

        Args:
            batch: number of images before selection.
            draws: `Draws` of this regularizer in this step.
        """
        return draws.integers("classes", (batch,), self.num_tasks)

    def check_images(self, image_shape):
        """Raises a ValueError if images of this shape cannot be transformed."""
        if len(image_shape) != 3:
            raise ValueError(
                f"{type(self).__name__} transforms images of shape (height, "
                f"width, channels), but the GAN makes {tuple(image_shape)}."
            )

    @property
    def chance(self):
        """The accuracy of guessing."""
        return 1.0 / self.num_tasks

    @property
    def chance_loss(self):
        """The cross-entropy of guessing, in nats."""
        return math.log(self.num_tasks)

    @property
    def reports(self):
        sides = (("real", "discriminator"), ("fake", "generator"))
        active = [
            f"{kind}_accuracy"
            for kind, side in sides
            if not getattr(self, f"{side}_weight").is_zero
        ]
        return (*active, "chance")

    def build(
        self, image_shape, feature_shape=None, latent_dim=None, num_classes=None
    ):
        self.check_images(image_shape)
        head = keras.layers.Dense(self.num_tasks, dtype="float32", name="head")
        if self.spectral_norm:
            head = SpectralNormalization(head, name="head")
        is_map = len(feature_shape) > 1
        if is_map and self.pooling == "average":
            size = feature_shape[-1]
        else:
            size = math.prod(feature_shape)
        head.build((None, size))
        self.head = head
        self.built = True

    def classify(self, features):
        """Logits of Q, float32 of shape `(batch, num_tasks)`."""
        features = ops.cast(features, "float32")
        if len(features.shape) > 2:
            if self.pooling == "average":
                axes = tuple(range(1, len(features.shape) - 1))
                features = ops.mean(ops.relu(features), axis=axes)
            else:
                size = math.prod(features.shape[1:])
                features = ops.reshape(features, (-1, size))
        return self.head(features, training=True)

    def prepare(self, images, draws):
        batch = _size(images)
        classes = self.draw_classes(batch, draws)
        images = self._selected(images, batch)
        return {"images": self.transform(images, classes), "classes": classes}

    def _selected(self, tensor, batch):
        index = self.select(batch)
        return tensor if index is None else ops.take(tensor, index, axis=0)

    def discriminator_loss(self, context):
        return self._loss("real", context.prepared(self), context)

    def generator_loss(self, context):
        made = self.prepare(context.fake.images, context.draws)
        return self._loss("fake", made, context)

    def _loss(self, kind, made, context):
        labels = getattr(context, kind).labels
        if labels is not None:
            labels = self._selected(labels, _size(labels))
        view = context.discriminator
        logits = self.classify(view.features(made["images"], labels))
        classes = made["classes"]
        told = ops.equal(ops.cast(ops.argmax(logits, -1), "int32"), classes)
        accuracy = ops.mean(ops.cast(told, "float32"))
        context.report(f"{kind}_accuracy", accuracy)
        context.report("chance", self.chance)
        return ops.mean(
            ops.sparse_categorical_crossentropy(
                classes, logits, from_logits=True
            )
        )


def _size(tensor):
    return tensor.shape[0] or tf.shape(tensor)[0]
