"""AdaptiveMix against loops, closed forms and its routing rules."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_ganmix as kgm
from keras_ganmix.context import Context, Samples
from keras_ganmix.discriminator import DiscriminatorView
from keras_ganmix.ops.random import Draws
from keras_ganmix.regularizers import AdaptiveMix, Regularizer, SampleMixing

RATIO = np.array([0.3, 0.9, 0.5, 0.05], "float32")
PARTNER = np.array([2, 0, 3, 1], "int32")


class GivenDraws:
    """Draws of given numbers."""

    def __init__(self, ratio=RATIO, partner=PARTNER, noise=None):
        self.ratio, self.partner, self.noise = ratio, partner, noise

    def scope(self, name):
        return self

    def beta(self, name, shape, alpha):
        return tf.reshape(tf.constant(self.ratio, tf.float32), shape)

    def permutation(self, name, n):
        return tf.constant(self.partner)

    def normal(self, name, shape):
        assert tuple(shape) == self.noise.shape
        return tf.constant(self.noise)


class Negative(Regularizer):
    """Shows the discriminator half of the negative."""

    augments = True

    def augment(self, images, draws):
        return -0.5 * images


def linear_discriminator():
    """A trunk that is linear, and a head that is not."""
    images = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(3, 3, 2, "same", use_bias=False, name="cut")(images)
    x = keras.layers.LeakyReLU(0.2)(x)
    x = keras.layers.Flatten()(x)
    return DiscriminatorView(
        keras.Model(images, keras.layers.Dense(1)(x)), "cut"
    )


def judge(view, real, fake=None, draws=None, loss="logistic", augment=None):
    fake = real if fake is None else fake
    real, fake = (
        Samples(tf.constant(x), view, augment=augment) for x in (real, fake)
    )
    return Context(
        real=real,
        fake=fake,
        discriminator=view,
        generate=None,
        loss=kgm.losses.get(loss),
        step=tf.constant(0, tf.int64),
        draws=draws or GivenDraws(),
        penalties=[],
    )


def count_passes(view):
    """Counts the calls of the trunk from here on."""
    calls, features = [], view.features

    def counted(images, *args, **kwargs):
        calls.append(images)
        return features(images, *args, **kwargs)

    view.features = counted
    return calls


def cosine(a, b):
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def sample_by_sample(model, images, ratio, partner, noise, stddev):
    """v_hat, v_mix, noisy target and both logits, one sample at a time."""
    trunk = keras.Model(model.input, model.get_layer("trunk_end").output)
    kernel, bias = model.layers[-1].get_weights()

    def features(x):
        return trunk(x[None]).numpy()[0]

    def head(v):
        return float(v.mean((0, 1)) @ kernel[:, 0] + bias[0])

    rows = []
    for i, (lam, j) in enumerate(zip(ratio, partner, strict=True)):
        v_hat = features(lam * images[i] + (1 - lam) * images[j])
        v_mix = lam * features(images[i]) + (1 - lam) * features(images[j])
        target = v_mix + stddev * noise[i]
        rows.append((v_hat, v_mix, target, head(v_mix), head(v_hat)))
    return rows


@pytest.mark.parametrize("distance", ["cosine", "l2"])
@pytest.mark.parametrize("logits", ["sum", "mean", "plain"])
def test_equals_a_loop_over_samples(tiny, distance, logits):
    model = tiny.discriminator()
    view = DiscriminatorView(model)
    real, fake = tiny.images(4, seed=1), tiny.images(4, seed=2)
    noise = np.random.default_rng(0).normal(size=(4, 4, 4, 6))
    noise = noise.astype("float32")
    mix = AdaptiveMix(
        distance=distance, logits=logits, noise_stddev=0.3, mix_per="sample"
    )
    context = judge(view, real, fake, GivenDraws(noise=noise))

    expected, judged = 0.0, []
    for images in (real, fake):
        rows = sample_by_sample(model, images, RATIO, PARTNER, noise, 0.3)
        pairs = [(row[0].ravel(), row[2].ravel()) for row in rows]
        if distance == "cosine":
            expected += np.mean([-cosine(a, b) for a, b in pairs])
        else:
            expected += np.mean([np.mean((a - b) ** 2) for a, b in pairs])
        if logits == "plain":
            judged.append(model(images).numpy()[:, 0])
        else:
            divisor = 2 if logits == "mean" else 1
            judged.append(
                np.array([(row[3] + row[4]) / divisor for row in rows])
            )
    np.testing.assert_allclose(
        mix.discriminator_loss(context), expected, rtol=1e-5
    )
    np.testing.assert_allclose(
        mix.discriminator_adversarial(context),
        np.mean(np.logaddexp(0, -judged[0]) + np.logaddexp(0, judged[1])),
        rtol=1e-5,
    )
    np.testing.assert_allclose(
        mix.generator_adversarial(context),
        np.mean(np.logaddexp(0, -judged[1])),
        rtol=1e-5,
    )


@pytest.mark.parametrize("mix_per", ["batch", "sample"])
def test_prepare_mixes_pairs(tiny, mix_per):
    mix = AdaptiveMix(mix_per=mix_per)
    images = tiny.images(16, channels=3)
    made = mix.prepare(tf.constant(images), Draws(0, 5))
    ratio, partner = made["ratio"].numpy(), made["partner"].numpy()
    assert ratio.shape == (16,)
    assert len(set(ratio)) == (1 if mix_per == "batch" else 16)
    assert sorted(partner) == list(range(16))
    for i in range(16):
        np.testing.assert_allclose(
            made["images"][i],
            ratio[i] * images[i] + (1 - ratio[i]) * images[partner[i]],
            atol=1e-6,
        )


def test_alpha_gives_the_variance_of_lambda():
    mix = AdaptiveMix(mix_per="sample", alpha=4.0)
    images = tf.zeros((20_000, 2))
    ratio = mix.prepare(images, Draws(0, 0))["ratio"].numpy()
    assert abs(ratio.mean() - 0.5) < 0.005
    assert abs(ratio.var() - 1 / (4 * (2 * 4 + 1))) < 0.001


def test_linear_trunk_has_nothing_to_shrink(tiny):
    view, images = linear_discriminator(), tiny.images(4)
    cosine = AdaptiveMix(noise_stddev=0, mix_per="sample")
    context = judge(view, images)
    np.testing.assert_allclose(
        cosine.discriminator_loss(context), -2.0, rtol=1e-6
    )
    l2 = AdaptiveMix("l2", noise_stddev=0, mix_per="sample")
    np.testing.assert_allclose(l2.discriminator_loss(context), 0, atol=1e-12)
    features = view.features(images).numpy()
    lam = RATIO[:, None, None, None]
    v_mix = lam * features + (1 - lam) * features[PARTNER]
    np.testing.assert_allclose(
        cosine.generator_adversarial(context),
        np.mean(np.logaddexp(0, -2 * view.head(v_mix).numpy())),
        rtol=1e-5,
    )


@pytest.mark.parametrize(
    "draws",
    [GivenDraws(ratio=np.ones(4)), GivenDraws(partner=np.arange(4))],
    ids=["lambda 1", "identity"],
)
def test_a_mixture_with_itself_is_the_image(tiny, draws):
    model, images = tiny.discriminator(), tiny.images(4)
    mix = AdaptiveMix(noise_stddev=0, mix_per="sample")
    context = judge(DiscriminatorView(model), images, draws=draws)
    np.testing.assert_allclose(mix.generator_loss(context), -1.0, rtol=1e-5)
    np.testing.assert_allclose(
        mix.generator_adversarial(context),
        np.mean(np.logaddexp(0, -2 * model(images).numpy())),
        rtol=1e-5,
    )


def test_noise_adds_its_variance_to_l2(tiny):
    view, images = linear_discriminator(), tiny.images(128)
    mix = AdaptiveMix("l2", noise_stddev=0.3, apply_to="real")
    context = judge(view, images, draws=Draws(0, 0))
    # 128 x 48 squares of normals: standard error 0.0016.
    assert abs(float(mix.discriminator_loss(context)) - 0.09) < 0.008


def test_gradient_flows_through_the_mixed_branch_only(tiny):
    model, images = tiny.discriminator(), tiny.images(4)
    view = DiscriminatorView(model)
    mix = AdaptiveMix(noise_stddev=0, mix_per="sample", apply_to="real")
    variables = model.trainable_variables
    with tf.GradientTape() as tape:
        term = mix.discriminator_loss(judge(view, images))
    got = tape.gradient(term, variables)

    lam = RATIO[:, None, None, None]
    features = view.features(images).numpy()
    goal = lam * features + (1 - lam) * features[PARTNER]
    mixed = lam * images + (1 - lam) * images[PARTNER]
    with tf.GradientTape() as tape:
        v_hat = tf.reshape(view.features(mixed), (4, -1))
        expected = tf.reduce_mean(
            keras.losses.cosine_similarity(tf.reshape(goal, (4, -1)), v_hat)
        )
    expected = tape.gradient(expected, variables)
    for one, other in zip(got[:2], expected[:2], strict=True):
        assert np.abs(other).max() > 1e-4
        np.testing.assert_allclose(one, other, atol=1e-6)
    assert got[2:] == [None, None]  # the head


def test_features_of_zeros_have_a_gradient(tiny):
    view = linear_discriminator()
    mix = AdaptiveMix(noise_stddev=0, mix_per="sample")
    with tf.GradientTape() as tape:
        term = mix.generator_loss(
            judge(view, np.zeros((4, 8, 8, 1), "float32"))
        )
    (gradient,) = tape.gradient(term, view.model.trainable_variables[:1])
    assert float(term) == 0
    assert np.isfinite(gradient).all()


def test_both_players_get_gradients(tiny):
    mix = AdaptiveMix(mix_per="sample")
    noise = np.zeros((4, 4, 4, 6), "float32")
    view = DiscriminatorView(tiny.discriminator())
    images = tf.Variable(tiny.images(4))
    with tf.GradientTape(persistent=True) as tape:
        context = judge(view, tiny.images(4), draws=GivenDraws(noise=noise))
        context.fake = Samples(images * 1.0, view)
        term = mix.generator_loss(context)
        adversarial = mix.generator_adversarial(context)
    for value in (term, adversarial):
        assert np.abs(tape.gradient(value, images)).max() > 1e-5


@pytest.mark.parametrize(
    ("kwargs", "passes"),
    [
        ({}, 6),
        ({"logits": "plain"}, 6),
        ({"weight": 0, "generator_weight": 0}, 6),
        ({"apply_to": "real"}, 4),
        ({"apply_to": ["real", "fake"]}, 5),
        ({"apply_to": "generator"}, 4),
        ({"logits": "plain", "generator_weight": 0}, 5),
    ],
)
def test_trunk_passes_of_a_step(tiny, kwargs, passes):
    """The plain GAN has three: reals, fakes, and the generator's fakes."""
    gan = tiny.gan([AdaptiveMix(**kwargs)], run_eagerly=True)
    calls = count_passes(gan.view)
    gan.train_step(tf.constant(tiny.images(4)))
    assert len(calls) == passes


