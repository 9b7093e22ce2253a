"""Writes pictures, decoded and resized once, as TFRecord shards.

A shard holds the readable ones of a fixed slice of the pictures, so shards do
not depend on one another, and one that is finished is never written again.
"""

import contextlib
import fcntl
import hashlib
import json
import os
from pathlib import Path

import numpy as np
import tensorflow as tf
from absl import logging

from keras_ganmix.data import shards
from keras_ganmix.data.images import ImageError
from keras_ganmix.data.loading import (
    Fit,
    Reader,
    check_fit,
    open_any,
    select,
)
from keras_ganmix.data.records import PointRecords, StackedRecords
from keras_ganmix.data.source import combine_digests, picture_digest
from keras_ganmix.utils.files import (
    atomic_path,
    free_bytes,
    write_json,
    write_text,
)
from keras_ganmix.utils.names import shown

PLAN = "plan.json"
# Of an example, beside pixels and name.
_OVERHEAD = 100
_NAME = 40
_SHOW_EVERY = 64


def prepare(
    source,
    out,
    split="train",
    *,
    image_size=None,
    channels=None,
    resize="crop",
    background=None,
    max_images=None,
    shard_mb=128,
    workers=None,
    progress=None,
):
    """Writes a data set as TFRecord shards, or goes on where it stood.

    The same pictures give the same bytes, whatever the number of workers and
    however often it was stopped.

    Args:
        source, split, image_size, channels, resize, background, max_images:
            as for `load`; sources with uint8 pictures.
        out: the folder; a new or empty one, or one that was begun like this.
        shard_mb: size of a shard in MiB.
        workers: number of threads that decode; by default one for each core.
        progress: function of the number of pictures done and of all.

    Returns:
        The `shards.Manifest`, which lists what was left out as damaged. A
        finished folder is left as it is.

    Raises:
        ValueError: if an argument or the data cannot be used, the folder
            holds something else, or the disk has too little room.
    """
    fit = Fit(image_size, channels, resize, background)
    check_fit(fit)
    records = open_any(source, split, 0)
    if isinstance(records, PointRecords | StackedRecords):
        raise ValueError(
            f"source: {records.name!r} is made in memory; there is nothing to "
            "prepare."
        )
    keep = select(records, max_images, None, 0)
    if fit.channels is None:
        fit.channels = records.channels()
    reader = Reader(records, fit, "skip", len(keep), workers)
    shape = _shape(reader, keep)
    origin = _origin(records, keep, fit, split, max_images, shape, shard_mb)
    with _only_one(out) as folder:
        if (folder / shards.MANIFEST).exists():
            return _finished(folder, origin)
        writer = _Writer(folder, reader, keep, shape, origin, progress)
        return writer.write()


