"""Ending a run from outside without losing it."""

import signal

import keras

_HANG_UP = getattr(signal, "SIGHUP", None)  # not on Windows
_SIGNALS = [
    number
    for number in (signal.SIGINT, signal.SIGTERM, _HANG_UP)
    if number is not None
]


class StopOnSignal(keras.callbacks.Callback):
    """Lets training end after the current step when a signal comes.

    After training `received` is the signal's number, or `None`. A second
    signal has its ordinary effect at once. A closed terminal that is ignored,
    as under `nohup`, stays so.

    Args:
        signals: the signals to listen to; by default SIGINT, SIGTERM, SIGHUP.
    """

    def __init__(self, signals=_SIGNALS):
        super().__init__()
        self.signals = signals
        self.received = None
        self._before = {}

    def on_train_begin(self, logs=None):
        for number in self.signals:
            handler = signal.signal(number, self._handle)
            if handler == signal.SIG_IGN and number == _HANG_UP:
                signal.signal(number, handler)
            else:
                self._before[number] = handler

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
