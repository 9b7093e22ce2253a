"""Learning rates that change with the step."""

from keras_ganmix.callbacks.base import StepCallback


class LinearDecay(StepCallback):
    """Lowers both learning rates linearly, as a function of the step alone.

    The rates at step t are those with which the GAN was compiled, times a
    factor that is 1 until `start`, falls linearly and is `final` from `end` on.

    Args:
        start: step at which the decay begins.
        end: step at which it ends, larger than `start`.
        final: factor at the end, in [0, 1].
    """

    def __init__(self, start, end, final=0.0):
        super().__init__(every=1)
        if not 0 <= start < end:
            raise ValueError(
                f"LinearDecay: start={start} and end={end} are not allowed; "
                "0 <= start < end is needed."
            )
        if not 0 <= final <= 1:
            raise ValueError(
                f"LinearDecay.final: {final} is not allowed; give a factor in "
                "[0, 1]."
            )
        self.start, self.end, self.final = start, end, final

    def factor(self, step):
        """The factor at a step."""
        done = (step - self.start) / (self.end - self.start)
        return 1 - (1 - self.final) * min(1.0, max(0.0, done))

    def on_train_begin(self, logs=None):
        self.on_step(int(self.model.step.numpy()), logs)

    def on_step(self, step, logs):
        factor = self.factor(step)
        for optimizer, rate in zip(
            self.model.inner_optimizers,
            self.model.learning_rates,
            strict=True,
        ):
            optimizer.learning_rate = rate * factor
