"""Networks whose features the scores compare."""

import importlib
import os

from keras_ganmix.metrics.hashes import check_hash
from keras_ganmix.metrics.names import EXTRACTORS, KERAS_FILE
from keras_ganmix.utils.names import unknown


def get_extractor(extractor, path=None, expected_hash=None):
    """Gives an extractor by name, or makes one of a Keras model.

    Args:
        extractor: `"fashion"`, `"squeezenet"`, `"inception"`, the path of a
            `.keras` file (see `keras_model.load`), a Keras model (see
            `from_keras`), or an `Extractor`, which is returned as it is.
        path: for `squeezenet` the file of weights, for `inception` the folder
            of the SavedModel; `None` finds or downloads them.
        expected_hash: SHA-256 that the weights must have, or its first digits
            (eight at least).

    Returns:
        An `Extractor`.

    Raises:
        ValueError: an unknown name, a missing package (says what to install),
            no network, or a wrong hash.
    """
    if isinstance(extractor, os.PathLike):
        extractor = os.fspath(extractor)
    if not isinstance(extractor, str):
        base = importlib.import_module(f"{__name__}.base")
        if isinstance(extractor, base.Extractor):
            check_hash(extractor.weight_hash, expected_hash, "extractor")
            return extractor
        made = importlib.import_module(f"{__name__}.keras_model").from_keras(
            extractor
        )
        check_hash(made.weight_hash, expected_hash, "extractor")
        return made
    if extractor.endswith(KERAS_FILE):
        _refuse(path, f"{extractor!r} is a path itself")
        module = importlib.import_module(f"{__name__}.keras_model")
        return module.load(extractor, expected_hash)
    if extractor not in EXTRACTORS:
        raise ValueError(unknown("extractor", extractor, EXTRACTORS))
    module = importlib.import_module(f"{__name__}.{extractor}")
    if extractor == "fashion":
        _refuse(path, "'fashion' comes with the package")
        return module.load(expected_hash=expected_hash)
    return module.load(path, expected_hash)


def _refuse(path, why):
    if path is not None:
        raise ValueError(f"path: the extractor {why}; leave the path out.")


def default_extractor(image_shape):
    """Name of the extractor that needs no network for images (H, W, C).

    `"fashion"` for grey images, `"squeezenet"` for colour.
    """
    return "fashion" if image_shape[-1] == 1 else "squeezenet"