class _Writer:
    """Writes the shards that are missing, then the manifest."""

    def __init__(self, folder, reader, keep, shape, origin, progress):
        self.folder = folder
        self.reader = reader
        self.records = reader.records
        self.keep = keep
        self.shape = shape
        self.origin = origin
        self.progress = progress or (lambda done, total: None)
        self.digests = []

    def write(self):
        plan = {**self.origin.model_dump(), "stamps": self._stamps()}
        plan = json.loads(json.dumps(plan))  # JSON knows no tuples
        self._check_plan(plan)
        for leftover in self.folder.glob(".tmp-*"):
            leftover.unlink(missing_ok=True)
        self._check_room()
        try:
            write_json(self.folder / PLAN, plan)
            parts = list(self._write_missing())
        finally:
            if not self._has_begun():
                (self.folder / PLAN).unlink(missing_ok=True)
        manifest = self._manifest(parts)
        write_text(self.folder / shards.MANIFEST, shards.dump(manifest))
        (self.folder / PLAN).unlink()
        return manifest

    def _write_missing(self):
        """Yields each shard's path and index; writes those not there yet."""
        size = self.origin.pictures_per_shard
        for number, start in enumerate(range(0, len(self.keep), size)):
            path = self.folder / shards.shard_name(number)
            keep = self.keep[start : start + size]
            yield path, self._done(path) or self._write_shard(path, start, keep)
            self._show(start + len(keep))

    def _show(self, done):
        self.progress(done, len(self.keep))

    def _has_begun(self):
        return any(self.folder.glob("shard-*"))

    def _check_plan(self, plan):
        path = self.folder / PLAN
        if not path.exists():
            _check_foreign(self.folder)
            return
        before = json.loads(path.read_text())
        changed = [key for key in plan if before.get(key) != plan[key]]
        if changed and self._has_begun():
            why = f"with another {', '.join(changed)}"
            if set(changed) <= {"stamps", "listing", "pictures"}:
                why = "before its pictures were changed"
            raise ValueError(
                f"{self.folder}: was begun {why}; remove it to start anew, or "
                "name another folder."
            )

    def _check_room(self):
        each = int(np.prod(self.shape)) + _OVERHEAD + _NAME
        there = sum(path.stat().st_size for path in self.folder.glob("shard-*"))
        need = each * len(self.keep) - there
        free = free_bytes(self.folder)
        if need > free:
            raise ValueError(
                f"{self.folder}: has {free / 1e6:,.0f} MB free, and the shards "
                f"take about {need / 1e6:,.0f} MB more; make room, name "
                "another folder or use a smaller image_size."
            )

    def _done(self, path):
        """The index of a finished shard, or None."""
        if not (path.exists() and shards.index_path(path).exists()):
            return None
        try:
            index = shards.read_index(path)
            if shards.sha256(path) != index.sha256:
                raise shards.ShardError(f"{path}: its SHA-256 is another one")
        except shards.ShardError as error:
            logging.warning("%s It is written again.", error)
            return None
        with shards.open_shard(path) as file:
            size = int(np.prod(self.shape))
            labels = index.labels or [None] * len(index.pixels)
            for start, label in zip(index.pixels, labels, strict=True):
                pixels = os.pread(file.fileno(), size, start)
                self.digests.append(picture_digest(pixels, label))
        self.reader.errors += [ImageError(*pair) for pair in _pairs(index)]
        return index

    def _write_shard(self, path, begin, keep):
        """Writes a shard, then its index, whose presence says it is done."""
        shards.index_path(path).unlink(missing_ok=True)
        offsets, pixels, labels, names, skipped = [], [], [], [], []
        with atomic_path(path) as temporary:
            with tf.io.TFRecordWriter(str(temporary)) as writer:
                position = 0
                images = self.reader.read_all(keep)
                for done, (index, image) in enumerate(
                    zip(keep, images, strict=True), begin
                ):
                    if done % _SHOW_EVERY == 0:
                        self._show(done)
                    name = _text(self.records.label(index))
                    if image is None:
                        reason = self.reader.errors[-1].reason
                        skipped.append(
                            shards.Skipped(name=name, reason=_text(reason))
                        )
                        continue
                    self._check_shape(index, image)
                    label = self._label(index)
                    data = np.ascontiguousarray(image).tobytes()
                    record, start = shards.encode(data, label, name, self.shape)
                    writer.write(record)
                    # A length of 8 bytes and its checksum come first.
                    offsets.append(position)
                    pixels.append(position + 12 + start)
                    position += len(record) + 16
                    labels.append(label)
                    names.append(name)
                    self.digests.append(picture_digest(data, label))
            digest = shards.sha256(temporary)
        index = shards.Index(
            bytes=position,
            sha256=digest,
            offsets=offsets,
            pixels=pixels,
            labels=None if self.records.labels is None else labels,
            names=names,
            skipped=skipped,
        )
        write_text(shards.index_path(path), shards.dump(index))
        return index

    def _label(self, index):
        labels = self.records.labels
        return None if labels is None else int(labels[index])

    def _check_shape(self, index, image):
        if image.shape != self.shape:
            raise ValueError(
                f"image_size: the pictures of {self.records.name!r} differ in "
                f"size: the first has {self.shape[1]}x{self.shape[0]} and "
                f"{self.records.title(index)} has "
                f"{image.shape[1]}x{image.shape[0]} pixels; give image_size, "
                "for example image_size=64."
            )

    def _stamps(self):
        """Digest of what tells whether the files are still the same."""
        digest = hashlib.sha256()
        for index in self.keep:
            digest.update(self.records.stamp(index).encode() + b"\0")
        return digest.hexdigest()

    def _manifest(self, parts):
        records = self.records
        found = [
            shards.Shard(
                file=path.name,
                records=len(index.offsets),
                bytes=index.bytes,
                sha256=index.sha256,
                index_sha256=shards.sha256(shards.index_path(path)),
            )
            for path, index in parts
        ]
        labelled = records.labels is not None
        return shards.Manifest(
            schema=shards.SCHEMA,
            image_shape=self.shape,
            count=len(self.digests),
            num_classes=records.num_classes,
            class_names=[_text(n) for n in records.class_names]
            if labelled and records.class_names
            else None,
            background=records.background,
            fingerprint=combine_digests(
                self.digests, self.shape, np.uint8, labelled
            ),
            origin=self.origin,
            skipped=[s for _, index in parts for s in index.skipped],
            shards=found,
        )


