"""The folder of a run: where it is, and whether a run may go on in it.

```
recipe.yaml  origin.json  data.json  metrics.jsonl  scores.jsonl
scores_protocol.json  gradients.jsonl  faults.jsonl  summary.json
samples/step-0001000.png  progress.gif
checkpoints/  checkpoints/best/  tensorboard/
```

Imports no TensorFlow, so that a wrong folder is refused at once.
"""

import fcntl
import json
import os
import shutil
from pathlib import Path

from absl import flags

from keras_ganmix import recipes
from keras_ganmix.utils.cli import UsageError
from keras_ganmix.utils.differences import differences
from keras_ganmix.utils.files import write_json, write_text

RESUME = ("auto", "never", "must")
WORDS = {"run_dir": "FOLDER", "resume": "|".join(RESUME)}

# What may differ between a recipe and the run that it continues.
_FREE = (
    *recipes.INCIDENTAL,
    "train.steps",
    "train.jit_compile",
    "guards",
    "strategy",
)

_MOST_SHOWN = 10
_ORIGIN = ("run", "step", "recipe", "origin")


class FolderLostError(OSError):
    """The folder of a run was removed, moved or replaced while it trained."""


class RunFolder:
    """Paths of a run's files.

    Args:
        path: the folder; it need not exist.
    """

    def __init__(self, path):
        self.path = Path(path)
        self.recipe = self.path / "recipe.yaml"
        self.origin = self.path / "origin.json"
        self.data = self.path / "data.json"
        self.metrics = self.path / "metrics.jsonl"
        self.faults = self.path / "faults.jsonl"
        self.gradients = self.path / "gradients.jsonl"
        self.scores = self.path / "scores.jsonl"
        self.evaluation = self.path / "scores.json"
        self.summary = self.path / "summary.json"
        self.progress = self.path / "progress.gif"
        self.samples = self.path / "samples"
        self.checkpoints = self.path / "checkpoints"
        self.best = self.checkpoints / "best"
        self.tensorboard = self.path / "tensorboard"

    def has_checkpoint(self):
        """Whether there is a state to go on from, which step 0 is not."""
        found = self.checkpoints.glob("ckpt-*.index")
        return any(path.name != "ckpt-0.index" for path in found)

    def holds_run(self):
        """Whether a run, finished or not, has left something here."""
        return self.recipe.exists() or self.has_checkpoint()

    def make(self, recipe, origin=None):
        """Makes the folder, writes the resolved recipe, keeps others out.

        Args:
            recipe: the `Recipe`.
            origin: of a run that begins, the run whose weights it begins with,
                a dict (see `building.start_from`).

        Raises:
            UsageError: if another process trains in this folder.
        """
        self._is_new = not self.holds_run()
        self.path.mkdir(parents=True, exist_ok=True)
        # Held until `leave`, or the process ends, however it ends.
        self._lock = open(self.path / ".lock", "w")  # noqa: SIM115
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(
                f"--run_dir {self.path}: another process trains in it"
            ) from None
        # Those of a process that was killed while it wrote.
        for leftover in self.path.rglob(".tmp-*"):
            leftover.unlink(missing_ok=True)
        self._keep_old_recipe(recipe)
        write_text(self.recipe, recipes.dump(recipe))
        if origin is not None:
            write_json(self.origin, origin)
        elif not self.has_checkpoint():
            self.origin.unlink(missing_ok=True)  # that of an earlier start

    def read_origin(self):
        """What is known of the run that this one began with.

        Returns:
            A dict, see `building.start_from`; `None` for a run that began with
            random weights.

        Raises:
            ValueError: if the file is not what was written; begins with it.
        """
        if not self.origin.is_file():
            return None
        try:
            found = json.loads(self.origin.read_text(encoding="utf-8"))
            return {key: found[key] for key in _ORIGIN}
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(
                f"{self.origin}: is damaged ({error!r}); without it the run "
                "counts as one that began with random weights"
            ) from error

    def _keep_old_recipe(self, recipe):
        """A run that goes on with another recipe tells so for ever."""
        if not self.has_checkpoint():
            dumped = recipes.dump(recipe)
            if self.recipe.exists() and self.recipe.read_text() != dumped:
                self.faults.unlink(missing_ok=True)  # those of that recipe
        else:
            old = recipes.load(self.recipe, kind=None)
            if any(_changes(old, recipe)):
                count = len(list(self.path.glob("recipe-before-*.yaml")))
                kept = self.path / f"recipe-before-{count + 1}.yaml"
                write_text(kept, recipes.dump(old))

    def leave(self):
        """Lets other processes train in the folder."""
        self._lock.close()

    def check_there(self):
        """Refuses to go on if the folder is not the one that `make` made.

        Raises:
            FolderLostError: then nothing more can be saved.
        """
        try:
            is_there = os.path.samestat(
                os.stat(self.path / ".lock"), os.fstat(self._lock.fileno())
            )
        except OSError:
            is_there = False
        if not is_there:
            raise FolderLostError(
                f"{self.path}: was removed, moved or replaced while the run "
                "was training; nothing more can be saved in it"
            )

    def unmake(self):
        """Removes the folder of a run that could not start."""
        if self._is_new:
            shutil.rmtree(self.path, ignore_errors=True)


