"""Measures the landscapes of runs, one checkpoint after the other."""

import dataclasses
import gc
import time

import keras

from keras_ganmix import building, data
from keras_ganmix.landscapes import measuring
from keras_ganmix.landscapes.gradients import angles
from keras_ganmix.landscapes.names import SIDES
from keras_ganmix.landscapes.saved import load_weights
from keras_ganmix.landscapes.subjects import Subject
from keras_ganmix.landscapes.terms import Terms

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
        seconds: wall time.
    """

    subject: Subject
    step: int
    weights: dict
    chance: dict
    lines: dict = dataclasses.field(default_factory=dict)
    planes: dict = dataclasses.field(default_factory=dict)
    angles: dict = dataclasses.field(default_factory=dict)
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
        NotFiniteLossError: if a loss is NaN or infinite at a checkpoint.
    """
    looks = []
    for subject in subjects:
        keras.backend.clear_session()
        gc.collect()
        begin = time.perf_counter()
        terms = _terms(subject, protocol)
        if subject is subjects[0]:
            load_weights(terms.gan, subject.folder, subject.steps[-1])
            each = measuring.seconds(terms, protocol)
            building_it = time.perf_counter() - begin
            say(_forecast(subjects, protocol, each, building_it))
        for step in subject.kept:
            if step in subject.steps or protocol.gradients:
                look = _look(terms, subject, step, protocol)
                looks.append(look)
                say(f"{subject.folder.path}, step {step}: {look.seconds:.0f} s")
    return looks


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
        terms.generate()
        for side in SIDES:
            look.lines[side] = measuring.lines(terms, side, protocol)
            if protocol.two:
                look.planes[side] = measuring.plane(terms, side, protocol)
    if protocol.gradients:
        look.angles = angles(terms)
    look.seconds = time.perf_counter() - begin
    return look


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
