"""Linear heads on one trunk, a head for each transform of the images."""

import math

import keras
from keras import ops

POOLINGS = ("average", "sum", "flatten")


@keras.saving.register_keras_serializable(package="keras_ganmix")
class TransformHeads(keras.layers.Layer):
    """Linear heads, with a class projection that all of them share.

    Head k gives w_k . phi + b_k + v[label] . phi of pooled features phi, in
    float32: equation 4 of [Miyato & Koyama
    2018](https://arxiv.org/abs/1802.05637) with one v for all heads.

    Args:
        count: number of heads.
        num_classes: number of classes, or `None` for no class vectors v.
        pooling: what the heads see of a spatial map: the `"average"` or the
            `"sum"` over its positions, or all of it (`"flatten"`).
        spectral_norm: whether each w_k and v is used at unit length, the
            spectral normalisation of a single row.
        **kwargs: `name`.
    """

    def __init__(
        self,
        count,
        num_classes=None,
        pooling="average",
        spectral_norm=False,
        **kwargs,
    ):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.count = count
        self.num_classes = num_classes
        self.pooling = pooling
        self.spectral_norm = spectral_norm

    def build(self, feature_shape):
        size = feature_shape[-1]
        if self.pooling == "flatten":
            size = math.prod(feature_shape[1:])
        # Each column is a head, so its fans are those of a layer with one unit.
        limit = math.sqrt(6 / (size + 1))
        self.kernel = self.add_weight(
            name="kernel",
            shape=(size, self.count),
            initializer=keras.initializers.RandomUniform(-limit, limit),
        )
        self.bias = self.add_weight(
            name="bias", shape=(self.count,), initializer="zeros"
        )
        self.embedding = None
        if self.num_classes is not None:
            self.embedding = self.add_weight(
                name="class_embedding",
                shape=(self.num_classes, size),
                initializer="glorot_uniform",
            )

    def pool(self, features):
        """From features `(batch, ..., channels)` to float32 `(batch, size)`."""
        features = ops.cast(features, "float32")
        if len(features.shape) == 2:
            return features
        if self.pooling == "flatten":
            return ops.reshape(features, (-1, math.prod(features.shape[1:])))
        positions = tuple(range(1, len(features.shape) - 1))
        if self.pooling == "sum":
            return ops.sum(features, axis=positions)
        return ops.mean(features, axis=positions)

    def one(self, features, labels, head):
        """Logits of one head, `(batch, 1)`.

        Args:
            features: `(batch, ..., channels)`.
            labels: `(batch,)` integers or `None`.
            head: its index.
        """
        pooled = self.pool(features)[:, None]
        return self._logits(pooled, labels, slice(head, head + 1))

    def each(self, features, labels):
        """Logits of head k for copy k, `(batch, count)`.

        Args:
            features: `(batch * count, ..., channels)`, the copies of an image
                next to each other.
            labels: `(batch,)` integers or `None`.
        """
        pooled = self.pool(features)
        pooled = ops.reshape(pooled, (-1, self.count, pooled.shape[-1]))
        return self._logits(pooled, labels, slice(None))

    def every(self, features, labels):
        """Logits of all heads for the same images, `(batch, count)`.

        Args:
            features: `(batch, ..., channels)`.
            labels: `(batch,)` integers or `None`.
        """
        pooled = ops.repeat(self.pool(features)[:, None], self.count, axis=1)
        return self._logits(pooled, labels, slice(None))

    def _logits(self, pooled, labels, heads):
        kernel = self._unit(ops.convert_to_tensor(self.kernel)[:, heads], 0)
        bias = ops.convert_to_tensor(self.bias)[heads]
        logits = ops.einsum("bks,sk->bk", pooled, kernel) + bias
        if self.embedding is not None:
            # Not a gather: its sparse gradient has no place in an all-reduce.
            table = self._unit(ops.convert_to_tensor(self.embedding), 1)
            classes = ops.one_hot(labels, self.num_classes, dtype="float32")
            vectors = ops.matmul(classes, table)
            logits += ops.einsum("bks,bs->bk", pooled, vectors)
        return logits

    def _unit(self, vectors, axis):
        return ops.normalize(vectors, axis) if self.spectral_norm else vectors

    def get_config(self):
        return {
            **super().get_config(),
            "count": self.count,
            "num_classes": self.num_classes,
            "pooling": self.pooling,
            "spectral_norm": self.spectral_norm,
        }
