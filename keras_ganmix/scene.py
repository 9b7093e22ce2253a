"""The next discriminator step of a GAN, to be looked at."""

from keras_ganmix import building
from keras_ganmix.ops.random import Draws
from keras_ganmix.state import CheckpointError, RunState


class Scene:
    """The next discriminator step of a GAN.

    Args:
        gan: compiled `GAN`.
        dataset: what it is trained on, from the GAN's step on.
        step: number of steps that its networks were trained, or `None` for
            untrained ones.

    Attributes:
        gan: the `GAN`.
        context: the `Context` of the step. Without a trained generator, its
            fakes are real images of another batch.
        made: the same with images of the generator, trained or not.
        fake: label of the fakes of `context`.
        fakes: words that say what the fakes of `context` are.
        generator: words for the generator of `made`.
    """

    def __init__(self, gan, dataset, step=None):
        self.gan = gan
        batch, others = (gan.deal(data)[0] for data in dataset.take(2))
        images, labels, prepared = batch
        draws = gan.draws("discriminator.0")
        latents = gan.draw_latents(images, draws)

        def context(fakes, latents):
            return gan.context(
                gan.samples("real", images, labels, None, draws, prepared),
                gan.samples("fake", fakes, labels, latents, draws),
                draws,
            )

        self.made = context(gan.fakes(latents, labels), latents)
        self.generator = (
            "untrained generator" if step is None else f"generator, step {step}"
        )
        if step is None:
            self.context = context(others[0], None)
            self.fake = "stand-in\nfor a fake"
            self.fakes = "Stand-ins for fakes: other real images."
        else:
            self.context = self.made
            self.fake = "fake"
            self.fakes = f"Fakes: {self.generator}."

    def draws(self, offset):
        """Draws of the discriminator, some steps after the next."""
        step = self.gan.step.value + offset
        return Draws(self.gan.seed, step).scope("discriminator.0")


def restore(gan, run):
    """Loads the newest checkpoint of a run that can be read.

    That of a run with other regularizers serves too, if the networks fit.

    Args:
        gan: compiled `GAN`.
        run: `RunFolder` of a run that has a checkpoint.

    Returns:
        The step at which it was saved.

    Raises:
        ValueError: if there is none any more, or the networks differ.
    """
    try:
        if RunState(gan, run.checkpoints).restore() is None:
            raise ValueError(f"{run.path}: holds no checkpoint of a run")
    except CheckpointError:
        return building.start_from(gan, run)["step"]
    return int(gan.step.numpy())
