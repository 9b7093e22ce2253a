"""Sample mixing: masks, terms and their minimisers, routing, refusals."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_ganmix as kgm
from keras_ganmix.context import Context, Samples
from keras_ganmix.discriminator import DiscriminatorView
from keras_ganmix.ops.random import Draws
from keras_ganmix.regularizers import AdaptiveMix, SampleMixing

MASKS = ("mixup", "cutmix", "srmix")
MODES = {
    "logistic": "interpolate",
    "minimax": "interpolate",
    "least_squares": "interpolate",
    "hinge": "target",
    "wasserstein": "consistency",
    "relativistic_average_logistic": "consistency",
    "relativistic_average_least_squares": "consistency",
    "relativistic_average_hinge": "consistency",
    "relativistic_pairing": "consistency",
}


class GivenLogits:
    """A discriminator that answers with given logits."""

    has_features = False

    def __init__(self, logits):
        self.given = logits

    def logits(self, images, labels=None):
        return tf.reshape(self.given, (-1, 1))


class GivenRatios:
    """Draws that give the samples these lambdas."""

    def __init__(self, ratios):
        self.ratios = ratios

    def beta(self, name, shape, alpha):
        return tf.reshape(tf.constant(self.ratios, tf.float32), shape)


def judge(view, real, fake, loss="logistic", draws=None, step=0, **kwargs):
    return Context(
        real=Samples(tf.constant(real), view, **kwargs),
        fake=Samples(tf.convert_to_tensor(fake), view, **kwargs),
        discriminator=view,
        generate=None,
        loss=kgm.losses.get(loss),
        step=tf.cast(step, tf.int64),
        draws=draws or Draws(0, step),
        penalties=[],
    )


def term_at(logits, ratios, mode, loss, ends=(0.0, 0.0)):
    """The term of mixtures whose logits are given, as are the pure ones'."""
    images = np.zeros((len(ratios), 4, 4, 1), "float32")
    draws = GivenRatios(ratios)
    context = judge(GivenLogits(logits), images, images, loss, draws)
    context.real = Samples(context.real.images, GivenLogits(ends[0]))
    context.fake = Samples(context.fake.images, GivenLogits(ends[1]))
    return SampleMixing("mixup", mode).discriminator_loss(context)


def minimisers(ratios, mode, loss, ends=(0.0, 0.0)):
    """Where gradient descent takes free logits."""
    logits = tf.Variable([0.1] * len(ratios))

    @tf.function
    def descend(rate):
        with tf.GradientTape() as tape:
            total = len(ratios) * term_at(logits, ratios, mode, loss, ends)
        logits.assign_sub(rate * tape.gradient(total, logits))

    for i in range(300):
        # A decreasing rate also settles where the term has a kink.
        descend(tf.constant(1 / (1 + i / 30)))
    return logits.numpy()


@pytest.mark.parametrize("mask", MASKS)
def test_mixtures_and_ratios_are_those_of_the_mask(tiny, mask):
    mixing = SampleMixing(mask, alpha=0.5, sigma=0.2)
    real, fake = tiny.images(6, 3, seed=1), tiny.images(6, 3, seed=2)
    mask = mixing.masks(tf.constant(real), Draws(0, 1)).numpy()
    images, ratio = mixing.mix(real, fake, Draws(0, 1))
    assert mask.shape == (6, 8, 8, 1)
    assert mask.min() >= 0 and mask.max() <= 1
    for i in range(6):
        for y, x in np.ndindex(8, 8):
            m = mask[i, y, x, 0]
            np.testing.assert_allclose(
                images[i, y, x],
                m * real[i, y, x] + (1 - m) * fake[i, y, x],
                atol=1e-6,
            )
        np.testing.assert_allclose(ratio[i], mask[i].mean(), rtol=1e-5)
    assert len(set(ratio.numpy())) >= 4


@pytest.mark.parametrize("mask", MASKS)
def test_ratio_is_symmetric_about_a_half(mask):
    images = tf.zeros((4000, 16, 16, 1))
    _, ratio = SampleMixing(mask).mix(images, images, Draws(0, 0))
    ratio = ratio.numpy()
    # 3 standard errors; without the exchange of roles it is 0.68 for boxes.
    assert abs(ratio.mean() - 0.5) < 3 * ratio.std() / np.sqrt(4000)
    assert abs(np.mean(ratio < 0.25) - np.mean(ratio > 0.75)) < 0.04


