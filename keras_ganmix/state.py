"""Everything a run needs to continue, in one atomic checkpoint."""

import contextlib
import json
import math
import re
import shutil
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import logging

from keras_ganmix.faults import check_terms, weights_error
from keras_ganmix.utils.files import free_bytes

SCHEMA = 1

# Bytes beside the tensors: index, notes, the list of checkpoints.
_OVERHEAD = 1 << 20

# The names of tensors in the files of a checkpoint.
_NOTE = "note/.ATTRIBUTES/VARIABLE_VALUE"
_SLOT = "state/{}/{}/.ATTRIBUTES/VARIABLE_VALUE"

# What TensorFlow raises at files that are torn.
_UNREADABLE = (tf.errors.OpError, IndexError, ValueError, RuntimeError)


class CheckpointError(ValueError):
    """A checkpoint cannot be used; the message says why and what to do."""


class UnreadableError(CheckpointError):
    """The files of a checkpoint are torn or gone."""


class OtherWeightsError(CheckpointError):
    """A part of a checkpoint has other weights than it is read for, or none.

    Args:
        path: path prefix of the checkpoint.
        part: name of the part.
    """

    def __init__(self, path, part):
        super().__init__(
            f"{path}: its {part} has other weights than the recipe beside it "
            "gives; was the recipe changed?"
        )
        self.part = part


class SaveError(OSError):
    """A checkpoint could not be written; those before it are as they were."""


class _Writer:
    """Writes the checkpoints of the process in the order of their saves.

    None of a GAN is written after one that failed, until that was told: a run
    that goes on from a checkpoint will not make the best one before it again.
    """

    def __init__(self):
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._failures = weakref.WeakKeyDictionary()

    def submit(self, gan, write, step):
        return self._thread.submit(self._write, gan, write, step)

    def _write(self, gan, write, step):
        if gan in self._failures:
            raise self._failures[gan]
        try:
            write(step)
        except SaveError as error:
            self._failures[gan] = error
            raise

    def wait(self, gan, pending):
        try:
            pending.result()
        except SaveError:
            self._failures.pop(gan, None)
            raise


_writer = _Writer()


def variables_of(gan):
    """The variables of a compiled GAN that a run needs to continue.

    Another model lists its own in `state_parts()`.

    Returns:
        Dictionary from the name of a part to its list of variables.
    """
    if hasattr(gan, "state_parts"):
        return gan.state_parts()
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


def state_bytes(gan):
    """Bytes that a checkpoint of a compiled GAN takes, at most."""
    variables = [v for part in variables_of(gan).values() for v in part]
    sizes = [math.prod(v.shape) * tf.as_dtype(v.dtype).size for v in variables]
    return _OVERHEAD + sum(sizes)


