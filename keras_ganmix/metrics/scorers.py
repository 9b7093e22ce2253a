"""The metrics by name: what each needs of the images, and how it is scored."""

import typing

import numpy as np

from keras_ganmix.metrics.checks import check_features
from keras_ganmix.metrics.classifier import classes_covered, classifier_score
from keras_ganmix.metrics.conditional import ClassStatistics, check_labels
from keras_ganmix.metrics.frechet import FeatureStatistics, frechet_distance
from keras_ganmix.metrics.kernel import kernel_distance
from keras_ganmix.metrics.modes import (
    class_triples,
    mode_coverage,
    triple_coverage,
)
from keras_ganmix.metrics.names import ALIASES, METRICS, POINT_METRICS
from keras_ganmix.metrics.prdc import precision_recall_density_coverage
from keras_ganmix.metrics.protocol import score_name
from keras_ganmix.metrics.reference import ReferenceStatistics
from keras_ganmix.metrics.spectra import RadialSpectrum
from keras_ganmix.metrics.wasserstein import (
    patch_sliced_wasserstein,
    pyramid_heights,
    sliced_wasserstein,
)
from keras_ganmix.utils.names import unknown

EXTRACTOR_NEEDS = frozenset(
    {"statistics", "early", "features", "logits", "classes"}
)
# Images that the patches of the sliced Wasserstein distance are taken from.
PATCH_IMAGES = 2048


class Side:
    """What is kept of the reals or of the fakes, batch by batch.

    Args:
        needs: names out of `statistics`, `early`, `features`, `logits`,
            `images`, `spectrum`, `classes`, `points`, `stacked`.
        extractor: an `Extractor`, or `None` where no need asks for one.
        classify: function of grey images to class numbers, for `stacked`.
    """

    def __init__(self, needs, extractor=None, classify=None):
        self.needs = needs
        self.extractor = extractor
        self.classify = classify
        self.count = 0
        self.statistics = FeatureStatistics()
        self.early = FeatureStatistics()
        self.spectrum = RadialSpectrum(value_range=(-1, 1))
        self.classes = ClassStatistics()
        self._parts = {"features": [], "logits": [], "images": []}
        self._parts |= {"points": [], "stacked": []}

    def update(self, images, labels=None, outputs=None):
        """Adds images (N, H, W, C) in uint8, or points (N, D). Returns self.

        `outputs` are what the extractor makes of them, if that is known.
        """
        self.count += len(images)
        if "points" in self.needs:
            self._parts["points"].append(check_features(images, "points"))
            return self
        if self.needs & EXTRACTOR_NEEDS:
            if outputs is None:
                outputs = self.extractor.outputs(images)
            self.statistics.update(outputs["features"])
            if "early" in self.needs:
                self.early.update(outputs["early"])
            if "classes" in self.needs:
                labels = check_labels(labels, len(images))
                self.classes.update(outputs["features"], labels)
            for name in ("features", "logits"):
                if name in self.needs:
                    self._parts[name].append(outputs[name])
        if "images" in self.needs:
            kept = sum(len(part) for part in self._parts["images"])
            self._parts["images"].append(images[: PATCH_IMAGES - kept])
        if "spectrum" in self.needs:
            self.spectrum.update(images)
        if "stacked" in self.needs:
            self._parts["stacked"].append(class_triples(images, self.classify))
        return self

    def array(self, name):
        """All kept rows of `features`, `logits`, `images` or `points`."""
        parts = self._parts[name]
        if len(parts) > 1:
            self._parts[name] = parts = [np.concatenate(parts)]
        return parts[0]


class Scorer(typing.NamedTuple):
    """A metric.

    Attributes:
        needs: names for `Side`.
        score: function of (real, fake, context) to a dict of scores.
        names: function of the shape of an image, or of a point, to the names
            of these; if `None` they are those of `METRICS`.
    """

    needs: frozenset
    score: typing.Callable
    names: typing.Callable | None = None


class Context(typing.NamedTuple):
    """Names and seed that scorers need beside the two sides."""

    extractor: str | None
    source: str
    seed: int


def _frechet(real, fake, context):
    return {
        score_name("frechet", context.extractor): frechet_distance(
            *real.statistics.gaussian(), *fake.statistics.gaussian()
        )
    }


def _layers(real, fake, context):
    late = _frechet(real, fake, context)
    early = frechet_distance(*real.early.gaussian(), *fake.early.gaussian())
    return {score_name("frechet_early", context.extractor): early, **late}


def _kernel(real, fake, context):
    found = kernel_distance(
        real.array("features"), fake.array("features"), seed=context.seed
    )
    return {
        score_name("kernel", context.extractor): found.mean,
        score_name("kernel_error", context.extractor): found.standard_error,
    }


def _prdc(real, fake, context):
    found = precision_recall_density_coverage(
        real.array("features"), fake.array("features")
    )
    return {
        score_name(name, context.extractor): value
        for name, value in found._asdict().items()
    }