@pytest.mark.parametrize("mask", MASKS)
def test_folding_leaves_at_most_half_of_the_real_image(mask):
    real, fake = tf.ones((64, 8, 8, 1)), tf.zeros((64, 8, 8, 1))
    mixing = SampleMixing(mask)
    images, ratio = mixing.mix(real, fake, Draws(0, 0), fold=True)
    _, free = mixing.mix(real, fake, Draws(0, 0))
    assert free.numpy().max() > 0.5 >= ratio.numpy().max()
    np.testing.assert_allclose(ratio, np.minimum(free, 1 - free), atol=1e-6)
    # Of ones and zeros, the mean of a mixture is its share of ones.
    np.testing.assert_allclose(images.numpy().mean((1, 2, 3)), ratio, atol=1e-6)


@pytest.mark.parametrize("ratio", [0.0, 0.2, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("logit", [-3.0, -0.4, 0.7, 2.5])
def test_terms_in_closed_form(ratio, logit):
    soft = keras.losses.BinaryCrossentropy(from_logits=True)
    expected = {
        ("interpolate", "logistic"): soft([[ratio]], [[logit]]),
        ("interpolate", "wasserstein"): (1 - 2 * ratio) * logit,
        ("interpolate", "least_squares"): (logit - ratio) ** 2
        + ratio * (1 - ratio),
        ("target", "least_squares"): (logit - ratio) ** 2,
        ("target", "hinge"): (logit - (2 * ratio - 1)) ** 2,
        ("as_fake", "hinge"): max(0, 1 + logit),
        ("as_fake", "logistic"): np.logaddexp(0, logit),
    }
    for (mode, loss), value in expected.items():
        got = term_at(logit, [ratio], mode, loss)
        np.testing.assert_allclose(got, value, rtol=1e-5, atol=1e-6)
    for loss in MODES:
        got = term_at(logit, [ratio], "consistency", loss, (2.0, -1.0))
        goal = 2 * ratio - (1 - ratio)
        np.testing.assert_allclose(got, (logit - goal) ** 2, rtol=1e-5)


@pytest.mark.parametrize(
    ("mode", "loss", "grade"),
    [
        ("interpolate", "logistic", lambda r: np.log(r / (1 - r))),
        ("interpolate", "least_squares", lambda r: r),
        ("target", "least_squares", lambda r: r),
        ("target", "hinge", lambda r: 2 * r - 1),
        ("consistency", "hinge", lambda r: 2 * r - 1),
        ("consistency", "wasserstein", lambda r: 2 * r - 1),
        # The grading is lost: why hinge has "target" by default.
        ("interpolate", "hinge", lambda r: np.sign(r - 0.5)),
    ],
)
def test_minimiser(mode, loss, grade):
    ratios = np.array([0.2, 0.45, 0.8])
    found = minimisers(ratios, mode, loss, ends=(1.0, -1.0))
    np.testing.assert_allclose(found, grade(ratios), atol=0.05)


def test_auto_suits_the_loss():
    for loss, mode in MODES.items():
        assert SampleMixing().mode_for(kgm.losses.get(loss)) == mode
    target = SampleMixing(mode="target")
    assert target.mode_for(kgm.losses.get("least_squares")) == "target"


@pytest.mark.parametrize("apply", ["add", "replace"])
@pytest.mark.parametrize("loss", ["logistic", "hinge"])
def test_adversarial_loss_is_the_plain_one_or_the_term(tiny, apply, loss):
    model = tiny.discriminator()
    real, fake = tiny.images(6, seed=1), tiny.images(6, seed=2)
    mixing = SampleMixing(apply=apply)
    context = judge(DiscriminatorView(model), real, fake, loss)
    value = mixing.discriminator_adversarial(context)
    branches = kgm.losses.get(loss)
    plain = branches.discriminator(model(real), model(fake))
    images, ratio = mixing.mix(real, fake, Draws(0, 0))
    logits, ratio = model(images).numpy()[:, 0], ratio.numpy()
    if loss == "hinge":
        mixed = np.mean((logits - (2 * ratio - 1)) ** 2)
    else:
        mixed = np.mean(np.logaddexp(0, logits) - ratio * logits)
    assert abs(mixed - float(plain)) > 0.05
    expected = plain if apply == "add" else mixed
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    np.testing.assert_allclose(
        mixing.generator_adversarial(context),
        branches.generator(model(fake)),
        rtol=1e-5,
    )
    if apply == "add":
        np.testing.assert_allclose(
            mixing.discriminator_loss(context), mixed, rtol=1e-5
        )


@pytest.mark.parametrize("compiled", [False, True])
def test_ramp_grows_to_one_half(tiny, compiled):
    model = tiny.discriminator()
    real, fake = tiny.images(4, seed=1), tiny.images(4, seed=2)
    ramp = SampleMixing("mixup", apply="ramp", ramp_steps=50)
    replace = SampleMixing("mixup", apply="replace")

    @tf.function(jit_compile=compiled)
    def run(step, number):
        def context():
            view = DiscriminatorView(model)
            return judge(view, real, fake, "hinge", Draws(0, number), step)

        return (
            ramp.discriminator_adversarial(context()),
            replace.discriminator_adversarial(context()),
        )

    plain = kgm.losses.get("hinge").discriminator(model(real), model(fake))
    for step, share in ((0, 0), (25, 0.25), (1000, 0.5)):
        mixed = []
        for number in range(200):
            value, replaced = run(
                tf.constant(step, tf.int64), tf.constant(number, tf.int64)
            )
            mixed.append(abs(float(value - plain)) > 1e-5)
            expected = replaced if mixed[-1] else plain
            np.testing.assert_allclose(value, expected, rtol=1e-5)
        # Three standard errors; exactly 0 at the start.
        assert abs(np.mean(mixed) - share) <= 0.15 * share**0.5


def test_generator_loss_and_where_its_gradient_goes(tiny):
    model = tiny.discriminator()
    real = tiny.images(6, seed=1)
    fake = tf.Variable(tiny.images(6, seed=2))
    mixing = SampleMixing("cutmix", generator_weight=1.0)
    with tf.GradientTape() as tape:
        context = judge(DiscriminatorView(model), real, fake)
        term = mixing.generator_loss(context)
    gradient = tape.gradient(term, fake).numpy()
    mask = mixing.masks(fake, Draws(0, 0)).numpy()
    assert 0 < mask.mean() < 1
    assert (gradient[mask == 1] == 0).all()
    assert (np.abs(gradient).max((1, 2, 3)) > 0).sum() >= 5
    images, ratio = mixing.mix(real, fake, Draws(0, 0))
    logits, ratio = model(images).numpy()[:, 0], ratio.numpy()
    np.testing.assert_allclose(
        term, np.mean((1 - ratio) * np.logaddexp(0, -logits)), rtol=1e-5
    )


def test_discriminator_gets_gradients_everywhere(tiny):
    gan = tiny.gan([SampleMixing()])
    context = judge(gan.view, tiny.images(4), tiny.images(4, seed=1))
    with tf.GradientTape() as tape:
        term = gan.regularizers[0].discriminator_loss(context)
    for gradient in tape.gradient(term, gan.discriminator_variables):
        assert np.abs(gradient).max() > 1e-5


def test_mixing_comes_after_augmentation(tiny):
    model = tiny.discriminator()
    real, fake = tiny.images(4, seed=1), tiny.images(4, seed=2)
    mixing = SampleMixing()
    context = judge(
        DiscriminatorView(model), real, fake, augment=lambda x: -0.5 * x
    )
    images, ratio = mixing.mix(-0.5 * real, -0.5 * fake, Draws(0, 0))
    logits, ratio = model(images).numpy()[:, 0], ratio.numpy()
    np.testing.assert_allclose(
        mixing.discriminator_loss(context),
        np.mean(np.logaddexp(0, logits) - ratio * logits),
        rtol=1e-5,
    )


def test_mixtures_have_the_label_of_their_images(tiny):
    model = tiny.discriminator(num_classes=3)
    real, fake = tiny.images(4, seed=1), tiny.images(4, seed=2)
    labels = tf.constant([0, 1, 2, 0])
    mixing = SampleMixing(mode="interpolate")
    context = judge(
        DiscriminatorView(model), real, fake, "wasserstein", labels=labels
    )
    images, ratio = mixing.mix(real, fake, Draws(0, 0))
    logits = model([images, labels]).numpy()[:, 0]
    np.testing.assert_allclose(
        mixing.discriminator_loss(context),
        np.mean((1 - 2 * ratio.numpy()) * logits),
        rtol=1e-4,
    )


@pytest.mark.parametrize(
    ("kwargs", "passes"),
    [
        ({}, 4),
        ({"mode": "consistency"}, 4),
        ({"generator_weight": 1.0}, 5),
        ({"weight": 0, "generator_weight": 1.0}, 4),
        ({"weight": 0}, 3),
    ],
)
def test_passes_of_a_step(tiny, kwargs, passes):
    """The plain GAN has three: reals, fakes, and the generator's fakes."""
    gan = tiny.gan([SampleMixing(**kwargs)], run_eagerly=True)
    calls, features = [], gan.view.features

    def counted(*args, **kwargs):
        calls.append(args)
        return features(*args, **kwargs)

    gan.view.features = counted
    gan.train_step(tf.constant(tiny.images(4)))
    assert len(calls) == passes


def test_data_that_are_not_images_can_be_blended():
    mixing = SampleMixing("mixup")
    mixing.build(image_shape=(2,))
    real, fake = tf.ones((5, 2)), tf.zeros((5, 2))
    mixed, ratio = mixing.mix(real, fake, Draws(0, 0))
    np.testing.assert_allclose(mixed, np.stack([ratio, ratio], 1))
    assert 0 < ratio.numpy().min() < ratio.numpy().max() < 1
    with pytest.raises(ValueError, match=r"'srmix' cuts boxes.*shape \(2,\)"):
        SampleMixing().build(image_shape=(2,))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_large_images_in_half_precision(dtype):
    policy = keras.DTypePolicy(f"mixed_{dtype}")
    images = keras.Input((256, 256, 3))
    x = keras.layers.Conv2D(2, 8, 8, dtype=policy)(images)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(1, dtype="float32")(x)
    view = DiscriminatorView(keras.Model(images, x))
    real, fake = (
        tf.cast(tf.ones((4, 256, 256, 3)), dtype),
        tf.zeros((4, 256, 256, 3), dtype),
    )
    mixing = SampleMixing()
    assert mixing.masks(real, Draws(0, 0)).dtype == tf.float32
    _, ratio = mixing.mix(real, fake, Draws(0, 0))
    _, full = mixing.mix(tf.cast(real, "float32"), fake, Draws(0, 0))
    np.testing.assert_array_equal(ratio, full)
    context = judge(view, real, fake)
    with tf.GradientTape() as tape:
        term = mixing.discriminator_loss(context)
    assert term.dtype == tf.float32 and np.isfinite(term)
    for gradient in tape.gradient(term, view.model.trainable_variables):
        assert np.isfinite(gradient).all()


def test_replicas_draw_their_share_of_the_masks(tiny):
    mixing = SampleMixing()
    strategy = tiny.strategy()

    @tf.function
    def run():
        return strategy.run(
            lambda: mixing.masks(tf.zeros((3, 8, 8, 1)), Draws(0, 1))
        )

    parts = strategy.experimental_local_results(run())
    whole = mixing.masks(tf.zeros((6, 8, 8, 1)), Draws(0, 1))
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-6)
    assert not np.allclose(*parts)


def test_nothing_of_it_is_left_when_it_is_off(tiny):
    weights = []
    for regularizers in ([], [SampleMixing(weight=0)]):
        gan = tiny.gan(regularizers)
        gan.fit(tiny.dataset(), steps_per_epoch=2, verbose=0)
        weights.append(gan.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {
            "mask": "cutmix",
            "mode": "target",
            "alpha": 0.5,
            "sigma": 0.0,
            "weight": {"value": 2.0, "warmup": 10},
            "generator_weight": 0.5,
            "name": "mixing",
        },
        {"apply": "ramp", "ramp_steps": 7},
        {"apply": "replace"},
    ],
)
def test_config_round_trip(kwargs):
    mixing = SampleMixing(**kwargs)
    config = keras.saving.serialize_keras_object(mixing)
    restored = keras.saving.deserialize_keras_object(config)
    assert restored.get_config() == mixing.get_config()
    for name, value in kwargs.items():
        if name not in ("weight", "generator_weight"):
            assert getattr(restored, name) == value
    assert restored.weight == mixing.weight
    assert restored.discriminator_weight == mixing.discriminator_weight
    assert restored.replaces_judging == ("apply" in kwargs)


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"mask": "mixupp"}, "mask 'mixupp'. Did you mean 'mixup'"),
        ({"mode": "interp"}, "mode 'interp'.*'interpolate'"),
        ({"apply": "ad"}, "apply 'ad'. Did you mean 'add'"),
        ({"alpha": 0}, "alpha: 0 is not allowed.* above 0"),
        ({"alpha": float("inf")}, "alpha: inf"),
        ({"alpha": "1"}, "alpha: '1'"),
        ({"sigma": -0.1}, "sigma: -0.1 .* at least 0"),
        ({"ramp_steps": 0}, "ramp_steps: 0 .* at least 1"),
        ({"weight": -0.5}, "SampleMixing.weight: -0.5"),
        ({"generator_weight": -1}, "SampleMixing.generator_weight: -1"),
        ({"apply": "ramp", "weight": 0.5}, "weight: .*apply='ramp'"),
        ({"apply": "replace", "weight": 0}, "weight: .*apply='replace'"),
    ],
)
def test_bad_arguments(kwargs, match):
    with pytest.raises(ValueError, match=match):
        SampleMixing(**kwargs)


