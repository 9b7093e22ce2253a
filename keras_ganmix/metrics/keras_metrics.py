"""The Frechet distance as a Keras metric, for `evaluate` and graphs."""

import keras
import tensorflow as tf

from keras_ganmix.metrics.frechet import frechet_distance


@keras.saving.register_keras_serializable(package="keras_ganmix")
class FrechetDistance(keras.metrics.Metric):
    """Frechet distance between the features of two streams.

    The statistics are float64 weights of the metric, merged batch by batch as
    in `FeatureStatistics`, so that it works inside of `tf.function`; the
    distance itself is that of `frechet_distance`, in numpy, so that `result`
    does not compile with XLA. With fewer than two samples on a side it is NaN.

    Args:
        dimension: D of the features.
        name: of the metric. Only features of the 2015 Inception network make
            it the FID.

    Example:

    ```python
    metric = keras_ganmix.metrics.FrechetDistance(dimension=128)
    metric.update_state(real_features, fake_features)
    metric.result()
    ```
    """

    def __init__(self, dimension, name="frechet", **kwargs):
        super().__init__(name=name, **kwargs)
        if dimension < 1:
            raise ValueError(f"dimension: {dimension} is too small; use 1.")
        self.dimension = dimension
        self._sides = [
            (
                self._zeros((), f"{side}_count"),
                self._zeros((dimension,), f"{side}_mean"),
                self._zeros((dimension, dimension), f"{side}_scatter"),
            )
            for side in ("real", "fake")
        ]

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds features of reals (N, D) and of fakes (M, D).

        Raises:
            ValueError: with sample weights, which have no meaning here.
        """
        if sample_weight is not None:
            raise ValueError(
                "sample_weight: the Frechet distance has no weights; leave it "
                "out."
            )
        for features, side in zip((y_true, y_pred), self._sides, strict=True):
            self._merge(tf.cast(features, tf.float64), *side)

    def result(self):
        """The distance, a float32 scalar."""
        arguments = []
        for count, mean, scatter in self._sides:
            count = tf.convert_to_tensor(count)
            arguments += [mean, scatter / (count - 1.0), count]
        distance = tf.numpy_function(_distance, arguments, tf.float64)
        return tf.cast(tf.ensure_shape(distance, ()), tf.float32)

    def get_config(self):
        return {**super().get_config(), "dimension": self.dimension}

    def _zeros(self, shape, name):
        return self.add_variable(
            shape=shape, initializer="zeros", dtype="float64", name=name
        )

    def _merge(self, features, count, mean, scatter):
        new = tf.cast(tf.shape(features)[0], tf.float64)
        total = tf.maximum(tf.convert_to_tensor(count) + new, 1.0)
        centre = tf.reduce_sum(features, axis=0) / tf.maximum(new, 1.0)
        delta = centre - mean
        centred = features - centre
        scatter.assign_add(
            tf.matmul(centred, centred, transpose_a=True)
            + tf.tensordot(delta, delta, axes=0) * (count * new / total)
        )
        mean.assign_add(delta * (new / total))
        count.assign_add(new)


def _distance(mean1, covariance1, count1, mean2, covariance2, count2):
    if min(count1, count2) < 2:
        return float("nan")
    return frechet_distance(mean1, covariance1, mean2, covariance2)
