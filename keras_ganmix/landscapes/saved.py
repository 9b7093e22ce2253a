"""The weights of a run's checkpoints, without the rest of its state."""

from pathlib import Path

import tensorflow as tf

from keras_ganmix.state import (
    UNREADABLE,
    CheckpointError,
    read_note,
    variables_of,
)

_KEY = "state/{}/{}/.ATTRIBUTES/VARIABLE_VALUE"


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
    layout = read_note(path)["layout"]
    parts = {
        name: variables
        for name, variables in variables_of(gan).items()
        if name != "metrics" and not name.endswith("_optimizer")
    }
    for name, variables in parts.items():
        if layout.get(name) != [list(v.shape) for v in variables]:
            raise ValueError(
                f"{path}: its {name} has other weights than the recipe beside "
                "it gives; was the recipe changed?"
            )
    try:
        reader = tf.train.load_checkpoint(path)
        for name, variables in parts.items():
            for i, variable in enumerate(variables):
                variable.assign(reader.get_tensor(_KEY.format(name, i)))
    except UNREADABLE as error:
        raise CheckpointError(f"{path}: cannot be read: {error}") from error
