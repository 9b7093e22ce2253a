"""Data sets and the input pipeline.

    source = keras_ganmix.data.load("fashion_mnist_10k", image_size=32)
    stream = keras_ganmix.data.dataset(source, batch_size=64, seed=1)

Only `dataset` needs TensorFlow, which is imported when it is first used.
"""

import importlib

_NAMES = {
    "DataError": "lazy",
    "ImageError": "images",
    "Source": "source",
    "dataset": "pipeline",
    "load": "loading",
    "read_image": "images",
    "require_labels": "source",
}

__all__ = ["sources", *_NAMES]


def __getattr__(name):
    if name in _NAMES:
        module = importlib.import_module(f"{__name__}.{_NAMES[name]}")
        return getattr(module, name)
    if name == "sources":
        return importlib.import_module(f"{__name__}.sources")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
