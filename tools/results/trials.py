"""The kinds of tests of claims: each says what came out, and a verdict.

Every function takes the `Store` and the arguments in `claims.yaml`, and returns
an `Outcome`; `chances` is by how many tests the claim may be decided.
"""

import typing

from keras_ganmix.sweeping.results import make_row
from keras_ganmix.sweeping.statistics import paired_p
from tools.results import augmentation, leaks, mixtures, rules, speed
from tools.results.fashion import FRECHET, FULL, MAIN
from tools.results.parts import change
from tools.results.store import late_scores


class Outcome(typing.NamedTuple):
    """What came out of a test.

    Attributes:
        verdict: of `rules`.
        text: what came out; nothing if it was not run.
        page: where it is told, with the title of the link.
        preliminary: whether runs are to come.
        tests: by how many p values it is decided.
    """

    verdict: str
    text: str
    page: str
    preliminary: bool = False
    tests: int = 1


def _missing(found, arms, page):
    """The outcome where arms have no finished run, else `None`."""
    lost = [arm for arm in arms if found is None or arm not in found.arms]
    if not lost:
        return None
    if found is not None and any(found.failed(arm) for arm in lost):
        text = f"{lost[0]}: every run failed"
        return Outcome(rules.UNDECIDED, text, page, not found.complete)
    return Outcome(rules.NOT_RUN, "", page)


def _of_sweep(found, arms, verdict, text, page):
    """An outcome; where runs failed those that are left prove no claim."""
    lost = [f"{a} failed in {found.failed(a)}" for a in arms if found.failed(a)]
    if lost:
        text += f" ({', '.join(lost)} of {len(found.seeds)} runs)"
        verdict = rules.UNDECIDED if verdict == rules.HOLDS else verdict
    return Outcome(verdict, text, page, not found.complete)


def modes(
    store,
    sweep,
    arm,
    scores=("modes", "reverse_kl"),
    every=False,
    chances=1,
):
    """Modes found, over the last fifth of the steps of points.

    It holds if one of the scores is better and none is worse, there and at the
    last step; with `every` only if all are better. It never holds where
    quality is told apart as worse, or where no more modes are found than by
    scattered points, nor by a score without room to be better.
    """
    page = f"[{mixtures.SWEEPS[sweep]}](modes.md)"
    found = store.sweeps.get(sweep)
    arms, tests = (arm,), len(scores)
    if missing := _missing(found, arms, page):
        return missing._replace(tests=tests)
    rows = found.late_rows
    roomy = [s for s in scores if _has_room(found, rules.row_of(rows, s))]
    told = [
        f"{name} {_told(rows, arm, score, factor)}"
        for score, (name, factor) in mixtures.SCORES.items()
    ]
    verdicts = [_improves(rows, arm, s, chances, s in roomy) for s in scores]
    effects = _effects(rows, arm, scores) + _effects(found.rows, arm, scores)
    verdict = (
        rules.all_of(verdicts) if every else rules.either(verdicts, effects)
    )
    spoilt = effects + _effects(rows, arm, ["high_quality"])
    if "modes" in scores and not mixtures.beats_scatter(found, arm):
        spoilt.append("worse")
        count = mixtures.scatter(found.recipe)["modes"]
        told.append(
            f"not shown to beat scattered points, which find {count:.3g}"
        )
    if verdict == rules.HOLDS and "worse" in spoilt:
        verdict = rules.UNDECIDED
    if lost := [mixtures.SCORES[s][0] for s in scores if s not in roomy]:
        told.append(f"too few seeds to tell better {' and '.join(lost)}")
    text = f"{arm}: {'; '.join(told)}"
    outcome = _of_sweep(found, arms, verdict, text, page)
    return outcome._replace(tests=tests)


def _effects(rows, arm, scores):
    """What an arm does to each score, by p of its own."""
    return [rules.effect(rows, arm, [score], alone=True) for score in scores]


def _improves(rows, arm, score, chances, has_room=True):
    found = rules.improves(rows, arm, [score], chances=chances, alone=True)
    holds = found == rules.HOLDS
    return rules.UNDECIDED if holds and not has_room else found


def _has_room(sweep, row):
    """Whether real data's own score in every seed would be told apart.

    And that clearly enough to be one of ten tests.
    """
    if row is None or row.get("floor") is None:
        return True
    base = sweep.of(sweep.baseline).values()
    found = [late_scores(cell)[row["score"]] for cell in base]
    p = paired_p([row["floor"] - value for value in found])
    return p is None or 10 * p < rules.LEVEL


