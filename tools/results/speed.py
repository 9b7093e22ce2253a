"""Equal seconds, and how long it takes to be as good as plain."""

import numpy as np

from keras_ganmix.sweeping.results import make_row
from tools.results.merging import ratios

#: The score that is measured during training.
SCORE = "frechet[fashion]"


def at(curve, step, score=SCORE):
    """The score at a step, on straight lines between scorings.

    Args:
        curve: `curves` of a cell.
        step: a number; after the last scoring the score is the last one.
        score: its name.
    """
    return float(np.interp(step, curve["step"], curve[score]))


def first_reached(curve, target, score=SCORE):
    """The first step at which a score is at most a target, or `None`.

    Between scorings the curve is straight.
    """
    steps = np.array(curve["step"], float)
    values = np.array(curve[score], float)
    (below,) = np.nonzero(values <= target)
    if not len(below):
        return None
    i = int(below[0])
    if i == 0:
        return float(steps[0])
    part = (values[i - 1] - target) / (values[i - 1] - values[i])
    return float(steps[i - 1] + part * (steps[i] - steps[i - 1]))


def cost(sweep, arm):
    """Processor seconds of an arm's steps over those of the baseline.

    The median over runs, each beside those of the same piece of the sweep;
    `None` if there are none.
    """
    found = ratios(sweep.done, arm, sweep.baseline)
    return float(np.median(found)) if found else None


def scored(sweep, arm):
    """Curves of an arm's finished runs by seed."""
    return {
        seed: cell["curves"]
        for seed, cell in sweep.of(arm).items()
        if SCORE in cell["curves"]
    }


def equal_seconds(sweep):
    """The arms at the step at which plain's seconds are spent.

    Returns:
        `(row, steps)`: what `make_row` returned for that score, and a dict
        from arm to that step, at most the last one.
    """
    values, steps = {}, {}
    for arm in sweep.arms:
        ratio, curves = cost(sweep, arm), scored(sweep, arm)
        if ratio is None or not curves:
            continue
        steps[arm] = min(sweep.steps, sweep.steps / ratio)
        values[arm] = {s: at(c, steps[arm]) for s, c in curves.items()}
    if sweep.baseline not in values:
        return None, {}
    arms = [arm for arm in sweep.arms if arm in values]
    return make_row(SCORE, sweep.baseline, arms, values, {}), steps


def time_to_baseline(sweep):
    """Steps until the baseline's final score of the same seed is reached.

    Returns:
        Dict from arm to a dict from seed to a step, `None` for never; the
        baseline's own are when it was first as good as at its end.
    """
    targets = {
        seed: at(curve, sweep.steps)
        for seed, curve in scored(sweep, sweep.baseline).items()
    }
    return {
        arm: {
            seed: first_reached(curve, targets[seed])
            for seed, curve in scored(sweep, arm).items()
            if seed in targets
        }
        for arm in sweep.arms
    }


def faster_row(sweep, in_seconds=False):
    """The arms compared by these steps, or by steps times their cost.

    "Never" counts as the last step, which favours the arm; so a difference
    in its favour counts only where it never happened, see `counts_never`.

    Returns:
        What `make_row` returned, or `None` without data.
    """
    values = {}
    for arm, found in time_to_baseline(sweep).items():
        factor = 1 if not in_seconds else cost(sweep, arm)
        if found and factor is not None:
            values[arm] = {
                seed: factor * (sweep.steps if step is None else step)
                for seed, step in found.items()
            }
    if sweep.baseline not in values:
        return None
    name = "cost until plain's score" if in_seconds else "steps"
    arms = [arm for arm in sweep.arms if arm in values]
    return make_row(name, sweep.baseline, arms, values, {}, "lower")


def counts_never(sweep):
    """Dict from arm to the number of runs that never got as good."""
    return {
        arm: sum(step is None for step in found.values())
        for arm, found in time_to_baseline(sweep).items()
    }
