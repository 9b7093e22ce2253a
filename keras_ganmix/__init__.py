"""Train, regularize, measure and serve GANs with Keras 3 and TensorFlow.

Importing the package is cheap: TensorFlow is loaded when an attribute that
needs it is first used.
"""

import importlib
import os

__version__ = "0.1.0"

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
# TensorFlow tells of failed optimisations of its graphs as errors; those that
# matter are raised.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

_MODULES = (
    "callbacks",
    "data",
    "losses",
    "metrics",
    "networks",
    "ops",
    "recipes",
    "regularizers",
    "serving",
)
_NAMES = {"GAN": "keras_ganmix.gan"}

__all__ = ["__version__", *_MODULES, *_NAMES]


def __getattr__(name):
    if name in _MODULES:
        return importlib.import_module(f"keras_ganmix.{name}")
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'keras_ganmix' has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
