"""Losses, terms and accuracies as files and curves."""

from pathlib import Path

import tensorflow as tf

from keras_ganmix.callbacks.base import StepCallback
from keras_ganmix.faults import check_terms
from keras_ganmix.utils import jsonl


class MetricsLog(StepCallback):
    """Logs the mean of every named term, and starts a new mean.

    Each line of the file is an object with `step` and a number for each term:
    the mean over the steps since the line before, or since the epoch began
    that they belong to. A term that none of these steps had, as with a weight
    for every n-th step alone, is left out. When a run is continued, lines of
    steps that will be made again are removed first.

    Args:
        path: a JSON lines file, or `None`.
        every: steps over which to average, or `"epoch"`.
        writer: a `tf.summary` writer to which the numbers go as well.
        check_finite: whether to stop at terms or gradients that are NaN or
            infinite.

    Raises:
        NotFiniteError: during training, naming the first terms and their step.
    """

    def __init__(
        self, path=None, every="epoch", writer=None, check_finite=True
    ):
        super().__init__(every)
        self.path = None if path is None else Path(path)
        self.writer = writer
        self.check_finite = check_finite
        self._listeners = []
        self._absent = None

    def listen(self, function):
        """Calls `function(step, values)` with each line that is logged."""
        self._listeners.append(function)

    def on_train_begin(self, logs=None):
        if self.path is not None and self.model.workers.is_chief:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            jsonl.forget_after(self.path, int(self.model.step.numpy()))

    def on_epoch_begin(self, epoch, logs=None):
        super().on_epoch_begin(epoch, logs)
        self._absent = None

    def on_test_begin(self, logs=None):
        # Validation counts in the same metrics, anew.
        if self.every == "epoch":
            self._absent = self.model.absent_means()

    def on_step(self, step, logs):
        if self.check_finite:
            check_terms(self.model)
        workers = self.model.workers
        if self.every == "epoch":
            # Not the metrics, which may be those of validation by now.
            absent = self._absent
            if absent is None:
                absent = self.model.absent_means()
            values = {
                name: float(value)
                for name, value in logs.items()
                if not name.startswith("val_")
                # What is no 0 was in a step, whatever was counted since.
                and (name not in absent or float(value))
            }
        else:
            values = self.model.take_means()
        # What is decided by them shall be the same for all.
        values = workers.from_chief(lambda: values)
        if self.path is not None and workers.is_chief:
            jsonl.append(self.path, {"step": step, **values})
        if self.writer is not None:
            with self.writer.as_default(step):
                for name, value in values.items():
                    tf.summary.scalar(name, value)
            self.writer.flush()
        for function in self._listeners:
            function(step, values)
