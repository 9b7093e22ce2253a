"""A tiny classifier that is trained, attacked and scored."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ganmix import data
from keras_ganmix.classifying import attacks, methods, scoring
from keras_ganmix.classifying.classifier import Classifier
from keras_ganmix.networks import wide_resnet

CLASSES, SIZE = 3, 8


def make_source(n=96, seed=0):
    """Noisy pictures, brighter in a third of their own."""
    numbers = np.random.default_rng(seed)
    images = numbers.integers(70, 130, (n, SIZE, SIZE, 1))
    labels = np.arange(n) % CLASSES
    for image, label in zip(images, labels, strict=True):
        image[:, 3 * label : 3 * label + 2] += 40
    return data.load((images.astype(np.uint8), labels))


def make(method=None, orthogonal=False, **kwargs):
    keras.utils.set_random_seed(0)
    network = wide_resnet.classifier(
        (SIZE, SIZE, 1), CLASSES, 10, 1, orthogonal
    )
    return Classifier(network, method, **kwargs)


def fit(classifier, steps, rate=0.1, momentum=0.9, **kwargs):
    classifier.compile(keras.optimizers.SGD(rate, momentum), **kwargs)
    stream = data.dataset(make_source(), batch_size=24, labels=True)
    classifier.fit(stream, steps_per_epoch=steps, verbose=0, shuffle=False)
    return classifier


@pytest.fixture(scope="module")
def trained():
    classifier = make(methods.AdaptiveMix(), True, weight_decay=5e-4)
    classifier.axes_before = classifier.head.axes.numpy()
    return fit(classifier, 40)


def test_it_learns_and_its_head_stays_as_it_was(trained):
    scores = trained.evaluate(
        data.dataset(make_source(seed=1), batch_size=96, repeat=False),
        verbose=0,
        return_dict=True,
    )
    assert scores["accuracy"] > 0.9
    axes = trained.head.axes.numpy()
    np.testing.assert_array_equal(axes, trained.axes_before)
    np.testing.assert_allclose(axes @ axes.T, np.eye(CLASSES), atol=1e-6)
    assert all(v is not trained.head.axes for v in trained.trainable_variables)
    assert int(trained.step.numpy()) == 40
    logged = trained.get_metrics_result()
    assert set(logged) == {"loss", "accuracy", "cross_entropy", "adaptive_mix"}


def test_attacks_lower_the_accuracy(trained):
    source = make_source(seed=1)
    shares = scoring.accuracy_under_attack(
        trained, source.images, source.labels, [0.5, 80.0]
    )
    features, logits = scoring.observe(trained, source.images)
    clean = np.mean(logits.argmax(axis=1) == source.labels)
    assert list(shares) == ["0.5", "80"]
    assert shares["80"] < shares["0.5"] <= clean
    assert shares["80"] < clean - 0.3
    # The model that is attacked is the one that is tested.
    np.testing.assert_allclose(
        logits, trained(source.images / np.float32(127.5) - 1), atol=1e-4
    )
    assert features.shape == (96, 64)


def test_a_small_step_uphill_raises_the_loss(trained):
    source = make_source(seed=2)
    images = tf.constant(source.images[:8] / np.float32(127.5) - 1)
    labels = tf.constant(source.labels[:8])
    gradient = attacks.loss_gradient(trained, images, labels)
    moved = attacks.fgsm(images, gradient, 0.5)
    before = methods.cross_entropy(labels, trained(images))
    after = methods.cross_entropy(labels, trained(moved))
    assert (after.numpy() > before.numpy()).all()


@pytest.mark.parametrize("eps", [1, 2, 4, 8, 0.5])
def test_pixels_move_by_eps_levels_and_stay_in_range(eps):
    numbers = np.random.default_rng(0)
    levels = numbers.integers(0, 256, (4, 5, 5, 1)).astype("float32")
    gradient = numbers.normal(size=levels.shape).astype("float32")
    gradient[0] = 0.0
    moved = attacks.fgsm(tf.constant(levels / 127.5 - 1), gradient, eps)
    found = (moved.numpy() + 1) * 127.5
    for before, slope, after in np.nditer([levels, gradient, found]):
        wanted = before + eps * (slope > 0) - eps * (slope < 0)
        assert after == pytest.approx(min(255, max(0, wanted)), abs=1e-3)


def test_weight_decay_is_added_to_the_gradient():
    def weights(decay):
        classifier = make(weight_decay=decay)
        start = [v.numpy() for v in classifier.network.trainable_variables]
        fit(classifier, 1, rate=0.5, momentum=0.0, run_eagerly=True)
        end = [v.numpy() for v in classifier.network.trainable_variables]
        return start, end

    start, plain = weights(0.0)
    _, decayed = weights(0.1)
    for before, a, b in zip(start, plain, decayed, strict=True):
        np.testing.assert_allclose(a - b, 0.5 * 0.1 * before, atol=1e-5)


def test_all_scores_of_a_source(trained):
    source = make_source(seed=1)
    foreign = {
        "same": make_source(seed=3).images,
        "noise": np.random.default_rng(0)
        .integers(0, 256, (40, SIZE, SIZE, 1))
        .astype(np.uint8),
    }
    scores = scoring.score(trained, make_source(), source, foreign, [4])
    assert scores["accuracy"] > 0.9
    _, logits = scoring.observe(trained, source.images)
    expected = keras.losses.sparse_categorical_crossentropy(
        source.labels, logits, from_logits=True
    )
    assert scores["loss"] == pytest.approx(float(np.mean(expected)), rel=1e-5)
    assert scores["ood"]["same"]["images"] == 96
    for kind in ("1ds", "max_softmax"):
        assert 0.35 < scores["ood"]["same"][kind]["auroc"] < 0.65
    assert scores["ood"]["noise"]["1ds"]["auroc"] > 0.9


def test_calibration_error_is_that_of_a_slow_loop():
    numbers = np.random.default_rng(0)
    logits, labels = (
        numbers.normal(size=(200, 4)),
        numbers.integers(4, size=200),
    )
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    sure, guess = probabilities.max(axis=1), probabilities.argmax(axis=1)
    expected = 0.0
    for low in np.arange(15) / 15:
        inside = (sure >= low) & (sure < low + 1 / 15)
        if inside.any():
            right = np.mean(guess[inside] == labels[inside])
            gap = abs(right - sure[inside].mean())
            expected += gap * inside.mean()
    assert scoring.calibration_error(logits, labels) == pytest.approx(expected)


def test_who_is_surely_right_is_calibrated_and_who_errs_is_not():
    logits = 1000 * np.eye(4)
    assert scoring.calibration_error(logits, np.arange(4)) == 0.0
    wrong = (np.arange(4) + 1) % 4
    assert scoring.calibration_error(logits, wrong) == 1.0
