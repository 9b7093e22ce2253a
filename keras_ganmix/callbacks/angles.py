"""Angles between gradients over training."""

import math
from pathlib import Path

from keras_ganmix.callbacks.base import StepCallback
from keras_ganmix.gradients.angles import angles
from keras_ganmix.gradients.terms import Terms
from keras_ganmix.utils import jsonl


class GradientAngles(StepCallback):
    """Logs the cosine between adversarial and other gradients.

    Each line of the file is an object with `step` and the numbers of
    `gradients.angles.angles`, `null` where a gradient vanishes. They are
    of the same images, latents and random numbers each time, and the first
    line is of the step at which training began. Training is the same bit for
    bit as without. When a run is continued, lines of steps that will be made
    again are removed first; those of another run, when training begins at
    step 0.

    Args:
        path: a JSON lines file.
        dataset: `tf.data.Dataset` of batches, as for `fit`, that gives the
            same ones each time that it is iterated.
        every: steps between lines, or `"epoch"`.
        batches: how many batches are looked at, at least 2 for a spread.

    Raises:
        ValueError: if `batches` is less than 1 or more than the dataset has,
            or the GAN is trained on several devices.
    """

    def __init__(self, path, dataset, every=100, batches=4):
        super().__init__(every)
        if batches < 1:
            raise ValueError(
                f"GradientAngles.batches: {batches} is not allowed; give a "
                "number of at least 1."
            )
        self.path = Path(path)
        self.dataset = dataset
        self.batches = batches
        self._terms = None

    def on_train_begin(self, logs=None):
        gan = self.model
        replicas = gan.distribute_strategy.num_replicas_in_sync
        if replicas > 1:
            raise ValueError(
                "GradientAngles: works on one device, but the GAN is trained "
                f"on {replicas}."
            )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        step = int(gan.step.numpy())
        jsonl.forget_after(self.path, step or -1)
        # Anew each time: the GAN may have been compiled with another loss.
        self._terms = Terms(gan, self.dataset, self.batches)
        if not jsonl.read(self.path):
            self.on_step(step, logs)

    def on_step(self, step, logs):
        numbers = {
            name: value if math.isfinite(value) else None
            for name, value in angles(self._terms).items()
        }
        jsonl.append(self.path, {"step": step, **numbers})
