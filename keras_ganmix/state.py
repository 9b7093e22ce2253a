"""Everything a run needs to continue, in one atomic checkpoint."""

import json
import shutil
from pathlib import Path

import tensorflow as tf

SCHEMA = 1


class CheckpointError(ValueError):
    """A checkpoint cannot be used; the message says why and what to do."""


def variables_of(gan):
    """The variables of a compiled GAN that a run needs to continue.

    Returns:
        Dictionary from the name of a part to its list of variables.
    """
    parts = {
        # Not `weights`: the seeds of dropout are variables, but no weights.
        "generator": gan.generator.variables,
        "discriminator": gan.discriminator.variables,
        "counters": [gan.step, gan.retry],
        "metrics": [v for m in gan.metrics for v in m.variables],
        "generator_optimizer": gan.generator_optimizer.variables,
        "discriminator_optimizer": gan.discriminator_optimizer.variables,
    }
    if gan.ema_generator is not None:
        parts["averaged_generator"] = gan.ema_generator.variables
    for regularizer in gan.regularizers:
        parts[f"regularizer {regularizer.name}"] = regularizer.weights
    return parts


class RunState:
    """Saves and restores the whole state of training.

    Slots in a checkpoint are positional, so each checkpoint carries a list of
    its parts and shapes, and refuses a GAN that has others.

    Args:
        gan: compiled `GAN`.
        directory: folder of the checkpoints.
        keep: how many to keep; older ones are deleted.
    """

    def __init__(self, gan, directory, keep=2):
        self.gan = gan
        self.directory = Path(directory)
        parts = variables_of(gan)
        self._layout = {
            name: [list(v.shape) for v in variables]
            for name, variables in parts.items()
        }
        self._note = tf.Variable("", dtype=tf.string, trainable=False)
        self._checkpoint = tf.train.Checkpoint(
            note=self._note,
            state={
                name: [v.value for v in variables]
                for name, variables in parts.items()
            },
        )
        self._manager = tf.train.CheckpointManager(
            self._checkpoint, str(self.directory), max_to_keep=keep
        )

    def save(self, extras=None):
        """Writes a checkpoint, whole or not at all.

        Args:
            extras: JSON-able dictionary that `restore` gives back.

        Returns:
            Path prefix of the checkpoint.
        """
        self.sweep()
        note = {
            "schema": SCHEMA,
            "layout": self._layout,
            "extras": extras or {},
        }
        self._note.assign(json.dumps(note))
        return self._manager.save(checkpoint_number=int(self.gan.step.numpy()))

    @property
    def latest(self):
        """Path prefix of the newest checkpoint, or `None`."""
        return newest(self.directory)

    def restore(self, path=None):
        """Restores the newest checkpoint, or the one at `path`.

        Returns:
            The extras given to `save`, or `None` if there is no checkpoint.

        Raises:
            CheckpointError: if it belongs to another GAN or another version
                of the package, or cannot be read.
        """
        path = path or self.latest
        if path is None:
            return None
        note = read_note(path)
        self._compare(path, note["layout"])
        try:
            self._checkpoint.restore(path).assert_consumed()
        except tf.errors.OpError as error:
            raise _unreadable(path, error) from error
        return note["extras"]

    def _compare(self, path, layout):
        if layout == self._layout:
            return
        names = sorted(layout.keys() | self._layout.keys())
        differences = []
        for name in names:
            saved, mine = layout.get(name), self._layout.get(name)
            if saved is None:
                differences.append(f"it has no {name!r}")
            elif mine is None:
                differences.append(f"this GAN has no {name!r}")
            elif saved != mine:
                differences.append(f"{name!r} has other weights")
        raise CheckpointError(
            f"The checkpoint {path} belongs to another GAN: "
            f"{'; '.join(differences)}. Use the recipe it was made with, or "
            "another folder."
        )

    def sweep(self):
        """Removes what killed saves have left."""
        for leftover in self.directory.glob("ckpt-*_temp*"):
            if leftover.is_dir():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink(missing_ok=True)


def newest(directory):
    """Path prefix of the newest checkpoint in a folder, or `None`.

    One whose files were removed is not there, whatever the list says.
    """
    state = tf.train.get_checkpoint_state(str(directory))
    listed = [] if state is None else state.all_model_checkpoint_paths
    there = [path for path in listed if Path(f"{path}.index").is_file()]
    return there[-1] if there else None


def read_note(path):
    """What a checkpoint says of itself: schema, layout and extras."""
    try:
        reader = tf.train.load_checkpoint(path)
        note = json.loads(
            reader.get_tensor("note/.ATTRIBUTES/VARIABLE_VALUE").decode()
        )
    except (
        tf.errors.OpError,
        IndexError,
        ValueError,
        RuntimeError,
    ) as error:
        raise _unreadable(path, error) from error
    if note["schema"] != SCHEMA:
        raise CheckpointError(
            f"The checkpoint {path} has schema {note['schema']}; this version "
            f"reads schema {SCHEMA}. Use the version that made it."
        )
    return note


def _unreadable(path, error):
    return CheckpointError(
        f"The checkpoint {path} cannot be read: {error}. Remove its files, "
        f"{Path(path).name}.*, to go on from the one before."
    )
