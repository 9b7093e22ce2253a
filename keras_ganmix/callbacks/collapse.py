"""Signs in a run's scores that its generator has collapsed.

Both rules are this project's own; they look at the scores alone, so that a
continued run judges as one that was never interrupted.
"""

import numpy as np

from keras_ganmix.faults import NotFiniteError
from keras_ganmix.metrics.images import quantise

#: Diversity, relative to real images, below which fakes have collapsed.
LEAST_DIVERSITY = 0.2
#: Evaluations within which a generator may still become diverse.
YOUNG = 10
#: Evaluations over which the slope of the score is taken.
WINDOW = 4
#: Share of all progress that must be lost within the window.
LOST = 0.5


def lost_diversity(diversities):
    """Says that the newest fakes are nearly alike, or returns `None`.

    Fakes have little diversity when training begins, too: it counts if there
    was more before, or if it does not come.

    Args:
        diversities: of each evaluation, 1 for that of real images.
    """
    *before, newest = diversities or [1.0]
    had_more = any(x >= LEAST_DIVERSITY for x in before)
    if newest >= LEAST_DIVERSITY or not (had_more or len(before) >= YOUNG):
        return None
    return f"the fakes have {newest:.0%} of the diversity of reals"


def slid(values):
    """Says that the score slopes back, or returns `None`.

    The line through the newest scores must lead, within their window, over
    half of the way that was made from the first score to the best one before
    the window.

    Args:
        values: the watched score at each evaluation, larger is better.
    """
    before, window = values[:-WINDOW], values[-WINDOW:]
    if not before:
        return None
    progress = max(before) - values[0]
    slope = np.polyfit(np.arange(len(window)), window, 1)[0]
    loss = -slope * (len(window) - 1)
    if progress <= 0 or loss < LOST * progress:
        return None
    return (
        f"the score has lost {loss / progress:.0%} of its progress within "
        f"{len(window)} evaluations"
    )


class Spread:
    """Mean over pixels of the standard deviation over images."""

    def __init__(self):
        self._count, self._sum, self._squares = 0, 0.0, 0.0

    def add(self, images):
        """Adds images, or points; returns self."""
        if np.ndim(images) == 4:  # floats and bytes become one scale
            images = quantise(images)
        x = np.asarray(images, np.float64)
        self._count += len(x)
        self._sum = self._sum + x.sum(0)
        self._squares = self._squares + np.square(x).sum(0)
        return self

    def watch(self, batches):
        """Hands on batches `(fakes, labels)`, and adds the fakes.

        Raises:
            NotFiniteError: if points are NaN or infinite.
        """
        for images, labels in batches:
            if not np.isfinite(images).all():
                raise NotFiniteError(
                    "generated points became NaN or infinite. Lower the "
                    "learning rate, or use float32."
                )
            self.add(images)
            yield images if labels is None else (images, labels)

    @property
    def value(self):
        mean = self._sum / self._count
        variance = self._squares / self._count - np.square(mean)
        return float(np.sqrt(np.maximum(variance, 0)).mean())
