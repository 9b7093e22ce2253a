"""The sweeps whose modes are known, and the scores that they have."""

import functools

import numpy as np

from keras_ganmix.comparing.intervals import t_quantile
from keras_ganmix.data.sources.toys import MIXTURES
from keras_ganmix.metrics.modes import mode_coverage

#: Those on mixtures of Gaussians: name to what it is called.
SWEEPS = {
    "modes_ring": "ring",
    "modes_grid": "grid",
    "modes_grid_fast": "grid, faster discriminator",
}
#: Score to its name and a factor.
SCORES = {
    "modes": ("modes", 1),
    "high_quality": ("high quality %", 100),
    "reverse_kl": ("reverse KL", 1),
}
#: Scores of stacked pictures, and their names.
STACKED = {"modes": "modes", "mode_kl": "KL"}
#: All sweeps whose modes are known.
ALL = {**SWEEPS, "stacked_dcgan": "stacked garments"}
_WORDS = {"modes": "modes", "high_quality": "quality", "reverse_kl": "evenness"}


def judged(sweep):
    """The rows by which a sweep of `ALL` is judged, and words for its scores.

    Points by the last fifth of the steps, pictures by the last one.
    """
    if sweep.name in SWEEPS:
        return sweep.late_rows, _WORDS
    return sweep.rows, STACKED


def all_found(sweep, arm):
    """Whether each run of an arm has all modes at the last step."""
    count = len(MIXTURES[sweep.recipe][0])
    runs = sweep.of(arm).values()
    return [cell["scores"]["modes"] == count for cell in runs]


@functools.cache
def scatter(mixture, draws=200):
    """Mean scores of points scattered evenly, which know nothing of modes.

    2,500 points in the square around the centres, a quarter larger.
    """
    rng = np.random.default_rng(0)
    side = 1.25 * np.abs(MIXTURES[mixture][0]).max()
    found = [
        mode_coverage(rng.uniform(-side, side, (2500, 2)), mixture)
        for _ in range(draws)
    ]
    return {
        score: float(np.mean([getattr(each, score) for each in found]))
        for score in SCORES
    }


def beats_scatter(sweep, arm):
    """Whether it is told apart that an arm finds more modes than scatter.

    By the 95 % interval of its mean over seeds.
    """
    (row,) = (row for row in sweep.late_rows if row["score"] == "modes")
    cell = row["arms"][arm]
    if cell["spread"] is None:
        return False
    half = cell["spread"] / cell["count"] ** 0.5 * t_quantile(cell["count"] - 1)
    return cell["mean"] - half > scatter(sweep.recipe)["modes"]


@functools.cache
def even(mixture, quality, draws=200):
    """Mean modes and reverse KL of a generator that serves all modes evenly.

    Args:
        mixture: its name.
        quality: its share of samples near a mode, of 2,500.
        draws: over how many batches.
    """
    centres, rng = np.asarray(MIXTURES[mixture][0]), np.random.default_rng(0)
    found = []
    for _ in range(draws):
        points = centres[rng.integers(len(centres), size=2500)]
        far = rng.random(2500) >= quality
        points = np.where(far[:, None], 1000.0, points)
        found.append(mode_coverage(points, mixture))
    return (
        float(np.mean([each.modes for each in found])),
        float(np.mean([each.reverse_kl for each in found])),
    )
