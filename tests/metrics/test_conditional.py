import numpy as np
import pytest

from keras_ganmix.metrics import (
    ClassStatistics,
    FeatureStatistics,
    classification_accuracy_score,
    probes,
)


def test_intra_class_is_the_mean_of_the_classes():
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(2, 90, 3))
    labels = np.arange(90) % 3
    fake = fake + labels[:, None]
    one, two = ClassStatistics(), ClassStatistics()
    for rows in np.array_split(np.arange(90), 7):
        one.update(real[rows], labels[rows])
        two.update(fake[rows], labels[rows])
    with pytest.warns(UserWarning, match="only 30"):
        expected = [
            FeatureStatistics()
            .update(real[labels == c])
            .frechet(FeatureStatistics().update(fake[labels == c]))
            for c in range(3)
        ]
    got = one.frechet(two)
    assert got.mean == pytest.approx(np.mean(expected))
    assert list(got.per_class.values()) == pytest.approx(expected)
    assert expected[0] < expected[1] < expected[2]


def test_swapped_labels_are_seen_though_the_sets_are_equal():
    rng = np.random.default_rng(1)
    labels = np.arange(400) % 2
    features = rng.normal(size=(400, 2)) + 5 * labels[:, None]
    right = ClassStatistics().update(features, labels)
    wrong = ClassStatistics().update(features, 1 - labels)
    assert right.frechet(right).mean == pytest.approx(0, abs=1e-9)
    assert right.frechet(wrong).mean == pytest.approx(50, rel=0.1)


def test_classes_must_be_the_same():
    one = ClassStatistics().update(np.zeros((4, 2)), np.array([0, 0, 1, 1]))
    two = ClassStatistics().update(np.zeros((4, 2)), np.array([0, 0, 2, 2]))
    with pytest.raises(ValueError, match=r"classes \[1, 2\] are on one side"):
        one.frechet(two)
    few = ClassStatistics().update(np.zeros((3, 2)), np.array([0, 0, 1]))
    with pytest.raises(ValueError, match="class 1: 1 samples"):
        one.frechet(few)
    with pytest.raises(ValueError, match="class-conditional"):
        one.update(np.zeros((4, 2)), None)
    with pytest.raises(ValueError, match="expected 4 integers, got float64"):
        one.update(np.zeros((4, 2)), np.zeros(4))
    with pytest.raises(ValueError, match="-1 is negative"):
        one.update(np.zeros((2, 2)), np.array([0, -1]))


def stripes(labels, seed):
    """Class 0 has horizontal stripes, class 1 vertical ones."""
    rng = np.random.default_rng(seed)
    wave = np.where(np.arange(8) % 2, 0.5, -0.5)
    board = np.stack([np.tile(wave[:, None], (1, 8)), np.tile(wave, (8, 1))])
    images = board[labels][..., None] + rng.normal(size=(len(labels), 8, 8, 1))
    return np.clip(images * 0.7, -1, 1)


@pytest.mark.slow
def test_accuracy_score_tells_good_labels_from_bad_ones():
    labels = np.arange(300) % 2
    images, test = stripes(labels, 0), stripes(labels[:100], 1)

    def score(fake_labels):
        return classification_accuracy_score(
            images,
            fake_labels,
            test,
            labels[:100],
            build=lambda *args: probes.build(*args, width=8),
            steps=60,
            batch_size=32,
        )

    assert score(labels).accuracy > 0.85
    assert score(1 - labels).accuracy < 0.15
    half = score(np.zeros(300, int))
    assert half.accuracy == 0.5
    assert half.per_class == {0: 1.0, 1: 0.0}
