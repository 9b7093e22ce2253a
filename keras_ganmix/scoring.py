"""What `evaluate` does once its flags are read."""

import dataclasses
import typing

import numpy as np

from keras_ganmix import data, fakes, recipes
from keras_ganmix.held_out import held_out_arguments, open_held_out
from keras_ganmix.metrics import Evaluation, Evaluator, Protocol
from keras_ganmix.metrics.extractors import default_extractor, get_extractor
from keras_ganmix.metrics.images import quantise
from keras_ganmix.metrics.training_set import COUNT, compare_with_training_set
from keras_ganmix.run_folder import RunFolder

_NUM_FAKE = 10_000


class Sides(typing.NamedTuple):
    """The fakes, and the real images that they are compared with.

    Attributes:
        fakes: `Fakes`.
        reference: `Source` or `ReferenceStatistics`.
        held_out: function that returns the `Source` of the reference.
        training: `Source` of the training images, or `None`.
    """

    fakes: fakes.Fakes
    reference: typing.Any
    held_out: typing.Callable
    training: data.Source | None


def score(options, metrics, training_metrics=()):
    """Scores the fakes that the flags of `evaluate` name.

    Args:
        options: the flags.
        metrics: names for `metrics.Evaluator`, maybe none.
        training_metrics: names out of `TRAINING_METRICS`.

    Returns:
        `(evaluation, pairs)`: an `Evaluation`, and uint8 images: the fakes
        that are nearest to training images, then these. `None` without
        memorisation.

    Raises:
        ValueError: if anything does not fit.
    """
    sides = open_sides(options, metrics)
    made, kept = sides.fakes, _Kept()
    _check_training_metrics(training_metrics, sides)
    count = options.num_fake or made.count or _NUM_FAKE
    classes = getattr(sides.reference, "num_classes", None)
    batches = kept.watch(made.batches(count, options.seed, classes))
    extractor = None
    if metrics:
        evaluator = Evaluator(
            sides.reference,
            metrics,
            options.extractor,
            extractor_path=options.extractor_path,
            extractor_hash=options.extractor_hash,
            num_fake=count,
            num_real=options.num_real,
            floor_source=sides.training,
            seed=options.seed,
        )
        extractor = evaluator.extractor
        evaluation = evaluator.evaluate(batches, made.ema)
    else:
        kept.fill(batches)
    if "memorisation" in training_metrics and extractor is None:
        extractor = _extractor(options, made.image_shape)
    if not metrics:
        protocol = Protocol.of(
            sides.held_out(),
            extractor,
            num_real=min(COUNT, len(sides.held_out())),
            num_fake=len(kept.images),
            ema=made.ema,
            seed=options.seed,
        )
        evaluation = Evaluation({}, {}, {}, protocol, 0.0)
    evaluation = dataclasses.replace(evaluation, step=made.step)
    if not training_metrics:
        return evaluation, None
    found = compare_with_training_set(
        training_metrics,
        kept.images,
        sides.training,
        sides.held_out(),
        extractor,
        options.seed,
    )
    evaluation = dataclasses.replace(
        evaluation,
        scores={**evaluation.scores, **found.scores},
        floor={**evaluation.floor, **found.floor},
    )
    if found.memorisation is None:
        return evaluation, None
    return evaluation, _pairs(found.memorisation, kept.images, sides.training)


def check(section, source, split, metrics, extractor, num_fake, num_real):
    """Refuses what a run could not be scored by, before it is made.

    Args:
        section: `data` of its recipe.
        source: its training images.
        split, metrics, extractor, num_fake, num_real: as for `evaluate`;
            metrics are those for `metrics.Evaluator`.

    Raises:
        ValueError: if there are no such data, or the metrics do not fit.
    """
    reference = open_held_out(
        section.source,
        split,
        metrics,
        extractor,
        num_real,
        **held_out_arguments(section, source.image_shape),
    )
    if metrics:
        Evaluator(
            reference,
            metrics,
            extractor,
            num_fake=num_fake or _NUM_FAKE,
            num_real=num_real,
        )


def open_sides(options, metrics):
    """Opens the fakes and the real images that the flags name."""
    made = training = None
    spec, arguments = options.data, {"image_size": options.image_size}
    if options.run is not None:
        gan, source = fakes.load_run(options.run, options.checkpoint)
        made = fakes.of_gan(gan)
        section = recipes.load(RunFolder(options.run).recipe).data
        arguments = held_out_arguments(section, gan.image_shape)
        if spec is None:
            spec, training = section.source, source
    elif options.savedmodel is not None:
        made = fakes.of_saved_model(options.savedmodel, options.latents)
        arguments = {}
        if len(made.image_shape) == 3:
            height, width, channels = made.image_shape
            arguments = {"image_size": (height, width), "channels": channels}
    reference = open_held_out(
        spec,
        options.split,
        metrics,
        options.extractor,
        options.num_real,
        **arguments,
    )
    if made is None:
        made = fakes.of_folder(options.images, reference.image_shape)

    def held_out():
        if isinstance(reference, data.Source):
            return reference
        return data.load(spec, options.split, **arguments)

    if training is None:
        training = _training_split(spec, arguments)
    if training is not None and options.split == training.split:
        training = None
    return Sides(made, reference, held_out, training)


def _training_split(spec, arguments):
    try:
        return data.load(spec, "train", **arguments)
    except ValueError:  # a source without that split
        return None


def _check_training_metrics(metrics, sides):
    if metrics and len(sides.fakes.image_shape) != 3:
        raise ValueError(
            f"--metrics: {', '.join(metrics)} need images, but these are points"
        )
    if "memorisation" in metrics and sides.training is None:
        raise ValueError(
            "--metrics: memorisation compares with the training split, beside "
            "--split; these data have no other one"
        )


def _extractor(options, image_shape):
    if options.extractor == "pixels":
        return None
    name = options.extractor
    if name == "auto":
        name = default_extractor(image_shape)
    return get_extractor(name, options.extractor_path, options.extractor_hash)


def _pairs(memorisation, images, training):
    closest = memorisation.closest
    nearest = quantise(training.take(np.array([p.train for p in closest])))
    for image, pair in zip(nearest, closest, strict=True):
        if pair.flipped:
            image[:] = image[:, ::-1].copy()
    return np.concatenate([images[[p.fake for p in closest]], nearest])


class _Kept:
    """The first fakes, as uint8."""

    def __init__(self):
        self._parts, self._count = [], 0

    def watch(self, batches):
        """Hands batches on."""
        for batch in batches:
            images = batch[0] if isinstance(batch, tuple) else batch
            if images.ndim == 4 and self._count < COUNT:
                self._parts.append(quantise(images)[: COUNT - self._count])
                self._count += len(self._parts[-1])
            yield batch

    def fill(self, batches):
        """Takes as many batches as are kept."""
        for _ in batches:
            if self._count >= COUNT:
                break

    @property
    def images(self):
        return np.concatenate(self._parts)
