"""The folder of generated pictures and its manifest. Needs no TensorFlow."""

import hashlib
import json
from pathlib import Path

from keras_ganmix.utils.cli import UsageError
from keras_ganmix.utils.files import write_json

SCHEMA = 1
MANIFEST = "manifest.json"
_SHOWN = 3


def check_folder(path, names, command, overwrite=False):
    """Refuses a folder in which files would be lost.

    Pictures of the very same command may be replaced.

    Args:
        path: the folder; it need not exist.
        names: of the files that will be written.
        command: list of str, what is being run.
        overwrite: whether files of these names may be replaced anyway.

    Raises:
        UsageError: says which files are in the way.
    """
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise UsageError(f"--out {path}: is a file, not a folder")
    if overwrite or not path.is_dir():
        return
    names = {*names, MANIFEST}
    before = _manifest(path / MANIFEST)
    if before and before["command"] == command:
        names -= {*before["files"], MANIFEST}
    found = sorted(name for name in names if (path / name).exists())
    if found:
        more = f" and {len(found) - _SHOWN} more" * (len(found) > _SHOWN)
        raise UsageError(
            f"--out {path}: holds {', '.join(found[:_SHOWN])}{more} of another "
            "command; name another folder, or replace them with --overwrite"
        )


def _manifest(path):
    """The manifest at `path` if it is one, or `None`."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    ours = isinstance(values, dict) and values.get("schema") == SCHEMA
    return values if ours and {"command", "files"} <= values.keys() else None


def pixel_hash(pixels):
    """SHA-256 of the bytes of an array, in hexadecimal."""
    return hashlib.sha256(pixels.tobytes()).hexdigest()


class Manifest:
    """What was made, by what, from what: enough to make it again.

    Args:
        command: list of str.
        generator: dict, what the pictures come from.
        class_names: names of the classes, or `None`.
    """

    def __init__(self, command, generator, class_names=None):
        self._values = {
            "schema": SCHEMA,
            "command": command,
            "generator": generator,
            "pictures": [],
            "files": {},
        }
        self._names = class_names

    def add_picture(self, picture, pixels, file=None):
        """Notes a `Picture`, maybe in a file of its own."""
        line = {"seed": picture.seed, "index": picture.index}
        if picture.label is not None:
            line["label"] = picture.label
            if self._names:
                line["class"] = self._names[picture.label]
        line["sha256"] = pixel_hash(pixels)
        if file is not None:
            line["file"] = file
            self._values["files"][file] = line["sha256"]
        self._values["pictures"].append(line)

    def add_file(self, file, pixels):
        """Notes a file; `pixels` are the array that it shows."""
        self._values["files"][file] = pixel_hash(pixels)

    def add(self, key, value):
        """Notes something else."""
        self._values[key] = value

    def write(self, folder):
        """Writes the file, once all others are there."""
        write_json(Path(folder) / MANIFEST, self._values)
