"""`docs/choosing.md`: which regularizer for which situation."""

from keras_ganmix.utils.tables import markdown_table
from tools.results import (
    augmentation,
    collapse,
    costs,
    fashion,
    mixtures,
    rules,
)
from tools.results.fashion import FRECHET, MAIN
from tools.results.parts import GENERATED, change, effect_in_words, listed
from tools.results.templates import fill

#: Rows of the table of costs: method to the names in `performance.md`.
METHODS = {
    "Mixup": ("SampleMixing mixup", "sample_mixing"),
    "CutMix": ("SampleMixing cutmix", "sample_mixing"),
    "SRMix": ("SampleMixing srmix", "sample_mixing"),
    "AdaptiveMix": ("AdaptiveMix", "adaptive_mix"),
    "DAG": ("DAG rotation (K = 4)", "dag"),
    "DiversityPenalty": ("DiversityPenalty", "diversity_penalty"),
    "ModeSeeking": ("ModeSeeking", "mode_seeking_gdpp"),
    "GDPP": ("GDPP", "mode_seeking_gdpp"),
    "Deshuffle": ("Deshuffle", "deshuffle"),
    "Rotation": ("Rotation", "rotation"),
    "DiffAugment": ("DiffAugment", "augmentation"),
    "AdaptiveAugment": ("AdaptiveAugment", "augmentation"),
    "LeCam": ("LeCam", "lecam"),
    "R1": ("R1", "gradient_penalties"),
    "GradientPenalty": ("GradientPenalty", "gradient_penalties"),
    "Consistency": ("Consistency bcr", "consistency"),
}
#: Arms of the mixtures that are methods under another name.
_ARMS = {"Mixup": "SampleMixing_mixup"}


def build(store):
    """The page; draws its pictures."""
    return fill(
        "choosing.md",
        {
            "generated": lambda: GENERATED,
            "methods": lambda: _methods(store),
            "mixtures": lambda arm: on_mixtures(store, arm),
            "complete": lambda *a: complete(store, *a),
            "images": lambda arm: images(store, arm),
            "hurts": lambda arm: hurts(store, arm),
            "awaited": lambda: awaited(store),
            "classified": lambda *a: classified(store, *a),
            "augmented": lambda *a: augmented(store, *a),
            "mark": lambda *a: mark(store, *a),
            "collapse": lambda: collapse.build(store),
        },
    )


def _methods(store):
    dcgan = costs.read(store.places.performance, "dcgan")
    sngan = costs.read(store.places.performance, "sngan")
    lines = []
    for method, (row, page) in METHODS.items():
        lines.append(
            (
                f"[{method}](methods/{page}.md)",
                dcgan[row]["ratio"],
                sngan[row]["ratio"],
                dcgan[row]["passes"],
                *(
                    modes(store, name, _ARMS.get(method, method))
                    for name in mixtures.ALL
                ),
                images(store, method),
            )
        )
    heads = ("method", "step, DCGAN", "step, SNGAN", "trunk passes")
    seen = [f"modes, {title}" for title in mixtures.ALL.values()]
    return markdown_table((*heads, *seen, "6,000 garments"), lines)


def on_mixtures(store, arm):
    """What an arm does to the modes of the sweeps it was run in."""
    told = {t: modes(store, n, arm) for n, t in mixtures.ALL.items()}
    lines = [f"{found} ({t})" for t, found in told.items() if found != "-"]
    return "; ".join(lines) or "not run yet"


def complete(store, name, arm):
    """In how many runs an arm has all modes at the last step."""
    if name not in store.sweeps:
        return "no"
    found = mixtures.all_found(store.sweeps[name], arm)
    return f"{sum(found)} of {len(found)}"


def modes(store, name, arm):
    """What an arm does to the modes of a sweep, in words."""
    sweep = store.sweeps.get(name)
    if sweep is None or arm not in sweep.found["arms"]:
        return "-"
    if arm not in sweep.arms:
        return "not run yet"
    rows, names = mixtures.judged(sweep)
    words = {n: rules.effect(rows, arm, [s]) for s, n in names.items()}
    told = [f"{n} {w}" for n, w in words.items() if w in ("better", "worse")]
    if (
        words["modes"] == "better"
        and name in mixtures.SWEEPS
        and not mixtures.beats_scatter(sweep, arm)
    ):
        told[0] += " (not shown to beat scattered points)"
    return (", ".join(told) or "not told apart") + _so_far(sweep)


