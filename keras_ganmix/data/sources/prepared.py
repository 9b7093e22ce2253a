"""`tfds:NAME`: data sets that tensorflow-datasets has already prepared.

Nothing is ever downloaded: without a network tensorflow-datasets retries for
minutes, and a training run should not start with a download nobody asked for.
"""

import json
import os
import pathlib
import re

import numpy as np

from keras_ganmix.data.images import MAX_BYTES
from keras_ganmix.data.records import EncodedRecords

MAX_TOTAL_BYTES = 2**34
_MOST_JSON = 2**20
# Where features.json names Python classes, in its three spellings.
_CLASS_KEYS = ("type", "pythonClassName", "python_class_name")
_VERSION = re.compile(r"\d+\.\d+\.\d+")


def data_dir():
    """The folder that tensorflow-datasets prepares into by default."""
    default = os.path.join("~", "tensorflow_datasets")
    return pathlib.Path(os.environ.get("TFDS_DATA_DIR") or default).expanduser()


def command(name):
    """The shell command that prepares data set `name`."""
    return (
        'python -c "import tensorflow_datasets as tfds; '
        f"tfds.builder('{name}').download_and_prepare()\""
    )


def find(name):
    """Finds the folder of a prepared data set, without importing anything.

    Args:
        name: `NAME`, `NAME/CONFIG`, each with `:VERSION` or not.

    Returns:
        The folder of its newest version, or None.
    """
    name, _, version = name.partition(":")
    root, inside = data_dir() / name, pathlib.PurePath(name)
    if ".." in inside.parts or inside.is_absolute() or not root.is_dir():
        return None
    found = []
    for info in root.glob("**/dataset_info.json"):
        folder = info.parent
        if _VERSION.fullmatch(folder.name) and version in ("", folder.name):
            # Without a config in the name, prefer the data set's only one.
            found.append(folder)
    if len({folder.parent for folder in found}) > 1:
        configs = sorted({str(f.parent.relative_to(root)) for f in found})
        raise ValueError(
            f"source: tfds:{name} is prepared in several configurations "
            f"({', '.join(configs)}); write 'tfds:{name}/{configs[0]}'."
        )
    return max(
        found, key=lambda f: tuple(map(int, f.name.split("."))), default=None
    )


def open_records(name, split, seed):
    """Opens a prepared data set; its pictures stay encoded in memory.

    Raises:
        ValueError: if it is not prepared (with the command that does it), or
            has no such split, no picture or several.
    """
    folder = find(name)
    if folder is None:
        raise ValueError(
            f"source: tfds:{name} is not prepared in {data_dir()}; with a "
            f"network, run `{command(name)}` (set TFDS_DATA_DIR for another "
            "folder)."
        )
    _require("tensorflow_datasets")
    _check_features(name, folder)
    import tensorflow_datasets as tfds

    builder = tfds.builder_from_directory(str(folder))
    _check_split(name, split, builder)
    image_key = _only_feature(builder, tfds.features.Image, name, True)
    label_key = _only_feature(builder, tfds.features.ClassLabel, name, False)
    dataset = builder.as_dataset(
        split=split,
        decoders={image_key: tfds.decode.SkipDecoding()},
        shuffle_files=False,
        read_config=tfds.ReadConfig(interleave_cycle_length=1),
    )
    blobs, labels, total = [], [], 0
    keys = [key for key in (image_key, label_key) if key]
    dataset = dataset.map(lambda example: {key: example[key] for key in keys})
    for example in dataset.as_numpy_iterator():
        blobs.append(example[image_key])
        total += len(blobs[-1])
        if len(blobs[-1]) > MAX_BYTES or total > MAX_TOTAL_BYTES:
            raise ValueError(
                f"source: tfds:{name} needs more than "
                f"{MAX_TOTAL_BYTES // 2**30} GiB encoded; use a part of it, "
                f"for example split='{split}[:10%]'."
            )
        if label_key:
            labels.append(example[label_key])
    class_names = builder.info.features[label_key].names if label_key else None
    return EncodedRecords(
        f"tfds:{name}",
        blobs,
        np.asarray(labels, np.int32) if label_key else None,
        class_names,
    )


def _check_features(name, folder):
    """Refuses features that are not tensorflow-datasets' own.

    It would import the Python module that the file names.
    """
    path = folder / "features.json"
    try:
        with open(path, "rb") as file:
            values = json.loads(file.read(_MOST_JSON))
    except FileNotFoundError:
        return
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(
            f"source: tfds:{name}: {path} cannot be read ({error})."
        ) from error
    for kind in _class_names(values):
        if not str(kind).startswith("tensorflow_datasets."):
            raise ValueError(
                f"source: tfds:{name}: {path} names the class {kind!r}; only "
                "those of tensorflow_datasets are loaded."
            )


def _class_names(values):
    if isinstance(values, list):
        for value in values:
            yield from _class_names(value)
    elif isinstance(values, dict):
        for key, value in values.items():
            if key in _CLASS_KEYS and not isinstance(value, (dict, list)):
                yield value
            else:
                yield from _class_names(value)


def _check_split(name, split, builder):
    base = re.split(r"[\[+]", split)[0].strip()
    if base not in builder.info.splits and base != "all":
        raise ValueError(
            f"split: tfds:{name} has no split {split!r}; allowed: "
            f"{', '.join(builder.info.splits)}."
        )


def _only_feature(builder, kind, name, required):
    features = builder.info.features
    keys = [k for k in features if isinstance(features[k], kind)]
    preferred = "image" if required else "label"
    if len(keys) > 1 and preferred in keys:
        return preferred
    if len(keys) == 1:
        return keys[0]
    if required:
        raise ValueError(
            f"source: tfds:{name} has {len(keys) or 'no'} picture features; "
            "exactly one, or one named 'image', is needed."
        )
    return None


def _require(module):
    import importlib.util

    if importlib.util.find_spec(module) is None:
        raise ValueError(
            f"source: tfds needs the package {module!r}; run "
            f"`pip install {module.replace('_', '-')}`."
        )
