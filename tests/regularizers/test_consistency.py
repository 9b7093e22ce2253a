import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ganmix import losses
from keras_ganmix.context import Context, Samples
from keras_ganmix.discriminator import DiscriminatorView
from keras_ganmix.ops.random import Draws
from keras_ganmix.regularizers import Consistency, Weight


def context_of(tiny, num_classes=None, labels=None, draws=None):
    keras.utils.set_random_seed(1)
    generator = tiny.generator(1, num_classes)
    view = DiscriminatorView(tiny.discriminator(1, num_classes))
    draws = draws or Draws(0, 0)
    latents = draws.normal("latents", (6, 8))

    def generate(latents, labels=None):
        return generator([latents, labels] if num_classes else latents)

    real = Samples(tf.constant(tiny.images(6)), view, labels)
    fake = Samples(generate(latents, labels), view, labels, latents)
    loss, step = losses.get("hinge"), tf.constant(0, tf.int64)
    return Context(real, fake, view, generate, loss, step, draws, [])


def slow_change(images, draws, mirror, shift):
    """Each image alone: mirrored, then moved, zeros coming in."""
    n, height, width, _ = images.shape
    mirrored = draws.uniform("mirror", (n,)).numpy()
    moves = draws.uniform("shift", (n, 2)).numpy()
    changed = np.zeros_like(images)
    for i in range(n):
        source = images[i]
        if mirror and mirrored[i] < 0.5:
            source = source[:, ::-1]
        limits = [int(shift * side + 0.5) for side in (height, width)]
        down, right = (
            int(np.floor(u * (2 * m + 1))) - m
            for u, m in zip(moves[i], limits, strict=True)
        )
        for y in range(height):
            for x in range(width):
                if 0 <= y - down < height and 0 <= x - right < width:
                    changed[i, y, x] = source[y - down, x - right]
    return changed


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("mirror", "shift"), [(True, 0.125), (False, 0.25), (True, 0.0)]
)
def test_change_against_a_loop_in_numpy(tiny, mirror, shift, channels):
    images, draws = tiny.images(16, channels), Draws(5, 1)
    regularizer = Consistency(mirror=mirror, shift=shift)
    changed = regularizer.prepare(tf.constant(images), draws)
    expected = slow_change(images, draws.scope("real"), mirror, shift)
    np.testing.assert_array_equal(changed, expected)
    same = [np.array_equal(a, b) for a, b in zip(images, expected, strict=True)]
    assert not all(same)


def judge(context, images):
    logits = context.discriminator.logits(tf.constant(images))
    return logits.numpy()[:, 0].astype("float64")


def test_terms_against_numpy(tiny):
    context = context_of(tiny)
    real, fake = context.real.images.numpy(), context.fake.images.numpy()

    def expected(images, kind):
        changed = slow_change(images, context.draws.scope(kind), True, 0.125)
        return np.mean((judge(context, images) - judge(context, changed)) ** 2)

    of_real, of_fake = expected(real, "real"), expected(fake, "fake")
    assert of_real > 0 and of_fake > 0
    value = Consistency("cr").discriminator_loss(context)
    np.testing.assert_allclose(value, of_real, rtol=1e-4)
    value = Consistency("bcr").discriminator_loss(context_of(tiny))
    np.testing.assert_allclose(value, of_real + of_fake, rtol=1e-4)


def test_latent_terms_against_numpy(tiny):
    context = context_of(tiny)
    noise = context.draws.normal("noise", (6, 8))
    others = context.generate(context.fake.latents + 0.3 * noise).numpy()
    fake = context.fake.images.numpy()
    zcr = Consistency("zcr", noise_stddev=0.3)
    np.testing.assert_allclose(
        zcr.discriminator_loss(context),
        np.mean((judge(context, fake) - judge(context, others)) ** 2),
        rtol=1e-4,
    )
    np.testing.assert_allclose(
        zcr.generator_loss(context), -np.mean((fake - others) ** 2), rtol=1e-4
    )


def test_an_invariant_discriminator_costs_nothing(tiny):
    """D sums squares over the middle, which neither change can alter."""
    images = keras.Input((8, 8, 1))
    x = keras.layers.Lambda(
        lambda x: keras.ops.sum(x**2, axis=(1, 2)), output_shape=(1,)
    )(images)
    view = DiscriminatorView(keras.Model(images, keras.layers.Dense(1)(x)))
    middle = np.zeros((6, 8, 8, 1), "float32")
    middle[:, 1:7, 1:7] = tiny.images(6, size=6)
    samples = Samples(tf.constant(middle), view)
    context = Context(samples, samples, view, None, None, None, Draws(0, 0), [])
    value = Consistency("bcr").discriminator_loss(context)
    np.testing.assert_allclose(value, 0.0, atol=1e-9)


