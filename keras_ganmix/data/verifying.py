"""Compares prepared pictures with the checksums they were written with."""

from pathlib import Path

import numpy as np

from keras_ganmix.data import shards
from keras_ganmix.data.source import combine_digests, picture_digest
from keras_ganmix.data.sources.tfrecord import ShardRecords


def verify(folder):
    """Compares the checksums and the fingerprint of a prepared folder.

    Args:
        folder: a folder that `preparing.prepare` has written.

    Returns:
        `(manifest, problems)`: the `shards.Manifest`, and a line for each
        file with which something is wrong.

    Raises:
        shards.ShardError: if there is no manifest that can be read.
    """
    folder = Path(folder)
    manifest = shards.read_manifest(folder)
    problems = []
    for shard in manifest.shards:
        path = folder / shard.file
        problems += _compare(path, shard.sha256)
        problems += _compare(shards.index_path(path), shard.index_sha256)
    if not problems:
        records = ShardRecords(str(folder), folder, manifest)
        if _fingerprint(records) != manifest.fingerprint:
            problems.append(f"{folder}: its fingerprint is another one")
    return manifest, problems


def _compare(path, expected):
    try:
        found = shards.sha256(path)
    except shards.ShardError as error:
        return [str(error).removeprefix("source: ")]
    if found != expected:
        return [f"{path}: its SHA-256 is another one; prepare it again"]
    return []


def _fingerprint(records):
    labels = records.labels
    digests = (
        picture_digest(
            records.read(index), None if labels is None else labels[index]
        )
        for index in range(len(records))
    )
    return combine_digests(
        digests, records.image_shape, np.uint8, labels is not None
    )
