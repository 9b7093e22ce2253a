"""How the gradients of a GAN's terms lie to each other."""

import math

import numpy as np

from keras_ganmix.gradients.names import ADVERSARIAL, SIDES


def cosine(a, b):
    """Cosine between two gradients.

    Args:
        a: list of arrays, `None` where there is no gradient.
        b: the same for another term. Variables that one of them does not
            depend on are left out.

    Returns:
        A number in [-1, 1]; NaN if one of them vanishes or is not finite.
    """
    dot, norm_a, norm_b = _products(a, b)
    return dot / (norm_a * norm_b) if norm_a and norm_b else math.nan


def ratio(a, b):
    """Length of a gradient a over that of b; arguments as for `cosine`.

    NaN if b vanishes, or one of them is not finite.
    """
    _, norm_a, norm_b = _products(a, b)
    return norm_a / norm_b if norm_b else math.nan


def _products(a, b):
    pairs = [
        (np.ravel(x).astype(float), np.ravel(y).astype(float))
        for x, y in zip(a, b, strict=True)
        if x is not None and y is not None
    ]
    if not all(np.isfinite(x).all() for pair in pairs for x in pair):
        return math.nan, math.nan, math.nan
    dot = sum(float(x @ y) for x, y in pairs)
    norm_a = math.sqrt(sum(float(x @ x) for x, _ in pairs))
    norm_b = math.sqrt(sum(float(y @ y) for _, y in pairs))
    return dot, norm_a, norm_b


def angles(terms):
    """Angles between the adversarial gradient and those of the other terms.

    Args:
        terms: `Terms`.

    Returns:
        Flat dictionary. For each side and regularizer, `SIDE/NAME/...`:
        `cosine`, the mean over batches, and `cosine_spread`, their standard
        deviation, NaN for one batch; `mean_cosine`, that between the means of
        the gradients; `ratio` and `ratio_spread` of the lengths of the
        weighted term's and the adversarial gradient. Where one of them
        vanishes, these are NaN.
    """
    numbers = {}
    for side in SIDES:
        weights = terms.weights(side)
        if len(weights) == 1:
            continue
        found = list(terms.gradients(side))
        mean = {n: _mean([f[n] for f in found]) for n in weights}
        for name, weight in weights.items():
            if name == ADVERSARIAL:
                continue
            pairs = [(f[name], f[ADVERSARIAL]) for f in found]
            cosines = [cosine(*pair) for pair in pairs]
            ratios = [weight * ratio(*pair) for pair in pairs]
            numbers |= {
                f"{side}/{name}/{key}": float(value)
                for key, value in (
                    ("cosine", np.mean(cosines)),
                    ("cosine_spread", _spread(cosines)),
                    ("mean_cosine", cosine(mean[name], mean[ADVERSARIAL])),
                    ("ratio", np.mean(ratios)),
                    ("ratio_spread", _spread(ratios)),
                )
            }
    return numbers


def _spread(values):
    return np.std(values, ddof=1) if len(values) > 1 else math.nan


def _mean(gradients):
    return [
        None if parts[0] is None else np.mean(parts, axis=0)
        for parts in zip(*gradients, strict=True)
    ]
