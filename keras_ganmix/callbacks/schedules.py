"""Learning rates that change with the step."""

from keras_ganmix.callbacks.base import StepCallback


class LinearDecay(StepCallback):
    """Lowers both learning rates linearly, as a function of the step alone.

    The rates at step t are those given to the optimizers, times a factor that
    is 1 until `start`, falls linearly and is `final` from `end` on.

    Args:
        start: step at which the decay begins.
        end: step at which it ends, larger than `start`.
        final: factor at the end, in [0, 1].
        learning_rates: the rates before the decay, of the generator and of the
            discriminator; by default those with which the optimizers were
            made. Give them where a checkpoint was restored before `fit`.
    """

    def __init__(self, start, end, final=0.0, learning_rates=None):
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
        self.learning_rates = learning_rates

    def factor(self, step):
        """The factor at a step."""
        done = (step - self.start) / (self.end - self.start)
        return 1 - (1 - self.final) * min(1.0, max(0.0, done))

    def _optimizers(self):
        model = self.model
        for optimizer in (
            model.generator_optimizer,
            model.discriminator_optimizer,
        ):
            # A loss-scaling optimizer wraps the one that has the rate.
            yield getattr(optimizer, "inner_optimizer", optimizer)

    def set_model(self, model):
        # Before a `Checkpoint` restores rates that have decayed.
        super().set_model(model)
        if self.learning_rates is None:
            self.learning_rates = [
                float(optimizer.learning_rate.numpy())
                for optimizer in self._optimizers()
            ]

    def on_train_begin(self, logs=None):
        self.on_step(int(self.model.step.numpy()), logs)

    def on_step(self, step, logs):
        factor = self.factor(step)
        for optimizer, rate in zip(
            self._optimizers(), self.learning_rates, strict=True
        ):
            optimizer.learning_rate = rate * factor
