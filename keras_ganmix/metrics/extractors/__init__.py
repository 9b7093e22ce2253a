"""Networks whose features the scores compare."""

import importlib

from keras_ganmix.metrics.hashes import check_hash
from keras_ganmix.utils.names import unknown

NAMES = ("fashion", "squeezenet", "inception")


def get_extractor(extractor, path=None, expected_hash=None):
    """Gives an extractor by name, or makes one of a Keras model.

    Args:
        extractor: `"fashion"`, `"squeezenet"`, `"inception"`, a Keras model
            (see `from_keras`), or an `Extractor`, which is returned as it is.
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
    if extractor not in NAMES:
        raise ValueError(unknown("extractor", extractor, NAMES))
    module = importlib.import_module(f"{__name__}.{extractor}")
    if extractor == "fashion":
        if path is not None:
            raise ValueError(
                "path: the extractor 'fashion' comes with the package; leave "
                "the path out."
            )
        return module.load(expected_hash=expected_hash)
    return module.load(path, expected_hash)


def default_extractor(image_shape):
    """Name of the extractor that needs no network for images (H, W, C).

    `"fashion"` for grey images, `"squeezenet"` for colour.
    """
    return "fashion" if image_shape[-1] == 1 else "squeezenet"
