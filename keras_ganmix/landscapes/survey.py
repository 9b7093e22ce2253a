"""Measures the landscapes of runs, one checkpoint after the other."""

import dataclasses
import gc
import time

import keras

from keras_ganmix import building, data
from keras_ganmix.gradients.angles import angles
from keras_ganmix.gradients.names import SIDES
from keras_ganmix.gradients.terms import Terms
from keras_ganmix.landscapes import measuring
from keras_ganmix.landscapes.saved import load_weights
from keras_ganmix.landscapes.subjects import Subject

# What a checkpoint's angles take, in evaluations of its terms.
_OF_ANGLES = 6


@dataclasses.dataclass
class Look:
    """What was found at a checkpoint.

    Attributes:
        subject: `Subject`.
        step: of the checkpoint.
        weights: by side, the weight of each term.
        chance: losses of guessing, by name of the regularizer.
        lines: by side and term, `(directions, points)` losses; maybe empty.
        planes: by side and term, `(points, points)` losses; maybe empty.
        angles: what `gradients.angles` gives; maybe empty.
        failure: why there are no lines where they were asked for, or `None`.
        seconds: wall time.
    """

    subject: Subject
    step: int
    weights: dict
    chance: dict
    lines: dict = dataclasses.field(default_factory=dict)
    planes: dict = dataclasses.field(default_factory=dict)
    angles: dict = dataclasses.field(default_factory=dict)
    failure: str | None = None
    seconds: float = 0.0


def survey(subjects, protocol, say):
    """Measures all that was asked for.

    Args:
        subjects: list of `Subject`s.
        protocol: `Protocol`.
        say: function of a line of progress.

    Returns:
        List of `Look`s, run by run in the order of their steps.

    Raises:
        ValueError: if a run's recipe, data and checkpoints do not fit.
    """
    looks = []
    for subject in subjects:
        terms = None  # or the last GAN would stay
        keras.backend.clear_session()
        gc.collect()
        begin = time.perf_counter()
        terms = _terms(subject, protocol)
        if subject is subjects[0]:
            load_weights(terms.gan, subject.folder, subject.steps[-1])
            each = measuring.seconds(terms, protocol)
            building_it = time.perf_counter() - begin
            say(_forecast(subjects, protocol, each, building_it))
        for step in _steps(terms, subject, protocol, say):
            look = _look(terms, subject, step, protocol)
            looks.append(look)
            told = look.failure or f"{look.seconds:.0f} s"
            say(f"{subject.folder.path}, step {step}: {told}")
    return looks


def _steps(terms, subject, protocol, say):
    """Steps of the checkpoints at which there is something to measure."""
    if not protocol.gradients:
        return subject.steps
    if all(len(terms.weights(side)) == 1 for side in SIDES):
        say(f"{subject.folder.path}: no regularizer has a gradient to measure")
        return subject.steps
    return subject.kept


def _terms(subject, protocol):
    recipe = subject.recipe
    gan = building.build_gan(recipe, subject.source)
    dataset = data.dataset(
        subject.source,
        batch_size=recipe.data.batch_size * recipe.train.discriminator_steps,
        seed=protocol.seed,
        flip=recipe.data.flip,
        labels=recipe.generator.conditional,
    )
    return Terms(gan, dataset, protocol.batches, protocol.seed)


def _look(terms, subject, step, protocol):
    begin = time.perf_counter()
    gan = terms.gan
    load_weights(gan, subject.folder, step)
    chances = {
        r.name: getattr(r, "chance_loss", None) for r in gan.regularizers
    }
    look = Look(
        subject,
        step,
        {side: terms.weights(side) for side in SIDES},
        {name: loss for name, loss in chances.items() if loss is not None},
    )
    if step in subject.steps:
        try:
            look.lines, look.planes = _landscape(terms, protocol)
        except measuring.NotFiniteLossError as error:
            look.failure = str(error)
    if protocol.gradients:
        look.angles = angles(terms)
    look.seconds = time.perf_counter() - begin
    return look


def _landscape(terms, protocol):
    """Lines, and planes where they are asked for, of both sides."""
    terms.generate()
    lines = {s: measuring.lines(terms, s, protocol) for s in SIDES}
    if not protocol.two:
        return lines, {}
    return lines, {s: measuring.plane(terms, s, protocol) for s in SIDES}


def _forecast(subjects, protocol, each, building_it):
    steps = sum(len(subject.steps) for subject in subjects)
    kept = sum(len(subject.kept) for subject in subjects)
    total = steps * each + (len(subjects) - 1) * building_it
    total += (
        protocol.gradients * kept * each / protocol.evaluations * _OF_ANGLES
    )
    lasts = f"{total:.0f} s" if total < 100 else f"{total / 60:.0f} min"
    return (
        f"about {lasts}: {len(subjects)} runs, {steps} checkpoints, "
        f"{protocol.evaluations} points for each side, if the others are as "
        "the first"
    )
