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
    # Kept in a name: the functions lose their variables with it.
    model = tf.saved_model.load(str(folder))
    missing = set(facts["signatures"]) - set(model.signatures)
    if missing:
        raise CheckError(f"signatures are missing: {sorted(missing)}")
    inputs = {"latents": tf.constant(references["latents"])}
    if facts["num_classes"]:
        inputs["labels"] = tf.constant(references["labels"])
    for name in facts["signatures"]:
        _CHECKS[name](model.signatures, inputs, references["images"], facts)


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


def _check_floats(functions, inputs, wanted, facts):
    name, function = "serving_default", functions["serving_default"]
    got = function(**inputs)["images"].numpy()
    if got.dtype != np.float32:
        raise CheckError(f"{name}: images are {got.dtype}, not float32")
    if wanted.dtype == np.uint8:
        if not np.abs(got).max() <= 1:
            raise CheckError(f"{name}: images are not within [-1, 1]")
        _compare(name, (got + 1) * 127.5, wanted, LEVELS + 0.5)
    else:
        _compare(name, got, wanted, _POINT_TOLERANCE)
    one = {key: value[:1] for key, value in inputs.items()}
    first = function(**one)["images"].numpy()
    _compare(f"{name}, one image", first, got[:1], 2 * LEVELS / 255)
    broken = dict(inputs, latents=inputs["latents"] * np.nan)
    _refuses(f"{name}, NaN latents", lambda: function(**broken))


def _check_uint8(functions, inputs, wanted, facts):
    _compare("uint8", functions["uint8"](**inputs)["images"].numpy(), wanted)


def _check_png(functions, inputs, wanted, facts):
    _compare("png", _decode(functions["png"](**inputs)), wanted)


def _check_sample(functions, inputs, wanted, facts):
    latents = inputs["latents"].numpy()

    def sample(count, truncation=-1.0):
        return functions["sample"](
            num_samples=tf.constant(count),
            seed=tf.constant(0, tf.int64),
            truncation=tf.constant(truncation),
            **_label(facts, -1),
        )

    most = facts["max_samples"]
    for count in {1, min(len(wanted), most)}:
        made = sample(count)
        _compare("sample", _decode(made), wanted[:count])
        drawn = made["latents"].numpy()
        _compare("sample, latents", drawn, latents[:count], 1e-4)
    if np.abs(sample(1, 0.5)["latents"].numpy()).max() > 0.5:
        raise CheckError("sample: truncation 0.5 leaves larger latents")
    for count in (0, most + 1):
        _refuses(f"sample, num_samples {count}", lambda n=count: sample(n))


def _check_strings(functions, inputs, wanted, facts):
    def make(*strings):
        return functions["sample_by_string"](
            strings=tf.constant(strings[: facts["max_samples"]]),
            truncation=tf.constant(-1.0),
            **_label(facts, -1),
        )

    alone, among, other = make("a"), make("a", "b"), make("b")
    _compare("sample_by_string", _decode(among)[:1], _decode(alone))
    if (alone["latents"].numpy() == other["latents"].numpy()).any():
        raise CheckError("sample_by_string: two strings have one latent")


def _check_interpolation(functions, inputs, wanted, facts):
    ends = inputs["latents"][:2]
    made = functions["interpolate"](
        start=ends[0],
        end=ends[1],
        steps=tf.constant(min(3, facts["max_samples"])),
        **_label(facts, 0),
    )
    labels = {"labels": tf.zeros(2, tf.int32)} if "labels" in inputs else {}
    wanted = functions["uint8"](latents=ends, **labels)["images"].numpy()
    pictures = _decode(made)
    _compare("interpolate", pictures[:1], wanted[:1])
    if facts["max_samples"] > 1:
        _compare("interpolate", pictures[-1:], wanted[1:])


_CHECKS = {
    "serving_default": _check_floats,
    "uint8": _check_uint8,
    "png": _check_png,
    "sample": _check_sample,
    "sample_by_string": _check_strings,
    "interpolate": _check_interpolation,
}


def _label(facts, value):
    return {"label": tf.constant(value)} if facts["num_classes"] else {}


def _decode(made):
    files = made["png_bytes"].numpy()
    return np.stack([tf.io.decode_png(file).numpy() for file in files])


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
