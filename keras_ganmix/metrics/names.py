"""Metrics and extractors by name. Imports nothing heavy."""

import os
import pathlib

from keras_ganmix.utils.names import unknown

#: From metric to its scores, without the extractor's name in brackets.
METRICS = {
    "class_coverage": ("classes_covered",),
    "classifier_score": ("classifier_score", "classifier_score_stddev"),
    "frechet": ("frechet",),
    "intra_class": ("intra_class_frechet",),
    "kernel": ("kernel", "kernel_error"),
    "layers": ("frechet_early", "frechet"),
    "modes": ("modes", "high_quality", "reverse_kl", "mode_kl"),
    "prdc": ("precision", "recall", "density", "coverage"),
    "sliced_wasserstein": ("sliced_wasserstein",),
    "spectra": (
        "spectrum_decibels",
        "spectrum_decibels_low",
        "spectrum_decibels_high",
    ),
}

#: Other names that people know; the scores say which network they come from.
ALIASES = {
    "fid": "frechet",
    "kid": "kernel",
    "inception_score": "classifier_score",
    "swd": "sliced_wasserstein",
}

#: Metrics that compare with the training images too, and need them.
TRAINING_METRICS = ("memorisation", "leak")

#: Metrics for points; all but `modes` are for images too.
POINT_METRICS = ("modes", "sliced_wasserstein")

#: Networks whose features are compared. Besides, a file of Keras is one.
EXTRACTORS = ("fashion", "squeezenet", "inception")
KERAS_FILE = ".keras"


def check_extractor(extractor, more=(), must_exist=False):
    """Refuses what names no extractor.

    Args:
        extractor: `"auto"`, one of `EXTRACTORS`, or the path of a `.keras`
            file.
        more: other names that are allowed.
        must_exist: whether a file must be there.

    Returns:
        The name, or the path from the root of the file system.

    Raises:
        ValueError: if there is no such extractor; near ones are listed.
    """
    if extractor.endswith(KERAS_FILE):
        path = pathlib.Path(os.path.expanduser(extractor)).absolute()
        if must_exist and not path.is_file():
            raise ValueError(f"there is no file {path}.")
        return str(path)
    allowed = ("auto", *EXTRACTORS, *more)
    if extractor not in allowed:
        message = unknown("extractor", extractor, allowed)
        message = message.replace("Unknown", "unknown", 1)
        raise ValueError(
            f"{message.removesuffix('.')}, path of a {KERAS_FILE} file."
        )
    return extractor


def scores_of(metrics):
    """Names of the scores that metrics give, each once, in their order."""
    return list(dict.fromkeys(name for m in metrics for name in METRICS[m]))


def check_watch(watch, metrics):
    """Refuses a score that none of the metrics gives.

    Args:
        watch: name of a score, with or without the extractor in brackets.
        metrics: names from `METRICS`.

    Raises:
        ValueError: if there is no such score; near ones are listed.
    """
    allowed = scores_of(metrics)
    stem = watch.partition("[")[0]
    levels = stem.startswith("sliced_wasserstein_")
    if stem not in allowed and not (levels and "sliced_wasserstein" in allowed):
        raise ValueError(unknown("score", watch, allowed))
