"""The weights of a run's checkpoints, without the rest of its state."""

from pathlib import Path

from keras_ganmix.state import read_parts, variables_of


def load_weights(gan, folder, step):
    """Gives a GAN networks, heads and counters of a checkpoint.

    Only reads.

    Args:
        gan: compiled `GAN` of the run's recipe.
        folder: the `RunFolder`.
        step: that of the checkpoint.

    Raises:
        ValueError: if it is gone, torn, or belongs to another GAN.
    """
    # Not from the list of checkpoints: a run that was killed while it saved
    # may have written the files only.
    path = str(folder.checkpoints / f"ckpt-{step}")
    if not Path(f"{path}.index").is_file():
        raise ValueError(f"{folder.path}: has no checkpoint of step {step}")
    parts = [
        (name, variables)
        for name, variables in variables_of(gan).items()
        if name != "metrics" and not name.endswith("_optimizer")
    ]
    read_parts(path, parts)