def stacked(store, arm, chances=1):
    """Modes found among stacked garments, at the last step."""
    page = "[stacked garments](modes.md#stacked-garments)"
    found, scores = store.sweeps.get("stacked_dcgan"), list(mixtures.STACKED)
    if missing := _missing(found, (arm,), page):
        return missing._replace(tests=len(scores))
    told = [
        f"{name} {_told(found.rows, arm, score)}"
        for score, name in mixtures.STACKED.items()
    ]
    verdicts = [_improves(found.rows, arm, score, chances) for score in scores]
    verdict = rules.either(verdicts, _effects(found.rows, arm, scores))
    text = f"{arm}: {'; '.join(told)}"
    outcome = _of_sweep(found, (arm,), verdict, text, page)
    return outcome._replace(tests=len(scores))


def images(store, arm, against=None, claims="better", chances=1, sweep=MAIN):
    """Frechet distances of garments by both extractors.

    Returns:
        `None` of an arm that is none of those of all 60,000 images.
        Before these are chosen it may be one.
    """
    page = {
        MAIN: "[6,000 garments](fashion_mnist.md)",
        FULL: "[60,000 garments](fashion_mnist.md#all-60000-images)",
    }[sweep]
    found = store.sweeps.get(sweep)
    if sweep == FULL and found and arm not in found.found["arms"]:
        return None
    against = against or (found.baseline if found else "plain")
    if missing := _missing(found, (arm, against), page):
        return missing
    rows = pair(found, arm, against, FRECHET)
    verdict = rules.improves(rows, arm, FRECHET, chances=chances)
    if claims == "worse":
        swapped = {
            rules.HOLDS: rules.FAILS,
            rules.FAILS: rules.HOLDS,
        }
        verdict = swapped.get(verdict, verdict)
    told = ", ".join(f"{s} {_told(rows, arm, s)}" for s in FRECHET)
    text = f"{arm} - {against}: {told}"
    return _of_sweep(found, (arm, against), verdict, text, page)


def layer(store, arm, against, layer):
    """Frechet distance of one layer of one extractor."""
    page = "[layers](fashion_mnist.md#low-level-and-high-level)"
    name = {"early": "frechet_early", "late": "frechet"}[layer]
    score = f"{name}[fashion]"
    found = store.sweeps.get(MAIN)
    if missing := _missing(found, (arm, against), page):
        return missing
    rows = pair(found, arm, against, [score])
    text = f"{layer} layer, {arm} - {against}: {_told(rows, arm, score)}"
    verdict = rules.improves(rows, arm, [score])
    return _of_sweep(found, (arm, against), verdict, text, page)


def faster(store, arm, chances=1):
    """Steps until plain's final score.

    It holds for an arm that always gets there, in fewer steps and not in more
    seconds. It does not for one that never does in so many runs that this is
    unlikely to be chance: an arm that is as plain is below plain's last score
    in half of its runs.
    """
    page = "[time](fashion_mnist.md#how-long-until-plains-final-score)"
    found = store.sweeps.get(MAIN)
    if missing := _missing(found, (arm,), page):
        return missing
    row = speed.faster_row(found)
    if row is None or arm not in row["arms"]:
        return Outcome(rules.NOT_RUN, "", page)
    never, count = speed.counts_never(found)[arm], row["arms"][arm]["count"]
    verdict = rules.improves([row], arm, [row["score"]], chances=chances)
    if verdict == rules.HOLDS and (never or _takes_longer(found, arm)):
        verdict = rules.UNDECIDED
    if never == count and chances * 0.5**count < rules.LEVEL:
        verdict = rules.FAILS
    text = f"{arm}: never in {never} of {count}"
    if never < count:
        text += (
            f", {_told([row], arm, row['score'])} steps"
            f"{_in_seconds(found, arm)}"
        )
    return _of_sweep(found, (arm,), verdict, text, page)


def _takes_longer(sweep, arm):
    """Whether it takes more processor seconds in the mean."""
    row = speed.faster_row(sweep, in_seconds=True)
    cell = row["arms"].get(arm) if row is not None else None
    return cell is not None and cell["difference"] >= 0


