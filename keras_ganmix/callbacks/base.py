"""Callbacks that count in steps."""

import keras


class StepCallback(keras.callbacks.Callback):
    """Calls `on_step(step, logs)` every n generator updates.

    The step is that of the GAN, so it goes on where a resumed run goes on.

    Args:
        every: number of steps between calls, or `"epoch"` for the end of each
            epoch.
    """

    def __init__(self, every="epoch"):
        super().__init__()
        is_count = isinstance(every, int) and not isinstance(every, bool)
        if every != "epoch" and not (is_count and every >= 1):
            raise ValueError(
                f"{type(self).__name__}.every: {every!r} is not allowed; give "
                "a number of steps of at least 1, or 'epoch'."
            )
        self.every = every
        self._first = 0

    def on_epoch_begin(self, epoch, logs=None):
        # Read once an epoch: reading it in each step would wait for the device.
        self._first = int(self.model.step.numpy())
        self._last_seen = self._first

    def on_train_batch_end(self, batch, logs=None):
        if self.every == "epoch":
            return
        # With `steps_per_execution` several steps end at once.
        step = self._first + batch + 1
        if step // self.every > self._last_seen // self.every:
            self.on_step(step, logs)
        self._last_seen = step

    def on_epoch_end(self, epoch, logs=None):
        if self.every == "epoch":
            self.on_step(int(self.model.step.numpy()), logs)

    def on_step(self, step, logs):
        raise NotImplementedError
