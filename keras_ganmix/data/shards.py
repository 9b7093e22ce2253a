"""The format of prepared pictures: TFRecord shards with an index.

A folder that `python -m keras_ganmix.prepare` has written holds

```
manifest.json           what it is, written last
shard-00000.tfrecord    a tf.train.Example for each picture
shard-00000.json        where each picture lies in it, and its label
```

An example has the features `image` (raw uint8 pixels), `label` (if there are
classes), `name` and `shape`. Needs no TensorFlow.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from keras_ganmix.data.images import open_regular
from keras_ganmix.data.lazy import DataError

SCHEMA = 1
MANIFEST = "manifest.json"
#: Of a manifest or an index: a million pictures take some 60 MB.
MAX_JSON_BYTES = 2**30

Count = Annotated[int, Field(ge=0, lt=2**62)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Side = Annotated[int, Field(ge=1, le=4096)]


class ShardError(DataError, ValueError):
    """A prepared folder is damaged, changed or not of this format."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Skipped(_Part):
    """A picture that could not be read, by its name within the source."""

    name: str
    reason: str


class Origin(_Part):
    """What was prepared, and how; `listing` is a digest of the names."""

    source: str
    split: str
    image_size: tuple[Side, Side] | None
    channels: Literal[1, 3]
    resize: str
    background: int | None
    max_images: int | None
    pictures: Count
    pictures_per_shard: Annotated[int, Field(ge=1)]
    listing: Sha256


class Shard(_Part):
    """One shard, as the manifest knows it."""

    file: Annotated[str, Field(pattern=r"^shard-[0-9]{5,9}\.tfrecord$")]
    records: Count
    bytes: Count
    sha256: Sha256
    index_sha256: Sha256


class _Version(BaseModel):
    schema_version: Annotated[int, Field(alias="schema", strict=True)]


class Manifest(_Part):
    """What a prepared folder holds."""

    schema_version: Annotated[int, Field(alias="schema")] = SCHEMA
    image_shape: tuple[Side, Side, Literal[1, 3]]
    dtype: Literal["uint8"] = "uint8"
    count: Annotated[int, Field(ge=1)]
    num_classes: Annotated[int, Field(ge=1, lt=2**31)] | None
    class_names: list[str] | None
    background: Annotated[int, Field(ge=0, le=255)]
    fingerprint: Sha256
    origin: Origin
    skipped: list[Skipped]
    shards: list[Shard]


class Index(_Part):
    """Where the pictures of a shard lie.

    `offsets` are the first bytes of the records, `pixels` those of the raw
    pixels in them; `bytes` and `sha256` are the shard's.
    """

    bytes: Count
    sha256: Sha256
    offsets: list[Count]
    pixels: list[Count]
    labels: list[Count] | None
    names: list[str]
    skipped: list[Skipped]


def shard_name(number):
    """The file of a shard; its index has the suffix `.json`."""
    return f"shard-{number:05}.tfrecord"


def index_path(shard):
    """The index file of a shard's file."""
    return Path(shard).with_suffix(".json")


def encode(pixels, label, name, shape):
    """Serialises one `tf.train.Example`.

    The same bytes as TensorFlow's deterministic serialisation, but it is
    known where the pixels lie.

    Args:
        pixels: bytes.
        label: int from 0, or None.
        name: str.
        shape: (h, w, c).

    Returns:
        `(record, start)`: the bytes, and where the pixels start in them.
    """
    rest = b""
    if label is not None:
        rest += _feature("label", _integers([int(label)]))
    rest += _feature("name", _bytes(name.encode()))
    rest += _feature("shape", _integers(shape))
    record = _field(1, _feature("image", _bytes(pixels)) + rest)
    return record, len(record) - len(rest) - len(pixels)


def _feature(key, value):
    return _field(1, _field(1, key.encode()) + _field(2, value))


def _bytes(value):
    return _field(1, _field(1, value))


def _integers(values):
    return _field(3, _field(1, b"".join(map(_varint, values))))


def _field(number, payload):
    """A length-delimited field of a protocol buffer."""
    return bytes([number << 3 | 2]) + _varint(len(payload)) + payload


def _varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def read_manifest(folder):
    """Reads and checks the `Manifest` of a prepared folder.

    Raises:
        ShardError: naming what is wrong.
    """
    path = Path(folder) / MANIFEST
    text = _read(path)
    version = _parse(_Version, text, path).schema_version
    if version != SCHEMA:
        raise ShardError(
            f"source: {path}: schema {version}; this version of keras_ganmix "
            f"reads schema {SCHEMA}; prepare the pictures again."
        )
    manifest = _parse(Manifest, text, path)
    total = sum(shard.records for shard in manifest.shards)
    if total != manifest.count:
        raise ShardError(
            f"source: {path}: count {manifest.count}, but its shards hold "
            f"{total} records."
        )
    names, classes = manifest.class_names, manifest.num_classes
    if names is not None and len(names) != classes:
        raise ShardError(
            f"source: {path}: {len(names)} class_names for num_classes "
            f"{classes}."
        )
    return manifest


def read_index(shard_path):
    """Reads the `Index` of a shard and checks that its lists fit together."""
    path = index_path(shard_path)
    index = _parse(Index, _read(path), path)
    lists = [index.pixels, index.names]
    if index.labels is not None:
        lists.append(index.labels)
    if any(len(x) != len(index.offsets) for x in lists):
        raise ShardError(f"source: {path}: its lists differ in length.")
    return index


def sha256(path):
    """SHA-256 of a file, in hexadecimal digits."""
    with open_shard(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_shard(path):
    """Opens a file of a prepared folder, which must be a regular one.

    Raises:
        ShardError: if it is missing, no regular file or not permitted.
    """
    try:
        return open(path, "rb", buffering=0, opener=_not_a_link)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ShardError(f"source: {path}: {reason}.") from error


def dump(part):
    """Text of a manifest or an index, the same for the same content."""
    data = part.model_dump(by_alias=True)
    if isinstance(part, Manifest):
        return json.dumps(data, indent=2) + "\n"
    # One line for each list, which may have thousands of items.
    lines = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in data.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _read(path):
    with open_shard(path) as file:
        if os.fstat(file.fileno()).st_size > MAX_JSON_BYTES:
            raise ShardError(
                f"source: {path}: has more than {MAX_JSON_BYTES} bytes."
            )
        return file.readall()


def _parse(kind, text, path):
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise ShardError(
            f"source: {path}: {where}: {first['msg'].lower()}."
        ) from error


def _not_a_link(path, flags):
    return open_regular(path, flags | getattr(os, "O_NOFOLLOW", 0))
