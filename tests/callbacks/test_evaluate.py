"""Scores during training: what is written, kept, skipped and ended."""

import json
import re

import numpy as np
import pytest
import tensorflow as tf

from keras_ganmix import data
from keras_ganmix.callbacks import Checkpoint, Evaluate
from keras_ganmix.callbacks.collapse import (
    LEAST_DIVERSITY,
    Spread,
    lost_diversity,
    slid,
)
from keras_ganmix.faults import NotFiniteError
from keras_ganmix.metrics import Evaluator, Extractor, higher_is_better
from keras_ganmix.metrics.names import METRICS, scores_of
from keras_ganmix.metrics.report import read_protocol
from keras_ganmix.metrics.scorers import SCORERS
from keras_ganmix.state import RunState, newest, read_note

pytestmark = pytest.mark.filterwarnings("ignore:.*only .* samples")


def pooled(images):
    means = tf.nn.avg_pool2d(images, 4, 4, "VALID")
    return {"features": tf.reshape(means, (tf.shape(images)[0], -1))}


EXTRACTOR = Extractor("pooled", pooled, (8, 8, 1), "ab" * 32)


def evaluator(metrics=("frechet",), num_fake=40, seed=0, count=60):
    images = np.random.default_rng(seed).uniform(-1, 1, (count, 8, 8, 1))
    reference = data.load(images.astype(np.float32))
    return Evaluator(reference, metrics, EXTRACTOR, num_fake=num_fake)


def train(tiny, folder, stop, **arguments):
    """Trains up to a step, continuing what the folder has."""
    gan = tiny.gan(optimizer="adam")
    checkpoint = Checkpoint(folder / "checkpoints", every=4, keep=9)
    start = checkpoint.restore(gan)
    scores = Evaluate(
        evaluator(),
        every=3,
        path=folder / "scores.jsonl",
        best=folder / "checkpoints/best",
        **{"max_share": None, **arguments},
    )
    gan.fit(
        tiny.dataset(n=48).skip(start),
        steps_per_epoch=stop - start,
        callbacks=[scores, checkpoint],
        verbose=0,
    )
    return gan, scores