@pytest.mark.parametrize(
    ("loss", "kwargs", "match"),
    [
        ("logistic", {"mode": "target"}, "'target' needs.*'interpolate' or"),
        ("wasserstein", {"mode": "target"}, "'target' needs finite targets"),
        ("relativistic_pairing", {"mode": "target"}, "use 'consistency'"),
        ("relativistic_pairing", {"mode": "interpolate"}, "'interpolate' need"),
        ("relativistic_average_hinge", {"mode": "as_fake"}, "'as_fake' needs"),
        ("wasserstein", {"apply": "replace"}, "'replace'.*by mode='auto'"),
        ("hinge", {"apply": "replace", "mode": "as_fake"}, "'replace' does no"),
        ("relativistic_pairing", {"generator_weight": 1}, "generator_weight"),
    ],
)
def test_losses_that_do_not_fit(tiny, loss, kwargs, match):
    with pytest.raises(ValueError, match=match):
        tiny.gan([SampleMixing(**kwargs)], loss)


def test_two_that_replace_judging_are_refused(tiny):
    with pytest.raises(ValueError, match="AdaptiveMix and SampleMixing both"):
        tiny.gan([SampleMixing(apply="ramp"), AdaptiveMix()])
    tiny.gan([SampleMixing(apply="add"), AdaptiveMix()])


