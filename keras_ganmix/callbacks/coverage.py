"""How many modes of a toy distribution the generator finds."""

from pathlib import Path

import tensorflow as tf

from keras_ganmix.callbacks.base import StepCallback
from keras_ganmix.metrics import mode_coverage
from keras_ganmix.utils import jsonl


class ModeCoverage(StepCallback):
    """Scores samples of fixed latents against the Gaussians they should show.

    Each line of the file is an object with `step`, `modes` (those found),
    `of` (how many there are), `high_quality` (share of samples within 3
    standard deviations of a centre) and `reverse_kl` (see
    `metrics.mode_coverage`). When a run is continued, lines of steps that
    will be made again are removed first.

    Args:
        mixture: `"ring"` or `"grid"`.
        path: a JSON lines file.
        every: steps between scores, or `"epoch"`.
        count: number of samples; the benchmarks draw 2,500.
        seed: seed of the latents.
        writer: a `tf.summary` writer to which the scores go as well.
    """

    def __init__(
        self,
        mixture,
        path,
        every="epoch",
        count=2500,
        seed=0,
        writer=None,
    ):
        super().__init__(every)
        self.mixture = mixture
        self.path = Path(path)
        self.count = count
        self.seed = seed
        self.writer = writer

    def on_train_begin(self, logs=None):
        jsonl.forget_after(self.path, int(self.model.step.numpy()))

    def on_step(self, step, logs):
        samples = self.model.generate(self.count, seed=self.seed)
        scores = mode_coverage(samples, self.mixture)._asdict()
        jsonl.append(self.path, {"step": step, **scores})
        if self.writer is not None:
            with self.writer.as_default(step):
                for name in ("modes", "high_quality", "reverse_kl"):
                    tf.summary.scalar(f"scores/{name}", scores[name])
