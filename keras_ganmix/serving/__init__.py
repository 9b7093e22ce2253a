"""Generators for TensorFlow Serving.

    gan = keras_ganmix.GAN(...)
    keras_ganmix.serving.export(gan, "savedmodels/garments")

TensorFlow is loaded when a name that needs it is first used.
"""

import importlib

_NAMES = {
    "Client": "client",
    "ExportError": "exporting",
    "Server": "server",
    "ServingError": "errors",
    "export": "exporting",
}

__all__ = list(_NAMES)


def __getattr__(name):
    if name in _NAMES:
        module = importlib.import_module(f"{__name__}.{_NAMES[name]}")
        return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
