"""A TensorBoard profile of some steps."""

import keras
import tensorflow as tf

from keras_ganmix.utils.profiles import check_range


class Profile(keras.callbacks.Callback):
    """Writes a profile of some steps for TensorBoard's profiler.

    Steps are those of the GAN, which go on where a resumed run goes on. A
    training that ends before the last of them leaves a profile of those that
    were made; with `steps_per_execution` it covers whole executions.

    Args:
        directory: TensorBoard's log directory; the profile comes to lie in
            `plugins/profile` within.
        first: the first step, from 1. The step that is traced, the first of a
            `fit`, takes seconds and is better left out.
        last: the last step, at most 200 in all.

    Raises:
        ValueError: for steps that are no such range.
    """

    def __init__(self, directory, first, last):
        super().__init__()
        check_range(first, last)
        self.directory = str(directory)
        self.first, self.last = first, last
        self._running = self._done = False
        self._trace = None

    def on_train_begin(self, logs=None):
        if self._running:  # of a fit that ended with an error
            self._stop(save=False)
            self._done = False

    def on_epoch_begin(self, epoch, logs=None):
        self._before = int(self.model.step.numpy())

    def on_train_batch_begin(self, batch, logs=None):
        step = self._before + batch + 1
        last = step + self.model.steps_per_execution - 1
        if not self._running and not self._done:
            if step > self.last or last < self.first:
                return
            tf.profiler.experimental.start(self.directory)
            self._running = True
        if self._running:
            # What the profiler takes for a step.
            self._trace = tf.profiler.experimental.Trace(
                "train", step_num=step, _r=1
            )
            self._trace.__enter__()

    def on_train_batch_end(self, batch, logs=None):
        if not self._running:
            return
        self.model.step.numpy()  # waits for the device
        self._end_trace()
        if self._before + batch + 1 >= self.last:
            self._stop()

    def on_train_end(self, logs=None):
        if self._running:
            self._stop()

    def _end_trace(self):
        if self._trace is not None:
            self._trace.__exit__(None, None, None)
            self._trace = None

    def _stop(self, save=True):
        self._end_trace()
        self._running, self._done = False, True
        tf.profiler.experimental.stop(save=save)
