"""Folders of exports. Needs no TensorFlow."""

import json
from pathlib import Path

from keras_ganmix.utils.cli import UsageError

_JSON = Path("assets.extra") / "generator.json"


def find_saved(path):
    """The folder NAME/VERSION of an export: itself, or the newest in NAME.

    Raises:
        UsageError: if there is none.
    """
    path = Path(path)
    if (path / "saved_model.pb").is_file():
        found = path
    else:
        numbers = [
            int(folder.name)
            for folder in (path.iterdir() if path.is_dir() else ())
            if folder.name.isdecimal() and (folder / "saved_model.pb").is_file()
        ]
        if not numbers:
            raise UsageError(
                f"--savedmodel {path}: neither NAME nor NAME/VERSION of an "
                "export"
            )
        found = path / str(max(numbers))
    if not (found / _JSON).is_file():
        raise UsageError(
            f"--savedmodel {found}: holds no {_JSON}, so that its latents are "
            "not known; export it with keras_ganmix.export"
        )
    return found


def read_facts(folder):
    """What `generator.json` of an export holds, a dict."""
    return json.loads((Path(folder) / _JSON).read_text(encoding="utf-8"))