def test_only_what_it_applies_to_is_mixed(tiny):
    model = tiny.discriminator()
    real, fake = tiny.images(4, seed=1), tiny.images(4, seed=2)
    mix = AdaptiveMix(apply_to="real", mix_per="sample", noise_stddev=0)
    both = AdaptiveMix(mix_per="sample", noise_stddev=0)
    context = judge(DiscriminatorView(model), real, fake, loss="wasserstein")
    plain = float(np.mean(model(fake)))
    np.testing.assert_allclose(
        mix.generator_adversarial(context), -plain, rtol=1e-5
    )
    assert mix.generator_weight.is_zero
    doubled = -both.generator_adversarial(context)  # its mixed fakes
    np.testing.assert_allclose(
        mix.discriminator_adversarial(context) - plain,
        both.discriminator_adversarial(context) - doubled,
        rtol=1e-4,
    )


def test_relativistic_generator_sees_mixed_reals(tiny):
    model = tiny.discriminator()
    real, fake = tiny.images(4, seed=1), tiny.images(4, seed=2)
    mix = AdaptiveMix(mix_per="sample", noise_stddev=0)
    draws = GivenDraws(ratio=np.ones(4))
    context = judge(
        DiscriminatorView(model), real, fake, draws, "relativistic_pairing"
    )
    gap = 2 * (model(fake).numpy() - model(real).numpy())
    np.testing.assert_allclose(
        mix.generator_adversarial(context),
        np.mean(np.logaddexp(0, -gap)),
        rtol=1e-5,
    )