class RunState:
    """Saves and restores the whole state of training.

    A save waits for a copy of the state in the host's memory; the files are
    written while training goes on. Slots in a checkpoint are positional, so
    each carries a list of its parts and shapes, and refuses a GAN that has
    others.

    Where several workers train, all must call the methods; the chief writes
    the files and all read them.

    Args:
        gan: compiled `GAN`.
        directory: folder of the checkpoints.
        keep: how many to keep; older ones are deleted.
    """

    def __init__(self, gan, directory, keep=2):
        self.gan = gan
        self.directory = Path(directory)
        self._workers = gan.workers
        parts = variables_of(gan)
        self._layout = {name: _shapes(part) for name, part in parts.items()}
        self._variables = [v for part in parts.values() for v in part]
        self._note = tf.Variable("", dtype=tf.string, trainable=False)
        with tf.device("CPU:0"):
            copies = {
                name: [tf.Variable(tf.zeros(v.shape, v.dtype)) for v in part]
                for name, part in parts.items()
            }
        self._copies = [copy for part in copies.values() for copy in part]
        self._checkpoint = tf.train.Checkpoint(note=self._note, state=copies)
        self._manager = self._manage(keep) if gan.workers.is_chief else None
        self._copy = tf.function(self._copy_state, autograph=False)
        self._pending = None

    def _manage(self, keep):
        arguments = (self._checkpoint, str(self.directory), keep)
        try:
            return tf.train.CheckpointManager(*arguments)
        except ValueError:  # the list of the checkpoints is damaged
            (self.directory / "checkpoint").unlink()
            return tf.train.CheckpointManager(*arguments)

    def save(self, extras=None, wait=True):
        """Writes a checkpoint, whole or not at all.

        Args:
            extras: JSON-able dictionary that `restore` gives back.
            wait: whether to return only when it is written.

        Returns:
            Path prefix of the checkpoint.

        Raises:
            NotFiniteError: if terms or weights are NaN or infinite; nothing
                is written.
            SaveError: if there is not enough room, or this save or the one
                before could not be written.
        """
        step = int(self.gan.step.numpy())
        self._workers.from_chief(lambda: self._make_ready(step))
        check_terms(self.gan)
        finite = self._copy().numpy()
        if not finite.all():
            bad = [
                v.path
                for v, good in zip(self._variables, finite, strict=True)
                if not good
            ]
            raise weights_error(bad, step)
        note = {
            "schema": SCHEMA,
            "layout": self._layout,
            "extras": extras or {},
        }
        self._note.assign(json.dumps(note))
        if self._workers.is_chief:
            self._pending = _writer.submit(self.gan, self._write, step)
        if wait:
            self.wait()
        return str(self.directory / f"ckpt-{step}")

    def wait(self):
        """Returns when all is written.

        Raises:
            SaveError: if it could not be.
        """
        self._workers.from_chief(self._wait)

    def _wait(self):
        pending, self._pending = self._pending, None
        if pending is not None:
            _writer.wait(self.gan, pending)

    def _make_ready(self, step):
        self._wait()
        self.sweep()
        self._check_room(step)

    def _copy_state(self):
        """Copies all variables; returns which of them are finite."""
        finite = []
        for variable, copy in zip(self._variables, self._copies, strict=True):
            value = tf.convert_to_tensor(variable.value)
            copy.assign(value)
            is_number = value.dtype.is_floating and value.shape.num_elements()
            finite.append(
                tf.reduce_all(tf.math.is_finite(value)) if is_number else True
            )
        return tf.stack(finite)

    def _check_room(self, step):
        needed, free = state_bytes(self.gan), free_bytes(self.directory)
        if free < needed:
            raise SaveError(
                f"the state at step {step} needs {needed / 1e6:.0f} MB "
                f"in {self.directory}, where {free / 1e6:.0f} MB are free. "
                f"{self._advice()}"
            )

    def _write(self, step):
        try:
            if not self._holds(step):
                self._manager.save(checkpoint_number=step)
        except (tf.errors.OpError, OSError) as error:
            self.sweep()  # what was written of it only takes room
            reason = str(error).splitlines()[0]
            raise SaveError(
                f"the state at step {step} could not be saved in "
                f"{self.directory}: {reason}. {self._advice()}"
            ) from error

    def _holds(self, step):
        """Whether this very state is saved: made again after a kill.

        Files of a checkpoint that is listed would be torn while they are
        written again.
        """
        path = str(self.directory / f"ckpt-{step}")
        if path not in existing(self.directory):
            return False
        try:
            reader = tf.train.load_checkpoint(path)
            return all(
                np.array_equal(reader.get_tensor(name), copy)
                for name, copy in self._named_copies()
            )
        except _UNREADABLE:
            return False

    def _named_copies(self):
        yield _NOTE, self._note.numpy()
        copies = iter(self._copies)
        for part, shapes in self._layout.items():
            for i in range(len(shapes)):
                yield _SLOT.format(part, i), next(copies).numpy()

    def _advice(self):
        latest = self.latest
        if latest is None:
            return "Make room, or name another folder."
        return (
            f"Mend that and start again: the run goes on from "
            f"{Path(latest).name}."
        )

    @property
    def latest(self):
        """Path prefix of the newest checkpoint, or `None`."""
        return newest(self.directory)

    def restore(self, path=None):
        """Restores the newest checkpoint that can be read, or that at `path`.

        Returns:
            The extras given to `save`, or `None` if there is no checkpoint.

        Raises:
            CheckpointError: if it belongs to another model or another
                version of the package, or none can be read.
        """
        path, extras = self._workers.from_chief(lambda: self._read_one(path))
        if path is None:
            return None
        if not self._workers.is_chief:
            self._read(path)
        # Several workers do this together: TensorFlow adds up some variables.
        for variable, copy in zip(self._variables, self._copies, strict=True):
            variable.assign(copy)
        self.gan.faults.forget()
        return extras

    def _read_one(self, path):
        """Path and extras of the newest that can be read, or `None`s."""
        self._wait()
        if path:
            return path, self._read(path)
        return read_newest(self.directory, self._read)

    def _read(self, path):
        """Reads a checkpoint into the copies; returns its extras."""
        note = read_note(path)
        self._compare(path, note["layout"])
        try:
            self._checkpoint.restore(path).assert_consumed()
        except _UNREADABLE as error:
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
                differences.append(f"this model has no {name!r}")
            elif saved != mine:
                differences.append(f"{name!r} has other weights")
        raise CheckpointError(
            f"The checkpoint {path} belongs to another model: "
            f"{'; '.join(differences)}. Use the recipe it was made with, or "
            "another folder."
        )

    def sweep(self):
        """Removes what killed saves have left, where that is possible."""
        for leftover in self.directory.glob("ckpt-*_temp*"):
            shutil.rmtree(leftover, ignore_errors=True)
        unlisted = list(self.directory.glob("checkpoint.tmp*"))
        listed = {Path(path).name for path in _listed(self.directory)}
        if listed:  # or the list is lost, and these are all there is
            unlisted += [
                file
                for file in self.directory.glob("ckpt-*")
                if _FILE.fullmatch(file.name) and file.stem not in listed
            ]
        for file in unlisted:
            # On a read-only disk the save will say so.
            with contextlib.suppress(OSError):
                file.unlink()


