"""Scores of generated images with the protocol that gives them a meaning."""

import functools
import time

import numpy as np

from keras_ganmix.metrics import cache
from keras_ganmix.metrics.checks import check_count
from keras_ganmix.metrics.images import quantise
from keras_ganmix.metrics.names import KERAS_FILE
from keras_ganmix.metrics.protocol import Protocol
from keras_ganmix.metrics.reference import ReferenceStatistics
from keras_ganmix.metrics.report import Evaluation
from keras_ganmix.metrics.scorers import (
    EXTRACTOR_NEEDS,
    SCORERS,
    Context,
    Side,
    check_metrics,
    names_of,
)

_BATCH = 512


class Evaluator:
    """Scores fakes against a reference, any number of times.

    The reference goes through the extractor once, at the first evaluation.

    Args:
        reference: `keras_ganmix.data.Source` of held-out images or points, or
            `ReferenceStatistics` (then only `frechet`).
        metrics: names: `frechet`, `kernel`, `prdc`, `classifier_score`,
            `layers` (Frechet distance of an early and of the last layer),
            `intra_class`, `sliced_wasserstein`, `spectra`, `modes` (ring, grid
            and stacked digits).
        extractor: a name, the path of a `.keras` file, an `Extractor`, a
            Keras model, or `"auto"`, which takes `fashion` for grey images and
            `squeezenet` for colour.
        extractor_path, extractor_hash: see `get_extractor`.
        num_fake: fakes to score.
        num_real: images of the reference, drawn with the seed; all by default.
        floor_source: `Source` with the same image shape and other images than
            the reference, usually the training split, of which `num_fake` are
            scored as if they were fakes. Without it the reference is cut in
            two halves.
        floor: `False` saves the time of it.
        cache: keep what the extractor makes of the reference and of the floor
            on disk, by the images and the extractor's weights, so that later
            evaluations need not wait for it.
        classify: for `modes` of stacked digits: function of uint8 grey images
            (N, H, W, 1) to class numbers. Without it garments are classified
            by the extractor `fashion`, digits by an extractor of one's own,
            which must have logits of ten classes and leaves room for no other
            metric that needs an extractor, since these see colours.
        seed: of everything drawn.

    Raises:
        ValueError: unknown metrics (near ones listed), metrics that the
            reference or the extractor does not allow, counts below 2.
    """

    def __init__(
        self,
        reference,
        metrics=("frechet",),
        extractor="auto",
        *,
        extractor_path=None,
        extractor_hash=None,
        num_fake=10_000,
        num_real=None,
        floor_source=None,
        floor=True,
        cache=True,
        classify=None,
        seed=0,
    ):
        self.reference = reference
        self.metrics = check_metrics(metrics, reference)
        self.num_fake = num_fake
        everything = len(reference)
        self.num_real = min(
            everything if num_real is None else num_real, everything
        )
        self.seed = seed
        self.context = Context(None, reference.name, seed)
        self.classify = classify
        self.extractor = None
        needs = frozenset().union(*(SCORERS[m].needs for m in self.metrics))
        if reference.is_points:
            needs = frozenset({"points"})
        asked = needs & EXTRACTOR_NEEDS
        if "stacked" in needs and classify is None:
            network = _classifier_of_channels(reference.name, extractor)
            if network is None:
                asked |= {"logits"}
            else:
                self.classify = _logits_of(network)
        if asked:
            self._set_extractor(
                extractor, extractor_path, extractor_hash, asked
            )
        if needs & EXTRACTOR_NEEDS:
            _check_channels(self.extractor, reference.image_shape)
        if "stacked" in needs and self.classify is None:
            self.classify = _logits_of(self.extractor)
        self.needs = needs
        for name, count in (
            ("num_fake", num_fake),
            ("num_real", self.num_real),
        ):
            check_count(count, name, advise="statistics" in needs)
        if self.num_real < everything:
            self._check_can_be_cut()
        self._check_floor_source(floor_source)
        self.floor_source = floor_source
        self.with_floor = floor
        self.cache = cache
        self._real = None
        self._floor = None

    @property
    def score_names(self):
        """Names of the scores of an evaluation, each once, in their order."""
        names = [
            name
            for metric in self.metrics
            for name in names_of(
                metric, self.context.extractor, self.reference.image_shape
            )
        ]
        return list(dict.fromkeys(names))

    def evaluate(self, fakes, ema=None):
        """Scores fakes.

        Args:
            fakes: array, or iterable of batches, of images (N, H, W, C) with
                the reference's shape, uint8 or float in [-1, 1] (then rounded
                to 8 bits, as the reference is), or of points (N, D). Batches
                `(images, labels)` for `intra_class`. Iteration stops at
                `num_fake`.
            ema: whether they come from averaged weights, for the protocol.

        Returns:
            `Evaluation`.

        Raises:
            ValueError: too few fakes, another shape, a wrong range, NaN,
                missing labels.
        """
        real, floor, floor_protocol = self._references()
        start = time.perf_counter()
        side = self._collect(_batches(fakes), self.num_fake)
        if side.count < self.num_fake:
            raise ValueError(
                f"fakes: only {side.count} of num_fake={self.num_fake} came; "
                "generate more, or lower num_fake."
            )
        scores = self._score(real, side)
        return Evaluation(
            scores=scores,
            floor=floor,
            floor_protocol=floor_protocol,
            protocol=self.protocol(ema),
            seconds=time.perf_counter() - start,
        )

    def protocol(self, ema=None):
        """The `Protocol` of scores from this evaluator."""
        return Protocol.of(
            self.reference,
            self.extractor,
            num_real=self.num_real,
            num_fake=self.num_fake,
            ema=ema,
            seed=self.seed,
        )

    def _set_extractor(self, extractor, path, expected_hash, needs):
        from keras_ganmix.metrics.extractors import (
            default_extractor,
            get_extractor,
        )

        if isinstance(extractor, str) and extractor == "auto":
            extractor = default_extractor(self.reference.image_shape)
        self.extractor = get_extractor(extractor, path, expected_hash)
        self.context = self.context._replace(extractor=self.extractor.name)
        if isinstance(self.reference, ReferenceStatistics):
            self.reference.check_extractor(self.extractor)
        for layer in sorted(needs & {"early", "logits"}):
            if layer not in self.extractor.dimensions:
                raise ValueError(
                    f"metrics: the extractor {self.extractor.name!r} has no "
                    f"layer {layer!r}; it has "
                    f"{', '.join(self.extractor.dimensions)}."
                )

    def _check_can_be_cut(self):
        """Refuses a part of statistics, which are of all images."""
        if isinstance(self.reference, ReferenceStatistics):
            raise ValueError(
                f"num_real: {self.num_real} is not allowed, since "
                f"{self.reference.name!r} is given by the statistics of all "
                f"its {len(self.reference):,} images; leave it out, or give "
                "the images."
            )

    def _check_floor_source(self, source):
        if source is None:
            return
        if source.image_shape != self.reference.image_shape:
            raise ValueError(
                f"floor_source: images of shape {source.image_shape} do not "
                f"match {self.reference.image_shape}; load both with one "
                "image_size."
            )

    def _references(self):
        if self._real is None:
            rng = np.random.default_rng([self.seed, 0])
            order = rng.permutation(len(self.reference))[: self.num_real]
            self._real = self._collect_reference(np.sort(order))
            self._floor = {}, {}
            if self.with_floor:
                try:
                    self._floor = self._make_floor(order)
                except ValueError as error:
                    # Too few reals for halves must not cost the scores.
                    self._floor = {}, {"unavailable": str(error)}
        return self._real, *self._floor

    def _collect_reference(self, rows):
        if isinstance(self.reference, ReferenceStatistics):
            side = Side(self.needs, self.extractor)
            side.statistics = self.reference.statistics
            side.count = side.statistics.count
            return side
        return self._collect_source(self.reference, rows)

    def _make_floor(self, order):
        source, real = self.floor_source, self._real
        if source is not None:
            rng = np.random.default_rng([self.seed, 1])
            rows = rng.permutation(len(source))[: self.num_fake]
        else:
            source = self.reference
            half = len(order) // 2
            if isinstance(source, ReferenceStatistics):
                return {}, {"unavailable": "the reference is not images"}
            rows = order[half : half + self.num_fake]
            real = self._collect_source(source, np.sort(order[:half]))
        fake = self._collect_source(source, np.sort(rows))
        return self._score(real, fake), {
            "source": source.name,
            "split": source.split,
            "num_real": real.count,
            "num_fake": fake.count,
        }

    def _collect_source(self, source, rows):
        """The side of some images of a source, by the cache if it can be."""
        batches = functools.partial(_rows_of, source, rows)
        asked = self.cache and self.needs & EXTRACTOR_NEEDS and len(rows)
        if not (asked and cache.fits(self.extractor, len(rows))):
            return self._collect(batches(), len(rows))

        def make():
            parts = [
                self.extractor.outputs(quantise(x, self.reference.image_shape))
                for x, _ in batches()
            ]
            return {
                name: np.concatenate([part[name] for part in parts])
                for name in parts[0]
            }

        outputs = cache.cached_outputs(
            self.extractor, (images for images, _ in batches()), make
        )
        return self._collect(batches(), len(rows), outputs)

    def _collect(self, batches, count, outputs=None):
        side = Side(self.needs, self.extractor, self.classify)
        for images, labels in batches:
            room = count - side.count
            images = np.asarray(images)[:room]
            if not self.reference.is_points:
                images = quantise(images, self.reference.image_shape)
            known = None
            if outputs is not None:
                part = slice(side.count, side.count + len(images))
                known = {name: rows[part] for name, rows in outputs.items()}
            labels = None if labels is None else labels[:room]
            side.update(images, labels, known)
            if side.count >= count:
                break
        return side

    def _score(self, real, fake):
        scores = {}
        for name in self.metrics:
            scores.update(SCORERS[name].score(real, fake, self.context))
        return scores


