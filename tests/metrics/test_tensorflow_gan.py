"""Against tensorflow-gan's implementations, on the same features."""

import numpy as np
import pytest
import tensorflow as tf

from keras_ganmix.metrics import (
    FeatureStatistics,
    classifier_score,
    frechet_distance,
    sliced_wasserstein,
    squared_mmd,
)
from keras_ganmix.metrics.wasserstein import laplacian_pyramid
from keras_ganmix.utils import tfgan

pytestmark = pytest.mark.skipif(
    not tfgan.available(), reason="needs tensorflow-gan"
)


def features(seed, count=300, dimension=16, shift=0.0):
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(dimension, dimension)) / 4
    return rng.normal(size=(count, dimension)) @ mixing + shift


def test_frechet_distance():
    one, two = features(0), features(1, shift=0.3)
    found = tfgan.classifier_metrics()
    expected = found.frechet_classifier_distance_from_activations(one, two)
    got = frechet_distance(
        *FeatureStatistics().update(one).gaussian(),
        *FeatureStatistics().update(two).gaussian(),
    )
    assert got == pytest.approx(float(expected), rel=1e-6)


def test_kernel_distance():
    one, two = features(2), features(3, shift=0.2)
    found = tfgan.classifier_metrics()
    expected = found.kernel_classifier_distance_from_activations(
        tf.constant(one), tf.constant(two), max_block_size=1000
    )
    assert squared_mmd(one, two) == pytest.approx(float(expected), rel=1e-9)


def test_classifier_score():
    logits = features(4, dimension=7) * 10
    found = tfgan.classifier_metrics()
    expected = found.classifier_score_from_logits(logits)
    got = classifier_score(logits, splits=1)
    assert got.mean == pytest.approx(float(expected), rel=1e-6)
    assert got.stddev == 0


def test_laplacian_pyramid():
    rng = np.random.default_rng(5)
    images = rng.uniform(-1, 1, size=(3, 32, 32, 3)).astype(np.float32)
    expected = tfgan.sliced_wasserstein().laplacian_pyramid(images, 3)
    got = laplacian_pyramid(images, smallest=8)
    assert len(got) == len(expected)
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(one, other.numpy(), atol=1e-5)


def test_sliced_wasserstein_of_points():
    """Directions are drawn differently: equal to a few percent."""
    one, two = features(6, dimension=8), features(7, dimension=8, shift=0.2)
    expected = tfgan.sliced_wasserstein()._sliced_wasserstein(
        tf.constant(one, tf.float32), tf.constant(two, tf.float32), 4, 512
    )
    got = sliced_wasserstein(one, two, projections=2048)
    assert got == pytest.approx(float(expected), rel=0.05)
