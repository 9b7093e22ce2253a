"""References that are known by their statistics."""

import os
import pathlib

from keras_ganmix.metrics.frechet import FeatureStatistics
from keras_ganmix.metrics.hashes import hash_arrays


class ReferenceStatistics:
    """Statistics in the place of the images of a reference.

    An `Evaluator` takes it instead of a `Source`; only the Frechet distance
    can be scored against it.

    Args:
        name, split: what the statistics are of, for the protocol.
        image_shape: (H, W, C) that fakes must have.
        statistics: `FeatureStatistics`.
        fingerprint: of the images; the hash of the statistics by default.
        extractor_hash: hash of the weights that the features come from;
            `None` if that is not known, as with pytorch-fid's files.
    """

    labels = None
    is_points = False

    def __init__(
        self,
        name,
        split,
        image_shape,
        statistics,
        fingerprint=None,
        extractor_hash=None,
    ):
        self.name = name
        self.split = split
        self.image_shape = tuple(image_shape)
        self.statistics = statistics
        self.extractor_hash = extractor_hash
        self._fingerprint = fingerprint or hash_arrays(statistics.gaussian())

    def __len__(self):
        return self.statistics.count

    def fingerprint(self):
        """SHA-256 of the images or of their statistics."""
        return self._fingerprint

    @classmethod
    def from_npz(cls, path, image_shape, count=None):
        """Imports pytorch-fid's form; see `FeatureStatistics.from_npz`."""
        statistics = FeatureStatistics.from_npz(path, count)
        name = pathlib.Path(os.fspath(path)).name
        return cls(name, "statistics", image_shape, statistics)

    def check_extractor(self, extractor):
        """Refuses an extractor that the statistics are not of.

        Raises:
            ValueError: another dimension, or another hash.
        """
        known = self.extractor_hash
        if known is not None and known != extractor.weight_hash:
            raise ValueError(
                f"reference: the statistics of {self.name!r} are of an "
                f"extractor with the hash {known[:16]}..., but "
                f"{extractor.name!r} has {extractor.weight_hash[:16]}...."
            )
        if self.statistics.dimension != extractor.dimension:
            raise ValueError(
                f"reference: the statistics of {self.name!r} have "
                f"{self.statistics.dimension} dimensions, but "
                f"{extractor.name!r} has {extractor.dimension}."
            )
