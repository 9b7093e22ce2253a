"""What a step of each method minimises, beside slow references."""

import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ganmix.classifying import methods
from keras_ganmix.classifying.classifier import Classifier
from keras_ganmix.networks.wide_resnet import OrthogonalHead
from keras_ganmix.ops.random import Draws

CLASSES, SIZE, BATCH, WIDTH = 4, 6, 12, 32


class Fixed(Draws):
    """Draws with a chosen lambda and a chosen order."""

    def __init__(self, ratio, order):
        super().__init__(0, 0)
        self.ratio, self.order = ratio, order

    def scope(self, name):
        return self

    def beta(self, name, shape, alpha):
        return tf.fill(shape, tf.constant(self.ratio, tf.float32))

    def permutation(self, name, n):
        return tf.constant(self.order, tf.int32)


def batch(seed=0):
    numbers = np.random.default_rng(seed)
    images = numbers.uniform(-1, 1, (BATCH, SIZE, SIZE, 1)).astype("float32")
    return tf.constant(images), tf.constant(np.arange(BATCH) % CLASSES)


def linear_network():
    """A linear trunk without bias under an orthogonal head."""
    images = keras.Input((SIZE, SIZE, 1))
    x = keras.layers.Flatten()(images)
    x = keras.layers.Dense(WIDTH, use_bias=False, name="pooled")(x)
    x = keras.layers.Identity(name="features")(x)
    return keras.Model(images, OrthogonalHead(CLASSES, seed=1, name="head")(x))


def adaptive(**kwargs):
    return Classifier(linear_network(), methods.AdaptiveMix(**kwargs))


def slow_cross_entropy(logits, target):
    """Mean cross-entropy with soft labels, by loops."""
    total = 0.0
    for row, shares in zip(np.asarray(logits, float), target, strict=True):
        log_p = row - np.log(np.sum(np.exp(row)))
        total -= sum(s * p for s, p in zip(shares, log_p, strict=True))
    return total / len(target)


def one_hot(labels):
    return np.eye(CLASSES)[np.asarray(labels)]


@pytest.mark.parametrize("mask", ["mixup", "cutmix", "srmix"])
def test_labels_are_shared_as_the_pixels_are(mask):
    # Each image is of one level, so that a mixture tells its shares itself.
    levels = np.linspace(-1, 1, BATCH).astype("float32")
    images = tf.constant(np.ones((BATCH, 8, 8, 1), "float32"))
    images *= levels[:, None, None, None]
    labels = tf.range(BATCH) % CLASSES
    logits = tf.constant(
        np.random.default_rng(0).normal(size=(BATCH, CLASSES)), tf.float32
    )
    seen = {}

    def network(mixed, training):
        seen["mixed"] = mixed.numpy()
        return logits

    draws = Draws(3, 5)
    method = methods.Mixing(mask)
    stand_in = types.SimpleNamespace(network=network)
    terms, accuracy = method.terms(stand_in, images, labels, draws)
    partner = draws.scope(mask).permutation("partner", BATCH).numpy()
    target, share = [], []
    for i, j in enumerate(partner):
        gap = levels[i] - levels[j]
        mean = seen["mixed"][i].astype(float).mean()
        share.append(1.0 if i == j else (mean - levels[j]) / gap)
        target.append(
            share[-1] * one_hot(i % CLASSES)
            + (1 - share[-1]) * one_hot(j % CLASSES)
        )
    expected = slow_cross_entropy(logits, target)
    assert float(terms["cross_entropy"]) == pytest.approx(expected, abs=1e-5)
    guesses = logits.numpy().argmax(axis=1)
    shares = [t[g] for t, g in zip(target, guesses, strict=True)]
    np.testing.assert_allclose(accuracy, shares, atol=1e-5)
    assert np.std(share) > 0.1  # one lambda per sample
    if mask == "cutmix":  # pixels of either image, and of no third level
        own = np.isclose(seen["mixed"], images.numpy())
        other = np.isclose(seen["mixed"], tf.gather(images, partner).numpy())
        assert (own | other).all() and not own.all()


def test_a_linear_trunk_has_no_distance_and_twice_the_logits():
    images, labels = batch()
    classifier = adaptive(noise_stddev=0.0)
    order = np.roll(np.arange(BATCH), 1)
    terms, _ = classifier.method.terms(
        classifier, images, labels, Fixed(0.3, order)
    )
    assert float(terms["adaptive_mix"]) == pytest.approx(0.0, abs=1e-12)
    features = classifier.features(images).numpy()
    v_mix = 0.3 * features + 0.7 * features[order]
    axes = classifier.head.axes.numpy()
    logits = 2 * np.abs(v_mix @ axes.T)
    target = 0.3 * one_hot(labels) + 0.7 * one_hot(labels)[order]
    expected = slow_cross_entropy(logits, target)
    assert float(terms["cross_entropy"]) == pytest.approx(expected, rel=1e-5)


