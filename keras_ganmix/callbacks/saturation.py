"""Signs in a run's losses that its discriminator has won."""

import keras
import tensorflow as tf
from absl import logging

from keras_ganmix.utils import jsonl

#: Share of the balanced loss below which a discriminator is saturated.
LEAST_LOSS = 0.02
#: Lines of the log that must all be below it.
WINDOW = 10


class Saturation(keras.callbacks.Callback):
    """Tells when the discriminator knows reals from fakes without fail.

    Then its loss is near 0, and so are, for most losses, the gradients that
    the generator gets. The rule is this project's own: ten lines of the log
    in a row with an adversarial loss below 2 % of that of a discriminator
    that knows nothing. Losses that do not say where they are balanced, as
    Wasserstein's, are not judged. It looks at the log alone, so that a
    continued run is judged as one that was never interrupted.

    Put it after the log in the list of callbacks.

    Args:
        log: the `MetricsLog`; it must have a path.
        on_saturation: `"warn"`, or `"stop"` to end training.

    Attributes:
        ended: why training was ended, or `None`.
    """

    def __init__(self, log, on_saturation="warn"):
        super().__init__()
        if on_saturation not in ("warn", "stop"):
            raise ValueError(
                f"Saturation.on_saturation: {on_saturation!r} is not allowed; "
                "give 'warn' or 'stop'."
            )
        self.on_saturation = on_saturation
        self.ended = None
        self._path = log.path
        self._losses = []
        log.listen(self._hear)

    def look_back(self, gan):
        """Takes up the log of a run that will be continued."""
        self._balanced = _balanced(gan.adversarial_loss)
        step = int(gan.step.numpy())
        lines = gan.workers.from_chief(lambda: jsonl.read(self._path))
        lines = [x for x in lines if x["step"] <= step]
        self._losses = [_loss(line) for line in lines]
        self.ended = self._verdict()

    def on_train_begin(self, logs=None):
        self.look_back(self.model)
        self.ended = None

    def _hear(self, step, values):
        was_saturated = self._is_saturated
        self._losses.append(_loss(values))
        if self._is_saturated and not was_saturated:
            logging.warning(
                "step %d: %s. See docs/training.md for what helps.",
                step,
                self._reason,
            )
        self.ended = self._verdict()
        if self.ended is not None:
            self.model.stop_training = True

    @property
    def _is_saturated(self):
        newest = self._losses[-WINDOW:]
        if self._balanced <= 0 or len(newest) < WINDOW:
            return False
        return all(x < LEAST_LOSS * self._balanced for x in newest)

    @property
    def _reason(self):
        return (
            "the discriminator is saturated: its loss was below "
            f"{LEAST_LOSS * self._balanced:.2g} for {WINDOW} lines of the log"
        )

    def _verdict(self):
        stops = self.on_saturation == "stop" and self._is_saturated
        return self._reason if stops else None


def _balanced(loss):
    """The loss of a discriminator whose logits are all 0."""
    zeros = tf.zeros((2, 1))
    return float(loss.discriminator(zeros, zeros))


def _loss(line):
    return line.get("discriminator/adversarial", line["discriminator_loss"])
