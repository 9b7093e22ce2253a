"""The kinds of tests of claims: each says what came out, and a verdict.

Every function takes the `Store` and the arguments in `claims.yaml`, and returns
an `Outcome`.
"""

import typing

from tools.results import augmentation, rules, speed
from tools.results.fashion import FRECHET, MAIN
from tools.results.parts import change

#: What is told of modes: score to its name and a factor.
MODES = {
    "modes": ("modes", 1),
    "high_quality": ("high quality %", 100),
    "reverse_kl": ("reverse KL", 1),
}


class Outcome(typing.NamedTuple):
    """What came out of a test.

    Attributes:
        verdict: of `rules`.
        text: what came out; nothing if it was not run.
        page: where it is told, with the title of the link.
        preliminary: whether runs are to come.
    """

    verdict: str
    text: str
    page: str
    preliminary: bool = False


def modes(store, sweep, arm, scores=("modes", "reverse_kl"), every=False):
    """Modes found, over the last fifth of the steps of points.

    It holds if one of the scores is better and none is worse; with `every`
    only if all are better.
    """
    title = {"modes_ring": "ring", "modes_grid": "grid"}[sweep]
    page = f"[{title}](modes.md)"
    found = store.sweeps.get(sweep)
    if found is None or arm not in found.arms:
        return Outcome(rules.NOT_RUN, "", page)
    rows = found.late_rows
    told = [
        f"{name} {_told(rows, arm, score, factor)}"
        for score, (name, factor) in MODES.items()
    ]
    judge = rules.all_of if every else rules.together
    verdict = judge([rules.improves(rows, arm, [s]) for s in scores])
    return Outcome(verdict, "; ".join(told), page, not found.complete)


def stacked(store, arm):
    """Modes found among stacked garments, at the last step."""
    page = "[stacked garments](modes.md#stacked-garments)"
    found = store.sweeps.get("stacked_dcgan")
    if found is None or arm not in found.arms:
        return Outcome(rules.NOT_RUN, "", page)
    told = [
        f"{name} {_told(found.rows, arm, score)}"
        for name, score in (("modes", "modes"), ("KL", "mode_kl"))
    ]
    verdict = rules.together(
        [
            rules.improves(found.rows, arm, [score])
            for score in ("modes", "mode_kl")
        ]
    )
    return Outcome(verdict, "; ".join(told), page, not found.complete)


def images(store, arm, against=None, claims="better"):
    """Frechet distances of garments by both extractors."""
    page = "[6,000 garments](fashion_mnist.md)"
    found = store.sweeps.get(MAIN)
    against = against or (found.baseline if found else None)
    if found is None or not {arm, against} <= set(found.arms):
        return Outcome(rules.NOT_RUN, "", page)
    rows = pair(found, arm, against, FRECHET)
    verdict = rules.improves(rows, arm, FRECHET)
    if claims == "worse":
        swapped = {
            rules.HOLDS: rules.FAILS,
            rules.FAILS: rules.HOLDS,
        }
        verdict = swapped.get(verdict, verdict)
    told = ", ".join(f"{s} {_told(rows, arm, s)}" for s in FRECHET)
    text = f"{arm} - {against}: {told}"
    return Outcome(verdict, text, page, not found.complete)


def layer(store, arm, against, layer):
    """Frechet distance of one layer, an arm against another."""
    page = "[layers](fashion_mnist.md#low-level-and-high-level)"
    name = {"early": "frechet_early", "late": "frechet"}[layer]
    score = f"{name}[fashion]"
    found = store.sweeps.get(MAIN)
    if found is None or not {arm, against} <= set(found.arms):
        return Outcome(rules.NOT_RUN, "", page)
    rows = pair(found, arm, against, [score])
    text = f"{layer} layer, {arm} - {against}: {_told(rows, arm, score)}"
    verdict = rules.improves(rows, arm, [score])
    return Outcome(verdict, text, page, not found.complete)


def faster(store, arm):
    """Steps until plain's final score.

    It does not hold for an arm that needs fewer, but takes longer.
    """
    page = "[time](fashion_mnist.md#how-long-until-plains-final-score)"
    found = store.sweeps.get(MAIN)
    row = speed.faster_row(found) if found is not None else None
    if row is None or arm not in row["arms"]:
        return Outcome(rules.NOT_RUN, "", page)
    never = speed.counts_never(found)[arm]
    verdict = rules.improves([row], arm, [row["score"]])
    if verdict == rules.HOLDS and (never or _takes_longer(found, arm)):
        verdict = rules.UNDECIDED
    text = (
        f"{arm}: {_told([row], arm, row['score'])} steps"
        f"{_in_seconds(found, arm)}, never in {never} of "
        f"{row['arms'][arm]['count']}"
    )
    return Outcome(verdict, text, page, not found.complete)


