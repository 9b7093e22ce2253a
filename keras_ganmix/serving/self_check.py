"""Does an exported generator do what it should, with TensorFlow alone?

    python -I self_check.py NAME/VERSION

Prints what is wrong and exits with 1. This file is run as it is, in a process
into which neither keras_ganmix nor Keras can be imported; it needs nothing
but TensorFlow.
"""

import importlib.abc
import json
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

#: Levels of 255 by which pictures of two machines may differ.
LEVELS = 1
_POINT_TOLERANCE = 1e-3
_PYTHON_OPERATIONS = {"PyFunc", "PyFuncStateless", "EagerPyFunc"}


class _Refuse(importlib.abc.MetaPathFinder):
    """Lets nothing import the packages that an export must not need."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname.split(".")[0] in ("keras_ganmix", "keras"):
            raise ImportError(f"{fullname}: an export must not need it")
        return None


class CheckError(Exception):
    """What an export does wrong."""


def check(folder):
    """Checks the signatures of an export against its reference pictures.

    Args:
        folder: `NAME/VERSION`.

    Raises:
        CheckError: if one does something else.
    """
    folder = Path(folder)
    extra = folder / "assets.extra"
    facts = json.loads((extra / "generator.json").read_text(encoding="utf-8"))
    with np.load(extra / "reference.npz") as file:
        references = dict(file)
    _check_operations(folder)
    functions = _load(folder, facts["signatures"])
    inputs = {"latents": tf.constant(references["latents"])}
    if facts["num_classes"]:
        inputs["labels"] = tf.constant(references["labels"])
    wanted = references["images"]
    _check_floats(functions["serving_default"], inputs, wanted)
    if "uint8" in functions:
        got = functions["uint8"](**inputs)["images"].numpy()
        _compare("uint8", got, wanted)
    if "png" in functions:
        got = functions["png"](**inputs)["png"]
        _compare("png", _decode(got), wanted)
        classes = {} if not facts["num_classes"] else {"label": tf.constant(-1)}
        _check_sample(functions["sample"], references, classes, facts)
        _check_strings(functions["sample_by_string"], classes)
        if classes:
            label = references["labels"][0]
            wanted = functions["uint8"](
                inputs["latents"], tf.fill([len(wanted)], label)
            )
            classes, wanted = {"label": tf.constant(label)}, wanted["images"]
        _check_interpolation(
            functions["interpolate"], references["latents"], wanted, classes
        )


def _load(folder, names):
    model = tf.saved_model.load(str(folder))
    missing = set(names) - set(model.signatures)
    if missing:
        raise CheckError(f"signatures are missing: {sorted(missing)}")
    return {name: _plain(name, model.signatures[name]) for name in names}


def _plain(name, function):
    def call(*args, **kwargs):
        return function(*args, **kwargs)

    return call


def _check_operations(folder):
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved_model_pb2.SavedModel()
    model.ParseFromString((folder / "saved_model.pb").read_bytes())
    for graph in model.meta_graphs:
        functions = graph.graph_def.library.function
        nodes = [*graph.graph_def.node]
        nodes += [node for f in functions for node in f.node_def]
        found = _PYTHON_OPERATIONS & {node.op for node in nodes}
        if found:
            raise CheckError(f"calls Python: {sorted(found)}")


def _check_floats(function, inputs, wanted):
    name = "serving_default"
    got = function(**inputs)["images"].numpy()
    if got.dtype != np.float32:
        raise CheckError(f"{name}: images are {got.dtype}, not float32")
    if wanted.dtype == np.uint8:
        if not np.abs(got).max() <= 1 + 1e-3:
            raise CheckError(f"{name}: images are not within [-1, 1]")
        _compare(name, (got + 1) * 127.5, wanted, LEVELS + 0.5)
    else:
        _compare(name, got, wanted, _POINT_TOLERANCE)
    one = {key: value[:1] for key, value in inputs.items()}
    first = function(**one)["images"].numpy()
    _compare(f"{name}, one image", first, got[:1], 2 * LEVELS / 255)
    broken = dict(inputs, latents=inputs["latents"] * np.nan)
    _refuses(f"{name}, NaN latents", lambda: function(**broken))


def _check_sample(function, references, classes, facts):
    wanted = references["images"]
    seed = tf.constant(0, tf.int64)
    none = tf.constant(-1.0)

    def sample(count, truncation=none):
        return function(
            num_samples=tf.constant(count),
            seed=seed,
            truncation=truncation,
            **classes,
        )

    for count in {1, len(wanted)}:
        made = sample(count)
        _compare("sample", _decode(made["png"]), wanted[:count])
        _compare(
            "sample, latents",
            made["latents"].numpy(),
            references["latents"][:count],
            1e-4,
        )
    cut = sample(2, tf.constant(0.5))["latents"].numpy()
    if np.abs(cut).max() > 0.5:
        raise CheckError("sample: truncation 0.5 leaves larger latents")
    for count in (0, facts["max_samples"] + 1):
        _refuses(f"sample, num_samples {count}", lambda n=count: sample(n))


def _check_strings(function, classes):
    none = tf.constant(-1.0)

    def make(*strings):
        made = function(
            strings=tf.constant(strings), truncation=none, **classes
        )
        return _decode(made["png"])

    alone, among = make("a"), make("b", "a", "c")
    _compare("sample_by_string", among[1:2], alone)
    if (among[0] == among[2]).all():
        raise CheckError("sample_by_string: two strings give one picture")


def _check_interpolation(function, latents, wanted, classes):
    start, end = tf.constant(latents[0]), tf.constant(latents[1])
    made = function(start=start, end=end, steps=tf.constant(3), **classes)
    pictures = _decode(made["png"])
    if len(pictures) != 3:
        raise CheckError(f"interpolate: {len(pictures)} pictures of 3")
    _compare("interpolate", pictures[[0, 2]], np.asarray(wanted[:2]))


def _decode(files):
    return np.stack([tf.io.decode_png(file).numpy() for file in files.numpy()])


def _compare(name, got, wanted, tolerance=LEVELS):
    if got.shape != wanted.shape:
        raise CheckError(f"{name}: shape {got.shape} instead of {wanted.shape}")
    difference = np.abs(got.astype(np.float64) - wanted.astype(np.float64))
    worst = difference.max() if difference.size else 0.0
    if not worst <= tolerance:  # also NaN
        raise CheckError(
            f"{name}: differs by {worst:.4g} from the reference, more than "
            f"{tolerance:.4g}"
        )


def _refuses(name, call):
    try:
        call()
    except tf.errors.InvalidArgumentError:
        return
    raise CheckError(f"{name}: is not refused")


def main(folder):
    """Checks one export; returns the exit code."""
    sys.meta_path.insert(0, _Refuse())
    try:
        check(folder)
    except Exception as error:
        print(f"{type(error).__name__}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
