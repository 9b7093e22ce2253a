"""An update in parts equals the update of the whole batch."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ganmix import regularizers as r
from keras_ganmix.context import Context, Samples
from keras_ganmix.ops.random import Draws
from keras_ganmix.regularizers import Regularizer


def samplewise():
    """Terms that look at single samples, or at means that all parts share."""
    return [
        r.SampleMixing(),
        r.Rotation(),
        r.R1(weight={"value": 1.0, "every": 2}),
        r.DiffAugment(),
        r.AdaptiveAugment(initial_probability=0.5, interval=1, speed=100),
        r.LeCam(),
    ]


def coupled():
    """Terms that couple the samples of a batch, here those of a part."""
    return [r.AdaptiveMix(), r.DiversityPenalty(), r.ModeSeeking(), r.GDPP()]


def weights_of(gan):
    return [np.array(w) for w in gan.weights]


def train(gan, data, steps=4):
    history = gan.fit(data, steps_per_epoch=steps, epochs=2, verbose=0)
    return gan, history.history


def assert_near(one, other, atol=1e-5):
    for a, b in zip(weights_of(one), weights_of(other), strict=True):
        np.testing.assert_allclose(a, b, atol=atol)


def kernels_of(gan):
    """The weights that every step moves."""
    models = (gan.generator, gan.discriminator)
    weights = [w for model in models for w in model.trainable_weights]
    return [np.array(w) for w in weights if len(w.shape) > 1]


def assert_moved(gan, before):
    for a, b in zip(before, kernels_of(gan), strict=True):
        assert (a != b).any()


@pytest.mark.parametrize("make", [list, samplewise])
def test_parts_equal_the_whole_batch(tiny, make):
    gans, histories = [], []
    for accumulate in (1, 2):
        gan = tiny.gan(make(), accumulate=accumulate)
        gan, history = train(gan, tiny.dataset(batch=16))
        gans.append(gan)
        histories.append(history)
    assert_near(*gans)
    for name, values in histories[0].items():
        np.testing.assert_allclose(values, histories[1][name], rtol=1e-3)


def test_with_labels_several_updates_and_an_unknown_batch(tiny):
    data = tiny.dataset(batch=16, num_classes=3)
    unknown = data.map(lambda *x: x)
    shapes = tf.nest.map_structure(
        lambda s: tf.TensorSpec([None, *s.shape[1:]], s.dtype),
        data.element_spec,
    )
    unknown = tf.data.Dataset.from_generator(
        lambda: iter(data), output_signature=shapes
    )
    gans = []
    for accumulate, x in ((1, data), (2, data), (2, unknown)):
        gan = tiny.gan(
            num_classes=3, discriminator_steps=2, accumulate=accumulate
        )
        gans.append(train(gan, x)[0])
    assert_near(gans[0], gans[1])
    assert_near(gans[0], gans[2])


def test_parts_on_two_replicas(tiny):
    one, _ = train(tiny.gan(), tiny.dataset(batch=16))
    with tiny.strategy().scope():
        gan = tiny.gan(accumulate=2)
    two, _ = train(gan, tiny.dataset(batch=16))
    assert_near(one, two)


def test_what_couples_a_batch_trains_in_parts(tiny):
    gan = tiny.gan(coupled(), accumulate=2)
    before = kernels_of(gan)
    _, history = train(gan, tiny.dataset(batch=16))
    assert all(np.isfinite(values).all() for values in history.values())
    assert_moved(gan, before)


def test_float16(tiny):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        gan = tiny.gan(accumulate=2)
    finally:
        keras.config.set_dtype_policy("float32")
    before = kernels_of(gan)
    _, history = train(gan, tiny.dataset(batch=16))
    assert np.isfinite(history["discriminator_loss"]).all()
    assert_moved(gan, before)


def test_a_part_waits_for_the_gradients_of_the_one_before(tiny):
    """Or all would be held in memory at once."""
    gan = tiny.gan(accumulate=3)
    step = tf.function(gan.train_step, autograph=False)
    graph = step.get_concrete_function(tf.zeros((12, 8, 8, 1))).graph
    passes = [op for op in graph.get_operations() if op.type == "Conv2D"]
    waits = [
        any(before.type == "Conv2DBackpropFilter" for before in ancestors(op))
        for op in passes[:6]  # real and fake in the discriminator's update
    ]
    assert waits == [False, False, True, True, True, True]


def ancestors(op):
    seen, stack = set(), [op]
    while stack:
        current = stack.pop()
        before = {tensor.op for tensor in current.inputs}
        for other in before.union(current.control_inputs) - seen:
            seen.add(other)
            stack.append(other)
    return seen


def test_draws_of_parts_are_those_of_their_samples():
    draws = Draws(0, 5).scope("x")
    whole = draws.normal("y", (6, 2)).numpy()
    for i in range(3):
        part = draws.part(i, 3)
        np.testing.assert_array_equal(
            part.normal("y", (2, 2)), whole[2 * i : 2 * i + 2]
        )
        np.testing.assert_array_equal(
            part.uniform("z", ()), draws.uniform("z", ())
        )
        np.testing.assert_array_equal(
            part.part(0, 1).normal("y", (6, 2)), whole
        )
        below = part.scope("s").normal("y", (2, 2))
        np.testing.assert_array_equal(
            below, draws.scope("s").normal("y", (6, 2))[2 * i : 2 * i + 2]
        )


class Watcher(Regularizer):
    """Notes with what `update` is called."""

    def __init__(self):
        super().__init__(discriminator_weight=1.0)
        self.calls = []

    def discriminator_loss(self, context):
        return 0.0 * tf.reduce_mean(context.real.logits)

    def update(self, context):
        self.calls.append(
            [
                tuple(samples.logits.shape)
                for samples in (context.real, context.fake)
            ]
            + [context.real.latents, tuple(context.fake.latents.shape)]
        )


def test_regularizers_are_updated_once_with_the_whole_batch(tiny):
    watcher = Watcher()
    gan = tiny.gan([watcher], accumulate=4)
    train(gan, tiny.dataset(batch=16), steps=1)
    assert watcher.calls == [[(16, 1), (16, 1), None, (16, 8)]]


def test_the_whole_batch_joins_its_parts():
    draws = Draws(0, 5)
    parts = []
    for i in range(2):
        images = tf.fill((2, 3), float(i))
        prepared = {"x": {"y": images}, "z": tf.fill((2,), i)}
        samples = Samples(images, None, prepared=prepared)
        part = draws.part(i, 2)
        parts.append(Context(samples, samples, None, None, None, 0, part, []))
    whole = Context.join(parts)
    for context in (whole, whole.isolated()):
        assert context.real.images[:, 0].numpy().tolist() == [0, 0, 1, 1]
        assert context.real.prepared["x"]["y"].shape == (4, 3)
        assert context.real.prepared["z"].numpy().tolist() == [0, 0, 1, 1]
        assert context.real.labels is None
        np.testing.assert_array_equal(
            context.draws.normal("y", (4, 1)), draws.normal("y", (4, 1))
        )


def test_the_config_has_it(tiny):
    gan = tiny.gan(accumulate=4)
    assert type(gan).from_config(gan.get_config()).accumulate == 4


@pytest.mark.parametrize("accumulate", [0, -1, 1.5, True, "2"])
def test_bad_numbers_of_parts(tiny, accumulate):
    with pytest.raises(ValueError, match=r"accumulate: .* is not allowed"):
        tiny.gan(accumulate=accumulate)


def test_a_batch_that_cannot_be_divided(tiny):
    gan = tiny.gan(accumulate=3)
    with pytest.raises(ValueError, match=r"16 images .* 3 parts \(`accumul"):
        train(gan, tiny.dataset(batch=16))


def test_pairs_made_in_the_pipeline_are_refused(tiny):
    gan = tiny.gan([r.AdaptiveMix(where="pipeline")], accumulate=2)
    data = gan.prepare(tiny.dataset(batch=16))
    with pytest.raises(ValueError, match="divided over replicas or by accum"):
        train(gan, data)