@contextlib.contextmanager
def _only_one(out):
    """Makes the folder and keeps other processes from writing to it."""
    folder = Path(out)
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise ValueError(f"{folder}: is a file; name a folder.") from None
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"{folder}: another process writes to it."
            ) from None
        yield folder
    finally:
        os.close(handle)
        if is_new and not any(folder.iterdir()):
            folder.rmdir()


def _shape(reader, keep):
    first = reader.first(keep)
    if first.dtype != np.uint8:
        raise ValueError(
            f"source: {reader.records.name!r} holds {first.dtype}; only uint8 "
            "pictures can be prepared."
        )
    return first.shape


def _origin(records, keep, fit, split, max_images, shape, shard_mb):
    """What is prepared, and how."""
    if isinstance(shard_mb, bool) or not 0 < shard_mb <= 2**20:
        raise ValueError(
            f"shard_mb: {shard_mb!r}; expected a number above 0, at most "
            f"{2**20}."
        )
    listing = hashlib.sha256()
    for index in keep:
        label = "" if records.labels is None else int(records.labels[index])
        listing.update(f"{_text(records.label(index))}\0{label}\0".encode())
    each = int(np.prod(shape)) + _OVERHEAD + _NAME
    return shards.Origin(
        source=_text(records.name),
        split=split,
        image_size=fit.size,
        channels=shape[-1],
        resize=fit.mode,
        background=fit.background,
        max_images=max_images,
        pictures=len(keep),
        pictures_per_shard=max(1, int(shard_mb * 2**20) // each),
        listing=listing.hexdigest(),
    )


def _finished(folder, origin):
    manifest = shards.read_manifest(folder)
    if manifest.origin != origin:
        before, now = manifest.origin.model_dump(), origin.model_dump()
        changed = [key for key in now if before[key] != now[key]]
        raise ValueError(
            f"{folder}: holds pictures that were prepared with another "
            f"{', '.join(changed)}; name another folder."
        )
    # Left by a kill between the last two steps.
    (folder / PLAN).unlink(missing_ok=True)
    return manifest


def _check_foreign(folder):
    # A start that was killed leaves a temporary file.
    found = sorted(path.name for path in folder.iterdir())
    foreign = [name for name in found if not name.startswith(".tmp-")]
    if foreign:
        raise ValueError(
            f"{folder}: holds {shown(foreign[0])!r}, which is no part of "
            "prepared pictures; name a new or an empty folder."
        )


def _pairs(index):
    return [(skipped.name, skipped.reason) for skipped in index.skipped]


def _text(name):
    """A name that JSON and UTF-8 can hold; bytes that are no text escaped."""
    return name.encode("utf-8", "backslashreplace").decode()
