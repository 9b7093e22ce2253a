import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ganmix.metrics import (
    FeatureStatistics,
    FrechetDistance,
    frechet_distance,
)


def streams():
    rng = np.random.default_rng(0)
    real = rng.normal(size=(90, 5)) + 100
    return real, real[::-1] * [1, 1, 2, 1, 1] + 0.5


def expected(real, fake):
    one, two = (FeatureStatistics().update(x) for x in (real, fake))
    return frechet_distance(*one.gaussian(), *two.gaussian())


def test_equals_the_statistics_in_any_batches_eager_and_in_graphs():
    real, fake = streams()
    for wrap in (lambda f: f, tf.function(reduce_retracing=True)):
        metric = FrechetDistance(5)
        update = wrap(metric.update_state)
        update(tf.constant(real[:0]), tf.constant(fake[:0]))
        for start, stop in ((0, 7), (7, 60), (60, 90)):
            update(tf.constant(real[start:stop]), tf.constant(fake[start:stop]))
        got = wrap(metric.result)()
        assert float(got) == pytest.approx(expected(real, fake), rel=1e-6)


def test_reset_and_too_few_samples():
    real, fake = streams()
    metric = FrechetDistance(5)
    metric.update_state(fake, real)
    metric.reset_state()
    assert np.isnan(metric.result())
    metric.update_state(real, fake)
    assert float(metric.result()) == pytest.approx(expected(real, fake))


def test_serialization_round_trip():
    metric = FrechetDistance(5, name="frechet[mine]")
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(metric)
    )
    assert (again.dimension, again.name) == (5, "frechet[mine]")


def test_bad_input():
    with pytest.raises(ValueError, match="dimension: 0"):
        FrechetDistance(0)
    with pytest.raises(ValueError, match="has no weights"):
        FrechetDistance(2).update_state(
            np.zeros((2, 2)), np.zeros((2, 2)), sample_weight=np.ones(2)
        )