class GuestFolder(RunFolder):
    """The same for a worker that is not the chief: it writes nothing."""

    def make(self, recipe, origin=None):
        pass

    def leave(self):
        pass

    def check_there(self):
        pass

    def unmake(self):
        pass


def define(options):
    """Adds the flags of commands that make a run to a set of flags."""
    flags.DEFINE_string(
        "run_dir",
        None,
        "Folder of the run. Default: runs/ and the recipe's name.",
        flag_values=options,
    )
    flags.DEFINE_enum(
        "resume",
        "auto",
        RESUME,
        "What if the folder holds a run: auto goes on from its last "
        "checkpoint, must refuses if there is none, never starts anew, by "
        "default in runs/NAME-2.",
        flag_values=options,
    )
    flags.DEFINE_bool(
        "allow_recipe_change",
        False,
        "Let a run go on with another recipe than it began with; the old one "
        "is kept beside it.",
        flag_values=options,
    )


def choose(recipe, run_dir=None, resume="auto", allow_change=False):
    """Decides where a run lives and whether it goes on from a checkpoint.

    Args:
        recipe: the `Recipe` to run.
        run_dir: the folder; by default `runs/NAME`, and with
            `resume="never"` the first of `runs/NAME`, `runs/NAME-2` ... that
            holds no run.
        resume: `"auto"` goes on if there is a checkpoint, `"must"` refuses if
            there is none, `"never"` refuses to touch a folder that holds a
            run.
        allow_change: whether a run may go on with another recipe.

    Returns:
        `(folder, resumes)`: a `RunFolder` and a bool.

    Raises:
        UsageError: if the folder holds something else than the start of this
            very run.
    """
    folder = RunFolder(run_dir or Path("runs") / recipe.name)
    if resume == "never":
        number = 2
        while run_dir is None and folder.holds_run():
            folder = RunFolder(Path("runs") / f"{recipe.name}-{number}")
            number += 1
        if folder.holds_run():
            raise UsageError(
                f"--run_dir {folder.path}: holds a run already, which "
                "--resume never leaves alone; name another folder"
            )
        _check_empty(folder)
        return folder, False
    if folder.has_checkpoint():
        if not allow_change:
            _check_same(recipe, folder)
        return folder, True
    if resume == "must":
        raise UsageError(
            f"--resume must: no checkpoint in {folder.checkpoints}"
        )
    if not folder.holds_run():
        _check_empty(folder)
    return folder, False


def existing(path, flag):
    """Returns the `RunFolder` of a run that has a checkpoint.

    Args:
        path: the folder.
        flag: name of the flag that gave it, for the message.

    Raises:
        UsageError: if there is none.
    """
    folder = RunFolder(path)
    if not folder.has_checkpoint():
        raise UsageError(f"--{flag} {path}: holds no checkpoint of a run")
    return folder


def _check_empty(folder):
    """Refuses a folder with foreign files, and a path that is a file."""
    if folder.path.is_dir():
        # A start that was killed leaves the lock and a temporary file.
        names = sorted(entry.name for entry in folder.path.iterdir())
        found = [n for n in names if n != ".lock" and n[:5] != ".tmp-"]
        if found:
            raise UsageError(
                f"--run_dir {folder.path}: holds {found[0]!r} but no run; "
                "name a new or an empty folder"
            )
    elif folder.path.exists():
        raise UsageError(f"--run_dir {folder.path}: is not a folder")
    else:
        _check_writable(folder.path)


def _check_writable(path):
    parent = path.absolute().parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise UsageError(f"--run_dir {path}: cannot be made in {parent}")


def _check_same(recipe, folder):
    before = recipes.load(folder.recipe, kind=None)
    changed = list(_changes(before, recipe))
    if not changed:
        return
    lines = [f"{folder.path}: holds a run of another recipe:"]
    lines += [
        f"  {path}: {old!r} there, {new!r} now"
        for path, old, new in changed[:_MOST_SHOWN]
    ]
    if len(changed) > _MOST_SHOWN:
        lines.append(f"  and {len(changed) - _MOST_SHOWN} more")
    lines.append(
        "name another --run_dir, start anew beside it with --resume never, or "
        "go on with the new recipe with --allow_recipe_change"
    )
    raise UsageError("\n".join(lines))


def _changes(before, now):
    """The `differences` of two recipes."""
    free = getattr(now, "FREE", _FREE)
    return differences(before.to_dict(), now.to_dict(), free=free)