def test_mixing_comes_after_augmentation(tiny):
    view, images = DiscriminatorView(tiny.discriminator()), tiny.images(4)
    mix = AdaptiveMix(mix_per="sample", noise_stddev=0)
    calls = count_passes(view)
    context = judge(view, images, augment=lambda x: -0.5 * x)
    mix.generator_loss(context)
    lam = RATIO[:, None, None, None]
    mixed = -0.5 * (lam * images + (1 - lam) * images[PARTNER])
    assert len(calls) == 2
    assert any(np.allclose(call, mixed, atol=1e-6) for call in calls)


def test_image_gradients_are_those_of_plain_logits(tiny):
    model, images = tiny.discriminator(), tiny.images(4)
    context = judge(
        DiscriminatorView(model), images, augment=lambda x: -0.5 * x
    )
    AdaptiveMix(mix_per="sample", noise_stddev=0).generator_loss(context)
    x = tf.Variable(images)
    with tf.GradientTape() as tape:
        logits = model(-0.5 * x)
    np.testing.assert_allclose(
        context.fake.image_gradient, tape.gradient(logits, x), atol=1e-7
    )


def test_labels_are_those_of_the_first_image(tiny):
    model = tiny.discriminator(num_classes=3)
    view = DiscriminatorView(model)
    images, labels = tiny.images(4), tf.constant([0, 1, 2, 0])
    mix = AdaptiveMix(mix_per="sample", noise_stddev=0)
    context = judge(view, images, loss="wasserstein")
    context.fake = Samples(tf.constant(images), view, labels)
    lam = RATIO[:, None, None, None]
    features = view.features(images).numpy()
    v_mix = lam * features + (1 - lam) * features[PARTNER]
    v_hat = view.features(lam * images + (1 - lam) * images[PARTNER])
    logits = view.head(v_mix, labels) + view.head(v_hat, labels)
    np.testing.assert_allclose(
        mix.generator_adversarial(context), -np.mean(logits), rtol=1e-5
    )


