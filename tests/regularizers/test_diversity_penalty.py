"""Diversity penalty: against a loop, closed forms, routing, cost."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ganmix.regularizers import DiversityPenalty, Weight


def cosine(a, b):
    return a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-20)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def loop(latents, features, method):
    """The mean over pairs, one pair at a time, float64."""
    features = features.astype(float)
    if method.features == "pooled":
        features = features.mean((1, 2))
    features = features.reshape(len(features), -1)
    if method.center:
        features = features - features.mean(0)
    terms = []
    for i in range(len(latents)):
        for j in range(len(latents)):
            if i == j and not method.include_diagonal:
                continue
            alike = sigmoid(method.scale * cosine(features[i], features[j]))
            cos_z = cosine(latents[i], latents[j])
            if method.latent_weighting == "ratio":
                alike /= sigmoid(method.scale * cos_z) + 1e-8
            elif cos_z >= method.threshold:
                continue
            terms.append(alike)
    return np.mean(terms)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"scale": 2.0, "include_diagonal": True},
        {"center": True, "features": "pooled"},
        {"latent_weighting": "threshold", "threshold": 0.0},
        {"latent_weighting": "threshold"},
    ],
)
def test_penalty_is_that_of_a_loop(given, arguments):
    rng = np.random.default_rng(0)
    method = DiversityPenalty(**arguments)
    latents = rng.normal(size=(9, 3)).astype("float32")
    features = np.maximum(rng.normal(size=(9, 2, 3, 4)), 0).astype("float32")
    value = method.generator_loss(given(latents, features=features))
    assert float(value) == pytest.approx(
        loop(latents, features, method), rel=1e-5
    )


def weights_of_pairs(latents, scale):
    return [
        1 / sigmoid(scale * cosine(a, b))
        for i, a in enumerate(latents)
        for j, b in enumerate(latents)
        if i != j
    ]


@pytest.mark.parametrize("scale", [1.0, 5.0])
def test_closed_forms(given, scale):
    latents = np.random.default_rng(0).normal(size=(6, 50)).astype("float32")
    inverse = np.mean(weights_of_pairs(latents, scale))

    def penalty(features):
        features = np.asarray(features, "float32")
        method = DiversityPenalty(scale)
        return float(method.generator_loss(given(latents, features=features)))

    collapsed = penalty(np.tile(np.arange(8.0), (6, 1)))
    assert collapsed == pytest.approx(sigmoid(scale) * inverse, rel=1e-5)
    assert penalty(3 * np.eye(6)) == pytest.approx(0.5 * inverse, rel=1e-5)
    assert penalty(7 * latents) == pytest.approx(1, abs=1e-6)
    random = np.random.default_rng(1).normal(size=(6, 20))
    sizes = np.arange(1, 7)[:, None]
    assert penalty(random * sizes) == pytest.approx(penalty(random), rel=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("size", [0.0, 1e4])
def test_finite_in_half_precision(given, dtype, size):
    latents = np.random.default_rng(0).normal(size=(4, 5)).astype("float32")
    features = tf.cast(np.full((4, 2, 2, 64), size), dtype)
    with tf.GradientTape() as tape:
        tape.watch(features)
        context = given(latents, features=features)
        context.fake.features = features
        value = DiversityPenalty().generator_loss(context)
    assert value.dtype == tf.float32
    assert np.isfinite(value)
    assert np.isfinite(tf.cast(tape.gradient(value, features), "float32")).all()


def test_descent_spreads_collapsed_features(given):
    rng = np.random.default_rng(0)
    latents = rng.normal(size=(6, 4)).astype("float32")
    features = tf.Variable(1 + 0.1 * rng.normal(size=(6, 8)), dtype="float32")
    context = given(latents, features=features)
    method = DiversityPenalty()
    spread = []
    for _ in range(40):
        with tf.GradientTape() as tape:
            context.fake.features = features + 0.0
            value = method.generator_loss(context)
        features.assign_sub(20.0 * tape.gradient(value, features))
        unit = features.numpy()
        unit /= np.linalg.norm(unit, axis=1, keepdims=True)
        spread.append((unit @ unit.T)[~np.eye(6, dtype=bool)].mean())
    assert spread[0] > 0.95
    assert spread[-1] < 0.5


def test_gradient_reaches_the_generator_without_further_pass(tiny, step_of):
    method = DiversityPenalty()
    step = step_of(tiny.gan([method]))
    assert step.gradients("generator", method)["generator"] > 0
    assert step.passes == 1


def test_discriminator_is_not_trained_by_it(tiny):
    weights = {}
    for regularizers in ((), (DiversityPenalty(weight=3.0),)):
        gan = tiny.gan(regularizers)
        gan.fit(tiny.dataset(), steps_per_epoch=1, verbose=0)
        weights[len(regularizers)] = [
            [w.numpy() for w in model.weights]
            for model in (gan.discriminator, gan.generator)
        ]
    for plain, penalised in zip(weights[0][0], weights[1][0], strict=True):
        np.testing.assert_array_equal(plain, penalised)
    assert any(
        abs(plain - penalised).max() > 0
        for plain, penalised in zip(weights[0][1], weights[1][1], strict=True)
    )


def test_configuration_round_trip():
    method = DiversityPenalty(
        2, Weight(0.3, warmup=5), "threshold", -0.2, "pooled", True, True, "dpm"
    )
    assert method.weight.value == 0.3
    assert method.discriminator_weight.is_zero
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(method)
    )
    assert again.get_config() == method.get_config()
    assert again.generator_weight == Weight(0.3, warmup=5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale": 0}, r"DiversityPenalty\.scale: 0 .* above 0"),
        ({"weight": -0.5}, r"DiversityPenalty\.weight: -0.5"),
        ({"latent_weighting": "ration"}, r"latent_weighting 'ration'.*'ratio'"),
        ({"threshold": 1.5}, r"threshold: 1.5 .*\[-1, 1\]"),
        ({"features": "pool"}, r"features 'pool'.*'pooled'"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        DiversityPenalty(**arguments)


def test_batch_of_one(given):
    one = np.ones((1, 4), "float32")
    with pytest.raises(ValueError, match="batch of 1 is too small"):
        DiversityPenalty().generator_loss(given(one, features=one))
