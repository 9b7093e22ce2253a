"""Ending a run from outside without losing it."""

import signal

import keras


class StopOnSignal(keras.callbacks.Callback):
    """Lets training end after the current step when a signal comes.

    After training `received` is the signal's number, or `None`. A second
    signal has its ordinary effect at once.

    Args:
        signals: the signals to listen to.
    """

    def __init__(self, signals=(signal.SIGINT, signal.SIGTERM)):
        super().__init__()
        self.signals = signals
        self.received = None
        self._before = {}

    def on_train_begin(self, logs=None):
        for number in self.signals:
            self._before[number] = signal.signal(number, self._handle)

    def on_train_batch_end(self, batch, logs=None):
        if self.received is not None:
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        self.restore()

    def restore(self):
        """Gives the signals back; also for runs that end with an error."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _handle(self, number, frame):
        self.received = number
        self.restore()
