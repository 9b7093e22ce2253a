"""One run of a recipe: training with its callbacks, and the summary."""

import functools
import json
import platform
import time
import warnings

import keras
import tensorflow as tf
from absl import logging

import keras_ganmix
from keras_ganmix import building
from keras_ganmix.callbacks import (
    Checkpoint,
    MetricsLog,
    NotFiniteError,
    Profile,
    Progress,
    Saturation,
    StopOnSignal,
)
from keras_ganmix.checks import check_data
from keras_ganmix.ending import StillThere
from keras_ganmix.utils import jsonl
from keras_ganmix.utils.files import write_json

# Pictures that the fingerprint looks at where it would have to decode them.
_MOST_DECODED = 512


class Run:
    """Trains the GAN of a recipe, from the start or from a checkpoint.

    Nothing is written before `train`.

    Args:
        recipe: the `Recipe`.
        source: its `data.Source`.
        gan: its compiled `GAN`.
        folder: the `RunFolder`.
        resumes: whether to go on from the newest checkpoint in the folder.

    Attributes:
        first: the step from which it goes on.
        profile: `(first, last)` of the steps to profile, or `None`.
        origin: what is kept of the run whose weights it begins with, a dict.

    Raises:
        ValueError: if the checkpoint or the data do not fit.
    """

    def __init__(self, recipe, source, gan, folder, resumes=False):
        self.recipe, self.source, self.gan = recipe, source, gan
        self.folder = folder
        self._workers = gan.workers
        self.first = self.began = 0
        self.profile = self.origin = None
        self.signal = StopOnSignal()
        self._checkpoint = Checkpoint(
            folder.checkpoints,
            recipe.checkpoint.every,
            recipe.checkpoint.keep,
            resume=False,
        )
        self._data_note = self._same(_note(source))
        if resumes:
            self._go_on()
            self.began = self.first
            self._check_executions()
            self._compare_data()
        check_data(gan, building.build_dataset(recipe, source, gan))
        self._log = MetricsLog(folder.metrics, recipe.train.log_every)
        self._log.listen(self._keep)
        self._saturation = Saturation(self._log, recipe.guards.on_saturation)
        self._scores = building.build_scores(recipe, source, folder)
        self._judges = [self._saturation, *self._scores]
        if resumes:
            for judge in self._judges:
                judge.look_back(gan)
        lines = jsonl.read(folder.metrics) if resumes else []
        past = [line for line in lines if line["step"] <= self.first]
        self._last = past[-1] if past else {}
        self._seconds = self._cpu_seconds = 0.0

    @property
    def step(self):
        """Number of steps that have been made so far."""
        return int(self.gan.step.numpy())

    @property
    def ended(self):
        """Why scores or losses ended the run early, or `None`."""
        return next((j.ended for j in self._judges if j.ended), None)

    @property
    def is_done(self):
        return self.step >= self.recipe.train.steps or self.ended is not None

    def train(self, file=None):
        """Trains to the last step of the recipe, or until a signal comes.

        Args:
            file: where to print progress; `None` for nowhere.

        Raises:
            one of `ending.FAILURES`: what has been saved before stays.
            ValueError: at the first step, if the parts do not fit.
        """
        begin, cpu_begin = time.monotonic(), time.process_time()
        self._count_retries()
        writer = None
        if self._workers.is_chief:
            write_json(self.folder.data, self._data_note)
            place = str(self.folder.tensorboard)
            writer = tf.summary.create_file_writer(place)
        callbacks = self._callbacks(file, writer)
        try:
            while True:
                try:
                    self._fit(callbacks)
                    break
                except NotFiniteError as error:
                    self._go_back(error)
        finally:
            if lost := len(self.source.lost):
                logging.warning("%d pictures were lost and replaced.", lost)
            self._seconds = time.monotonic() - begin
            self._cpu_seconds = time.process_time() - cpu_begin

    @property
    def is_told(self):
        """Whether a process that ended the run has also told so."""
        return self._workers.from_chief(self._has_told)

    def _has_told(self):
        try:
            summary = json.loads(self.folder.summary.read_text())
        except OSError:
            return False
        return summary["status"] == "done" and summary["step"] == self.step

    def close(self):
        """What is left to do of a run that was killed after its last save."""
        if not self._workers.is_chief:
            return
        for samples in building.build_samples(
            self.recipe, self.source, self.folder
        ):
            samples.animate()

    def _fit(self, callbacks):
        try:
            self.gan.fit(
                building.build_dataset(self.recipe, self.source, self.gan),
                epochs=1,
                steps_per_epoch=self.recipe.train.steps - self.first,
                callbacks=callbacks,
                verbose=0,
            )
        except tf.errors.OpError:
            # A picture that cannot be read ends the stream without its name.
            self.source.check()
            raise
        finally:
            self.signal.restore()

    def _callbacks(self, file, writer):
        recipe, folder, log = self.recipe, self.folder, self._log
        callbacks = [
            StillThere(folder),
            *self._profiles(),
            *building.build_schedule(recipe),
            log,
            self._saturation,
        ]
        if file is not None:
            images = recipe.data.batch_size * recipe.train.discriminator_steps
            callbacks.append(Progress(log, recipe.train.steps, images, file))
        callbacks += building.build_samples(recipe, self.source, folder, writer)
        callbacks += building.build_angles(recipe, self.source, folder)
        for writing in (log, *self._scores):
            writing.writer = writer
        return [*callbacks, *self._scores, self.signal, self._checkpoint]

    def _profiles(self):
        if self.profile is None or not self._workers.is_chief:
            return []
        return [Profile(self.folder.tensorboard, *self.profile)]

    def _go_on(self):
        """Restores the newest checkpoint, and what went wrong after it."""
        self.first = self._checkpoint.restore(self.gan)
        building.set_learning_rates(self.recipe, self.gan)
        self._count_retries()

    def _check_executions(self):
        together = self.recipe.train.steps_per_execution
        if self.first % together:
            raise ValueError(
                f"train.steps_per_execution: the run goes on from step "
                f"{self.first}, which is no multiple of {together}; go on "
                "with 1"
            )

    def _count_retries(self):
        # Not as it was saved: a run that is killed between going back and its
        # next checkpoint goes on as one that was not.
        lines = self._faults()
        retries = sum(line["back_to"] <= self.first for line in lines)
        self.gan.retry.assign(retries)

    def _faults(self):
        read = functools.partial(jsonl.read, self.folder.faults)
        return self._workers.from_chief(read)

    def _go_back(self, error):
        """Goes back to the newest checkpoint to go on with other numbers.

        Raises:
            NotFiniteError: if that was done too often.
        """
        self._go_on()
        lines = self._faults()
        tries = 1 + sum(line["back_to"] == self.first for line in lines)
        most = self.recipe.guards.retries
        if tries > most:
            raise NotFiniteError(
                f"{error} It was tried {tries} times from step {self.first}, "
                "where the last good checkpoint is; start again with --set "
                "and --allow_recipe_change to go on from there.",
                error.step,
                error.names,
            ) from error
        line = {
            "step": error.step,
            "names": error.names,
            "back_to": self.first,
            "retry": int(self.gan.retry.numpy()) + 1,
        }
        if self._workers.is_chief:
            jsonl.append(self.folder.faults, line)
        self.gan.retry.assign_add(1)
        logging.warning(
            "%s Going back to step %d to go on with other random numbers "
            "(try %d of %d).",
            error,
            self.first,
            tries,
            most,
        )

    def _same(self, note):
        """What is known of the data, if it is what the chief knows.

        Raises:
            ValueError: if workers were given other data.
        """
        chiefs = self._workers.from_chief(lambda: note)
        if chiefs != note:
            raise ValueError(
                "data.source: this worker has other data than the chief: "
                f"{note}, not {chiefs}"
            )
        return note

    def _compare_data(self):
        if not self.folder.data.exists():
            return
        before = json.loads(self.folder.data.read_text())
        changed = [
            f"{name} {before.get(name)!r}, now {value!r}"
            for name, value in self._data_note.items()
            if before.get(name) != value
        ]
        if changed:
            warnings.warn(
                f"{self.folder.path}: the data differ from those that the run "
                f"began with: {'; '.join(changed)}. It goes on, but not as it "
                "would have."
            )

    def _keep(self, step, values):
        self._last = {"step": step, **values}

    def summarize(self, status, error=None):
        """Writes `summary.json`: what was run, on what, how far, how fast.

        Args:
            status: `"done"`, `"interrupted"` or `"failed"`.
            error: why it failed.
        """
        if not self._workers.is_chief:
            return
        gan = self.gan
        made = self.step - self.began
        write_json(
            self.folder.summary,
            {
                "recipe": self.recipe.name,
                "status": status,
                "step": self.step,
                "steps": self.recipe.train.steps,
                "resumed_at": self.began,
                "seconds": round(self._seconds, 1),
                "cpu_seconds": round(self._cpu_seconds, 1),
                "steps_per_second": round(made / max(self._seconds, 1e-9), 3),
                "last_log": self._last,
                "ended": self.ended,
                "error": None if error is None else str(error),
                "faults": jsonl.read(self.folder.faults),
                "evaluation": [
                    {
                        "seconds": round(scores.seconds, 1),
                        "cpu_seconds": round(scores.cpu_seconds, 1),
                        "share": round(
                            scores.seconds / max(self._seconds, 1e-9), 4
                        ),
                        "skipped": scores.skipped,
                    }
                    for scores in self._scores
                ],
                "data": {
                    "source": self.source.name,
                    "split": self.source.split,
                    "images": self.source.num_images,
                    "shape": list(self.source.image_shape),
                    "skipped": len(self.source.skipped),
                    "lost": len(self.source.lost),
                },
                "parameters": {
                    "generator": gan.generator.count_params(),
                    "discriminator": gan.discriminator.count_params(),
                },
                "devices": [
                    d.device_type for d in tf.config.list_logical_devices()
                ],
                "versions": {
                    "keras_ganmix": keras_ganmix.__version__,
                    "tensorflow": tf.__version__,
                    "keras": keras.__version__,
                    "python": platform.python_version(),
                },
            },
        )


def _note(source):
    """What later runs, and commands without the data, need to know."""
    most = None if source.in_memory else _MOST_DECODED
    return {
        "source": source.name,
        "split": source.split,
        "images": source.num_images,
        "image_shape": list(source.image_shape),
        "num_classes": source.num_classes,
        "class_names": source.class_names,
        "skipped": len(source.skipped),
        "fingerprint": source.fingerprint(most),
        "fingerprint_images": min(most or len(source), len(source)),
    }
