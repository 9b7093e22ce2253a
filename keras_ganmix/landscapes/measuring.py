"""Losses along lines and on planes through a GAN's weights."""

import dataclasses
import itertools
import time

import numpy as np

from keras_ganmix.gradients.names import SIDES, TOTAL
from keras_ganmix.landscapes.directions import Weights


@dataclasses.dataclass(frozen=True)
class Protocol:
    """What is measured, the same for all runs.

    Attributes:
        points: numbers alpha along a line, odd.
        extent: the largest of them.
        directions: how many lines.
        batches: batches of images of which the mean is taken.
        seed: of directions, latents, order of images and random numbers.
        two: whether to look at a plane too, with `points` squared points.
        gradients: whether to look at angles between gradients.
    """

    points: int = 21
    extent: float = 1.0
    directions: int = 5
    batches: int = 8
    seed: int = 0
    two: bool = False
    gradients: bool = False

    @property
    def alphas(self):
        """The numbers, from `-extent` to `extent`, 0 among them exactly."""
        half = self.points // 2
        return np.arange(-half, half + 1) * (self.extent / half)

    @property
    def evaluations(self):
        """How often each side's terms are computed."""
        lines = self.directions * self.points
        return lines + self.two * self.points**2


class NotFiniteLossError(RuntimeError):
    """A loss is NaN or infinite at the weights themselves."""


def seconds(terms, protocol):
    """Seconds that a checkpoint will take, from one evaluation of each side.

    The functions are traced on the way, which is not counted.
    """
    total = 0.0
    for side in SIDES:
        terms.values(side)
        begin = time.perf_counter()
        terms.values(side)
        total += time.perf_counter() - begin
    return total * protocol.evaluations


def lines(terms, side, protocol):
    """Losses along random directions.

    Args:
        terms: `Terms`, whose GAN's weights are put back at the end.
        side: whose terms, and whose weights.
        protocol: `Protocol`.

    Returns:
        Dictionary from a term to `(directions, points)` means over batches.

    Raises:
        NotFiniteLossError: if a term is not finite at the weights themselves.
    """
    alphas = protocol.alphas
    weights = Weights(terms.gan, side)
    curves = None
    try:
        _check_finite(terms, side)
        for number in range(protocol.directions):
            direction = weights.direction(protocol.seed, number)
            for i, alpha in enumerate(alphas):
                weights.move((alpha, direction))
                values = terms.values(side)
                if curves is None:
                    shape = (protocol.directions, len(alphas))
                    curves = {name: np.empty(shape) for name in values}
                for name, value in values.items():
                    curves[name][number, i] = np.mean(value)
    finally:
        weights.put_back()
    return curves


def plane(terms, side, protocol):
    """Losses on the plane of two orthogonal directions.

    Arguments and errors as for `lines`. The first direction is the first of
    `lines`.

    Returns:
        Dictionary from a term to `(points, points)` means over batches: rows
        are steps along the second direction, columns along the first.
    """
    alphas = protocol.alphas
    weights = Weights(terms.gan, side)
    first = weights.direction(protocol.seed, 0)
    second = weights.direction(protocol.seed, protocol.directions, first)
    surfaces = None
    try:
        grid = itertools.product(enumerate(alphas), enumerate(alphas))
        for (row, b), (column, a) in grid:
            weights.move((a, first), (b, second))
            values = terms.values(side)
            if surfaces is None:
                shape = (len(alphas), len(alphas))
                surfaces = {name: np.empty(shape) for name in values}
            for name, value in values.items():
                surfaces[name][row, column] = np.mean(value)
    finally:
        weights.put_back()
    return surfaces


def _check_finite(terms, side):
    values = terms.values(side)
    bad = [n for n, v in values.items() if not np.isfinite(v).all()]
    if bad:
        bad = [name for name in bad if name != TOTAL] or bad
        raise NotFiniteLossError(
            f"{side}/{bad[0]} is NaN or infinite; there is no landscape "
            "around it"
        )