_FILE = re.compile(r"ckpt-(\d+)\.(index|data-\d+-of-\d+)")


def newest(directory):
    """Path prefix of the newest checkpoint in a folder, or `None`."""
    return (existing(directory) or [None])[-1]


def existing(directory):
    """Path prefixes of the checkpoints in a folder, the newest last.

    One whose files were removed is not there, whatever the list says; where
    the list is lost, the files count.
    """
    listed = _listed(directory)
    if not listed:
        files = [_FILE.fullmatch(f.name) for f in Path(directory).glob("*")]
        steps = {int(f[1]) for f in files if f and f[2] == "index"}
        listed = [f"{directory}/ckpt-{step}" for step in sorted(steps)]
    return [path for path in listed if Path(f"{path}.index").is_file()]


def _listed(directory):
    try:
        state = tf.train.get_checkpoint_state(str(directory))
    except ValueError:  # what the file holds is no list
        return []
    return [] if state is None else list(state.all_model_checkpoint_paths)


def read_newest(directory, read):
    """Reads the newest checkpoint in a folder that can be read.

    Args:
        directory: folder of the checkpoints; they may be replaced meanwhile.
        read: function of the path prefix of one.

    Returns:
        The path prefix and what `read` has given, or `None`s if there is no
        checkpoint.

    Raises:
        UnreadableError: that of the newest, if none can be read.
    """
    failures = {}
    while left := [p for p in existing(directory) if p not in failures]:
        path = left[-1]
        try:
            result = read(path)
        except UnreadableError as error:
            failures[path] = error
            continue
        # Others were replaced by newer ones meanwhile.
        torn = [p for p in existing(directory) if p in failures]
        for other in torn:
            logging.warning(
                "%s It is passed over; going on from %s.", failures[other], path
            )
        return path, result
    if failures:
        raise next(iter(failures.values()))
    return None, None


def read_parts(path, parts):
    """Gives variables what a checkpoint has of them, all or none.

    Args:
        path: path prefix of the checkpoint.
        parts: list of pairs, the name of a part as in `variables_of` and the
            variables to set.

    Returns:
        The step of the checkpoint.

    Raises:
        UnreadableError: if it is torn or gone.
        OtherWeightsError: if a part has other weights, or is not there.
        CheckpointError: if it has another schema.
    """
    layout = read_note(path)["layout"]
    for name, variables in parts:
        if layout.get(name) != _shapes(variables):
            raise OtherWeightsError(path, name)
    slots = [
        (_SLOT.format(name, i), variable)
        for name, variables in parts
        for i, variable in enumerate(variables)
    ]
    try:
        reader = tf.train.load_checkpoint(path)
        step = int(reader.get_tensor(_SLOT.format("counters", 0)))
        values = [reader.get_tensor(slot) for slot, _ in slots]
    except _UNREADABLE as error:
        raise _unreadable(path, error) from error
    for (_, variable), value in zip(slots, values, strict=True):
        variable.assign(value)
    return step


def averaged_part(path):
    """Name of the part with the averaged weights of a checkpoint.

    Where it keeps no average, those that are trained take their place.

    Raises:
        CheckpointError: see `read_note`.
    """
    kept = "averaged_generator" in read_note(path)["layout"]
    return "averaged_generator" if kept else "generator"


def read_note(path):
    """What a checkpoint says of itself: schema, layout and extras.

    Raises:
        CheckpointError: if it cannot be read, or has another schema.
    """
    try:
        reader = tf.train.load_checkpoint(path)
        note = json.loads(reader.get_tensor(_NOTE).decode())
    except _UNREADABLE as error:
        raise _unreadable(path, error) from error
    if note["schema"] != SCHEMA:
        raise CheckpointError(
            f"The checkpoint {path} has schema {note['schema']}; this version "
            f"reads schema {SCHEMA}. Use the version that made it."
        )
    return note


def _shapes(variables):
    return [list(v.shape) for v in variables]


def _unreadable(path, error):
    return UnreadableError(
        f"The checkpoint {path} cannot be read: {error}. Remove its files, "
        f"{Path(path).name}.*, to go on from the one before."
    )
