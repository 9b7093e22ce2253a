"""How well a number tells images of the data from foreign ones.

Here images of the data are the positive class, and their numbers should be
the larger ones. A threshold accepts what is at least as large. Others call
foreign images positive: AUROC and detection error are the same then, and the
false positive rate becomes `fpr_of_foreign`.
"""

import numpy as np


def auroc(inside, foreign):
    """Area under the ROC curve: how often an image of the data has more.

    The probability that a random number of `inside` is larger than one of
    `foreign`; ties count half.

    Args:
        inside: numbers of images of the data, (N,).
        foreign: numbers of other images, (M,).

    Returns:
        float in [0, 1]; 0.5 is chance.
    """
    inside, foreign = _checked(inside, foreign)
    below = np.searchsorted(foreign, inside, side="left")
    up_to = np.searchsorted(foreign, inside, side="right")
    pairs = len(inside) * len(foreign)
    return float((below.sum() + up_to.sum()) / 2 / pairs)


def fpr_at_tpr(inside, foreign, tpr=0.95):
    """Share of foreign images accepted, where `tpr` of the others are.

    At the largest threshold that accepts at least this share of `inside`.

    Args:
        inside: numbers of images of the data, (N,).
        foreign: numbers of other images, (M,).
        tpr: share in (0, 1].

    Returns:
        float in [0, 1]; 0 is perfect.
    """
    inside, foreign = _checked(inside, foreign)
    # Not 0.95 * N rounded up, which 0.95 * 20 would make 20.
    accepted = int(np.ceil(tpr * len(inside) - 1e-9))
    threshold = inside[len(inside) - accepted]
    return float(np.mean(foreign >= threshold))


def fpr_of_foreign(inside, foreign, tpr=0.95):
    """Share of the data's images rejected, where `tpr` of the others are.

    `fpr_at_tpr` with the classes exchanged.
    """
    inside, foreign = _checked(inside, foreign)
    return fpr_at_tpr(-foreign, -inside, tpr)


def detection_error(inside, foreign):
    """Share of errors at the best threshold, with both kinds equally likely.

    min over thresholds of (share of `inside` rejected + share of `foreign`
    accepted) / 2, as in Liang et al. 2018, https://arxiv.org/abs/1706.02690.

    Args:
        inside: numbers of images of the data, (N,).
        foreign: numbers of other images, (M,).

    Returns:
        float in [0, 0.5]; 0 is perfect.
    """
    inside, foreign = _checked(inside, foreign)
    thresholds = np.unique(np.concatenate([inside, foreign]))
    rejected = np.searchsorted(inside, thresholds, side="left") / len(inside)
    accepted = 1 - np.searchsorted(foreign, thresholds, side="left") / len(
        foreign
    )
    # One above all rejects everything: 1/2.
    return float(min(0.5, (rejected + accepted).min() / 2))


def report(inside, foreign):
    """All of these, as a dict."""
    return {
        "auroc": auroc(inside, foreign),
        "fpr95": fpr_at_tpr(inside, foreign),
        "fpr95_of_foreign": fpr_of_foreign(inside, foreign),
        "detection_error": detection_error(inside, foreign),
    }


def _checked(inside, foreign):
    """Both, sorted."""
    arrays = []
    for name, values in (("inside", inside), ("foreign", foreign)):
        values = np.asarray(values, np.float64)
        if values.ndim != 1 or not len(values):
            raise ValueError(
                f"{name}: got shape {values.shape}; expected (N,), N >= 1."
            )
        if not np.isfinite(values).all():
            raise ValueError(f"{name}: some are NaN or infinite.")
        arrays.append(np.sort(values))
    return arrays