def small_network():
    from keras_ganmix.networks import wide_resnet

    keras.utils.set_random_seed(0)
    shape = (SIZE, SIZE, 1)
    return wide_resnet.classifier(shape, CLASSES, 10, 1, orthogonal_head=True)


@pytest.mark.parametrize(
    "ratio, order",
    [(1.0, np.roll(np.arange(BATCH), 1)), (0.4, np.arange(BATCH))],
    ids=["lambda 1", "identity"],
)
def test_unmixed_images_have_twice_their_logits(ratio, order):
    images, labels = batch()
    method = methods.AdaptiveMix(noise_stddev=0.0)
    classifier = Classifier(small_network(), method)
    draws = Fixed(ratio, order)
    terms, _ = method.terms(classifier, images, labels, draws)
    logits = 2 * classifier.network(images, training=True).numpy()
    expected = slow_cross_entropy(logits, one_hot(labels))
    assert float(terms["cross_entropy"]) == pytest.approx(expected, rel=1e-4)
    assert float(terms["adaptive_mix"]) == pytest.approx(0.0, abs=1e-9)
    np.testing.assert_allclose(
        classifier(images), 2 * classifier.network(images), rtol=1e-6
    )


def test_mixtures_of_features_keep_the_length_that_mixing_leaves():
    images, labels = batch()
    method = methods.AdaptiveMix(noise_stddev=0.0)
    classifier = Classifier(small_network(), method)
    order = np.roll(np.arange(BATCH), 5)
    features = classifier.features(images, training=True).numpy()
    mixed = tf.constant(0.5 * images.numpy() + 0.5 * images.numpy()[order])
    v_hat = classifier.features(mixed, training=True).numpy()
    v_mix = 0.5 * features + 0.5 * features[order]
    assert (np.linalg.norm(v_mix, axis=1) < 1).all()
    terms, _ = method.terms(classifier, images, labels, Fixed(0.5, order))
    expected = np.mean((v_hat - v_mix) ** 2)
    assert float(terms["adaptive_mix"]) == pytest.approx(expected, rel=1e-3)


def test_the_distance_pulls_the_mixture_and_nothing_else():
    images, labels = batch()
    classifier = adaptive(noise_stddev=0.5)
    draws = Draws(0, 1)
    kernel = classifier.network.get_layer("pooled").kernel
    with tf.GradientTape() as tape:
        terms, _ = classifier.method.terms(classifier, images, labels, draws)
    found = tape.gradient(terms["adaptive_mix"], kernel.value)
    # v_hat - target is -noise: were both pulled, nothing would move.
    inner = draws.scope("adaptive_mix")
    noise = 0.5 * inner.normal("noise", (BATCH, WIDTH)).numpy()
    ratio = inner.beta("lambda", (), 1.0).numpy()
    flat = images.numpy().reshape(BATCH, -1)
    partner = inner.permutation("partner", BATCH).numpy()
    mixed = ratio * flat + (1 - ratio) * flat[partner]
    expected = -2 / (BATCH * WIDTH) * mixed.T @ noise
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("stddev", [0.05, 0.5])
def test_noise_adds_its_variance_and_the_weight_scales(stddev):
    images, labels = batch()
    classifier = adaptive(noise_stddev=stddev, weight=3.0)
    terms, _ = classifier.method.terms(classifier, images, labels, Draws(0, 0))
    distance = float(terms["adaptive_mix"])
    # 384 squares: their mean is known to about 7 %.
    assert distance == pytest.approx(3 * stddev**2, rel=0.25)


@pytest.mark.parametrize("mix_per", ["batch", "sample"])
def test_lambda_is_drawn_for_what_it_says(mix_per):
    method = methods.AdaptiveMix(mix_per=mix_per)
    drawn = len(set(method._ratio(50, Draws(0, 0)).numpy().tolist()))
    assert drawn == (1 if mix_per == "batch" else 50)


@pytest.mark.parametrize("classes, floor", [(10, 0.797), (100, 2.667)])
def test_the_floor_of_the_cross_entropy(classes, floor):
    head = OrthogonalHead(classes, seed=0)
    head.build((None, 640))
    labels = np.arange(classes)
    logits = 2 * head(head.axes)  # features that lie on their class axes
    loss = methods.cross_entropy(labels, logits)
    np.testing.assert_allclose(loss, floor, atol=1e-3)


@pytest.mark.parametrize("type", methods._METHODS)
def test_a_method_names_its_terms(type):
    from keras_ganmix.recipes.classifier import METHODS

    method = methods.build(METHODS.models[type](type=type))
    images, labels = batch()
    classifier = Classifier(linear_network(), method)
    terms, accuracy = method.terms(classifier, images, labels, Draws(0, 0))
    assert tuple(terms) == method.names
    assert accuracy.shape == (BATCH,)
