"""The modules of tensorflow-gan that still work, without its package.

`import tensorflow_gan` fails on TensorFlow >= 2.16 because it reaches for
`tf.estimator`. Its leaf modules do not: they are imported here below empty
stand-ins for their parent packages, whose `__init__` never runs. Nothing else
in the project knows about this.
"""

import functools
import importlib
import importlib.util
import sys
import threading
import types

_LOCK = threading.RLock()
_PACKAGE = "tensorflow_gan"


def available():
    """Returns whether tensorflow-gan is installed. Imports nothing."""
    return importlib.util.find_spec(_PACKAGE) is not None


def losses():
    """Returns tensorflow-gan's `losses_impl` module.

    Raises:
        ImportError: if tensorflow-gan is not installed.
    """
    return _leaf("losses.losses_impl")


def classifier_metrics():
    """Returns tensorflow-gan's `eval.classifier_metrics` module.

    Raises:
        ImportError: if tensorflow-gan or tensorflow-probability is missing.
    """
    return _leaf("eval.classifier_metrics")


def sliced_wasserstein():
    """Returns tensorflow-gan's `eval.sliced_wasserstein` module.

    Raises:
        ImportError: if tensorflow-gan is not installed.
    """
    return _leaf("eval.sliced_wasserstein")


def eval_utils():
    """Returns tensorflow-gan's `eval.eval_utils` module (image grids).

    Raises:
        ImportError: if tensorflow-gan is not installed.
    """
    return _leaf("eval.eval_utils")


def _leaf(path):
    with _LOCK:
        return _load(path)


@functools.cache
def _load(path):
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None:
        raise ImportError(
            "tensorflow-gan is not installed; pip install tensorflow-gan"
        )
    before = _take_out()
    try:
        name, folder = _PACKAGE, list(spec.submodule_search_locations)
        for part in ["", "python", *path.split(".")[:-1]]:
            if part:
                name = f"{name}.{part}"
                folder = [f"{entry}/{part}" for entry in folder]
            sys.modules[name] = types.ModuleType(name)
            sys.modules[name].__path__ = folder
        return importlib.import_module(f"{_PACKAGE}.python.{path}")
    finally:
        _take_out()
        sys.modules.update(before)


def _take_out():
    """Removes every module of tensorflow-gan from sys.modules."""
    names = [
        name
        for name in list(sys.modules)
        if name == _PACKAGE or name.startswith(f"{_PACKAGE}.")
    ]
    return {name: sys.modules.pop(name) for name in names}