def images(store, arm, name=MAIN):
    """What an arm does to the Frechet distances of garments, in words."""
    sweep = store.sweeps.get(name)
    if sweep is None:
        return "not run yet" if arm in _PLANNED else "-"
    if arm not in sweep.found["arms"]:
        return "-"
    if arm not in sweep.arms:
        return "not run yet"
    return difference(sweep, arm, FRECHET)


def difference(sweep, arm, scores, note=""):
    """What an arm does to scores that must agree, in words.

    Args:
        sweep: `Sweep`, in which the arm has a finished run.
        arm: its name.
        scores: their names; the difference of the first is told.
        note: what is put behind it.
    """
    cell = rules.cell_of(sweep.rows, arm, scores[0])
    if cell is None:
        return "no pairs" + _so_far(sweep)
    effect = rules.effect(sweep.rows, arm, scores)
    words = {"none": "not told apart", "mixed": "extractors disagree"}
    words = words.get(effect, effect)
    return f"{words} ({change(cell)}{note}){_so_far(sweep)}"


def hurts(store, arm):
    """What is put behind a warning: in what an arm was worse on garments."""
    sweep = store.sweeps.get(MAIN)
    if sweep is None or arm not in sweep.arms:
        return ""
    found = fashion.effects(sweep, arm)
    worse = [name for name, effect in found.items() if effect == "worse"]
    return f"; garments: **worse** in {listed(worse)}" if worse else ""


def awaited(store):
    """What is said of "-" while sweeps are to come."""
    have_all = {*mixtures.ALL, MAIN} <= store.sweeps.keys()
    return "" if have_all else ", or the sweep is to come"


def classified(store, arm, score):
    """A score of classifiers against plain's, in points of per cent."""
    found = store.others.get("classify")
    cell = rules.cell_of(found["table"], arm, score) if found else None
    if cell is None:
        return "not run yet"
    said = effect_in_words(cell, cell["verdict"])
    so_far = " so far" if found["left"] else ""
    return f"{said} ({change(cell, 100)} points){so_far}"


def augmented(store, arm, images, base="plain"):
    """What samples of a GAN do to the accuracy of classifiers, in words.

    Args:
        store: `Store`.
        arm: of the augmentation.
        images: how many labelled ones there are, as a word.
        base: the arm that it is compared with.
    """
    found = store.others.get("augmentation")
    row = augmentation.row_of(found, int(images), base) if found else None
    cell = row["arms"].get(arm) if row else None
    if cell is None or cell.get("difference") is None:
        return "not run yet"
    said = effect_in_words(cell, cell["verdict"])
    left = len(found["runs"]) < augmentation.planned(found)
    so_far = " so far" if left else ""
    return f"{said} ({change(cell, 100)} points){so_far}"


def mark(store, arm, *sweeps):
    """What is put behind a method that is advised: a warning, if there is one.

    Args:
        store: `Store`.
        arm: its name.
        *sweeps: names of the sweeps that speak of it, or "mixtures".
    """
    if "mixtures" in sweeps:
        sweeps = (*mixtures.ALL, *sweeps)
    effects = set()
    for name in sweeps:
        sweep = store.sweeps.get(name)
        if sweep is None or arm not in sweep.arms:
            continue
        if name == MAIN:
            effects.add(rules.effect(sweep.rows, arm, FRECHET))
        else:
            rows, names = mixtures.judged(sweep)
            scores = [s for s in names if s != "high_quality"]
            tests = len(scores) * len(mixtures.ALL)
            effects |= {
                rules.effect(rows, arm, [s], chances=tests, alone=True)
                for s in scores
            }
    if not effects - {None}:
        # The same line says so where runs are to come.
        planned = MAIN in sweeps and images(store, arm) == "not run yet"
        return "" if planned else " (not tried here)"
    return " (**worse here**)" if "worse" in effects else ""


_PLANNED = (
    "Mixup",
    "CutMix",
    "SRMix",
    "AdaptiveMix",
    "DAG",
    "Deshuffle",
    "DiversityPenalty",
    "DiffAugment",
)


def _so_far(sweep):
    return "" if sweep.complete else " so far"