@pytest.mark.parametrize("loss", ["hinge", "relativistic_average_hinge"])
def test_pipeline_equals_step(tiny, loss):
    weights = []
    for where in ("step", "pipeline"):
        gan = tiny.gan(
            [AdaptiveMix(mix_per="sample", where=where)],
            loss,
            discriminator_steps=2,
        )
        gan.fit(gan.prepare(tiny.dataset()), steps_per_epoch=2, verbose=0)
        weights.append(gan.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-7)


def test_pipeline_excludes_augmentation(tiny):
    gan = tiny.gan([AdaptiveMix(where="pipeline"), Negative()])
    dataset = gan.prepare(tiny.dataset())
    with pytest.raises(ValueError, match=r"where: 'pipeline' .*augmented"):
        gan.fit(dataset, steps_per_epoch=1, verbose=0)


def test_pipeline_excludes_replicas(tiny):
    with tiny.strategy().scope():
        gan = tiny.gan([AdaptiveMix(where="pipeline")])
    dataset = gan.prepare(tiny.dataset())
    with pytest.raises(ValueError, match=r"where: 'pipeline' .*replicas"):
        gan.fit(dataset, steps_per_epoch=1, verbose=0)


def test_nothing_of_it_is_left_when_it_is_off(tiny):
    off = AdaptiveMix(logits="plain", weight=0, generator_weight=0)
    weights = []
    for regularizers in ([], [off]):
        gan = tiny.gan(regularizers)
        gan.fit(tiny.dataset(), steps_per_epoch=2, verbose=0)
        weights.append(gan.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_official_is_the_released_form():
    config = AdaptiveMix.official().get_config()
    weight = {"value": 1.0, "warmup": 0, "every": 1}
    assert config.pop("weight")["config"] == weight
    assert config.pop("generator_weight")["config"] == weight
    assert config == {
        "distance": "cosine",
        "alpha": 1.0,
        "noise_stddev": 0.05,
        "mix_per": "batch",
        "logits": "sum",
        "apply_to": ("real", "fake", "generator"),
        "where": "step",
        "name": "AdaptiveMix",
    }


def test_config_round_trip():
    mix = AdaptiveMix(
        "l2",
        alpha=0.4,
        noise_stddev=0.0,
        mix_per="sample",
        logits="mean",
        apply_to=["fake", "real"],
        weight={"value": 2.0, "every": 4},
        where="pipeline",
        name="mixing",
    )
    config = keras.saving.serialize_keras_object(mix)
    restored = keras.saving.deserialize_keras_object(config)
    assert restored.get_config() == mix.get_config()
    assert restored.apply_to == ("real", "fake")
    assert restored.discriminator_weight.every == 4


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"distance": "cosin"}, "distance 'cosin'.*Did you mean 'cosine'"),
        ({"mix_per": "image"}, "mix_per 'image'"),
        ({"logits": "max"}, "logits 'max'"),
        ({"where": "gpu"}, "where 'gpu'"),
        ({"apply_to": ["reals"]}, "apply_to 'reals'.*Did you mean 'real'"),
        ({"apply_to": None}, "apply_to None"),
        ({"apply_to": ()}, r"apply_to: \(\) is not allowed"),
        ({"alpha": 0}, "alpha: 0 is not allowed.* above 0"),
        ({"alpha": float("nan")}, "alpha: nan"),
        ({"noise_stddev": -0.1}, "noise_stddev: -0.1 .* at least 0"),
        ({"weight": -1}, "AdaptiveMix.weight: -1"),
        ({"generator_weight": -1}, "AdaptiveMix.generator_weight: -1"),
        ({"where": "pipeline", "apply_to": "fake"}, "has no 'real'"),
    ],
)
def test_bad_arguments(kwargs, match):
    with pytest.raises(ValueError, match=match):
        AdaptiveMix(**kwargs)


