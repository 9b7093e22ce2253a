"""Ending a run from outside without losing it."""

import signal

import keras

_HANG_UP = getattr(signal, "SIGHUP", None)  # not on Windows
_SIGNALS = [
    number
    for number in (signal.SIGINT, signal.SIGTERM, _HANG_UP)
    if number is not None
]


# Steps between the moments at which several workers tell one another of
# signals, which costs about as much as a tiny step.
_TOLD_EVERY = 10


class StopOnSignal(keras.callbacks.Callback):
    """Lets training end after the current step when a signal comes.

    Where several workers train, a signal to one of them ends all at the same
    step, at most ten steps later.

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
        self._calls = 0

    def on_train_begin(self, logs=None):
        for number in self.signals:
            handler = signal.signal(number, self._handle)
            if handler == signal.SIG_IGN and number == _HANG_UP:
                signal.signal(number, handler)
            else:
                self._before[number] = handler

    def on_train_batch_end(self, batch, logs=None):
        workers = self.model.workers
        if workers.count > 1:
            self._calls += 1
            if self._calls % _TOLD_EVERY:
                return
            self.received = max(workers.gather(self.received or 0)) or None
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
