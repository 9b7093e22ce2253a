"""A run that was stopped and continued equals one that was not."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_ganmix as kgm
from keras_ganmix.callbacks import Checkpoint, LinearDecay, MetricsLog, Samples
from keras_ganmix.state import CheckpointError, RunState, SaveError


def everything(gan):
    variables = [*gan.variables, *gan.generator_optimizer.variables]
    variables += gan.discriminator_optimizer.variables
    return [np.array(v) for v in variables]


def endless(tiny, start):
    dataset = tiny.dataset(n=48)
    return dataset.skip(start)


def train(tiny, folder, steps, total=20):
    """Trains up to a step, continuing what the folder has."""
    gan = tiny.gan(optimizer="adam")
    checkpoint = Checkpoint(folder / "checkpoints", every=6, keep=3)
    start = checkpoint.restore(gan)
    log = MetricsLog(folder / "metrics.jsonl", every=4)
    callbacks = [
        LinearDecay(5, total, 0.1),
        log,
        Samples(folder / "samples", every=5, count=4, gif=folder / "p.gif"),
        checkpoint,
    ]
    gan.fit(
        endless(tiny, start),
        steps_per_epoch=steps - start,
        callbacks=callbacks,
        verbose=0,
    )
    return gan


def test_continued_run_is_bit_equal(tiny, tmp_path):
    whole = train(tiny, tmp_path / "whole", 20)
    # 7 lies between two log lines, two pictures and two checkpoints.
    for stop in (7, 13, 20):
        parts = train(tiny, tmp_path / "parts", stop)
    for a, b in zip(everything(whole), everything(parts), strict=True):
        np.testing.assert_array_equal(a, b)
    for name in ("metrics.jsonl", "samples/step-0000015.png"):
        first = (tmp_path / "whole" / name).read_bytes()
        assert first == (tmp_path / "parts" / name).read_bytes()
    lines = (tmp_path / "parts/metrics.jsonl").read_text().splitlines()
    assert [json.loads(x)["step"] for x in lines] == [4, 8, 12, 16, 20]
    pictures = sorted(p.name for p in (tmp_path / "parts/samples").iterdir())
    assert pictures == [f"step-{s:07d}.png" for s in (0, 5, 10, 15, 20)]
    assert (tmp_path / "parts/p.gif").stat().st_size > 0


def test_work_after_the_last_checkpoint_is_done_again(tiny, tmp_path):
    """As after a kill: files are ahead of the checkpoint."""
    whole = train(tiny, tmp_path / "whole", 20)
    folder = tmp_path / "parts"
    train(tiny, folder, 18)
    gan = tiny.gan(optimizer="adam")
    state = RunState(gan, folder / "checkpoints", keep=3)
    newest = state.latest
    assert newest.endswith("18")
    tf.train.CheckpointManager(
        state._checkpoint, str(folder / "checkpoints"), 1
    )
    for file in (folder / "checkpoints").glob("ckpt-18*"):
        file.unlink()
    index = folder / "checkpoints/checkpoint"
    index.write_text(index.read_text().replace("ckpt-18", "ckpt-12"))
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 20, "discrim')  # half a line
    parts = train(tiny, folder, 20)
    for a, b in zip(everything(whole), everything(parts), strict=True):
        np.testing.assert_array_equal(a, b)
    first = (tmp_path / "whole/metrics.jsonl").read_text()
    assert first == (folder / "metrics.jsonl").read_text()


def test_plain_fit_continues_at_the_epoch(tiny, tmp_path):
    def fit(epochs, folder):
        gan = tiny.gan(optimizer="adam")
        callbacks = [
            LinearDecay(2, 12, 0.1),
            MetricsLog(folder / "metrics.jsonl"),
            Samples(folder / "samples", count=4),
            Checkpoint(folder),
        ]
        gan.fit(
            tiny.dataset(repeat=False),
            epochs=epochs,
            callbacks=callbacks,
            verbose=0,
        )
        return gan

    def files(folder):
        return {
            path.name: path.read_bytes()
            for path in [folder / "metrics.jsonl", *folder.glob("samples/*")]
        }

    whole = fit(3, tmp_path / "whole")
    fit(1, tmp_path / "parts")
    parts = fit(3, tmp_path / "parts")
    assert int(parts.step.numpy()) == 12
    for a, b in zip(everything(whole), everything(parts), strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(files(tmp_path / "whole")) == 5
    assert files(tmp_path / "whole") == files(tmp_path / "parts")
    # The epochs of another `fit` are its own.
    parts.fit(tiny.dataset(repeat=False), epochs=1, verbose=0)
    assert int(parts.step.numpy()) == 16


class StopAt(keras.callbacks.Callback):
    """Ends training as a signal does, and on its way through an epoch."""

    def __init__(self, step):
        super().__init__()
        self.step = step

    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.step.numpy()) == self.step:
            self.model.stop_training = True


@pytest.mark.parametrize(
    "every, known",
    [
        ("epoch", True),
        (2, True),
        pytest.param("epoch", False, marks=pytest.mark.long),
        pytest.param(3, True, marks=pytest.mark.long),
    ],
)
def test_no_epoch_is_left_out_or_done_twice(tiny, tmp_path, every, known):
    """Epochs of 4 batches: what is over is over, what was cut begins again."""

    def fit(epochs, stop=None):
        gan = tiny.gan(run_eagerly=True)
        data = tiny.dataset(n=32, repeat=False)
        if not known:
            data = data.filter(lambda x: True)  # so that its size is unknown
        callbacks = [Checkpoint(tmp_path / "run", every=every)]
        if stop:
            callbacks.insert(0, StopAt(stop))
        gan.fit(data, epochs=epochs, callbacks=callbacks, verbose=0)
        return int(gan.step.numpy())

    assert fit(3, stop=6) == 6
    # The second epoch was cut after two of its batches.
    assert fit(2) == 10
    assert fit(2) == 10
    assert fit(3) == 14


def test_a_fit_that_broke_leaves_nothing_to_the_next(tiny, tmp_path):
    """Not where it was to begin, either."""
    data = tiny.dataset(n=32, repeat=False)
    first = tiny.gan()
    first.fit(data, epochs=4, callbacks=[Checkpoint(tmp_path)], verbose=0)

    class Broken(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    gan = tiny.gan()
    callbacks = [Broken(), Checkpoint(tmp_path)]
    with pytest.raises(KeyboardInterrupt):
        gan.fit(data, epochs=5, callbacks=callbacks, verbose=0)
    before = int(gan.step.numpy())
    gan.fit(data, epochs=2, verbose=0)
    assert int(gan.step.numpy()) == before + 8


def test_a_fit_that_was_done_leaves_nothing_to_the_next(tiny, tmp_path):
    data = tiny.dataset(n=32, repeat=False)
    for _ in range(2):
        gan = tiny.gan()
        gan.fit(data, epochs=3, callbacks=[Checkpoint(tmp_path)], verbose=0)
        assert int(gan.step.numpy()) == 12
    gan.fit(data, epochs=2, verbose=0)
    assert int(gan.step.numpy()) == 20


def test_the_example_of_the_documentation(tiny, tmp_path):
    """A run that is started again, at its end too."""

    def run(steps):
        gan = tiny.gan()
        checkpoint = Checkpoint(tmp_path, every=2)
        start = checkpoint.restore(gan)
        if start < steps:
            gan.fit(
                tiny.dataset().skip(start),
                steps_per_epoch=steps - start,
                callbacks=[LinearDecay(0, 6), checkpoint],
                verbose=0,
            )
        return gan

    run(4), run(6)
    gan = run(6)
    assert int(gan.step.numpy()) == 6
    with pytest.raises(ValueError, match="steps_per_epoch: 0"):
        gan.fit(tiny.dataset(), steps_per_epoch=0)


def test_rates_decay_from_those_of_compile(tiny):
    gan = tiny.gan()
    for first in (0, 4):
        gan.fit(
            tiny.dataset(),
            steps_per_epoch=4,
            callbacks=[LinearDecay(0, 16)],
            verbose=0,
        )
        rate = float(gan.generator_optimizer.learning_rate.numpy())
        assert rate == pytest.approx(0.05 * (1 - (first + 4) / 16))


def test_keeps_the_newest_and_sweeps_leftovers(tiny, tmp_path):
    (tmp_path / "ckpt-2.data-00000-of-00001").write_text("unlisted")
    leftover = tmp_path / "ckpt-3_temp"
    leftover.mkdir()
    (leftover / "part").write_text("x")
    gan = tiny.gan()
    callback = Checkpoint(tmp_path, every=1, keep=2)
    gan.fit(tiny.dataset(), steps_per_epoch=5, callbacks=[callback], verbose=0)
    names = sorted(p.name for p in tmp_path.glob("*.index"))
    assert names == ["ckpt-4.index", "ckpt-5.index"]
    assert not leftover.exists()
    assert len(list(tmp_path.glob("*.data*"))) == 2


def test_checkpoint_of_another_gan_is_refused(tiny, tmp_path):
    gan = tiny.gan()
    RunState(gan, tmp_path).save()
    other = tiny.gan(ema_momentum=None)
    with pytest.raises(CheckpointError, match="no 'averaged_generator'"):
        RunState(other, tmp_path).restore()
    adam = tiny.gan(optimizer="adam")
    with pytest.raises(CheckpointError, match="optimizer' has other weights"):
        RunState(adam, tmp_path).restore()
    data = next(tmp_path.glob("*.data*"))
    data.write_bytes(data.read_bytes()[:10])
    with pytest.raises(CheckpointError, match="cannot be read"):
        RunState(tiny.gan(), tmp_path).restore()


def test_a_torn_checkpoint_is_passed_over(tiny, tmp_path, caplog):
    gan = tiny.gan()
    state = RunState(gan, tmp_path)
    for step in (3, 7):
        gan.step.assign(step)
        newest = state.save({"step": step})
    data = tmp_path / "ckpt-7.data-00000-of-00001"
    middle = data.stat().st_size // 2
    with data.open("r+b") as file:
        file.seek(middle)
        file.write(b"\xff" * 64)
    with pytest.raises(CheckpointError, match=r"Remove .* ckpt-7\.\*"):
        RunState(gan, tmp_path).restore(newest)
    assert RunState(gan, tmp_path).restore() == {"step": 3}
    assert "ckpt-7 cannot be read" in caplog.text
    # A lost or damaged list of the checkpoints costs nothing.
    for content in (None, b"", b"\xff\x00 no list"):
        (tmp_path / "checkpoint").unlink(missing_ok=True)
        if content is not None:
            (tmp_path / "checkpoint").write_bytes(content)
        assert RunState(gan, tmp_path).restore() == {"step": 3}
    data.write_bytes(data.read_bytes()[:middle])
    assert RunState(gan, tmp_path).restore() == {"step": 3}


def test_the_seeds_of_dropout_are_saved(tiny, tmp_path):
    def make():
        images = keras.Input((8, 8, 1))
        x = keras.layers.Dropout(0.5)(keras.layers.Flatten()(images))
        logits = keras.layers.Dense(1)(x)
        discriminator = keras.Model(images, logits)
        gan = kgm.GAN(tiny.generator(), discriminator)
        gan.compile()
        return gan

    def seeds(gan):
        return [np.array(v) for v in gan.discriminator.non_trainable_variables]

    gan = make()
    gan.fit(tiny.dataset(), steps_per_epoch=3, verbose=0)
    RunState(gan, tmp_path).save()
    again = make()
    RunState(again, tmp_path).restore()
    assert len(seeds(gan)) == 1
    np.testing.assert_array_equal(seeds(gan), seeds(again))


def test_the_sweep_leaves_foreign_folders(tiny, tmp_path):
    foreign = tmp_path / "my_temperatures"
    foreign.mkdir()
    RunState(tiny.gan(), tmp_path).save()
    assert foreign.exists()


def test_bad_cadence():
    with pytest.raises(ValueError, match=r"Checkpoint\.every: 0"):
        Checkpoint("x", every=0)
    with pytest.raises(ValueError, match="0 <= start < end"):
        LinearDecay(5, 5)


def test_not_finite_stops_the_run(tiny, tmp_path):
    gan = tiny.gan()
    gan.discriminator.weights[0].assign(
        np.full(gan.discriminator.weights[0].shape, np.nan, "float32")
    )
    with pytest.raises(
        kgm.callbacks.NotFiniteError, match=r"discriminator_loss.* step 1\."
    ):
        gan.fit(
            tiny.dataset(),
            steps_per_epoch=4,
            callbacks=[MetricsLog(tmp_path / "m.jsonl", every=2)],
            verbose=0,
        )
    assert not (tmp_path / "m.jsonl").exists()


def test_all_leftovers_of_killed_saves_are_swept(tiny, tmp_path):
    """Whatever a save has open when it is killed."""
    state = RunState(tiny.gan(), tmp_path)
    state.save()
    whole = sorted(p.name for p in tmp_path.iterdir())
    (tmp_path / "ckpt-3_temp").mkdir()
    (tmp_path / "ckpt-3_temp/part-00000.index.tempstate12").write_text("x")
    (tmp_path / "checkpoint.tmp8e5b").write_text("model_checkpoint_p")
    (tmp_path / "ckpt-3.data-00000-of-00001").write_text("x")
    state.sweep()
    assert sorted(p.name for p in tmp_path.iterdir()) == whole


def test_a_state_that_is_saved_is_not_written_again(tiny, tmp_path):
    """A kill in between would tear the only one there is."""
    gan = tiny.gan(optimizer="adam")
    extras = {"score": 1.5}
    RunState(gan, tmp_path, keep=1).save(extras)
    data = tmp_path / "ckpt-0.data-00000-of-00001"

    def written_by(extras):
        data.touch()
        before = data.stat()
        RunState(gan, tmp_path, keep=1).save(extras)
        after = data.stat()
        return (before.st_ino, before.st_mtime) != (
            after.st_ino,
            after.st_mtime,
        )

    assert not written_by(extras)
    assert written_by({"score": 1.6})
    gan.generator.weights[0].assign_add(np.ones(gan.generator.weights[0].shape))
    assert written_by({"score": 1.6})
    index = tmp_path / "ckpt-0.index"
    index.write_bytes(index.read_bytes()[:20])
    assert written_by({"score": 1.6})
    assert RunState(gan, tmp_path).restore() == {"score": 1.6}


def test_none_is_saved_after_one_that_could_not_be(tiny, tmp_path):
    """A run that goes on from it would never make the other one again."""
    gan = tiny.gan()
    (tmp_path / "file").write_text("where a folder should be")
    best = RunState(gan, tmp_path / "file" / "best")
    main = RunState(gan, tmp_path / "main")
    best.save(wait=False)
    with pytest.raises(SaveError, match="best"):
        main.save()
    assert main.latest is None
    main.save()  # it was told
    assert main.latest is not None
    with pytest.raises(SaveError, match="best"):
        best.wait()
    best.save(wait=False)
    # A failure is that of one GAN, told or not.
    RunState(tiny.gan(), tmp_path / "other").save()