def train(gan, dataset):
    history = gan.fit(dataset, steps_per_epoch=3, verbose=0).history
    assert np.isfinite([v[-1] for v in history.values()]).all(), history
    assert gan.step.numpy() == 3
    return history


@pytest.mark.parametrize(
    ("loss", "mixing", "kwargs"),
    [
        ("logistic", {"generator_weight": 0.5}, {"channels": 3}),
        ("hinge", {"mode": "target", "apply": "replace"}, {"num_classes": 3}),
        ("wasserstein", {"mode": "as_fake", "mask": "cutmix"}, {}),
        ("relativistic_pairing", {"apply": "ramp", "ramp_steps": 2}, {}),
        pytest.param(
            "least_squares",
            {"apply": "ramp", "ramp_steps": 2},
            {"jit_compile": True},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_fit(tiny, loss, mixing, kwargs):
    data = {k: v for k, v in kwargs.items() if k != "jit_compile"}
    gan = tiny.gan([SampleMixing(**mixing)], loss, **kwargs)
    history = train(gan, tiny.dataset(**data))
    logged = {k for k in history if k.endswith("/SampleMixing")}
    assert logged == {
        f"{side}/SampleMixing"
        for side, on in (
            ("discriminator", "apply" not in mixing),
            ("generator", "generator_weight" in mixing),
        )
        if on
    }


def test_fit_with_unknown_batch_size(tiny):
    gan = tiny.gan([SampleMixing()])
    dataset = tiny.dataset(12, repeat=False).unbatch().batch(8).repeat()
    assert dataset.element_spec.shape[0] is None
    train(gan, dataset)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_fit_in_mixed_precision(tiny, policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        gan = tiny.gan([SampleMixing(generator_weight=1.0)])
        train(gan, tiny.dataset())
    finally:
        keras.config.set_dtype_policy(before)


@pytest.mark.slow
def test_fit_on_two_replicas_and_reload(tiny, tmp_path):
    with tiny.strategy().scope():
        gan = tiny.gan([SampleMixing(apply="ramp", ramp_steps=2)])
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
