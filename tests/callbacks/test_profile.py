"""Profiles of steps: which are in it, in `fit` and in `train`."""

import os
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from keras_ganmix import train
from keras_ganmix.callbacks import Profile
from keras_ganmix.utils.profiles import MOST_STEPS, parse_range


def files(folder):
    return sorted(Path(folder).glob("plugins/profile/*/*.xplane.pb"))


def steps_in(path):
    """Numbers of the steps that a profile knows, and names of its events."""
    space = xplane_pb2.XSpace.FromString(path.read_bytes())
    steps, names = set(), set()
    for plane in space.planes:
        kinds = {k: v.name for k, v in plane.stat_metadata.items()}
        for line in plane.lines:
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                names.add(name)
                for stat in event.stats:
                    if name == "train" and kinds[stat.metadata_id] == (
                        "step_num"
                    ):
                        steps.add(stat.int64_value or stat.uint64_value)
    return sorted(steps), names


@pytest.fixture(scope="module")
def gan_and_data(tiny):
    images = np.random.default_rng(0).uniform(-1, 1, (4, 8, 8, 1))
    dataset = tf.data.Dataset.from_tensors(images.astype("float32"))
    return tiny.gan(), dataset.repeat()


def fit(gan, dataset, steps, callback):
    callbacks = callback if isinstance(callback, list) else [callback]
    gan.fit(dataset, steps_per_epoch=steps, callbacks=callbacks, verbose=0)


def test_the_steps_are_those_of_the_gan(gan_and_data, tmp_path):
    """Counted over two fits, as a resumed run counts."""
    gan, data = gan_and_data
    gan.step.assign(0)
    callback = Profile(tmp_path, 4, 6)
    fit(gan, data, 3, callback)
    assert files(tmp_path) == []
    fit(gan, data, 5, callback)
    (path,) = files(tmp_path)
    steps, names = steps_in(path)
    assert steps == [4, 5, 6]
    assert any("Conv2D" in name for name in names)
    fit(gan, data, 1, callback)
    assert files(tmp_path) == [path]


def test_a_training_that_ends_early_leaves_what_there_is(
    gan_and_data, tmp_path
):
    gan, data = gan_and_data
    gan.step.assign(0)
    fit(gan, data, 3, Profile(tmp_path, 2, 50))
    (path,) = files(tmp_path)
    assert steps_in(path)[0] == [2, 3]
    fit(gan, data, 1, Profile(tmp_path / "later", 2, 3))
    assert files(tmp_path / "later") == []  # those steps are over


def test_a_fit_that_fails_does_not_stop_the_next(gan_and_data, tmp_path):
    class Fail(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise RuntimeError("failed")

    gan, data = gan_and_data
    gan.step.assign(0)
    callback = Profile(tmp_path, 1, 2)
    with pytest.raises(RuntimeError, match="failed"):
        fit(gan, data, 2, [callback, Fail()])
    gan.step.assign(0)
    fit(gan, data, 2, callback)
    (path,) = files(tmp_path)
    assert steps_in(path)[0] == [1, 2]


@pytest.mark.parametrize(
    "text, match",
    [
        ("50", "give the first and the last"),
        ("1,2,3", "give the first and the last"),
        ("a,b", "give the first and the last"),
        ("-1,5", "give the first and the last"),
        ("0,5", "first: 0 is not allowed"),
        ("6,5", "the last step, 5, is before the first, 6"),
        (f"1,{MOST_STEPS + 1}", f"at most {MOST_STEPS}"),
    ],
)
def test_wrong_ranges_are_refused(text, match):
    with pytest.raises(ValueError, match=match):
        parse_range(text)


def test_right_ranges():
    assert parse_range("50,60") == parse_range(" 50 , 60 ") == (50, 60)
    assert parse_range(f"1,{MOST_STEPS}") == (1, MOST_STEPS)
    with pytest.raises(ValueError, match="is before"):
        Profile("x", 3, 2)


TINY = [
    "--recipe=ring",
    "--quiet",
    "--set=data.batch_size=8",
    "--set=data.max_images=32",
    "--set=generator.width=4",
    "--set=discriminator.width=4",
    "--set=samples=null",
    "--set=evaluate=null",
]


@pytest.mark.slow
def test_train_profiles_a_resumed_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert train.main(["train", *TINY, "--steps=3", "--profile=2,4"]) == 2
    message = "error: --profile 2,4: the run ends at step 3\n"
    assert capsys.readouterr().err == message
    assert os.listdir() == []
    assert train.main(["train", *TINY, "--steps=3"]) == 0
    assert train.main(["train", *TINY, "--steps=7", "--profile=3,5"]) == 2
    assert capsys.readouterr().err == (
        "error: --profile 3,5: the run has made 3 steps already; begin with 5 "
        "or later\n"
    )
    assert train.main(["train", *TINY, "--steps=7", "--profile=5,6"]) == 0
    (path,) = files("runs/ring/tensorboard")
    assert steps_in(path)[0] == [5, 6]
