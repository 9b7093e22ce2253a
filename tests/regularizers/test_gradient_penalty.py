import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ganmix import losses
from keras_ganmix.context import Context, Samples
from keras_ganmix.discriminator import DiscriminatorView
from keras_ganmix.ops.random import Draws
from keras_ganmix.regularizers import GradientPenalty, Weight
from keras_ganmix.utils import tfgan


def context_of(model, real, fake, labels=None):
    view = DiscriminatorView(model)
    samples = [Samples(tf.constant(x), view, labels) for x in (real, fake)]
    return Context(
        *samples,
        view,
        None,
        losses.get("wasserstein"),
        tf.constant(0, tf.int64),
        Draws(3, 0),
        [],
    )


def linear_critic(norm):
    """D(x) = w . x with ||w|| given: the gradient is w everywhere."""
    images = keras.Input((4, 4, 1))
    layer = keras.layers.Dense(1, use_bias=False)
    model = keras.Model(images, layer(keras.layers.Flatten()(images)))
    w = np.random.default_rng(0).normal(size=(16, 1))
    layer.set_weights([norm * w / np.linalg.norm(w)])
    return model


@pytest.mark.parametrize("kind", ["wgan_gp", "dragan"])
@pytest.mark.parametrize("norm", [0.25, 1.0, 3.0])
def test_closed_form_of_a_linear_critic(tiny, kind, norm):
    real, fake = tiny.images(6, size=4, seed=1), tiny.images(6, size=4, seed=2)
    context = context_of(linear_critic(norm), real, fake)

    def value(**kwargs):
        return GradientPenalty(kind, **kwargs).discriminator_loss(context)

    np.testing.assert_allclose(value(), (norm - 1) ** 2, atol=1e-5)
    np.testing.assert_allclose(
        value(target=2.0), (norm / 2 - 1) ** 2, atol=1e-5
    )
    np.testing.assert_allclose(
        value(one_sided=True), max(norm - 1, 0) ** 2, atol=1e-5
    )


@pytest.mark.parametrize("kind", ["wgan_gp", "dragan"])
def test_points_against_numpy(tiny, kind):
    real, fake = tiny.images(5, 3, seed=1), tiny.images(5, 3, seed=2)
    draws = Draws(7, 2)
    points = GradientPenalty(kind).points(
        tf.constant(real), tf.constant(fake), draws
    )
    share = draws.uniform("interpolation", (5, 1, 1, 1)).numpy()
    noise = draws.uniform("noise", (5, 8, 8, 3)).numpy()
    for i in range(5):
        towards = {
            "wgan_gp": fake[i] - real[i],
            "dragan": 0.5 * real.std() * noise[i],
        }[kind]
        np.testing.assert_allclose(
            points[i], real[i] + share[i] * towards, atol=1e-6
        )


@pytest.mark.skipif(not tfgan.available(), reason="needs tensorflow-gan")
@pytest.mark.parametrize("one_sided", [False, True])
@pytest.mark.parametrize("target", [1.0, 0.02])
def test_equals_tensorflow_gan(tiny, monkeypatch, one_sided, target):
    model = tiny.discriminator()
    real, fake = tiny.images(6, seed=1), tiny.images(6, seed=2)
    context = context_of(model, real, fake)
    share = context.draws.uniform("interpolation", (6, 1, 1, 1))
    # Both draw uniforms; let theirs be ours.
    monkeypatch.setattr(tf.random, "uniform", lambda shape: share)

    @tf.function
    def theirs():
        return tfgan.losses().wasserstein_gradient_penalty(
            tf.constant(real),
            tf.constant(fake),
            None,
            lambda images, _: model(images),
            "discriminator",
            target=target,
            one_sided=one_sided,
        )

    regularizer = GradientPenalty(target=target, one_sided=one_sided)
    ours = tf.function(regularizer.discriminator_loss)(context)
    expected = theirs()
    assert expected > 0 or one_sided
    np.testing.assert_allclose(ours, expected, rtol=1e-5)
    penalty = regularizer.penalty(
        context.discriminator.logits,
        context.real.images,
        context.fake.images,
        context.draws,
    )
    np.testing.assert_allclose(penalty, expected, rtol=1e-5)


def test_gradient_is_finite_where_the_critic_is_flat(tiny):
    model = linear_critic(1.0)
    kernel = model.trainable_variables[0]
    kernel.assign(np.zeros((16, 1)))
    real, fake = tiny.images(4, size=4, seed=1), tiny.images(4, size=4, seed=2)
    with tf.GradientTape() as tape:
        context = context_of(model, real, fake)
        value = GradientPenalty().discriminator_loss(context)
    np.testing.assert_allclose(value, 1.0, atol=1e-4)
    assert np.isfinite(tape.gradient(value, kernel.value)).all()


def test_only_the_discriminator_is_touched(tiny):
    """The generator's step is as without it, given the same discriminator."""
    plain, regularized = tiny.gan([]), tiny.gan([GradientPenalty()])
    for gan in (plain, regularized):
        gan.discriminator_optimizer.learning_rate = 0.0
        gan.fit(tiny.dataset(), steps_per_epoch=1, verbose=0)
    for a, b in zip(
        plain.generator.get_weights(),
        regularized.generator.get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_labels_are_those_of_the_images(tiny):
    model = tiny.discriminator(num_classes=3)
    real, fake = tiny.images(4, seed=1), tiny.images(4, seed=2)
    values = [
        float(
            GradientPenalty().discriminator_loss(
                context_of(model, real, fake, tf.constant(labels))
            )
        )
        for labels in ([0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 1, 1])
    ]
    assert abs(values[0] - values[1]) > 1e-5
    assert min(values[:2]) < values[2] < max(values[:2])


@pytest.mark.parametrize(
    ("kind", "jit_compile"),
    [
        ("wgan_gp", False),
        ("dragan", False),
        pytest.param("dragan", True, marks=pytest.mark.long),
    ],
)
def test_trains(tiny, jit_compile, kind):
    gan = tiny.gan(
        [GradientPenalty(kind, weight=Weight(10.0, every=2))],
        loss="wasserstein",
        num_classes=2,
        jit_compile=jit_compile,
    )
    history = gan.fit(
        tiny.dataset(num_classes=2), steps_per_epoch=3, verbose=0
    ).history
    assert all(np.isfinite(v).all() for v in history.values())
    assert history["discriminator/GradientPenalty"][0] > 0


def test_penalises_norms_to_one():
    """A free linear critic ends with the norm at which costs are equal."""
    w = tf.Variable(np.full((2, 1), 2.0, "float32"))
    real, fake = tf.zeros((8, 2)), tf.ones((8, 2))
    regularizer = GradientPenalty()
    for _ in range(300):
        with tf.GradientTape() as tape:
            value = regularizer.penalty(
                lambda x: tf.matmul(x, w), real, fake, Draws(0, 0)
            )
        w.assign_sub(0.1 * tape.gradient(value, w))
    np.testing.assert_allclose(np.linalg.norm(w), 1.0, atol=1e-4)


def test_config_and_bad_input():
    regularizer = GradientPenalty("dragan", 3.0, 0.5, True, name="gp")
    copy = GradientPenalty.from_config(regularizer.get_config())
    assert copy.get_config() == regularizer.get_config()
    with pytest.raises(ValueError, match=r"kind 'wgangp'.*'wgan_gp'"):
        GradientPenalty("wgangp")
    with pytest.raises(ValueError, match=r"target: 0 is not allowed"):
        GradientPenalty(target=0)
    with pytest.raises(ValueError, match=r"GradientPenalty\.weight: -2"):
        GradientPenalty(weight=-2)
