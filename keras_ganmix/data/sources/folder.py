"""`folder:PATH`: a folder of picture files; its sub-folders are classes."""

import os
import pathlib

from absl import logging

from keras_ganmix.data.images import (
    EXTENSIONS,
    ImageError,
    is_grey,
    read_image,
)
from keras_ganmix.data.records import Records


class FileRecords(Records):
    """Pictures in files, decoded when they are read."""

    def __init__(self, name, paths, labels, class_names):
        # White, as behind transparent pixels.
        super().__init__(name, labels, class_names, background=255)
        self.paths = paths

    def __len__(self):
        return len(self.paths)

    def read(self, index, channels=None):
        return read_image(self.paths[index], channels=channels)

    def channels(self):
        for path in self.paths:
            try:
                if not is_grey(path):
                    return 3
            except ImageError:
                # Reported where the pixels are read.
                continue
        return 1

    def title(self, index):
        return self.paths[index]


def open_records(path, split, seed):
    """Lists the pictures, sorted by their paths; `seed` is not used.

    If PATH has sub-folders named `train` and `test` (or `val`), they are the
    splits; otherwise everything is `train`. Hidden files and files without a
    picture's extension are passed over; links that leave the folder are not
    followed, nor are links to folders.

    Raises:
        ValueError: if the folder is missing or has no pictures, or if some
            lie beside the class folders.
    """
    given = pathlib.Path(path).expanduser()
    name = f"folder:{path}"
    if not given.is_dir():
        state = "is not a folder" if given.exists() else "does not exist"
        raise ValueError(f"source: {given} {state}.")
    root = _split_root(name, given.resolve(), split)
    paths, links = _list_files(root)
    if links:
        logging.warning(
            "%s: %d links that lead out of the folder, or to nothing, are not "
            "followed.",
            name,
            links,
        )
    if not paths:
        also = f"; {links} links are not followed" if links else ""
        raise ValueError(
            f"source: {root} has no pictures ({' '.join(EXTENSIONS)}){also}."
        )
    classes = [p.parts[0] if len(p.parts) > 1 else None for p in paths]
    class_names = sorted({c for c in classes if c is not None})
    labels = None
    if class_names and None not in classes:
        numbers = {c: i for i, c in enumerate(class_names)}
        labels = [numbers[c] for c in classes]
    elif class_names:
        raise ValueError(
            f"source: {root} has pictures both directly ("
            f"{paths[classes.index(None)]}) and in sub-folders "
            f"({class_names[0]}); sub-folders are classes, so move every "
            "picture into one, or none."
        )
    return FileRecords(
        name, [str(root / p) for p in paths], labels, class_names or None
    )


def _split_root(name, root, split):
    has = [s for s in ("train", "test", "val") if (root / s).is_dir()]
    if "train" in has and len(has) > 1:
        if split not in has:
            raise ValueError(
                f"split: {name!r} has no split {split!r}; allowed: "
                f"{', '.join(has)}."
            )
        return root / split
    if split != "train":
        raise ValueError(
            f"split: {name!r} has no split {split!r}: it has no sub-folders "
            f"'train' and {split!r}; allowed: train."
        )
    return root


def _list_files(root):
    """Returns relative paths, sorted, and the number of refused links."""
    paths, links = [], 0
    for folder, folders, files in os.walk(root):
        here = pathlib.Path(folder)
        links += sum(os.path.islink(here / f) for f in folders)
        folders[:] = [
            f
            for f in sorted(folders)
            if not f.startswith((".", "__MACOSX"))
            and not os.path.islink(here / f)
        ]
        for file in files:
            if file.startswith(".") or not file.lower().endswith(EXTENSIONS):
                continue
            path = here / file
            if path.is_symlink():
                try:
                    inside = path.resolve(strict=True).is_relative_to(root)
                except (OSError, RuntimeError):
                    inside = False
                if not inside:
                    links += 1
                    continue
            paths.append(path.relative_to(root))
    return sorted(paths, key=lambda p: p.as_posix()), links