def test_a_batch_of_one_has_no_pairs(tiny):
    with pytest.raises(ValueError, match="has only 1; use at least 2"):
        AdaptiveMix().prepare(tf.zeros((1, 8, 8, 1)), Draws(0, 0))


def test_two_that_replace_judging_are_refused(tiny):
    with pytest.raises(ValueError, match="AdaptiveMix and SampleMixing both"):
        tiny.gan([AdaptiveMix(), SampleMixing(apply="replace")])


def train(gan, dataset, steps=3):
    history = gan.fit(dataset, steps_per_epoch=steps, verbose=0).history
    values = [v[-1] for v in history.values()]
    assert np.isfinite(values).all(), history
    assert gan.step.numpy() == steps
    return history


@pytest.mark.parametrize(
    ("loss", "kwargs"),
    [
        ("hinge", {"channels": 3}),
        ("relativistic_average_logistic", {"num_classes": 3}),
        pytest.param("logistic", {"jit_compile": True}, marks=pytest.mark.long),
    ],
)
def test_fit(tiny, loss, kwargs):
    data = {k: v for k, v in kwargs.items() if k != "jit_compile"}
    gan = tiny.gan([AdaptiveMix()], loss, **kwargs)
    history = train(gan, tiny.dataset(**data))
    assert -2 <= history["discriminator/AdaptiveMix"][-1] < 0
    assert -1 <= history["generator/AdaptiveMix"][-1] < 0


def test_fit_with_lazy_weights_and_unknown_batch_size(tiny):
    lazy = {"value": 1.0, "every": 2}
    gan = tiny.gan([AdaptiveMix(logits="plain", weight=lazy)])
    dataset = tiny.dataset(12, repeat=False).unbatch().batch(8).repeat()
    assert dataset.element_spec.shape[0] is None
    train(gan, dataset, 4)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_fit_in_mixed_precision(tiny, policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        gan = tiny.gan([AdaptiveMix(mix_per="sample")])
        train(gan, tiny.dataset())
    finally:
        keras.config.set_dtype_policy(before)


def test_replicas_mix_their_own_images(tiny):
    mix = AdaptiveMix(mix_per="sample")
    strategy = tiny.strategy()
    images = tf.constant(tiny.images(8))

    @tf.function
    def run():
        def one():
            context = tf.distribute.get_replica_context()
            i = context.replica_id_in_sync_group
            return mix.prepare(images[4 * i : 4 * i + 4], Draws(0, 1))

        return strategy.run(one)

    made = run()
    ratio = np.concatenate(
        [r.numpy() for r in strategy.experimental_local_results(made["ratio"])]
    )
    alone = mix.prepare(images, Draws(0, 1))["ratio"]
    np.testing.assert_array_equal(ratio, alone)
    for part in strategy.experimental_local_results(made["partner"]):
        assert sorted(part.numpy()) == [0, 1, 2, 3]


@pytest.mark.slow
def test_fit_on_two_replicas_and_reload(tiny, tmp_path):
    with tiny.strategy().scope():
        gan = tiny.gan([AdaptiveMix()])
    train(gan, tiny.dataset())
    gan.save(tmp_path / "gan.keras")
    restored = keras.saving.load_model(tmp_path / "gan.keras")
    assert restored.regularizers[0].get_config() == (
        gan.regularizers[0].get_config()
    )
    for one, other in zip(
        gan.get_weights(), restored.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)
