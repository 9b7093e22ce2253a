"""`classify.md`: AdaptiveMix beyond GANs."""

from keras_ganmix.sweeping.results import make_row
from keras_ganmix.utils.tables import markdown_table
from tools.results import figures
from tools.results.parts import (
    GENERATED,
    LEGEND,
    code,
    comparison,
    hours,
    page,
    picture,
    preliminary,
    section,
    verdicts,
)

CLEAN = {
    "accuracy": ("accuracy %", 100),
    "loss": ("loss", 1),
    "ece": ("calibration error", 1),
}
#: Of foreign images: what tells them, and what is reported.
DETECTORS = {
    "1ds": "Told by the angle to the classes' directions (1DS)",
    "max_softmax": "Told by the largest softmax",
}
REPORTS = {
    "auroc": "AUROC",
    "fpr95": "FPR95",
    "fpr95_of_foreign": "FPR95 of foreign",
    "detection_error": "detection error",
}


def build(store):
    """The page, or `None` without data; draws its picture."""
    found = store.others.get("classify")
    if found is None:
        return None
    _draw(found, store.places.images / "classify_fgsm.png")
    run = found["runs"][0]
    planned = len(found["arms"]) * len(found["seeds"])
    rows = found["table"]
    attacks = {f"fgsm/{eps}": (f"eps {eps}, %", 100) for eps in run["fgsm"]}
    return page(
        "# Classifiers",
        GENERATED,
        "Does AdaptiveMix help a classifier, too? Wide residual networks of "
        "garments, trained plainly, with Mixup, CutMix and AdaptiveMix "
        "([what these are](../classify.md)).",
        preliminary(len(found["runs"]), planned),
        _what_was_run(found),
        LEGEND.format(baseline=next(iter(found["arms"]))),
        f"These are {len(rows)} scores of {len(found['seeds'])} seeds, and "
        "nothing is corrected over scores: a few would be bold by chance.",
        "## Accuracy",
        "Losses and calibration of `adaptive_mix` are those of logits between "
        "0 and 2 and say little beside the others'.",
        comparison(rows, CLEAN),
        verdicts(rows, CLEAN),
        "## Under attack (FGSM)" if attacks else "",
        "Accuracy in per cent where each pixel is moved by eps levels of 255 "
        "along the sign of the gradient. One step is a weak attack, and "
        "logits that saturate hide gradients."
        if attacks
        else "",
        comparison(rows, attacks),
        verdicts(rows, attacks),
        picture(store.places, "classify_fgsm", "Accuracy under attack"),
        _same_head(found),
        _foreign(found),
    )


def _what_was_run(found):
    first = next(iter(found["arms"].values()))
    network, run = first["network"], found["runs"][0]
    arms = [
        (
            arm,
            recipe["method"]["type"],
            "yes" if recipe["network"]["orthogonal_head"] else "no",
        )
        for arm, recipe in found["arms"].items()
    ]
    return section(
        f"WRN-{network['depth']}-{network['width']} "
        f"({run['parameters']:,} parameters), "
        f"{first['data']['max_images'] or 60_000:,} images of "
        f"`{first['data']['source']}`, {run['steps']:,} steps of "
        f"{first['data']['batch_size']}, "
        f"seeds {', '.join(map(str, found['seeds']))}; nothing was tuned.",
        code("python benchmarks/evidence/classify.py --out evidence/classify"),
        markdown_table(("arm", "method", "frozen orthogonal head"), arms),
        f"**Compute**: {hours(found['core_minutes'] / 60)} "
        f"({found['machine']}).",
    )


def _same_head(found):
    """AdaptiveMix against plain training with its frozen head."""
    base, arm = "plain_orthogonal", "adaptive_mix"
    values = {}
    for run in found["runs"]:
        scores = {"accuracy": run["accuracy"]}
        scores |= {f"fgsm/{eps}": x for eps, x in run["fgsm"].items()}
        for score, value in scores.items():
            own = values.setdefault(score, {}).setdefault(run["arm"], {})
            own[run["seed"]] = value
    if not {base, arm} <= values["accuracy"].keys():
        return ""
    shown = {score: (f"{score} %", 100) for score in values}
    rows = [
        make_row(score, base, [base, arm], by_arm, {}, "higher")
        for score, by_arm in values.items()
    ]
    return section(
        "## The head, or the mixing?",
        "AdaptiveMix comes with a frozen orthogonal head, which plain training "
        "above lacks. Against plain training with the same head:",
        comparison(rows, shown),
        verdicts(rows, shown),
    )


def _foreign(found):
    """A table for each detector and measure, the kinds of images across."""
    kinds = list(found["runs"][0]["ood"])
    if not kinds:
        return ""
    parts = [
        "## Foreign images",
        "Garments of the test set told from images of other kinds. AUROC is "
        "that of garments as positives; FPR95 the share of foreign images "
        "that are accepted where 95 % of the garments are; FPR95 of foreign, "
        "the usual one where foreign images are the positives, the share of "
        "garments that are refused where 95 % of the foreign images are. "
        "AUROC is the same either way; the detection error is the least mean "
        "of both error rates.",
    ]
    for detector, title in DETECTORS.items():
        parts.append(f"### {title}")
        for name, head in REPORTS.items():
            shown = {
                f"ood/{kind}/{detector}/{name}": (f"{head}, {kind}", 1)
                for kind in kinds
            }
            parts.append(comparison(found["table"], shown))
            parts.append(verdicts(found["table"], shown))
    return section(*parts)


def _draw(found, path):
    strengths = list(found["runs"][0]["fgsm"])
    if not strengths:
        return
    arms = [
        a for a in found["arms"] if any(r["arm"] == a for r in found["runs"])
    ]
    chart = figures.figure(5.2, 3.6)
    axes = chart.subplots()
    colours = figures.shades(found["arms"], next(iter(found["arms"])))
    for arm in arms:
        own = [r for r in found["runs"] if r["arm"] == arm]
        curves = [
            [r["accuracy"], *(r["fgsm"][eps] for eps in strengths)] for r in own
        ]
        figures.band(
            axes, [0, *map(float, strengths)], curves, arm, colours[arm]
        )
    figures.tidy(axes, "accuracy under FGSM", "eps, of 255", "accuracy")
    axes.set_ylim(0, 1)
    figures.legend(chart, axes)
    figures.save(chart, path)