def _takes_longer(sweep, arm):
    """Whether it is told apart as slower in processor seconds."""
    row = speed.faster_row(sweep, in_seconds=True)
    return (
        row is not None and row["arms"].get(arm, {}).get("verdict") == "worse"
    )


def _in_seconds(sweep, arm):
    """The same difference in processor seconds, if these are known."""
    row = speed.faster_row(sweep, in_seconds=True)
    if row is None or arm not in row["arms"]:
        return ""
    factor = sweep.seconds_per_step(sweep.baseline)
    return f" ({_told([row], arm, row['score'], factor)} s)"


def rotation(store):
    """Deshuffle against Rotation, in the runs of the landscapes."""
    page = "[landscapes](landscape.md)"
    found = store.sweeps.get("landscape")
    score = "frechet[fashion]"
    if found is None or not {"Deshuffle", "Rotation"} <= set(found.arms):
        return Outcome(rules.NOT_RUN, "", page)
    rows = pair(found, "Deshuffle", "Rotation", [score])
    text = f"Deshuffle - Rotation: {score} {_told(rows, 'Deshuffle', score)}"
    # By one extractor, so at most a hint.
    return Outcome(rules.UNDECIDED, text, page, not found.complete)


def classify(store, arm, scores=(), prefix=None):
    """Scores of classifiers; with a prefix all that begin so must agree."""
    page = "[classifiers](classify.md)"
    found = store.others.get("classify")
    if found is None or not any(r["arm"] == arm for r in found["runs"]):
        return Outcome(rules.NOT_RUN, "", page)
    rows = found["table"]
    if prefix is not None:
        scores = [r["score"] for r in rows if r["score"].startswith(prefix)]
    if not all(rules.cell_of(rows, arm, score) for score in scores):
        return Outcome(rules.NOT_RUN, "", page)
    told = ", ".join(f"{s} {_told(rows, arm, s)}" for s in scores)
    verdict = rules.improves(rows, arm, scores)
    return Outcome(verdict, told, page, bool(found["left"]))


def samples(store, images, size):
    """Accuracy with samples of a GAN with the penalty and without."""
    page = "[augmentation](augmentation.md)"
    found = store.others.get("augmentation")
    row = augmentation.penalty_row(found, images) if found else None
    if row is None or augmentation.penalty(found, images) is None:
        return Outcome(rules.NOT_RUN, "", page)
    arm = "wgan_gp_dpm"
    verdict = rules.improves([row], arm, ["accuracy"], size)
    text = f"{images:,} images: {_told([row], arm, 'accuracy', 100)} points"
    left = len(found["runs"]) < (
        len(found["settings"]) * len(found["seeds"]) * len(found["images"])
    )
    return Outcome(verdict, text, page, left)


def leak(store):
    """Where the generators of rotated points end."""
    page = "[does it leak?](../methods/dag.md#does-it-leak)"
    found = store.others.get("dag_leak")
    if found is None:
        return Outcome(rules.NOT_RUN, "", page)
    counts = {
        arm: (
            about["verdicts"].get("at the data", 0),
            sum(about["verdicts"].values()),
        )
        for arm, about in found.items()
        if arm != "steps"
    }
    p = rules.fisher(*counts["dag"], *counts["shared"])
    text = (
        "at the data: {} of {} runs with a head for each, {} of {} with one "
        "head for all, {} of {} with real data alone rotated; Fisher's p of "
        "the first two {:.2g}"
    ).format(*counts["dag"], *counts["shared"], *counts["real_only"], p)
    whole = counts["dag"][0] == counts["dag"][1]
    holds = whole and p < rules.LEVEL
    return Outcome(rules.HOLDS if holds else rules.UNDECIDED, text, page)


KINDS = {
    "modes": modes,
    "stacked": stacked,
    "images": images,
    "layer": layer,
    "faster": faster,
    "rotation": rotation,
    "classify": classify,
    "augmentation": samples,
    "leak": leak,
}


def pair(sweep, arm, against, scores):
    """Rows that compare an arm with another one.

    With the baseline these are the rows of the page, corrected over all arms;
    between two others, rows of these two alone.
    """
    if against == sweep.baseline:
        return sweep.rows
    return sweep.against(against, arm, scores)


def _told(rows, arm, score, factor=1):
    cell = rules.cell_of(rows, arm, score)
    if cell is None:
        return "-"
    alone = " (one seed)" if cell["pairs"] == 1 else ""
    return change(cell, factor) + alone
