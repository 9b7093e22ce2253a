"""One run of a recipe: training with its callbacks, and the summary."""

import platform
import time

import keras
import tensorflow as tf

import keras_ganmix
from keras_ganmix import building
from keras_ganmix.callbacks import (
    Checkpoint,
    MetricsLog,
    NotFiniteError,
    Progress,
    StopOnSignal,
)
from keras_ganmix.checks import check_data
from keras_ganmix.utils.files import write_json

#: What can befall a run that has begun, and is said in a line.
FAILURES = (NotFiniteError, tf.errors.ResourceExhaustedError, OSError)


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
        first: number of steps that have been made before.

    Raises:
        ValueError: if the checkpoint or the data do not fit.
    """

    def __init__(self, recipe, source, gan, folder, resumes=False):
        self.recipe, self.source, self.gan = recipe, source, gan
        self.folder = folder
        self.first = 0
        self.signal = StopOnSignal()
        self._checkpoint = Checkpoint(
            folder.checkpoints,
            recipe.checkpoint.every,
            recipe.checkpoint.keep,
            resume=False,
        )
        if resumes:
            self.first = self._checkpoint.restore(gan)
        self._dataset = building.build_dataset(recipe, source, gan)
        check_data(gan, self._dataset)
        self._scores = building.build_scores(recipe, source, folder)
        if resumes:
            for scores in self._scores:
                scores.look_back(gan)
        self._last = {}
        self._seconds = 0.0

    @property
    def step(self):
        """Number of steps that have been made so far."""
        return int(self.gan.step.numpy())

    @property
    def ended(self):
        """Why its scores ended the run before its last step, or `None`."""
        return next((s.ended for s in self._scores), None)

    @property
    def is_done(self):
        return self.step >= self.recipe.train.steps or self.ended is not None

    def train(self, file=None):
        """Trains to the last step of the recipe, or until a signal comes.

        Args:
            file: where to print progress; `None` for nowhere.

        Raises:
            one of `FAILURES`: what has been saved before stays.
            ValueError: at the first step, if the parts do not fit.
        """
        begin = time.monotonic()
        try:
            self.gan.fit(
                self._dataset,
                epochs=1,
                steps_per_epoch=self.recipe.train.steps - self.first,
                callbacks=self._callbacks(file),
                verbose=0,
            )
        finally:
            self.signal.restore()
            self._seconds = time.monotonic() - begin

    def _callbacks(self, file):
        recipe, folder = self.recipe, self.folder
        writer = tf.summary.create_file_writer(str(folder.tensorboard))
        log = MetricsLog(folder.metrics, recipe.train.log_every, writer)
        log.listen(self._keep)
        callbacks = [*building.build_schedule(recipe), log]
        if file is not None:
            images = recipe.data.batch_size * recipe.train.discriminator_steps
            callbacks.append(Progress(log, recipe.train.steps, images, file))
        callbacks += building.build_samples(recipe, self.source, folder, writer)
        for scores in self._scores:
            scores.writer = writer
        return [*callbacks, *self._scores, self.signal, self._checkpoint]

    def _keep(self, step, values):
        self._last = {"step": step, **values}

    def summarize(self, status):
        """Writes `summary.json`: what was run, on what, how far, how fast."""
        gan = self.gan
        made = self.step - self.first
        write_json(
            self.folder.summary,
            {
                "recipe": self.recipe.name,
                "status": status,
                "step": self.step,
                "steps": self.recipe.train.steps,
                "resumed_at": self.first,
                "seconds": round(self._seconds, 1),
                "steps_per_second": round(made / max(self._seconds, 1e-9), 3),
                "last_log": self._last,
                "ended": self.ended,
                "evaluation": [
                    {
                        "seconds": round(scores.seconds, 1),
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
