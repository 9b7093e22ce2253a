"""Scores of generated images, each with its protocol.

Names are loaded when they are first used: the statistics need only numpy, the
extractors and the probes load Keras.
"""

import importlib

_HOMES = {
    "accuracy": ("ClassificationAccuracy", "classification_accuracy_score"),
    "classifier": ("ClassifierScore", "classes_covered", "classifier_score"),
    "conditional": ("ClassStatistics", "IntraClassFrechet"),
    "evaluation": ("Evaluator", "evaluate_images"),
    "extractors": ("default_extractor", "get_extractor"),
    "extractors.base": ("Extractor",),
    "extractors.keras_model": ("from_keras",),
    "frechet": ("FeatureStatistics", "frechet_distance"),
    "kernel": ("kernel_distance", "squared_mmd"),
    "keras_metrics": ("FrechetDistance",),
    "leak": ("Leak", "leak_probe"),
    "memorisation": (
        "Memorisation",
        "closest_pairs_picture",
        "measure_memorisation",
    ),
    "modes": ("grid", "mode_coverage", "ring", "stacked_coverage"),
    "images": ("check_images",),
    "prdc": ("PRDC", "nearest_neighbours", "precision_recall_density_coverage"),
    "wasserstein": ("patch_sliced_wasserstein", "sliced_wasserstein"),
    "protocol": ("Protocol", "higher_is_better", "score_name"),
    "reference": ("ReferenceStatistics",),
    "report": ("Evaluation",),
    "spectra": ("RadialSpectrum", "SpectrumDistance"),
}
_HOMES = {
    name: f"keras_ganmix.metrics.{module}"
    for module, names in _HOMES.items()
    for name in names
}

__all__ = sorted(_HOMES)


def __getattr__(name):
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(
        f"module 'keras_ganmix.metrics' has no attribute {name!r}"
    )


def __dir__():
    return __all__
