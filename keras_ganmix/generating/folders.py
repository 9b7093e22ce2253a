"""Folders of exports. Needs no TensorFlow."""

import json
from pathlib import Path

from keras_ganmix.utils.cli import UsageError

_JSON = Path("assets.extra") / "generator.json"
# What drawing pictures, and telling of them, takes.
_NEEDED = {
    "class_names",
    "image_shape",
    "latent_dim",
    "latent_distribution",
    "num_classes",
    "step",
    "weights_sha256",
    "which",
}


def newest_version(path):
    """The folder of a SavedModel: itself, or the newest NAME/VERSION in NAME.

    Raises:
        UsageError: if there is none.
    """
    path = Path(path)
    if (path / "saved_model.pb").is_file():
        return path
    numbers = [
        int(folder.name)
        for folder in (path.iterdir() if path.is_dir() else ())
        if folder.name.isdecimal() and (folder / "saved_model.pb").is_file()
    ]
    if not numbers:
        raise UsageError(
            f"--savedmodel {path}: holds no SavedModel; give NAME or "
            "NAME/VERSION of an export"
        )
    return path / str(max(numbers))


def find_saved(path):
    """The folder NAME/VERSION of an export: itself, or the newest in NAME.

    Raises:
        UsageError: if there is none.
    """
    found = newest_version(path)
    if not has_facts(found):
        raise UsageError(
            f"--savedmodel {found}: holds no {_JSON}, so that its latents are "
            "not known; export it with keras_ganmix.export"
        )
    return found


def has_facts(folder):
    """Whether a SavedModel tells what an export of this package tells."""
    return (Path(folder) / _JSON).is_file()


def read_facts(folder):
    """What `generator.json` of an export holds, a dict.

    Raises:
        UsageError: if it is not what exports write.
    """
    path = Path(folder) / _JSON
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from None
    missing = _NEEDED - (facts.keys() if isinstance(facts, dict) else set())
    if missing:
        raise UsageError(f"{path}: lacks {', '.join(sorted(missing))}")
    # Exports of earlier versions do not say it.
    facts.setdefault("averaged", facts["which"] != "last")
    return facts
