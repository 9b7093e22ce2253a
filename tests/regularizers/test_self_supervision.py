"""Self-supervised tasks: the head, its term, who sees what, routing."""

import keras
import numpy as np
import pytest
from scipy.special import log_softmax

from keras_ganmix.networks.spectral_norm import SpectralNormalization
from keras_ganmix.ops.random import Draws
from keras_ganmix.regularizers import Deshuffle, DiffAugment, Rotation

TASKS = {
    "deshuffle": lambda **kw: Deshuffle(grid=2, permutations=11, **kw),
    "rotation": lambda **kw: Rotation(**kw),
    "rotation, each once": lambda **kw: Rotation(fraction=None, **kw),
}
every_task = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)


def reference(task, features, classes):
    """Cross-entropy and accuracy of the head, one sample at a time."""
    kernel, bias = task.head.get_weights()
    losses, told = [], []
    for feature, k in zip(np.asarray(features), classes, strict=True):
        if task.pooling == "average":
            height, width, _ = feature.shape
            pooled = np.maximum(feature, 0).sum((0, 1)) / (height * width)
        else:
            pooled = feature.ravel()
        scores = log_softmax(pooled.astype(float) @ kernel + bias)
        losses.append(-scores[k])
        told.append(scores.argmax() == k)
    return np.mean(losses), np.mean(told)


def reported(context, name):
    return float(context.reports[name][0])


@every_task
@pytest.mark.parametrize("pooling", ["average", "flatten"])
def test_terms_are_those_of_a_loop(tiny, step_of, task, pooling):
    task = task(pooling=pooling)
    gan = tiny.gan([task], num_classes=3)
    step = step_of(gan, labels=np.arange(8) % 3)
    context = step.context(task)

    made = task.prepare(step.real, context.draws)
    features = gan.view.features(made["images"])
    expected = reference(task, features, made["classes"].numpy())
    assert task.discriminator_loss(context).numpy() == pytest.approx(
        expected[0], rel=1e-5
    )
    assert reported(context, "real_accuracy") == pytest.approx(expected[1])

    made = task.prepare(context.fake.images, context.draws)
    features = gan.view.features(made["images"])
    expected = reference(task, features, made["classes"].numpy())
    assert task.generator_loss(context).numpy() == pytest.approx(
        expected[0], rel=1e-5
    )
    assert reported(context, "fake_accuracy") == pytest.approx(expected[1])


@every_task
def test_an_ignorant_head_is_at_chance(tiny, step_of, task):
    task = task()
    step = step_of(tiny.gan([task]))
    for weight in task.head.weights:
        weight.assign(np.zeros(weight.shape))
    context = step.context(task)
    assert task.discriminator_loss(context).numpy() == pytest.approx(
        task.chance_loss
    )
    assert reported(context, "chance") == pytest.approx(task.chance)
    assert task.chance == pytest.approx(np.exp(-task.chance_loss))


@every_task
def test_gradient_routing(tiny, step_of, task):
    task = task()
    step = step_of(tiny.gan([task]))
    found = step.gradients("discriminator", task)
    assert found["generator"] is None  # only real images
    assert found["discriminator"] > 0
    assert found["head"] > 0
    assert step.gradients("generator", task)["generator"] > 0


