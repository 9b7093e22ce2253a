"""`tfrecord:PATH`: what `python -m keras_ganmix.prepare` has written."""

import os
import pathlib
import threading

import numpy as np

from keras_ganmix.data.images import convert_channels
from keras_ganmix.data.records import Records
from keras_ganmix.data.shards import (
    MANIFEST,
    ShardError,
    open_shard,
    read_index,
    read_manifest,
)

# Shards beyond these are opened for each picture, or descriptors run out.
_MOST_OPEN = 256


def open_records(path, split, seed):
    """Opens a prepared folder; `seed` is not used.

    Of PATH/SPLIT/manifest.json and PATH/manifest.json the first that exists
    is read. The sizes of all shards, the indexes and the first and the last
    record of each shard are checked; checksums are not.

    Raises:
        ValueError: if there is no such folder or split.
        ShardError: if something is missing, damaged or changed.
    """
    folder = pathlib.Path(os.path.expanduser(path))
    if folder.is_file():
        raise ValueError(
            f"source: {folder} is a file; give the folder that holds "
            f"{MANIFEST}."
        )
    if not folder.is_dir():
        raise ValueError(f"source: {folder} does not exist.")
    name = f"tfrecord:{path}"
    if os.path.lexists(folder / split / MANIFEST):
        folder = folder / split
    elif not os.path.lexists(folder / MANIFEST):
        raise ValueError(f"source: {folder} {_what_lacks(folder, split)}")
    manifest = read_manifest(folder)
    if manifest.origin.split != split:
        raise ValueError(
            f"split: {name!r} has no split {split!r}; allowed: "
            f"{manifest.origin.split}. Prepare the other one in "
            f"{folder / split}."
        )
    return ShardRecords(name, folder, manifest)


def _what_lacks(folder, split):
    if os.path.lexists(folder / "plan.json"):
        return (
            "is not finished; run the prepare command that began it once "
            "more, it goes on where it stood."
        )
    splits = sorted(p.parent.name for p in folder.glob(f"*/{MANIFEST}"))
    if splits:
        return f"has no split {split!r}; allowed: {', '.join(splits)}."
    return (
        f"has no {MANIFEST}; only folders that python -m keras_ganmix.prepare "
        "has written can be read. Other TFRecord files are for a tf.data "
        "pipeline of your own, which fit takes as it is."
    )


class ShardRecords(Records):
    """Raw pictures in TFRecord shards, read where they lie.

    Args:
        folder: the prepared folder.
        manifest: its `Manifest`.
    """

    def __init__(self, name, folder, manifest):
        self.folder = folder
        self.manifest = manifest
        self._paths = [folder / shard.file for shard in manifest.shards]
        self._open, self._lock = {}, threading.Lock()
        pixels, labels = [], []
        for path, shard in zip(self._paths, manifest.shards, strict=True):
            index = self._checked_index(path, shard)
            pixels.append(np.asarray(index.pixels, np.int64))
            labels.append(np.asarray(index.labels or [], np.int32))
        super().__init__(
            name,
            None if manifest.num_classes is None else np.concatenate(labels),
            manifest.class_names,
            manifest.background,
        )
        self.image_shape = manifest.image_shape
        self._size = int(np.prod(manifest.image_shape))
        self._pixels = np.concatenate(pixels)
        counts = [shard.records for shard in manifest.shards]
        self._ends = np.cumsum(counts)
        self._named = None, []

    @property
    def num_classes(self):
        return self.manifest.num_classes

    def __len__(self):
        return self.manifest.count

    def channels(self):
        return self.image_shape[-1]

    def read(self, index, channels=None):
        """Returns picture `index`, uint8 (h, w, c).

        Raises:
            ShardError: if its shard is gone or shorter than it was.
        """
        number = int(np.searchsorted(self._ends, index, side="right"))
        data = self._read_bytes(number, int(self._pixels[index]), self._size)
        image = np.frombuffer(data, np.uint8).reshape(self.image_shape)
        return convert_channels(image, channels)

    def title(self, index):
        return f"{self.folder}: {self.label(index)}"

    def label(self, index):
        number = int(np.searchsorted(self._ends, index, side="right"))
        if self._named[0] != number:
            self._named = number, read_index(self._paths[number]).names
        return self._named[1][index - self._ends[number]]

    def stamp(self, index):
        return self.manifest.fingerprint

    def _read_bytes(self, number, offset, size):
        path = self._paths[number]
        file = self._file(number)
        try:
            data = os.pread(file.fileno(), size, offset)
        except OSError as error:
            raise ShardError(
                f"source: {path}: cannot be read ({error.strerror})."
            ) from error
        if len(data) != size:
            raise ShardError(f"source: {path}: is shorter than it was.")
        return data

    def _file(self, number):
        """A shard's open file, which is closed when nobody uses it."""
        file = self._open.get(number)
        if file is not None:
            return file
        file = open_shard(self._paths[number])
        with self._lock:
            if len(self._open) < _MOST_OPEN:
                return self._open.setdefault(number, file)
        return file

    def _checked_index(self, path, shard):
        """The index of a shard that agrees with it and with the manifest."""
        with open_shard(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size != shard.bytes:
                raise ShardError(
                    f"source: {path}: has {size} bytes, the manifest says "
                    f"{shard.bytes}; it was changed, or copied in part."
                )
            index = read_index(path)
            problem = self._problem(index, shard)
            for place in (0, -1) if index.offsets else ():
                start = index.offsets[place]
                head = os.pread(file.fileno(), 8, start)
                ends = [*index.offsets[1:], size]
                if int.from_bytes(head, "little") != ends[place] - start - 16:
                    problem = problem or "the file holds other records"
        if problem:
            raise ShardError(
                f"source: {path}: does not fit its index ({problem}); prepare "
                "the pictures again."
            )
        return index

    def _problem(self, index, shard):
        manifest = self.manifest
        if (index.bytes, index.sha256) != (shard.bytes, shard.sha256):
            return "which belongs to another file"
        if len(index.offsets) != shard.records:
            return f"{len(index.offsets)} records for {shard.records}"
        starts = np.asarray([*index.offsets, shard.bytes], np.int64)
        pixels = np.asarray(index.pixels, np.int64)
        last = pixels + int(np.prod(manifest.image_shape)) + 4
        if (pixels < starts[:-1] + 12).any() or (last > starts[1:]).any():
            return "pixels lie outside of their records"
        if starts[0] != 0:
            return "the first record is not at 0"
        if (index.labels is None) != (manifest.num_classes is None):
            return "labels are missing or too many"
        if index.labels and max(index.labels) >= manifest.num_classes:
            return (
                f"label {max(index.labels)} of {manifest.num_classes} classes"
            )
        return None