def _in_seconds(sweep, arm):
    """The same difference in processor seconds, if these are known."""
    row = speed.faster_row(sweep, in_seconds=True)
    if row is None or arm not in row["arms"]:
        return ""
    factor = sweep.seconds_per_step(sweep.baseline)
    seconds = row["arms"][arm]["difference"] * factor
    return f" ({seconds:+.3g} s)"


def landscape(store, arm, against):
    """Frechet distances of the runs of the landscapes, by one extractor."""
    page = "[landscapes](landscape.md)"
    found = store.sweeps.get("landscape")
    score = "frechet[fashion]"
    if missing := _missing(found, (arm, against), page):
        return missing
    rows = pair(found, arm, against, [score])
    text = f"{arm} - {against}: {score} {_told(rows, arm, score)}"
    # By one extractor, so at most a hint.
    return Outcome(rules.UNDECIDED, text, page, not found.complete)


def classify(store, arm, scores=(), prefix=None, beside=None):
    """Scores of classifiers; with a prefix all that begin so must agree.

    `beside` is another arm whose differences are told, too.
    """
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
    if beside is not None:
        others = ", ".join(f"{s} {_told(rows, beside, s)}" for s in scores)
        told += f"; {beside}: {others}"
    verdict = rules.improves(rows, arm, scores)
    return Outcome(verdict, told, page, bool(found["left"]))


def foreign(store, arm, detector):
    """How well foreign images are told, the mean over their kinds."""
    page = "[foreign images](classify.md#foreign-images)"
    found = store.others.get("classify")
    runs = found["runs"] if found is not None else []
    values = {}
    for run in runs:
        areas = [kind[detector]["auroc"] for kind in run["ood"].values()]
        if areas:
            own = values.setdefault(run["arm"], {})
            own[run["seed"]] = sum(areas) / len(areas)
    if arm not in values:
        return Outcome(rules.NOT_RUN, "", page)
    score, arms = "mean AUROC", [a for a in found["arms"] if a in values]
    rows = [make_row(score, arms[0], arms, values, {}, "higher")]
    verdict = rules.improves(rows, arm, [score])
    text = f"{score} over the kinds {_told(rows, arm, score)}"
    return Outcome(verdict, text, page, bool(found["left"]))


def samples(store, images, size=None, chances=1):
    """Accuracy with samples of a GAN with the penalty and without."""
    page = "[augmentation](augmentation.md)"
    found = store.others.get("augmentation")
    row = augmentation.row_of(found, images, "wgan_gp") if found else None
    if row is None or augmentation.penalty(found, images) is None:
        return Outcome(rules.NOT_RUN, "", page)
    arm = "wgan_gp_dpm"
    verdict = rules.improves([row], arm, ["accuracy"], size, chances)
    text = f"{images:,} images: {_told([row], arm, 'accuracy', 100)} points"
    left = len(found["runs"]) < augmentation.planned(found)
    return Outcome(verdict, text, page, left)


def leak(store):
    """Where the generators of rotated points end."""
    page = "[does it leak?](../methods/dag.md#does-it-leak)"
    found = leaks.runs(store)
    if found is None:
        return Outcome(rules.NOT_RUN, "", page)
    counts = {name: leaks.ended(about) for name, about in found.items()}
    parts, ps = [], []
    for weight, with_heads, with_one in (
        ("weight 3", "dag", "shared"),
        ("weight 0.2", "dag_light", "shared_light"),
    ):
        pair = *counts[with_heads], *counts[with_one]
        ps.append(rules.fisher(*pair))
        parts.append(
            "{}: {} of {} runs with a head for each, {} of {} with one head "
            "for all, Fisher's p {:.2g}".format(weight, *pair, ps[-1])
        )
    text = f"at the data, {'; '.join(parts)}; {{}} of {{}} with real data alone"
    text = f"{text} rotated".format(*counts["real_only"])
    told = min(ps) * len(ps) < rules.LEVEL
    verdict = rules.HOLDS if told else rules.UNDECIDED
    if any(counts[a][0] < counts[a][1] for a in ("dag", "dag_light")):
        verdict = rules.FAILS
    return Outcome(verdict, text, page)


KINDS = {
    "modes": modes,
    "stacked": stacked,
    "images": images,
    "layer": layer,
    "faster": faster,
    "landscape": landscape,
    "classify": classify,
    "foreign": foreign,
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
