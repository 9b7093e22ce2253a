"""The parts of a recipe's training step, each ready to be timed."""

import io
import tempfile
import time

import keras
import tensorflow as tf

from keras_ganmix import building, costs
from keras_ganmix.benchmarking.report import Report
from keras_ganmix.benchmarking.rounds import take_turns
from keras_ganmix.callbacks import Checkpoint, Samples
from keras_ganmix.run_folder import RunFolder
from keras_ganmix.running import Run
from keras_ganmix.stepping import (
    Batches,
    Steps,
    discriminator_only,
    generator_only,
)


def measure(recipe, source, steps=30, say=None):
    """Times the parts of a recipe's training step.

    Args:
        recipe: the `Recipe`.
        source: its `data.Source`.
        steps: how many steps of each part are timed.
        say: function of a text that tells what is being done.

    Returns:
        A `report.Report`.

    Raises:
        ValueError: if the parts of the recipe do not fit.
    """
    say = say or (lambda text: None)
    building.set_up(recipe)
    say("building the networks and tracing the step")
    strategy = building.build_strategy(recipe)
    gan = building.build_gan(recipe, source, strategy)
    dataset = building.build_dataset(recipe, source, gan)
    cost = costs.measure(gan, dataset)
    device_memory = _device_memory()
    _hold_still(gan)
    held = _held(dataset)
    timers = {
        "step": Steps(gan, held),
        "discriminator": Steps(gan, held, discriminator_only(gan)),
        "generator": Steps(gan, held, generator_only(gan)),
        "data": Batches(dataset),
        "training": Steps(gan, dataset),
    }
    names = []
    for name, reduced in _without_each(recipe):
        say(f"tracing the step without {name}")
        names.append(name)
        timers[f"without {name}"] = _steps_of(reduced, source, strategy)
    with tempfile.TemporaryDirectory() as folder:
        fit = _Fit(recipe, source, gan, folder)
        timers["fit"] = fit
        say(f"timing {len(timers)} parts in turns")
        timers = {name: part.time for name, part in timers.items()}
        parts = take_turns(timers, steps)
        now_and_then = fit.now_and_then()
        fit.close()
    return Report(
        recipe, source, cost, device_memory, parts, names, now_and_then
    )


def _without_each(recipe):
    """The name of each regularizer, and the recipe without it."""
    sections = recipe.regularizers
    for place, section in enumerate(sections):
        others = [*sections[:place], *sections[place + 1 :]]
        reduced = recipe.model_copy(update={"regularizers": others})
        yield section.name or section.type, reduced


def _steps_of(recipe, source, strategy):
    gan = building.build_gan(recipe, source, strategy)
    _hold_still(gan)
    return Steps(gan, _held(building.build_dataset(recipe, source, gan)))


def _hold_still(gan):
    """Or the parts, each made many times, would leave the usual numbers."""
    for optimizer in gan.inner_optimizers:
        optimizer.learning_rate = 0.0


def _held(dataset):
    """The first batch, again and again, made only once."""
    return dataset.take(1).cache().repeat()


def _device_memory():
    """Peak bytes by name of each GPU; on a CPU there is none to ask."""
    names = [
        device.name.removeprefix("/device:")
        for device in tf.config.list_logical_devices("GPU")
    ]
    info = tf.config.experimental.get_memory_info
    return {name: int(info(name)["peak"]) for name in names}


class _Clock(keras.callbacks.Callback):
    """Notes when steps end; comes last, so that callbacks are counted."""

    def on_train_begin(self, logs=None):
        self.times = []

    def on_train_batch_end(self, batch, logs=None):
        self.times.append(time.perf_counter())


class _Fit:
    """`fit` with the callbacks of a run, in a folder that is thrown away.

    Scores are left out: how long they take has little to do with a step.
    """

    def __init__(self, recipe, source, gan, folder):
        recipe = recipe.model_copy(update={"evaluate": None})
        self._folder = RunFolder(folder)
        self._run = Run(recipe, source, gan, self._folder)
        self._folder.make(recipe)
        writer = tf.summary.create_file_writer(str(self._folder.tensorboard))
        self._callbacks = self._run._callbacks(io.StringIO(), writer)
        self._clock = _Clock()

    def time(self, steps):
        """Seconds per step, from the end of the first execution on."""
        run, at_once = self._run, self._run.gan.steps_per_execution
        executions = -(-steps // at_once)
        run.gan.fit(
            building.build_dataset(run.recipe, run.source, run.gan),
            epochs=1,
            steps_per_epoch=(executions + 1) * at_once,
            callbacks=[*self._callbacks, self._clock],
            verbose=0,
        )
        if run.signal.received is not None:
            raise KeyboardInterrupt
        times = self._clock.times
        return (times[-1] - times[0]) / (executions * at_once)

    def now_and_then(self):
        """Seconds of what is done every few steps: `(name, every, seconds)`."""
        found = []
        for kind, name in ((Samples, "pictures"), (Checkpoint, "checkpoint")):
            for callback in self._callbacks:
                if isinstance(callback, kind):
                    callback.on_step(self._run.step, {})  # imports, opens
                    begin = time.perf_counter()
                    callback.on_step(self._run.step, {})
                    seconds = time.perf_counter() - begin
                    found.append((name, callback.every, seconds))
                    callback.on_train_end()
        return found

    def close(self):
        self._folder.leave()
