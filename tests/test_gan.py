"""The step, its randomness, and what Keras users expect of a model."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_ganmix as kgm
from keras_ganmix.dealing import deal, undeal
from keras_ganmix.ops.random import Draws


def weights_of(model):
    return [np.array(w) for w in model.weights]


def assert_equal(a, b):
    for left, right in zip(a, b, strict=True):
        np.testing.assert_array_equal(left, right)


def test_a_step_is_the_algorithm(tiny):
    """Two discriminator updates and one of the generator, written out."""
    gan = tiny.gan(discriminator_steps=2, ema_momentum=0.9)
    images = tiny.images(16)
    generator, discriminator = tiny.generator(), tiny.discriminator()
    generator.set_weights(gan.generator.get_weights())
    discriminator.set_weights(gan.discriminator.get_weights())
    before = generator.get_weights()

    gan.fit(images, batch_size=16, shuffle=False, verbose=0)

    def latents(scope):
        return Draws(0, 0).scope(scope).normal("latents", (8, 8))

    def descend(tape, loss, variables):
        for v, g in zip(variables, tape.gradient(loss, variables), strict=True):
            v.assign_sub(0.05 * g)

    for i in range(2):
        real, fake = images[i::2], generator(latents(f"discriminator.{i}"))
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(
                tf.math.softplus(-discriminator(real))
            ) + tf.reduce_mean(tf.math.softplus(discriminator(fake)))
        descend(tape, loss, discriminator.trainable_variables)
    with tf.GradientTape() as tape:
        fake = generator(latents("generator"))
        loss = tf.reduce_mean(tf.math.softplus(-discriminator(fake)))
    descend(tape, loss, generator.trainable_variables)

    for mine, theirs in (
        (gan.generator, generator),
        (gan.discriminator, discriminator),
    ):
        for a, b in zip(mine.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    momentum = min(0.9, 1 / 10)
    for average, old, new in zip(
        gan.ema_generator.get_weights(),
        before,
        generator.get_weights(),
        strict=True,
    ):
        expected = momentum * old + (1 - momentum) * new
        np.testing.assert_allclose(average, expected, rtol=1e-4, atol=1e-6)
    assert int(gan.step.numpy()) == 1


def test_eager_graph_and_dynamic_batch_agree(tiny):
    images = tiny.images(16)
    dynamic = tf.data.Dataset.from_tensor_slices(images).batch(8)
    static = tf.data.Dataset.from_tensor_slices(images).batch(8, True)
    results = []
    for dataset, eager in ((static, True), (static, False), (dynamic, False)):
        gan = tiny.gan(run_eagerly=eager)
        gan.fit(dataset, verbose=0)
        results.append(gan.generator.get_weights())
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)


def test_same_seed_same_run_other_seed_another(tiny):
    runs = []
    for seed in (3, 3, 4):
        gan = tiny.gan(seed=seed)
        gan.fit(tiny.dataset(), steps_per_epoch=3, verbose=0)
        runs.append(weights_of(gan))
    assert_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0][-1], runs[2][-1])


def test_a_retry_draws_other_numbers(tiny):
    gan, again = tiny.gan(), tiny.gan()
    again.retry.assign(1)
    for model in (gan, again):
        model.fit(tiny.dataset(), steps_per_epoch=2, verbose=0)
    assert not np.array_equal(
        gan.generator.weights[0], again.generator.weights[0]
    )


def test_a_retry_draws_the_same_in_the_pipeline(tiny):
    weights = []
    for where in ("step", "pipeline"):
        method = kgm.regularizers.Rotation(fraction=None, where=where)
        gan = tiny.gan([method])
        gan.retry.assign(1)
        data = gan.prepare(tiny.dataset())
        gan.fit(data, steps_per_epoch=2, verbose=0)
        weights.append(weights_of(gan))
    assert_equal(*weights)


def test_saved_model_continues_like_the_one_saved(tiny, tmp_path):
    gan = tiny.gan(optimizer="adam", loss="hinge", discriminator_steps=2)
    gan.fit(tiny.dataset(), steps_per_epoch=3, verbose=0)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    assert loaded.get_compile_config()["jit_compile"] == "auto"
    for model in (gan, loaded):
        model.fit(tiny.dataset(), steps_per_epoch=3, verbose=0)
    assert_equal(weights_of(gan), weights_of(loaded))
    models = ("generator", "discriminator")
    for key, value in gan.get_config().items():
        assert key in models or loaded.get_config()[key] == value


def test_replicas_equal_one_device(tiny):
    """Sums of gradients, draws and metrics are those of the global batch."""
    single = tiny.gan(discriminator_steps=2)
    one = single.fit(tiny.dataset(batch=16), steps_per_epoch=5, verbose=0)
    with tiny.strategy().scope():
        several = tiny.gan(discriminator_steps=2)
    two = several.fit(tiny.dataset(batch=16), steps_per_epoch=5, verbose=0)
    for a, b in zip(weights_of(single), weights_of(several), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    for name, values in one.history.items():
        np.testing.assert_allclose(values, two.history[name], rtol=1e-4)


def test_replicas_draw_slices_of_the_global_batch(tiny):
    strategy = tiny.strategy()

    @tf.function
    def draw():
        return strategy.run(lambda: Draws(1, 2).normal("x", (3, 4)))

    parts = strategy.experimental_local_results(draw())
    whole = Draws(1, 2).normal("x", (6, 4))
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_draws_depend_on_seed_step_and_purpose_only():
    draws = Draws(0, 5)
    x = draws.normal("x", (4,)).numpy()
    np.testing.assert_array_equal(x, Draws(0, 5).normal("x", (4,)))
    others = [
        Draws(1, 5).normal("x", (4,)),
        Draws(0, 6).normal("x", (4,)),
        draws.normal("y", (4,)),
        draws.scope("a").normal("x", (4,)),
    ]
    for other in others:
        assert not np.array_equal(x, other)


def test_draws_have_their_distributions():
    draws = Draws(0, 0)
    n = 20_000
    assert abs(np.mean(draws.normal("a", (n,)))) < 0.03
    integers = draws.integers("b", (n,), 5).numpy()
    assert np.bincount(integers).tolist() == pytest.approx([n / 5] * 5, rel=0.1)
    for alpha in (0.3, 1.0, 4.0):
        x = draws.beta("c", (n,), alpha).numpy()
        assert np.mean(x) == pytest.approx(0.5, abs=0.01)
        assert np.var(x) == pytest.approx(0.25 / (2 * alpha + 1), rel=0.05)
    assert sorted(draws.permutation("d", 9).numpy()) == list(range(9))


@pytest.mark.parametrize(
    "distribution, low, high",
    [("normal", -9, 9), ("uniform", -1, 1), ("truncated", -2, 2)],
)
def test_latents(distribution, low, high):
    x = Draws(0, 0).latents("z", (5000, 4), distribution).numpy()
    assert low <= x.min() and x.max() <= high
    assert x.max() > 0.95 * min(high, 3) and x.min() < 0.95 * max(low, -3)


def test_generate_is_a_prefix_of_generate(tiny):
    for distribution in ("normal", "uniform", "truncated"):
        gan = tiny.gan(latent_distribution=distribution)
        for truncation in (None, 0.5):
            many = gan.generate(20, seed=1, truncation=truncation, batch_size=7)
            few = gan.generate(6, seed=1, truncation=truncation)
            np.testing.assert_array_equal(few, many[:6])
            assert many.dtype == np.uint8 and many.shape == (20, 8, 8, 1)
    assert not np.array_equal(few, gan.generate(6, seed=2))
    assert not np.array_equal(gan.generate(6), gan.generate(6))


def test_generate_uses_the_average(tiny):
    gan = tiny.gan()
    gan.fit(tiny.dataset(), steps_per_epoch=2, verbose=0)
    latents = tf.random.normal((4, 8))
    expected = gan.ema_generator(latents)
    np.testing.assert_allclose(gan(latents), expected, atol=1e-6)
    assert not np.allclose(gan(latents), gan.generator(latents), atol=1e-6)
    plain = tiny.gan(ema_momentum=None)
    np.testing.assert_array_equal(plain(latents), plain.generator(latents))


def test_conditional(tiny):
    gan = tiny.gan(num_classes=3, discriminator_steps=2)
    gan.fit(tiny.dataset(num_classes=3), steps_per_epoch=2, verbose=0)
    assert gan.generate(5, seed=0).shape == (5, 8, 8, 1)
    one = gan.generate(2, labels=1, seed=0)
    np.testing.assert_array_equal(one, gan.generate(2, [1, 1], seed=0))
    turn = gan.generate(4, seed=0)
    np.testing.assert_array_equal(turn, gan.generate(4, [0, 1, 2, 0], seed=0))
    assert not np.array_equal(turn, gan.generate(4, [1, 2, 0, 1], seed=0))
    with pytest.raises(
        ValueError, match=r"labels: 3\.\.3 is not within 0\.\.2"
    ):
        gan.generate(2, labels=3)
    with pytest.raises(ValueError, match="have no labels"):
        gan.fit(tiny.dataset(), steps_per_epoch=1, verbose=0)
    with pytest.raises(ValueError, match="with num_classes=3"):
        gan.fit(tiny.dataset(num_classes=5), steps_per_epoch=1, verbose=0)


def test_a_column_of_labels_is_as_good_as_a_row(tiny):
    images, labels = tiny.images(16), np.arange(16) % 3
    found = []
    for y in (labels, labels[:, None]):
        regularizers = [kgm.regularizers.ModeSeeking(), kgm.regularizers.DAG()]
        gan = tiny.gan(regularizers, num_classes=3)
        found.append(gan.fit(images, y, batch_size=8, verbose=0).history)
    assert found[0] == found[1]
    assert found[0]["generator/ModeSeeking"][0] > 0


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.eye(3)[np.arange(80) % 3], "of type float64 and shape .*3"),
        (np.arange(80.0) % 3, "of type float64"),
        (np.eye(3, dtype=int)[np.arange(80) % 3], "one integer for each"),
        (np.r_[np.zeros(79, int), 3], r"labels 0\.\.3"),  # the last one
    ],
)
def test_labels_that_do_not_fit(tiny, labels, message):
    gan = tiny.gan(num_classes=3)
    with pytest.raises(ValueError, match=message):
        gan.fit(tiny.images(80), labels, batch_size=8, verbose=0)


def test_a_regularizer_with_weights_belongs_to_one_gan(tiny):
    for regularizer in (kgm.regularizers.DAG(), kgm.regularizers.LeCam()):
        tiny.gan([regularizer])
        with pytest.raises(ValueError, match="that of another GAN already"):
            tiny.gan([regularizer])
    penalty = kgm.regularizers.R1()
    tiny.gan([penalty]), tiny.gan([penalty])
    free = kgm.regularizers.DAG()
    with pytest.raises(ValueError, match="Deshuffle"):
        tiny.gan([free, kgm.regularizers.Deshuffle(grid=9)])
    tiny.gan([free])  # no GAN had it


@pytest.mark.parametrize("which", ["generator", "discriminator"])
def test_losses_of_layers_are_refused(tiny, which):
    models = {"generator": tiny.generator, "discriminator": tiny.discriminator}
    models = {name: make() for name, make in models.items()}
    inner = models[which]
    last = keras.layers.ActivityRegularization(l2=1.0)(inner.outputs[0])
    models[which] = keras.Model(inner.inputs, last, name="with_losses")
    with pytest.raises(ValueError, match="'with_losses' has losses of its own"):
        kgm.GAN(**models)


def test_heads_fit_on_a_discriminator_of_any_size(tiny):
    images = keras.Input((None, None, 1))
    x = keras.layers.Conv2D(4, 3, 2)(images)
    x = keras.layers.GlobalAveragePooling2D()(x)
    discriminator = keras.Model(images, keras.layers.Dense(1)(x))
    gan = kgm.GAN(tiny.generator(), discriminator, [kgm.regularizers.DAG()])
    assert gan.view.feature_shape == (3, 3, 4)
    gan.compile()
    gan.fit(tiny.dataset(), steps_per_epoch=1, verbose=0)


def test_a_functional_discriminator_is_not_run_before_it_is_trained(tiny):
    """One that joins fours of a batch cannot judge a single image."""
    images = keras.Input((8, 8, 1))
    x = keras.layers.Flatten()(images)
    x = keras.layers.Reshape((4, 16))(x)
    fours = keras.layers.Lambda(
        lambda x: tf.reshape(tf.reshape(x, (-1, 4, 64)), (-1, 64)),
        output_shape=(64,),
    )(x)
    discriminator = keras.Model(images, keras.layers.Dense(1)(fours))
    gan = kgm.GAN(tiny.generator(), discriminator)
    gan.compile()
    gan.fit(tiny.dataset(), steps_per_epoch=1, verbose=0)


def test_compiling_again_keeps_what_the_optimizers_have(tiny):
    gan = tiny.gan(optimizer="adam")
    gan.fit(tiny.dataset(), steps_per_epoch=2, verbose=0)
    optimizer = gan.discriminator_optimizer
    optimizers = gan.generator_optimizer, optimizer
    before = [np.array(v) for v in optimizer.variables]
    gan.compile("logistic", *optimizers)
    assert_equal(before, [np.array(v) for v in optimizer.variables])


def test_evaluate_gives_the_losses_and_changes_nothing(tiny):
    gan = tiny.gan(loss="hinge")
    before = weights_of(gan)
    first = gan.evaluate(tiny.images(24), batch_size=8, verbose=0)
    results = gan.evaluate(
        tiny.images(24), batch_size=8, verbose=0, return_dict=True
    )
    assert_equal(before, weights_of(gan))
    real, fake = results["real_logits"], results["fake_logits"]
    # No logit of the untrained model leaves [-1, 1], where hinge is linear.
    assert results["discriminator_loss"] == pytest.approx(2 - real + fake, 1e-5)
    assert results["generator_loss"] == pytest.approx(-fake, 1e-5)
    assert sorted(first) == sorted(results.values())


def test_subclassed_models(tiny):
    @keras.saving.register_keras_serializable(package="test")
    class Generator(keras.Model):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.dense = keras.layers.Dense(64, activation="tanh")
            self.reshape = keras.layers.Reshape((8, 8, 1))

        def build(self, input_shape):
            self.dense.build(input_shape)
            self.built = True

        def call(self, latents, training=False):
            return self.reshape(self.dense(latents))

    @keras.saving.register_keras_serializable(package="test")
    class Discriminator(keras.Model):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.flatten = keras.layers.Flatten()
            self.dense = keras.layers.Dense(1)

        def call(self, images, training=False):
            return self.dense(self.flatten(images))

    with pytest.raises(ValueError, match="give `latent_dim=`"):
        kgm.GAN(Generator(), Discriminator())
    gan = kgm.GAN(Generator(), Discriminator(), latent_dim=4)
    gan.compile()
    gan.fit(tiny.images(16), batch_size=8, verbose=0)
    assert gan.generate(3, seed=0).shape == (3, 8, 8, 1)


class Subclassed(keras.Model):
    """A discriminator that offers features, with any number of logits."""

    def __init__(self, logits=1):
        super().__init__()
        self.convolution = keras.layers.Conv2D(4, 3, 2)
        self.dense = keras.layers.Dense(logits)

    def features(self, images, training=False):
        return self.convolution(images)

    def head(self, features, training=False):
        return self.dense(keras.ops.mean(features, axis=(1, 2)))

    def call(self, images, training=False):
        return self.head(self.features(images))


class Conditional(keras.Model):
    """A subclassed discriminator that takes labels."""

    def __init__(self):
        super().__init__()
        self.flatten = keras.layers.Flatten()
        self.dense = keras.layers.Dense(3)

    def call(self, inputs, training=False):
        images, labels = inputs
        logits = self.dense(self.flatten(images))
        own = keras.ops.one_hot(labels, 3, dtype=logits.dtype)
        return keras.ops.sum(own * logits, axis=1, keepdims=True)


def test_a_subclassed_discriminator_gets_labels(tiny):
    generator = tiny.generator(num_classes=3)
    gan = kgm.GAN(generator, Conditional(), num_classes=3)
    gan.compile()
    gan.fit(tiny.dataset(num_classes=3), steps_per_epoch=2, verbose=0)
    assert int(gan.step.numpy()) == 2


def test_heads_fit_on_a_subclassed_discriminator(tiny):
    methods = [kgm.regularizers.DAG(), kgm.regularizers.Rotation()]
    gan = kgm.GAN(tiny.generator(), Subclassed(), methods)
    assert gan.view.feature_shape == (3, 3, 4)
    gan.compile()
    history = gan.fit(tiny.images(16), batch_size=8, verbose=0).history
    assert np.isfinite(history["discriminator/DAG"]).all()
    assert 0 < history["discriminator/Rotation"][0] < 2 * np.log(4)


def test_a_subclassed_discriminator_gives_one_logit(tiny):
    with pytest.raises(ValueError, match=r"one logit .* gives \(1, 5\)"):
        kgm.GAN(tiny.generator(), Subclassed(5))


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_images_of_any_float_meet_as_float32(tiny, dtype):
    """A generator in half precision, or data in double."""
    latents = keras.Input((8,))
    x = keras.layers.Dense(64, "tanh", dtype="float16")(latents)
    half = keras.layers.Reshape((8, 8, 1), dtype="float16")(x)
    generator = keras.Model(latents, half)
    method = kgm.regularizers.GradientPenalty()
    gan = kgm.GAN(
        tiny.generator() if dtype == "float64" else generator,
        tiny.discriminator(),
        [method],
    )
    gan.compile()
    data = tiny.dataset()
    if dtype == "float64":
        data = data.map(lambda images: tf.cast(images, dtype))
    history = gan.fit(data, steps_per_epoch=1, verbose=0).history
    assert np.isfinite(history["discriminator/GradientPenalty"]).all()


def test_evaluate_wants_the_labels_that_fit_wants(tiny):
    gan = tiny.gan(num_classes=3)
    with pytest.raises(ValueError, match="data have no labels"):
        gan.evaluate(tiny.images(8), verbose=0)


def test_bad_gradients_of_any_replica_skip_the_step(tiny):
    """Loss scaling alone looks at the first replica only."""
    keras.config.set_dtype_policy("mixed_float16")
    try:
        with tiny.strategy().scope():
            gan = tiny.gan()
    finally:
        keras.config.set_dtype_policy("float32")
    images = tiny.images(8)
    images[6] = np.nan
    before = [np.array(v) for v in gan.discriminator.weights]
    scale = gan.discriminator_optimizer.dynamic_scale
    first = float(scale.numpy())
    data = tf.data.Dataset.from_tensor_slices(images).batch(8, True).repeat()
    # Past the check of `GAN.fit`, which refuses such images.
    keras.Model.fit(gan, data, steps_per_epoch=1, verbose=0)
    for old, new in zip(before, gan.discriminator.weights, strict=True):
        np.testing.assert_array_equal(old, new)
    assert float(scale.numpy()) == first / 2


def test_an_optimizer_serves_one_player(tiny):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        gan = kgm.GAN(tiny.generator(), tiny.discriminator())
    finally:
        keras.config.set_dtype_policy("float32")
    adam = keras.optimizers.Adam()
    with pytest.raises(ValueError, match="are the same object"):
        gan.compile(generator_optimizer=adam, discriminator_optimizer=adam)


def test_points(tiny):
    points = np.random.default_rng(0).normal(size=(64, 2)).astype("float32")
    gan = kgm.GAN(
        keras.Sequential(
            [keras.Input((4,)), keras.layers.Dense(2)], name="generator"
        ),
        keras.Sequential(
            [
                keras.Input((2,)),
                keras.layers.Dense(8, activation="relu"),
                keras.layers.Dense(1),
            ]
        ),
    )
    gan.compile()
    gan.fit(5 * points, batch_size=16, verbose=0)
    assert gan.generate(7, seed=0).dtype == np.float32
    assert gan.view.feature_shape == (8,)


def test_deal_and_undeal_are_inverse():
    batch = (tf.reshape(tf.range(24), (12, 2)), {"a": tf.range(12)})
    parts = deal(batch, 3)
    np.testing.assert_array_equal(parts[1][1]["a"], [1, 4, 7, 10])
    tf.nest.map_structure(np.testing.assert_array_equal, undeal(parts), batch)
    with pytest.raises(ValueError, match="12 images cannot be dealt out to 5"):
        deal(batch, 5)


@pytest.mark.parametrize("arguments", ["discriminator_steps", "accumulate"])
def test_a_last_batch_that_cannot_be_shared_is_refused(tiny, arguments):
    gan = tiny.gan(**{arguments: 2})
    images = tf.zeros((15, 8, 8, 1))
    data = tf.data.Dataset.from_tensor_slices(images).batch(8)
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="The last batch of images cannot"
    ):
        gan.fit(data, verbose=0)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"discriminator_steps": 0}, "discriminator_steps: 0"),
        ({"ema_momentum": 1.5}, "ema_momentum: 1.5"),
        ({"latent_distribution": "norml"}, "Did you mean 'normal'"),
        ({"num_classes": 3, "labels": False}, "takes no labels"),
        ({"feature_layer": "nowhere"}, "is not a layer of the discriminator"),
        ({"latent_dim": 5}, "takes inputs of shape"),
    ],
)
def test_bad_arguments(tiny, arguments, message):
    arguments.pop("labels", None)
    with pytest.raises(ValueError, match=message):
        kgm.GAN(tiny.generator(), tiny.discriminator(), **arguments)


@pytest.mark.parametrize("n", [0, -1, 2.5])
def test_generate_refuses(tiny, n):
    gan = tiny.gan()
    with pytest.raises(ValueError, match="n: "):
        gan.generate(n)
    with pytest.raises(ValueError, match="truncation: 0"):
        gan.generate(1, truncation=0)
    with pytest.raises(ValueError, match="not class-conditional"):
        gan.generate(1, labels=0)


def test_models_that_do_not_fit(tiny):
    with pytest.raises(ValueError, match=r"makes images of shape \(8, 8, 3\)"):
        kgm.GAN(tiny.generator(channels=3), tiny.discriminator())
    layers = keras.layers
    two = keras.Sequential(
        [keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(2)]
    )
    with pytest.raises(ValueError, match="must give one logit per sample"):
        kgm.GAN(tiny.generator(), two)
    gan = kgm.GAN(tiny.generator(), tiny.discriminator())
    adam = keras.optimizers.Adam()
    with pytest.raises(ValueError, match="are the same object"):
        gan.compile("hinge", adam, adam)


def test_data_that_do_not_fit(tiny):
    gan = tiny.gan()
    images = tiny.images(16)
    bad = {
        "images of shape": tiny.images(16, channels=3),
        "images of type uint8": np.zeros((16, 8, 8, 1), "uint8"),
        "pixels from": 255 * np.abs(images),
        "NaN or infinite": np.where(images > 0.9, np.nan, images),
    }
    for message, data in bad.items():
        with pytest.raises(ValueError, match=message):
            gan.fit(data, batch_size=8, verbose=0)
        dataset = tf.data.Dataset.from_tensor_slices(data).batch(16)
        with pytest.raises(ValueError, match=message):
            gan.fit(dataset, verbose=0)
    with pytest.raises(ValueError, match="The data set is empty"):
        gan.fit(dataset.take(0), verbose=0)
    generator = keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(64, activation="sigmoid"),
            keras.layers.Reshape((8, 8, 1)),
            keras.layers.Activation("sigmoid"),
        ]
    )
    gan = kgm.GAN(generator, tiny.discriminator())
    gan.compile()
    with pytest.raises(ValueError, match=r"'sigmoid'.*Use 'tanh'"):
        gan.fit(images, batch_size=8, verbose=0)
