"""Pictures of what the generator makes during training."""

from pathlib import Path

from keras_ganmix.callbacks.base import StepCallback
from keras_ganmix.utils.pictures import (
    image_grid,
    scatter,
    write_gif,
    write_png,
)


class Samples(StepCallback):
    """Writes a grid of samples of fixed latents every n steps.

    Files are named `step-0001000.png`; the initial generator gives
    `step-0000000.png`. Two-dimensional data are drawn as points.

    Args:
        directory: folder for the pictures.
        every: steps between pictures, or `"epoch"`.
        count: number of samples in a picture.
        seed: seed of the latents.
        reference: real points `(m, 2)` to draw below two-dimensional samples.
        gif: path of an animation of all pictures, written when training ends.
        writer: a `tf.summary` writer to which pictures go as well.
    """

    def __init__(
        self,
        directory,
        every="epoch",
        count=64,
        seed=0,
        reference=None,
        gif=None,
        writer=None,
    ):
        super().__init__(every)
        self.directory = Path(directory)
        self.count = count
        self.seed = seed
        self.reference = reference
        self.gif = gif
        self.writer = writer

    def on_train_begin(self, logs=None):
        if not self.model.workers.is_chief:
            return
        step = int(self.model.step.numpy())
        for later in self._pictures():  # of a run that was continued earlier
            if int(later.stem.removeprefix("step-")) > step:
                later.unlink()
        if step == 0:
            self.on_step(0, logs)

    def on_step(self, step, logs):
        if not self.model.workers.is_chief:
            return
        picture = self.picture(step)
        write_png(self.directory / f"step-{step:07d}.png", picture)
        if self.writer is not None:
            import tensorflow as tf

            with self.writer.as_default(step):
                tf.summary.image("samples", picture[None])

    def on_train_end(self, logs=None):
        if self.model.workers.is_chief:
            self.animate()

    def animate(self):
        """Writes the animation of all pictures."""
        pictures = self._pictures()
        if self.gif is not None and pictures:
            write_gif(self.gif, pictures)

    def picture(self, step):
        """The picture at this moment, uint8 `(H, W, 3)`."""
        samples = self.model.generate(self.count, seed=self.seed)
        if samples.ndim == 2:
            return scatter(samples, self.reference, title=f"step {step}")
        return image_grid(samples)

    def _pictures(self):
        return sorted(self.directory.glob("step-*.png"))
