"""What must be equal before two scores can be compared."""

import dataclasses
import importlib.metadata
import platform
from collections.abc import Mapping

_PACKAGES = ("keras", "numpy", "pillow", "tensorflow")
# Two runs of one protocol may differ in these.
_INCIDENTAL = ("seed", "packages")
_HIGHER_IS_BETTER = (
    "accuracy",
    "classes_covered",
    "classifier_score",
    "coverage",
    "density",
    "high_quality",
    "inception_score",
    "modes",
    "precision",
    "recall",
)
_INCEPTION_NAMES = {
    "frechet": "fid",
    "kernel": "kid",
    "kernel_error": "kid_error",
    "classifier_score": "inception_score",
    "classifier_score_stddev": "inception_score_stddev",
}


@dataclasses.dataclass(frozen=True)
class Protocol(Mapping):
    """How a score was made; also a mapping from field to value.

    Attributes:
        source, split: of the reference, as `keras_ganmix.data` names them.
        fingerprint: SHA-256 of the reference's images.
        image_shape: of reference and fakes, a list.
        num_real, num_fake: images of each side.
        extractor: its name, or `None` for scores without one.
        extractor_hash: SHA-256 of its weights.
        extractor_input: (H, W, C) that it takes, a list.
        resize: filter that brings images to that size.
        preprocessing: what the extractor does to pixels, in words.
        quantised: both sides were rounded to 8 bits.
        ema: fakes come from averaged weights; `None` if that is not known.
        seed: of everything drawn for the score.
        packages: dict from package to version.
    """

    source: str
    split: str
    fingerprint: str
    image_shape: list
    num_real: int
    num_fake: int
    extractor: str | None = None
    extractor_hash: str | None = None
    extractor_input: list | None = None
    resize: str | None = None
    preprocessing: str | None = None
    quantised: bool = True
    ema: bool | None = None
    seed: int = 0
    packages: dict = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, reference, extractor=None, **fields):
        """The protocol of scores against a reference, on this machine.

        Args:
            reference: `data.Source` or `ReferenceStatistics`.
            extractor: `Extractor`, or `None`.
            **fields: those that the two do not tell.
        """
        if extractor is not None:
            described = extractor.describe()
            fields |= {
                "extractor": described["name"],
                "extractor_hash": described["weight_hash"],
                "extractor_input": described["input_shape"],
                "resize": described["resize"],
                "preprocessing": described["preprocessing"],
            }
        return cls(
            source=reference.name,
            split=reference.split,
            fingerprint=reference.fingerprint(),
            image_shape=list(reference.image_shape),
            quantised=not reference.is_points,
            packages=package_versions(),
            **fields,
        )

    def __getitem__(self, name):
        if name not in self.__dataclass_fields__:
            raise KeyError(name)
        return getattr(self, name)

    def __iter__(self):
        return iter(self.__dataclass_fields__)

    def __len__(self):
        return len(self.__dataclass_fields__)

    def to_dict(self):
        """Plain values, as JSON takes them."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values):
        """Reads what `to_dict` wrote; unknown fields are refused."""
        unknown = set(values) - set(cls.__dataclass_fields__)
        if unknown:
            raise ValueError(
                f"protocol: unknown fields {sorted(unknown)}; the scores were "
                "written by another version of keras_ganmix."
            )
        return cls(**values)

    def differences(self, other):
        """Why scores of the two may not be ranked.

        Returns:
            Dict from field to `(own value, other's value)`; empty if they may.
        """
        return {
            name: (self[name], other[name])
            for name in self
            if name not in _INCIDENTAL and self[name] != other[name]
        }


def score_name(metric, extractor=None):
    """Name of a score: `frechet[fashion]`, or `fid` with `inception`.

    Only features of the 2015 Inception network give the names FID, KID and
    Inception score.
    """
    if extractor is None:
        return metric
    if extractor == "inception" and metric in _INCEPTION_NAMES:
        return _INCEPTION_NAMES[metric]
    return f"{metric}[{extractor}]"


def higher_is_better(name):
    """Whether a larger score of this name is the better one."""
    return name.split("[")[0] in _HIGHER_IS_BETTER


def package_versions():
    """Versions of what the scores depend on, a dict."""
    versions = {"python": platform.python_version()}
    from keras_ganmix import __version__

    versions["keras_ganmix"] = __version__
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
