"""`folder:PATH`: a folder of picture files; its sub-folders are classes."""

import os
import pathlib
from typing import NamedTuple

from absl import logging

from keras_ganmix.data.images import (
    EXTENSIONS,
    ImageError,
    is_grey,
    read_bytes,
    read_image,
)
from keras_ganmix.data.records import Records


class Listing(NamedTuple):
    """What a folder holds, as sorted paths relative to it.

    Attributes:
        pictures: files with a picture's extension.
        links: links that lead out of the folder, or to nothing.
        ignored: all other files, and hidden ones.
        folders: the folders directly in it, hidden ones left out.
    """

    pictures: list
    links: list
    ignored: list
    folders: list


class FileRecords(Records):
    """Pictures in files, decoded when they are read.

    Args:
        root: the folder, absolute.
        listing: its `Listing`.
    """

    def __init__(self, name, root, listing, labels, class_names):
        # White, as behind transparent pixels.
        super().__init__(name, labels, class_names, background=255)
        self.root = root
        self.listing = listing
        self.paths = [str(root / p) for p in listing.pictures]

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

    def label(self, index):
        return self.listing.pictures[index].as_posix()

    def encoded(self, index):
        return read_bytes(self.paths[index])

    def stamp(self, index):
        try:
            status = os.stat(self.paths[index])
        except OSError as error:
            return str(error.errno)
        return f"{status.st_size} {status.st_mtime_ns}"


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
    given = pathlib.Path(os.path.expanduser(path))
    name = f"folder:{path}"
    if not given.is_dir():
        state = "is not a folder" if given.exists() else "does not exist"
        raise ValueError(f"source: {given} {state}.")
    root = _split_root(name, given.resolve(), split)
    listing = _list_files(root)
    paths, links = listing.pictures, len(listing.links)
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
    return FileRecords(name, root, listing, labels, class_names or None)


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
    pictures, links, ignored = [], [], []
    top = []
    for folder, folders, files in os.walk(root):
        here = pathlib.Path(folder)
        linked = [f for f in folders if os.path.islink(here / f)]
        links += [here / f for f in linked]
        folders[:] = [
            f
            for f in sorted(folders)
            if not f.startswith((".", "__MACOSX")) and f not in linked
        ]
        if here == root:
            top = [here / f for f in folders]
        for file in files:
            path = here / file
            if file.startswith(".") or not file.lower().endswith(EXTENSIONS):
                ignored.append(path)
            elif path.is_symlink() and not _leads_inside(path, root):
                links.append(path)
            else:
                pictures.append(path)

    def relative(paths):
        inside = [path.relative_to(root) for path in paths]
        return sorted(inside, key=lambda p: p.as_posix())

    return Listing(*map(relative, (pictures, links, ignored, top)))


def _leads_inside(link, root):
    try:
        return link.resolve(strict=True).is_relative_to(root)
    except (OSError, RuntimeError):
        return False
