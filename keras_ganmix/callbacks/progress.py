"""A line about the run every now and then."""

import sys
import time

import keras

from keras_ganmix.utils.cli import say
from keras_ganmix.utils.times import duration


class Progress(keras.callbacks.Callback):
    """Prints speed, remaining time and losses.

    Args:
        log: the `MetricsLog` whose lines are printed.
        total: number of steps of the run.
        images_per_step: number of real images in a step.
        file: where to print; standard output by default.
    """

    def __init__(self, log, total, images_per_step, file=None):
        super().__init__()
        self.total = total
        self.images_per_step = images_per_step
        self.file = file or sys.stdout
        self._shown = None
        log.listen(self._show)

    def on_train_batch_end(self, batch, logs=None):
        # The first step traces and compiles; it says nothing about the speed.
        if self._shown is None:
            step = int(self.model.step.numpy())
            self._shown = step, time.monotonic()

    def _show(self, step, values):
        now = time.monotonic()
        before, then = self._shown or (step, now)
        speed = (step - before) / (now - then) if step > before else 0.0
        self._shown = step, now
        width = len(str(self.total))
        parts = [f"step {step:>{width}}/{self.total}"]
        if speed:
            rest = (self.total - step) / speed
            parts += [
                f"{speed:.1f} steps/s",
                f"{speed * self.images_per_step:.0f} images/s",
                f"ETA {duration(rest)}",
            ]
        # Terms of regularizers, which have a "/", would fill the screen.
        parts += [f"{k} {v:.4g}" for k, v in values.items() if "/" not in k]
        say("  ".join(parts), self.file)