def evaluate_images(
    fakes,
    reference,
    metrics=("frechet",),
    extractor="auto",
    num_fake=10_000,
    seed=0,
    ema=None,
    **kwargs,
):
    """Scores fakes once; see `Evaluator` for the arguments.

    Returns:
        `Evaluation` with `scores`, `floor` and `protocol`.
    """
    evaluator = Evaluator(
        reference, metrics, extractor, num_fake=num_fake, seed=seed, **kwargs
    )
    return evaluator.evaluate(fakes, ema)


def _rows_of(source, rows):
    """Batches `(images, labels)` of some images; labels may be `None`."""
    for start in range(0, len(rows), _BATCH):
        part = rows[start : start + _BATCH]
        labels = source.labels
        yield source.take(part), None if labels is None else labels[part]


def _batches(fakes):
    if hasattr(fakes, "shape"):
        for start in range(0, len(fakes), _BATCH):
            yield fakes[start : start + _BATCH], None
        return
    for batch in fakes:
        if isinstance(batch, tuple | list):
            yield batch[0], np.asarray(batch[1])
        else:
            yield batch, None


def _check_channels(extractor, image_shape):
    """Refuses at once what the extractor would refuse image by image."""
    got, taken = image_shape[-1], extractor.input_shape[-1]
    if got not in (1, taken):
        raise ValueError(
            f"extractor: {extractor.name!r} takes images of {taken} channels, "
            f"but these have {got}; use another one."
        )


def _classifier_of_channels(name, extractor):
    """What names the channels of stacked images; `None` if it is one's own."""
    base = name.partition(":")[2]
    if base.removeprefix("tfds:") in ("fashion_mnist", "fashion_mnist_10k"):
        from keras_ganmix.metrics.extractors import get_extractor

        return get_extractor("fashion")
    if isinstance(extractor, str) and not extractor.endswith(KERAS_FILE):
        raise ValueError(
            f"extractor: {extractor!r} does not know the classes of {name!r}; "
            "give the .keras file of a classifier of their grey channels, as "
            "`python -m keras_ganmix.classify` makes it, or in Python "
            "`classify=`, a function of grey images to class numbers."
        )
    return None


def _logits_of(network):
    classes = network.dimensions["logits"]
    if classes != 10:
        raise ValueError(
            f"extractor: {network.name!r} knows {classes} classes, but stacked "
            "images have ten."
        )
    return lambda images: network(images, layer="logits")