def lines(folder):
    text = (folder / "scores.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def weights(gan):
    return [np.array(v) for v in gan.variables]


_WHOLE = []


@pytest.fixture
def whole(tiny, tmp_path_factory):
    """Folder and weights of a run of 15 steps, uninterrupted; made once."""
    if not _WHOLE:
        folder = tmp_path_factory.mktemp("whole")
        gan, _ = train(tiny, folder, 15)
        _WHOLE.extend([folder, weights(gan)])
    return _WHOLE


def test_training_does_not_depend_on_its_scores(whole, tiny):
    gan = tiny.gan(optimizer="adam")
    gan.fit(tiny.dataset(n=48), steps_per_epoch=15, verbose=0)
    for a, b in zip(whole[1], weights(gan), strict=True):
        np.testing.assert_array_equal(a, b)


def test_lines_hold_the_scores_of_the_fixed_latents(whole, tiny):
    folder, _ = whole
    found = lines(folder)
    assert [line["step"] for line in found] == [3, 6, 9, 12, 15]
    gan = tiny.gan(optimizer="adam")
    Checkpoint(folder / "checkpoints").restore(gan)
    fakes = gan.generate(40, seed=0)
    expected = evaluator().evaluate(fakes)
    assert found[-1]["frechet[pooled]"] == pytest.approx(
        expected.scores["frechet[pooled]"], rel=1e-9
    )
    reals = evaluator().reference.images
    pixels = np.rint((reals + 1) * 127.5)
    share = fakes.astype(float).std(0).mean() / pixels.std(0).mean()
    assert found[-1]["diversity"] == pytest.approx(share, abs=1e-4)
    protocol, floor = read_protocol(folder / "scores_protocol.json")
    assert protocol["num_fake"] == 40
    assert protocol["ema"] is True
    assert floor.keys() == {"frechet[pooled]"}


def test_a_continued_run_has_no_doubled_and_no_lost_lines(
    whole, tiny, tmp_path
):
    train(tiny, tmp_path, 7)
    # As after a kill: a line that the checkpoint does not know, and a half.
    with (tmp_path / "scores.jsonl").open("a") as file:
        file.write('{"step": 9, "frechet[pooled]": 0.0, "diversity": 1.0}\n')
        file.write('{"step": 12, "frech')
    gan, _ = train(tiny, tmp_path, 15)
    assert lines(tmp_path) == lines(whole[0])
    for a, b in zip(whole[1], weights(gan), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_best_checkpoint_is_kept(whole):
    folder, _ = whole
    found = lines(folder)
    best = min(found, key=lambda line: line["frechet[pooled]"])
    path = tf.train.latest_checkpoint(str(folder / "checkpoints/best"))
    assert path.endswith(f"ckpt-{best['step']}")
    extras = read_note(path)["extras"]
    assert extras["value"] == best["frechet[pooled]"]
    assert len(list((folder / "checkpoints/best").glob("*.index"))) == 1


class Scripted:
    """An evaluator whose scores are given; the fakes are real ones."""

    def __init__(self, values, name="frechet[pooled]"):
        self.real = evaluator()
        self.values, self.name = list(values), name
        self.score_names, self.num_fake = [name], 4
        self.reference = self.floor_source = self.real.reference

    def protocol(self, ema=None):
        return self.real.protocol(ema)

    def evaluate(self, fakes, ema=None):
        assert len(np.concatenate(list(fakes))) == 4
        result = self.real.evaluate(self.reference.images)
        scores = {self.name: self.values.pop(0)}
        return type(result)(scores, {}, {}, self.protocol(ema), 0.0)


def fit(tiny, values, steps, gan=None, **arguments):
    gan = gan or tiny.gan()
    scores = Evaluate(Scripted(values), every=1, **arguments)
    gan.fit(
        tiny.dataset(), steps_per_epoch=steps, callbacks=[scores], verbose=0
    )
    return int(gan.step.numpy()), scores


def test_a_best_state_of_an_abandoned_try_is_forgotten(tiny, tmp_path):
    gan = tiny.gan(run_eagerly=True)
    best = tmp_path / "best"
    scores = Evaluate(evaluator(), 1, tmp_path / "scores.jsonl", best=best)
    RunState(gan, best, keep=1).save({"score": "x", "value": 1.0})
    scores.set_model(gan)
    scores.on_train_begin()
    assert newest(best) is not None  # of step 0, where training begins
    gan.step.assign(3)
    RunState(gan, best, keep=1).save({"score": "x", "value": 0.5})
    gan.step.assign(2)
    scores.on_train_begin()
    assert newest(best) is None


def test_patience_ends_a_run_also_one_in_two_parts(tiny, tmp_path):
    values = [5.0, 4.0, 4.5, 4.2, 4.1, 3.0]
    step, scores = fit(tiny, values, 9, patience=3, max_share=None)
    assert step == 5
    assert scores.ended == "no better score in 3 evaluations"
    gan = tiny.gan()
    path = tmp_path / "scores.jsonl"
    arguments = {"patience": 3, "max_share": None, "path": path, "gan": gan}
    assert fit(tiny, values[:3], 3, **arguments)[0] == 3
    assert fit(tiny, values[3:], 9, **arguments)[0] == 5
    # What has ended is known before it is trained on, and may be overruled.
    again = Evaluate(Scripted([]), every=1, path=path, patience=3)
    again.look_back(gan)
    assert "no better score" in again.ended
    longer = Evaluate(Scripted([]), every=1, path=path, patience=4)
    longer.look_back(gan)
    assert longer.ended is None


def test_the_share_of_the_time_is_bounded(tiny, monkeypatch):
    class Clock:
        now = 0.0

        def monotonic(self):
            return self.now

        process_time = monotonic

    clock = Clock()
    monkeypatch.setattr("keras_ganmix.callbacks.evaluate.time", clock)
    gan = tiny.gan()
    scores = Evaluate(Scripted([1.0] * 99), every=1, max_share=0.25)

    def score():
        clock.now += 3.0
        return {"frechet[pooled]": 1.0, "diversity": 1.0}

    scores.set_model(gan)
    scores.score = score
    scores.on_train_begin()
    for step in range(1, 41):  # a second of training each
        clock.now += 1.0
        scores.on_step(step, {})
    # The first one at once, then one when it fits: 3 of 12 seconds.
    assert len(scores._lines) + scores.skipped == 40
    assert scores.share <= 0.25
    assert scores.seconds == pytest.approx(3.0 * len(scores._lines))
    steps = [line["step"] for line in scores._lines]
    assert steps[:3] == [1, 18, 27]


def test_collapse_warns_or_ends(tiny, monkeypatch, caplog):
    monkeypatch.setattr("keras_ganmix.callbacks.collapse.YOUNG", 2)
    for on_collapse, last in (("warn", 4), ("stop", 3)):
        gan = tiny.gan()
        for average in gan.ema_generator.weights:
            average.assign(tf.zeros_like(average))
        monkeypatch.setattr(type(gan), "_update_average", lambda self: None)
        step, scores = fit(
            tiny,
            [4.0, 3.0, 2.0, 1.0],
            4,
            gan,
            on_collapse=on_collapse,
            max_share=None,
        )
        assert step == last
        assert "0% of the diversity" in caplog.text
        assert (scores.ended is None) == (on_collapse == "warn")


def test_signs_of_collapse():
    assert lost_diversity([]) is None
    assert lost_diversity([0.01] * 10) is None  # young
    assert "1%" in lost_diversity([0.01] * 11)
    assert lost_diversity([0.9, 0.9, LEAST_DIVERSITY]) is None
    assert "10%" in lost_diversity([0.9, 0.9, 0.1])
    falling = [-100.0, -50.0, -20.0, -22.0, -40.0, -60.0, -80.0]
    assert slid(falling[:5]) is None
    assert "lost" in slid(falling)
    noise = np.random.default_rng(0).normal(0, 2, 40)
    plateau = [-100.0, -50.0, *(-20.0 + noise)]
    assert not any(slid(plateau[:n]) for n in range(1, 43))
    assert slid([-1.0, -2.0, -3.0, -4.0, -5.0]) is None  # never progressed


def test_spread_is_that_of_numpy():
    points = np.random.default_rng(0).normal(3, 2, (50, 2))
    spread = Spread()
    assert len(list(spread.watch([(points[:20], None), (points[20:], 1)]))) == 2
    assert spread.value == pytest.approx(points.std(0).mean())
    with pytest.raises(NotFiniteError, match="NaN"):
        list(spread.watch([(np.array([[np.nan, 0.0]]), None)]))


def test_other_settings_do_not_go_on_in_a_file(tiny, tmp_path):
    path = tmp_path / "scores.jsonl"
    gan = tiny.gan()
    fit(tiny, [1.0], 1, gan, path=path)
    changed = Evaluate(evaluator(num_fake=50), every=1, path=path)
    with pytest.raises(ValueError, match="num_fake: 40 there, 50 now"):
        changed.look_back(gan)
    assert len(path.read_text().splitlines()) == 1


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"max_share": 0}, "Evaluate.max_share: 0"),
        ({"patience": 0}, "Evaluate.patience: 0"),
        ({"on_collapse": "panic"}, "'warn' or 'stop'"),
        ({"best": "somewhere"}, "Evaluate.best"),
        ({"watch": "frechett"}, "Did you mean 'frechet[pooled]'"),
        ({"watch": "frechet[fashion]"}, "Allowed: frechet[pooled]"),
        ({"every": 0}, "Evaluate.every"),
    ],
)
def test_arguments_that_cannot_be(arguments, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        Evaluate(evaluator(), **arguments)


def test_the_table_of_scores_is_what_the_metrics_give():
    assert METRICS.keys() == SCORERS.keys()
    made = evaluator(("frechet", "kernel", "prdc", "spectra")).evaluate(
        evaluator(seed=1).reference.images
    )
    stems = [name.partition("[")[0] for name in made.scores]
    assert stems == scores_of(("frechet", "kernel", "prdc", "spectra"))
    assert higher_is_better("recall[pooled]")


def test_modes_of_points_are_scored(tmp_path):
    import keras

    from keras_ganmix import GAN, networks

    reference = data.load("ring", "test", max_images=300)
    models = [
        networks.build(kind, "mlp", image_shape=(2,), hidden=4, **more)
        for kind, more in (
            ("generator", {"latent_dim": 3}),
            ("discriminator", {}),
        )
    ]
    gan = GAN(*models)
    gan.compile(
        generator_optimizer=keras.optimizers.SGD(0.0),
        discriminator_optimizer=keras.optimizers.SGD(0.0),
    )
    scores = Evaluate(
        Evaluator(reference, ["modes"], num_fake=50),
        every=1,
        path=tmp_path / "scores.jsonl",
        watch="reverse_kl",
    )
    points = tf.data.Dataset.from_tensors(reference.images[:16]).repeat()
    gan.fit(points, steps_per_epoch=1, callbacks=[scores], verbose=0)
    (line,) = lines(tmp_path)
    assert line.keys() == {
        "step",
        "modes",
        "high_quality",
        "reverse_kl",
        "diversity",
    }
    far = gan.generate(50, seed=0).std(0) / reference.images.std(0)
    assert line["diversity"] == pytest.approx(far.mean(), rel=0.05)