def test_gradient_routing(tiny):
    """The generator of cr moves as without it, that of zcr does not."""
    after = {}
    for kind in (None, "cr", "zcr"):
        gan = tiny.gan([Consistency(kind)] if kind else [])
        gan.discriminator_optimizer.learning_rate = 0.0
        gan.fit(tiny.dataset(), steps_per_epoch=1, verbose=0)
        after[kind] = [w.numpy() for w in gan.generator.trainable_variables]
    for plain, cr, zcr in zip(*after.values(), strict=True):
        np.testing.assert_array_equal(cr, plain)
        assert np.abs(zcr - plain).max() > 1e-8


@pytest.mark.parametrize("kind", ["cr", "bcr", "zcr"])
def test_gradient_of_the_discriminators_term(tiny, kind):
    with tf.GradientTape() as tape:
        context = context_of(tiny)
        value = Consistency(kind).discriminator_loss(context)
    variables = context.discriminator.model.trainable_variables
    kernel, _, dense, bias = tape.gradient(value, variables)
    assert np.abs(kernel).max() > 0 and np.abs(dense).max() > 0
    np.testing.assert_allclose(bias, 0.0, atol=1e-8)  # cancels


def test_no_gradient_of_the_discriminators_term_in_the_generator(tiny):
    context = context_of(tiny)
    context.fake.images = tf.stop_gradient(context.fake.images)
    latents = tf.Variable(context.fake.latents)
    context.fake.latents = latents
    with tf.GradientTape() as tape:
        value = Consistency("zcr").discriminator_loss(context)
    assert value > 0
    assert tape.gradient(value, latents) is None


def test_trunk_passes(tiny, monkeypatch):
    calls = []
    features = DiscriminatorView.features

    def counted(self, images, *args, **kwargs):
        calls.append(1)
        return features(self, images, *args, **kwargs)

    monkeypatch.setattr(DiscriminatorView, "features", counted)
    for kind, extra in (("cr", 1), ("bcr", 2), ("zcr", 1)):
        calls.clear()
        Consistency(kind).discriminator_loss(context_of(tiny))
        own = 2 if kind == "bcr" else 1
        assert len(calls) == own + extra


def test_pipeline_equals_step(tiny):
    gans = [
        tiny.gan([Consistency("bcr", where=w)]) for w in ("step", "pipeline")
    ]
    for gan in gans:
        gan.fit(gan.prepare(tiny.dataset()), steps_per_epoch=3, verbose=0)
    for a, b in zip(
        gans[0].discriminator.get_weights(),
        gans[1].discriminator.get_weights(),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, atol=1e-7)


@pytest.mark.parametrize(
    ("kind", "jit_compile"),
    [
        pytest.param("bcr", True, marks=pytest.mark.long),
        ("bcr", False),
        ("zcr", False),
        ("cr", False),
    ],
)
def test_trains(tiny, kind, jit_compile):
    gan = tiny.gan(
        [Consistency(kind, weight=Weight(1.0, every=2))],
        num_classes=3,
        jit_compile=jit_compile,
    )
    history = gan.fit(
        tiny.dataset(num_classes=3), steps_per_epoch=3, verbose=0
    ).history
    assert history["discriminator/Consistency"][0] > 0
    assert ("generator/Consistency" in history) == (kind == "zcr")
    if kind == "zcr":
        assert history["generator/Consistency"][0] < 0


def test_config_and_defaults():
    for kind, weights in (("cr", (10, 0)), ("bcr", (10, 0)), ("zcr", (5, 0.5))):
        regularizer = Consistency(kind)
        copy = Consistency.from_config(regularizer.get_config())
        assert copy.get_config() == regularizer.get_config()
        assert copy.weight == Weight(weights[0])
        assert copy.generator_weight == Weight(weights[1])


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"kind": "ccr"}, r"kind 'ccr'.*'cr'"),
        ({"shift": 1.5}, r"Consistency\.shift: 1\.5 .*\[0, 1\]"),
        ({"shift": 0, "mirror": False}, r"shift: 0 with mirror=False"),
        ({"noise_stddev": 0}, r"noise_stddev: 0 .*above 0"),
        ({"generator_weight": 1}, r"generator_weight: 1 .*kind='zcr'"),
        ({"weight": -1}, r"Consistency\.weight: -1"),
        ({"where": "pipe"}, r"where 'pipe'.*'pipeline'"),
        ({"kind": "zcr", "where": "pipeline"}, r"where: 'pipeline'.*'step'"),
    ],
)
def test_bad_input(kwargs, message):
    with pytest.raises(ValueError, match=message):
        Consistency(**kwargs)


def test_points_cannot_be_shifted():
    with pytest.raises(ValueError, match=r"Consistency\.kind: 'cr'.*\(2,\)"):
        Consistency().build((2,))
    Consistency("zcr").build((2,))
