"""Checkpoints from which training continues exactly."""

from keras_ganmix.callbacks.base import StepCallback
from keras_ganmix.state import RunState


class Checkpoint(StepCallback):
    """Saves the whole state of training every n steps and at the ends.

    Files are written while training goes on. A state with NaN or infinite
    terms or weights is never saved.

    Put it last in the list of callbacks, so that it saves what the others have
    done at the same step. In `fit` on a data set of your own, save at the ends
    of epochs: a run that was killed then goes on with the next epoch, and
    equals one that was never interrupted if the data come in an order that
    depends on the epoch alone. An epoch that was stopped on its way (by a
    signal, or by `stop_training`) is saved as it is, and begun again.

    Args:
        directory: folder of the checkpoints.
        every: steps between checkpoints, or `"epoch"`.
        keep: how many to keep.
        resume: whether to continue from the newest checkpoint in the folder.

    Raises:
        CheckpointError: when training begins, if the checkpoint does not fit.
        NotFiniteError: instead of a save.
        SaveError: if there is no room, or files cannot be written.

    Example:

    >>> gan.fit(dataset, epochs=100, callbacks=[Checkpoint("run/checkpoints")])
    """

    def __init__(self, directory, every="epoch", keep=2, resume=True):
        super().__init__(every)
        self.directory = directory
        self.keep = keep
        self.resume = resume
        self._state = None
        self._metrics = None
        self._epoch = 0
        self._is_over = False
        self._saved = None

    def restore(self, gan):
        """Restores the newest checkpoint into a compiled GAN.

        Returns:
            The step at which training continues; 0 without a checkpoint.

        Raises:
            CheckpointError: if the checkpoint does not fit.
        """
        self._watch(gan)
        extras = self._state.restore()
        if extras is not None:
            self._epoch = extras["epoch"]
            self._is_over = extras.get("epoch_is_over", False)
            # Keras resets metrics when an epoch begins; a run that continues
            # within one takes them up again.
            if not extras["epoch_ended"]:
                self._metrics = [
                    v.numpy() for m in gan.metrics for v in m.variables
                ]
            self._saved = int(gan.step.numpy())
        self.resume = False
        return int(gan.step.numpy())

    def set_model(self, model):
        # All callbacks are given the model before any begins, and those that
        # remove what was written after the step must know it.
        super().set_model(model)
        if self.resume:
            self.restore(model)
            if self._is_over:
                self._epoch += 1
                self._metrics = None
            model._initial_epoch = self._epoch
        else:
            self._watch(model)

    def _watch(self, gan):
        if self._state is None or self._state.gan is not gan:
            self._state = RunState(gan, self.directory, self.keep)

    def on_train_begin(self, logs=None):
        # A state to go back to, and a proof that it can be saved.
        if self._saved is None:
            self._save(int(self.model.step.numpy()))

    def on_epoch_begin(self, epoch, logs=None):
        super().on_epoch_begin(epoch, logs)
        self._forget_first_epoch()
        self._epoch, self._is_over = epoch, False
        if self._metrics is not None:
            variables = [v for m in self.model.metrics for v in m.variables]
            for variable, value in zip(variables, self._metrics, strict=True):
                variable.assign(value)
            self._metrics = None

    def on_epoch_end(self, epoch, logs=None):
        # Keras ends an epoch that is stopped on its way, too.
        steps = self.params["steps"]
        if steps is None:
            self._is_over = not self.model.stop_training
        super().on_epoch_end(epoch, logs)

    def _forget_first_epoch(self):
        # Or the next `fit` would begin there. Here Keras has read it.
        self.model._initial_epoch = None

    def on_step(self, step, logs):
        self._note_end(step)
        self._save(step)

    def _note_end(self, step):
        if step - self._first == self.params["steps"]:
            self._is_over = True

    def on_train_end(self, logs=None):
        self._forget_first_epoch()
        step = int(self.model.step.numpy())
        if step != self._saved:
            self._note_end(step)
            self._save(step)
        self._state.wait()

    def _save(self, step):
        extras = {
            "epoch": self._epoch,
            "epoch_is_over": self._is_over,
            # Means over an epoch end with it, those between saves do not.
            "epoch_ended": self._is_over and self.every == "epoch",
        }
        self._state.save(extras, wait=False)
        self._saved = step