@every_task
def test_generator_term_leaves_discriminator_alone(tiny, task):
    gans = {}
    for weight in (0.0, 0.5):
        task_ = task(discriminator_weight=0.0, generator_weight=weight)
        gans[weight] = tiny.gan([task_])
        gans[weight].fit(tiny.dataset(), steps_per_epoch=1, verbose=0)
        head = task_.head.get_weights()
    for a, b in zip(
        gans[0.0].discriminator.get_weights(),
        gans[0.5].discriminator.get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(head, task_.head.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    kernels = [g.generator.layers[1].kernel.numpy() for g in gans.values()]
    assert abs(kernels[0] - kernels[1]).max() > 0


@every_task
def test_one_pass_a_side(tiny, step_of, task):
    task = task()
    step = step_of(tiny.gan([task]))
    context = step.context(task)
    task.discriminator_loss(context)
    assert step.passes == 1
    task.generator_loss(context)
    assert step.passes == 2


@every_task
def test_tasks_see_images_without_augmentation(tiny, step_of, task):
    task, augment = task(), DiffAugment("cutout")
    step = step_of(tiny.gan([task, augment]), real=np.ones((8, 8, 8, 1), "f"))
    context = step.context(task)
    assert (context.prepared(task)["images"] == 1).numpy().all()


@every_task
def test_pipeline_prepares_what_the_step_would(tiny, task):
    task = task(where="pipeline")
    gan = tiny.gan([task], discriminator_steps=2)
    data = tiny.dataset(batch=16)
    with pytest.raises(ValueError, match="the data set ends"):
        gan.prepare(data.take(2))
    dataset = gan.prepare(data, start_step=5)
    pairs = zip(dataset.take(2), data.take(2), strict=True)
    for step, (batch, images) in enumerate(pairs):
        dealt = gan.deal(batch)
        for i, (real, _, prepared) in enumerate(dealt):
            np.testing.assert_array_equal(real, images[i::2])
            draws = Draws(gan.seed, 5 + step).scope(f"discriminator.{i}")
            expected = task.prepare(real, draws.scope(task.name))
            for key, value in expected.items():
                np.testing.assert_array_equal(prepared[task.name][key], value)


@pytest.mark.slow
@every_task
def test_step_and_pipeline_train_alike(tiny, task):
    weights = []
    for where in ("step", "pipeline"):
        gan = tiny.gan([task(where=where)], num_classes=3)
        data = gan.prepare(tiny.dataset(num_classes=3))
        gan.fit(data, steps_per_epoch=3, verbose=0)
        weights.append(gan.discriminator.get_weights())
    for a, b in zip(*weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_labels_follow_the_selected_images(tiny, step_of):
    task = Rotation(fraction=0.5)
    step = step_of(tiny.gan([task], num_classes=3), labels=np.arange(8) % 3)
    seen = []
    view = step.gan.view
    features = view.features
    view.features = lambda images, labels=None: (
        seen.append(labels),
        features(images, labels),
    )[1]
    task.discriminator_loss(step.context(task))
    np.testing.assert_array_equal(seen[-1], np.repeat([0, 2, 4, 6], 4) % 3)


def test_spectral_norm_bounds_the_head(tiny, step_of):
    task = Deshuffle(grid=2, permutations=11, spectral_norm=True)
    step = step_of(tiny.gan([task]))
    assert isinstance(task.head, SpectralNormalization)
    features = np.abs(np.random.default_rng(0).normal(size=(400, 6)))
    for _ in range(30):
        task.classify(features.astype("float32"))
    task.head.layer.kernel.assign(100 * task.head.layer.kernel)
    logits = task.classify(features.astype("float32")).numpy()
    norms = np.linalg.norm(logits, axis=1) / np.linalg.norm(features, axis=1)
    assert norms.max() <= 1.001
    assert task.discriminator_loss(step.context(task)).shape == ()


def test_vector_features_need_no_pooling(step_of):
    import keras_ganmix as kgm

    latents, images = keras.Input((4,)), keras.Input((4, 4, 1))
    x = keras.layers.Dense(16)(latents)
    generator = keras.Model(latents, keras.layers.Reshape((4, 4, 1))(x))
    x = keras.layers.Flatten()(images)
    x = keras.layers.Dense(5)(x)
    discriminator = keras.Model(images, keras.layers.Dense(1)(x))
    task = Rotation(fraction=None)
    gan = kgm.GAN(generator, discriminator, [task])
    gan.compile()
    step = step_of(gan)
    context = step.context(task)
    made = context.prepared(task)
    logits = gan.view.features(made["images"]).numpy() @ task.head.kernel
    expected = -log_softmax(logits, axis=1)[range(8), made["classes"]].mean()
    assert task.discriminator_loss(context).numpy() == pytest.approx(
        expected, rel=1e-5
    )


@every_task
def test_configuration_round_trip(tiny, task):
    task = task(
        where="pipeline",
        pooling="flatten",
        spectral_norm=True,
        generator_weight={"value": 0.3, "warmup": 7, "every": 2},
        name="another",
    )
    config = keras.saving.serialize_keras_object(task)
    again = keras.saving.deserialize_keras_object(config)
    assert again.get_config() == task.get_config()
    assert again.generator_weight == task.generator_weight


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"where": "pipelin"}, "where 'pipelin'.*'pipeline'"),
        ({"pooling": "avg"}, "Rotation.pooling 'avg'.*average, flatten"),
        ({"generator_weight": -1}, r"Rotation\.generator_weight: -1"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Rotation(**arguments)


@every_task
def test_points_are_not_images(task):
    with pytest.raises(ValueError, match=r"images of shape .*\(2,\)"):
        task().build((2,), (16,), 8, None)


def test_reports_only_what_is_computed():
    assert Rotation(generator_weight=0).reports == ("real_accuracy", "chance")
    assert Rotation(0).reports == ("fake_accuracy", "chance")
