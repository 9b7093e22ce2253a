"""What a run does when training goes wrong."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ganmix import building, recipes, state, train
from keras_ganmix.callbacks import MetricsLog, Saturation
from keras_ganmix.ops.random import Draws
from keras_ganmix.regularizers.base import Regularizer
from keras_ganmix.run_folder import RunFolder

TINY = [
    "--recipe=ring",
    "--set=data.max_images=200",
    "--set=data.batch_size=16",
    "--set=generator.hidden=8",
    "--set=generator.latent_dim=4",
    "--set=discriminator.hidden=8",
    "--set=train.log_every=2",
    "--set=samples=null",
    "--set=evaluate=null",
    "--set=checkpoint.every=4",
]
FAULT = 10  # the number of the step that goes wrong


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments, folder="run"):
    return train.main(["train", *TINY, f"--run_dir={folder}", *arguments])


def lines(path):
    path = Path(path)
    return [json.loads(x) for x in path.read_text().splitlines()]


@keras.saving.register_keras_serializable(package="tests")
class Unlucky(Regularizer):
    """Not a number at one step, if the numbers drawn there are small."""

    def __init__(self, limit):
        super().__init__(discriminator_weight=1.0)
        self.limit = limit

    def discriminator_loss(self, context):
        drawn = context.draws.uniform("luck", (1,))[0]
        bad = tf.equal(context.step, FAULT - 1) & (drawn < self.limit)
        return tf.where(bad, np.float32(np.nan), 0.0)


def luck(retry):
    step = FAULT - 1 + retry * 2**40
    draws = Draws(0, step).scope("discriminator.0").scope("Unlucky")
    return float(draws.uniform("luck", (1,))[0])


@pytest.fixture
def unlucky(monkeypatch):
    """Sets how many tries go wrong."""

    def set_up(tries):
        drawn = [luck(retry) for retry in range(6)]
        limit = (
            2.0 if tries is None else (max(drawn[:tries]) + drawn[tries]) / 2
        )
        if tries is not None:
            assert (
                all(x < limit for x in drawn[:tries]) and drawn[tries] > limit
            )
        monkeypatch.setattr(
            building, "build_regularizers", lambda _: [Unlucky(limit)]
        )

    return set_up


def tries_until_luck():
    """Tries after which luck beats all that were before."""
    drawn = [luck(retry) for retry in range(6)]
    return next(n for n in range(1, 6) if drawn[n] > max(drawn[:n]))


def test_a_run_goes_back_and_on_with_other_numbers(unlucky, capsys, caplog):
    tries = tries_until_luck()
    unlucky(tries)
    more = f"--set=guards.retries={tries}"
    assert run(more, "--steps=16") == 0
    assert "discriminator/Unlucky became NaN" in caplog.text.replace(
        "discriminator_loss, ", ""
    )
    faults = lines("run/faults.jsonl")
    assert [x["retry"] for x in faults] == list(range(1, tries + 1))
    for fault in faults:
        assert (fault["step"], fault["back_to"]) == (FAULT, 8)
        assert "discriminator/Unlucky" in fault["names"]
    steps = [x["step"] for x in lines("run/metrics.jsonl")]
    assert steps == list(range(2, 17, 2))
    assert json.loads(Path("run/summary.json").read_text())["faults"] == faults

    # It ends the same if it is killed after it went back, before it saves.
    assert run(more, "--steps=11", folder="parts") == 0
    for file in Path("parts/checkpoints").glob("ckpt-11*"):
        file.unlink()
    assert run(more, "--steps=16", folder="parts") == 0
    for name in ("metrics.jsonl", "faults.jsonl"):
        whole, parts = Path("run") / name, Path("parts") / name
        assert whole.read_bytes() == parts.read_bytes()
    assert_equal_states("run", "parts")


def assert_equal_states(one, other):
    paths = [
        tf.train.latest_checkpoint(f"{folder}/checkpoints")
        for folder in (one, other)
    ]
    readers = [tf.train.load_checkpoint(path) for path in paths]
    for name in readers[0].get_variable_to_shape_map():
        if name.startswith("state/"):
            a, b = (reader.get_tensor(name) for reader in readers)
            np.testing.assert_array_equal(a, b, err_msg=name)


def test_a_run_that_goes_wrong_every_time_ends_with_a_report(unlucky, capsys):
    unlucky(None)
    assert run("--steps=16", "--set=guards.retries=1") == 3
    message = capsys.readouterr().err
    assert "tried 2 times from step 8" in message
    assert "--allow_recipe_change" in message
    summary = json.loads(Path("run/summary.json").read_text())
    assert summary["status"] == "failed"
    assert f"at step {FAULT}" in summary["error"]
    assert len(summary["faults"]) == 1
    assert summary["step"] == 8
    folder = RunFolder("run")
    assert folder.has_checkpoint()


def test_a_fault_before_the_first_checkpoint_goes_back_to_the_start(
    unlucky, capsys
):
    unlucky(None)
    arguments = ["--steps=16", "--set=checkpoint.every=50"]
    assert run(*arguments, "--set=guards.retries=1") == 3
    assert lines("run/faults.jsonl")[0]["back_to"] == 0
    # Nothing was made that another recipe would have to go on from.
    assert run("--steps=4", "--set=data.batch_size=8") == 0


@pytest.mark.long
def test_another_learning_rate_may_rescue_a_run(capsys):
    assert run("--steps=8") == 0
    rate = "--set=optimizer.generator.learning_rate=0.125"
    assert run("--steps=12", rate) == 2
    message = capsys.readouterr().err
    assert "optimizer.generator.learning_rate: 0.001 there, 0.125" in message
    assert "--allow_recipe_change" in message
    assert run("--steps=12", rate, "--allow_recipe_change") == 0
    state = tf.train.load_checkpoint("run/checkpoints")
    names = state.get_variable_to_shape_map()
    rates = [
        state.get_tensor(name)
        for name in names
        if name.startswith("state/generator_optimizer/") and names[name] == []
    ]
    assert np.float32(0.125) in rates
    before = recipes.load("run/recipe-before-1.yaml")
    assert before.optimizer.generator.learning_rate == 0.001


def test_a_folder_that_is_removed_ends_the_run(monkeypatch, capsys):
    class Remove(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 5:
                # Or what is being written makes it anew.
                state._writer._thread.submit(int).result()
                shutil.rmtree("run")

    monkeypatch.setattr(building, "build_schedule", lambda _: [Remove()])
    assert run("--steps=16", "--quiet") == 3
    message = capsys.readouterr().err
    assert "was removed, moved or replaced" in message
    assert len(message.splitlines()) == 1
    assert not Path("run").exists()


def test_too_small_a_disk_is_refused_at_the_start(monkeypatch, capsys):
    monkeypatch.setattr("keras_ganmix.costs.free_bytes", lambda _: 1_500_000)
    assert run("--steps=4") == 2
    assert "run: has 2 MB free, and two checkpoints" in capsys.readouterr().err
    assert not Path("run").exists()


def test_other_data_at_a_resume_are_told(capsys):
    images = np.random.default_rng(0).normal(size=(64, 2)).astype("float32")
    np.savez("points.npz", images=images)
    data = "--set=data.source=npz:points.npz"
    arguments = [data, "--set=data.max_images=null"]
    assert run(*arguments, "--steps=4") == 0
    assert run(*arguments, "--steps=6") == 0
    assert "differ" not in capsys.readouterr().err
    np.savez("points.npz", images=images + 1)
    assert run(*arguments, "--steps=8") == 0
    assert "the data differ" in capsys.readouterr().err


class Log(MetricsLog):
    """A log that is told what to say."""

    def say(self, step, loss):
        line = {"step": step, "discriminator_loss": loss}
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        for listener in self._listeners:
            listener(step, line)


def test_a_saturated_discriminator_is_reported(tiny, tmp_path, caplog):
    gan = tiny.gan(loss="hinge")  # balanced at 2
    log = Log(tmp_path / "m.jsonl")
    guard = Saturation(log, "stop")
    guard.set_model(gan)
    guard.on_train_begin()
    for step in range(9):
        log.say(step, 0.039)
    log.say(9, 0.05)
    for step in range(10, 19):
        log.say(step, 0.039)
    assert guard.ended is None and not caplog.text
    gan.stop_training = False
    log.say(19, 0.0)
    assert "saturated" in guard.ended and gan.stop_training
    assert caplog.text.count("saturated") == 1
    # A run that is continued there has ended; one before has not.
    for step, ended in ((19, True), (18, False)):
        again = Saturation(Log(tmp_path / "m.jsonl"), "stop")
        gan.step.assign(step)
        again.look_back(gan)
        assert (again.ended is not None) == ended


def test_a_loss_without_balance_is_not_judged(tiny, tmp_path):
    gan = tiny.gan(loss="wasserstein")
    log = Log(tmp_path / "m.jsonl")
    guard = Saturation(log, "stop")
    guard.set_model(gan)
    guard.on_train_begin()
    for step in range(30):
        log.say(step, -5.0)
    assert guard.ended is None
