"""Small layers that the networks share."""

import keras
from keras import ops

from keras_ganmix.networks import checks


@keras.saving.register_keras_serializable(package="keras_ganmix")
class LabelEmbedding(keras.layers.Embedding):
    """`keras.layers.Embedding` with a dense gradient.

    Made for some hundred classes. Int labels (...,) give vectors
    (..., output_dim); labels outside [0, input_dim) give zeros.

    Args:
        input_dim: number of classes.
        output_dim: size of a class's vector.
        **kwargs: as of `keras.layers.Embedding`.
    """

    def call(self, inputs):
        classes = ops.one_hot(inputs, self.input_dim, dtype=self.compute_dtype)
        table = ops.cast(self.embeddings, self.compute_dtype)
        return ops.matmul(classes, table)


@keras.saving.register_keras_serializable(package="keras_ganmix")
class GlobalSumPooling2D(keras.layers.Layer):
    """Sums over height and width: (B, H, W, C) -> (B, C)."""

    def call(self, inputs):
        return ops.sum(inputs, axis=(1, 2))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[-1])


@keras.saving.register_keras_serializable(package="keras_ganmix")
class Maxout(keras.layers.Layer):
    """The largest of `pieces` affine maps, per unit: (B, N) -> (B, units).

    References:

    - [Goodfellow et al. 2013](https://arxiv.org/abs/1302.4389)

    Args:
        units: size of the output.
        pieces: affine maps per unit.
        kernel_initializer: of all pieces together, a matrix of shape
            (N, units * pieces).
        **kwargs: `name`, `dtype`.
    """

    def __init__(
        self, units, pieces, kernel_initializer="glorot_uniform", **kwargs
    ):
        super().__init__(**kwargs)
        self.units = units
        self.pieces = pieces
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.dense = keras.layers.Dense(
            units * pieces,
            kernel_initializer=self.kernel_initializer,
            dtype=self.dtype_policy,
            name="dense",
        )

    def build(self, input_shape):
        self.dense.build(input_shape)

    def call(self, inputs):
        outputs = self.dense(inputs)
        outputs = ops.reshape(outputs, (-1, self.units, self.pieces))
        return ops.max(outputs, axis=-1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.units)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "pieces": self.pieces,
            "kernel_initializer": keras.initializers.serialize(
                self.kernel_initializer
            ),
        }


@keras.saving.register_keras_serializable(package="keras_ganmix")
class Pack(keras.layers.Layer):
    """Puts each sample beside others of its batch: (..., C) -> (..., size C).

    Sample i of the batch is joined, along the last axis, with the samples
    i - 1, ..., i - size + 1, counted around the batch. So a discriminator
    judges `size` samples at a time, of which all are real or all are fake,
    and sees when they are too much alike.

    In the paper a batch is cut into packs, which makes it smaller; here each
    sample is in `size` packs, so that every sample still has a logit.

    References:

    - [Lin et al. 2018, PacGAN](https://arxiv.org/abs/1712.04086)

    Args:
        size: samples in a pack.
        **kwargs: `name`, `dtype`.
    """

    #: What it gives for a sample depends on which stand beside it.
    joins_samples = True

    def __init__(self, size, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def call(self, inputs):
        shifted = [ops.roll(inputs, i, axis=0) for i in range(self.size)]
        return ops.concatenate(shifted, axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.size * input_shape[-1])

    def get_config(self):
        return {**super().get_config(), "size": self.size}


def packed(inputs, packing):
    """Joins each sample with `packing` - 1 others, by `Pack`."""
    checks.positive("packing", packing)
    return inputs if packing == 1 else Pack(packing, name="pack")(inputs)


def logits(features, labels, num_classes, make=lambda layer: layer, **kwargs):
    """The last layer of a discriminator, with a projection for classes.

    logit = w . features + b + embedding[label] . features: eq. 4 of
    [Miyato & Koyama 2018](https://arxiv.org/abs/1802.05637).

    Args:
        features: (B, N) tensor.
        labels: (B,) int tensor, or None.
        num_classes: number of classes, used with labels.
        make: wraps the two layers, for example in spectral normalisation.
        **kwargs: `kernel_initializer`, used for both layers.

    Returns:
        float32 tensor of shape (B, 1).
    """
    initializer = kwargs.get("kernel_initializer", "glorot_uniform")
    outputs = make(
        keras.layers.Dense(
            1,
            kernel_initializer=initializer,
            dtype="float32",
            name="logits",
        )
    )(features)
    if labels is None:
        return outputs
    embedding = make(
        LabelEmbedding(
            num_classes,
            features.shape[-1],
            embeddings_initializer=initializer,
            dtype="float32",
            name="class_embedding",
        )
    )(labels)
    projection = keras.layers.Dot(
        axes=1, dtype="float32", name="class_projection"
    )([features, embedding])
    return keras.layers.Add(dtype="float32", name="class_logits")(
        [outputs, projection]
    )