def _classifier_score(real, fake, context):
    logits = fake.array("logits")
    found = classifier_score(logits, splits=min(10, len(logits)))
    return {
        score_name("classifier_score", context.extractor): found.mean,
        score_name("classifier_score_stddev", context.extractor): found.stddev,
    }


def _class_coverage(real, fake, context):
    name = score_name("classes_covered", context.extractor)
    return {name: classes_covered(real.array("logits"), fake.array("logits"))}


def _intra_class(real, fake, context):
    found = real.classes.frechet(fake.classes)
    return {score_name("intra_class_frechet", context.extractor): found.mean}


def _sliced_wasserstein(real, fake, context):
    if "points" in real.needs:
        points = real.array("points"), fake.array("points")
        return {
            "sliced_wasserstein": sliced_wasserstein(*points, seed=context.seed)
        }
    levels = patch_sliced_wasserstein(
        real.array("images"), fake.array("images"), seed=context.seed
    )
    return {f"sliced_wasserstein_{k}": v for k, v in levels.items()}


def _spectra(real, fake, context):
    found = real.spectrum.distance(fake.spectrum)
    return {
        "spectrum_decibels": found.total,
        "spectrum_decibels_low": found.low,
        "spectrum_decibels_high": found.high,
    }


def _modes(real, fake, context):
    if "points" in fake.needs:
        found = mode_coverage(fake.array("points"), context.source)
        return {
            "modes": found.modes,
            "high_quality": found.high_quality,
            "reverse_kl": found.reverse_kl,
        }
    found = triple_coverage(fake.array("stacked"))
    return {"modes": found.modes, "mode_kl": found.kl}


def _names_of_levels(shape):
    if len(shape) == 1:
        return ["sliced_wasserstein"]
    return [f"sliced_wasserstein_{k}" for k in pyramid_heights(shape[:2])]


def _names_of_modes(shape):
    if len(shape) == 1:
        return ["modes", "high_quality", "reverse_kl"]
    return ["modes", "mode_kl"]


SCORERS = {
    "class_coverage": Scorer(frozenset({"logits"}), _class_coverage),
    "classifier_score": Scorer(frozenset({"logits"}), _classifier_score),
    "frechet": Scorer(frozenset({"statistics"}), _frechet),
    "intra_class": Scorer(frozenset({"classes"}), _intra_class),
    "kernel": Scorer(frozenset({"features"}), _kernel),
    "layers": Scorer(frozenset({"statistics", "early"}), _layers),
    "modes": Scorer(frozenset({"stacked"}), _modes, _names_of_modes),
    "prdc": Scorer(frozenset({"features"}), _prdc),
    "sliced_wasserstein": Scorer(
        frozenset({"images"}), _sliced_wasserstein, _names_of_levels
    ),
    "spectra": Scorer(frozenset({"spectrum"}), _spectra),
}


def names_of(metric, extractor, shape):
    """Names of the scores that a metric gives, a list.

    Args:
        metric: name out of `SCORERS`.
        extractor: its name, or `None`.
        shape: of an image (H, W, C), or of a point (D,).
    """
    scorer = SCORERS[metric]
    if scorer.names is not None:
        return scorer.names(shape)
    known = extractor if scorer.needs & EXTRACTOR_NEEDS else None
    return [score_name(name, known) for name in METRICS[metric]]


def check_metrics(metrics, reference):
    """Returns the names of metrics, or says why they do not fit.

    Args:
        metrics: names or aliases, or one string with commas between them.
        reference: `Source` or `ReferenceStatistics`.

    Returns:
        Tuple of names from `SCORERS`, each once.

    Raises:
        ValueError: unknown (near ones listed), none, or metrics that the
            reference does not allow.
    """
    if isinstance(metrics, str):
        metrics = metrics.split(",")
    names = []
    for metric in metrics:
        name = ALIASES.get(metric, metric)
        if name not in SCORERS:
            raise ValueError(unknown("metric", metric, [*SCORERS, *ALIASES]))
        if name not in names:
            names.append(name)
    if not names:
        raise ValueError("metrics: none given; name one or more.")
    if isinstance(reference, ReferenceStatistics) and names != ["frechet"]:
        raise ValueError(
            f"metrics: {', '.join(names)}, but only frechet can be scored "
            f"against the statistics of {reference.name!r}; give the images."
        )
    if reference.is_points:
        bad = sorted(set(names) - set(POINT_METRICS))
        if bad:
            raise ValueError(
                f"metrics: {', '.join(bad)} need images, but "
                f"{reference.name!r} is points; use "
                f"{' or '.join(POINT_METRICS)}."
            )
    elif "modes" in names and not reference.name.startswith("stacked_digits"):
        raise ValueError(
            f"metrics: the modes of {reference.name!r} are not known; modes "
            "are for ring, grid and stacked_digits."
        )
    if "intra_class" in names and reference.labels is None:
        raise ValueError(
            f"metrics: intra_class needs labels, {reference.name!r} has none."
        )
    return tuple(names)
