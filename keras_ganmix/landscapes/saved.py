"""The weights of a run's checkpoints, without the rest of its state."""

import re

import tensorflow as tf

from keras_ganmix.state import (
    CheckpointError,
    existing,
    read_note,
    variables_of,
)

_NAME = re.compile(r"ckpt-(\d+)\.index")
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
    paths = existing(folder.checkpoints)
    path = next((p for p in paths if p.endswith(f"-{step}")), None)
    if path is None:
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
    except tf.errors.OpError as error:
        raise CheckpointError(f"{path}: cannot be read: {error}") from error
