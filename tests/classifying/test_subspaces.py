"""Angles to the classes' main directions."""

import numpy as np
import pytest

from keras_ganmix.classifying.subspaces import ClassDirections


def make(n=60, size=6, classes=3):
    numbers = np.random.default_rng(0)
    labels = np.arange(n) % classes
    features = numbers.normal(size=(n, size)) + 2 * np.eye(size)[labels]
    return features.astype("float32"), labels


def test_a_class_axis_scores_0_and_what_is_orthogonal_a_right_angle():
    axes = np.eye(4)
    labels = np.repeat([0, 1, 2], 5)
    found = ClassDirections(3.0 * axes[labels], labels, 3)
    angles = found.angles([axes[1], -7 * axes[2], axes[3], axes[0] + axes[3]])
    expected = [0.0, 0.0, np.pi / 2, np.pi / 4]
    np.testing.assert_allclose(angles, expected, atol=1e-7)


def test_directions_are_first_left_singular_vectors():
    features, labels = make()
    found = ClassDirections(features, labels, 3)
    for label, direction in enumerate(found.directions):
        columns = features[labels == label].T.astype(float)
        first = np.linalg.svd(columns)[0][:, 0]
        assert abs(first @ direction) == pytest.approx(1.0, abs=1e-12)


def test_angles_are_those_of_a_slow_loop():
    features, labels = make()
    found = ClassDirections(features, labels, 3)
    others = np.random.default_rng(1).normal(size=(20, 6))
    for angle, f in zip(found.angles(others), others, strict=True):
        every = [
            np.arccos(abs(u @ f) / np.linalg.norm(f)) for u in found.directions
        ]
        assert angle == pytest.approx(min(every), abs=1e-7)
    assert found.angles(5 * others) == pytest.approx(found.angles(others))


def test_features_of_zeros_are_as_foreign_as_can_be():
    found = ClassDirections(*make(), 3)
    assert found.angles(np.zeros((1, 6))) == pytest.approx([np.pi / 2])


def test_what_has_no_direction_is_refused():
    features, labels = make()
    with pytest.raises(ValueError, match="no image of class 3"):
        ClassDirections(features, labels, 4)
    with pytest.raises(ValueError, match="NaN"):
        ClassDirections(features * np.nan, labels, 3)
