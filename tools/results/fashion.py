"""`fashion_mnist.md`: does a method help when images are few?"""

from keras_ganmix.sweeping.results import ranked
from keras_ganmix.utils.tables import markdown_table, number
from tools.results import fashion_speed, figures, rules, speed
from tools.results.parts import (
    GENERATED,
    LEGEND,
    change,
    comparison,
    listed,
    page,
    picture,
    progress,
    section,
    verdicts,
    what_was_run,
)

MAIN, TUNING, FULL = "fashion_6000", "fashion_tune", "fashion_60000"
EXTRACTORS = ("fashion", "squeezenet")
FRECHET = tuple(f"frechet[{name}]" for name in EXTRACTORS)
KERNEL = tuple(f"kernel[{name}]" for name in EXTRACTORS)
COVERAGE = {
    "precision[fashion]": ("precision", 1),
    "recall[fashion]": ("recall", 1),
    "classes_covered[fashion]": ("classes covered", 1),
}
LAYERS = {
    "frechet_early[fashion]": ("early layer", 1),
    "frechet[fashion]": ("late layer", 1),
    "spectrum_decibels": ("spectrum, dB", 1),
    "spectrum_decibels_high": ("spectrum's high half, dB", 1),
}
LEAKS = {
    f"leak_{name}": (f"{name} %", 100)
    for name in ("blend", "cutout", "rotate", "shuffle")
}


def plain(scores):
    """Scores under their own names."""
    return {score: (score, 1) for score in scores}


def build(store):
    """The page, or `None` without data; draws its pictures."""
    if not {MAIN, TUNING, FULL} & store.sweeps.keys():
        return None
    return page(
        "# A tenth of Fashion-MNIST",
        GENERATED,
        "Does a method help when images are few? 6,000 of the 60,000 training "
        "images of Fashion-MNIST at 32 x 32, the same ones for all seeds, so "
        "that intervals do not tell how much depends on which they are; a "
        "small DCGAN, scored at the last step against the test set. Its "
        "discriminator has batch normalization, as the recipe's: mixed, "
        "rotated or shuffled images are normalised by themselves, or with the "
        "others. What is compared is early training: distances still fall at "
        "the last step.",
        _main(store) if MAIN in store.sweeps else "",
        "The runs themselves are not made yet: so far there is the tuning."
        if MAIN not in store.sweeps
        else "",
        _tuning(store) if TUNING in store.sweeps else "",
        _full(store) if FULL in store.sweeps else "",
    )


def _main(store):
    """The arms on 6,000 images."""
    sweep = store.sweeps[MAIN]
    return section(
        "A generator half as wide as the recipe's and 3,000 steps are what the "
        "machine had time for.",
        progress(sweep),
        what_was_run(sweep),
        LEGEND.format(baseline=sweep.baseline),
        *_scores(sweep, store.places, "##"),
    )


def _full(store):
    """The best two arms on all images."""
    sweep = store.sweeps[FULL]
    return section(
        "## All 60,000 images",
        "The two arms with the lowest mean Frechet distance by `fashion` above "
        "(even if plain was better), with the same settings and fresh seeds. "
        f"{sweep.steps:,} steps are {sweep.steps * 64 / 60_000:.1f} passes "
        "through the images; above they were ten times as many.",
        progress(sweep),
        what_was_run(sweep),
        _beside(store, sweep),
        *_scores(sweep, store.places, "###"),
    )


def _scores(sweep, places, level):
    """All that is told of the scores of a sweep; draws its pictures.

    Args:
        sweep: `Sweep`.
        places: `Places`.
        level: what its headings begin with.
    """
    rows, name = sweep.rows, sweep.name
    figures.gallery(
        sweep, places, places.images / f"{name}_samples.png", columns=3
    )
    figures.curves(
        sweep,
        {speed.SCORE: "Frechet distance, fashion"},
        places.images / f"{name}_curves.png",
        (speed.SCORE,),
    )
    return (
        f"{level} Equal steps",
        comparison(rows, plain(FRECHET)),
        comparison(rows, plain(KERNEL)),
        "A difference counts if both extractors tell it apart with the same "
        "sign:",
        agreement(rows, sweep.arms, sweep.baseline),
        _resolution(rows),
        f"{level} Where a method hurts, and where it helps",
        differs(sweep),
        fashion_speed.build(sweep, places, level),
        f"{level} Precision, recall, classes",
        "By the features of `fashion`. A class is covered if at least half "
        "its share of the fakes is taken for it.",
        comparison(rows, COVERAGE),
        verdicts(rows, COVERAGE),
        _without_classes(rows),
        f"{level} Low level and high level",
        "Frechet distances of an early and of the last layer of `fashion`, "
        "and of power spectra.",
        comparison(rows, LAYERS),
        verdicts(rows, LAYERS),
        f"{level} Leaks",
        "Share of fakes that a small classifier takes for images damaged as "
        "regularizers damage them. It suspects poor fakes too: compare with "
        "plain.",
        comparison(rows, LEAKS),
        verdicts(rows, LEAKS),
        f"{level} Pictures",
        picture(places, f"{name}_samples", "Samples of all arms"),
        "The first seed, last step, the first 32 latents; nothing was chosen.",
    )


def _beside(store, sweep):
    """Differences with few images and with all, side by side."""
    if MAIN not in store.sweeps:
        return ""
    both = store.sweeps[MAIN].rows, sweep.rows
    lines = [
        (
            arm,
            score,
            *(change(rules.cell_of(rows, arm, score) or {}) for rows in both),
        )
        for arm in sweep.arms
        if arm != sweep.baseline
        for score in FRECHET
    ]
    return section(
        "Differences to plain beside those with 6,000 images. Those were "
        "chosen for being good, which flatters them; other seeds, so they "
        "are not tested against each other.",
        markdown_table(("arm", "score", "6,000 images", "60,000"), lines),
    )


def agreement(rows, arms, baseline):
    """What both extractors say of each distance, a line each."""
    lines = []
    for title, scores in (("Frechet", FRECHET), ("kernel", KERNEL)):
        found = {
            arm: rules.effect(rows, arm, scores)
            for arm in arms
            if arm != baseline
        }
        told = [
            f"{word}: {', '.join(names)}"
            for word in ("better", "worse")
            if (
                names := [
                    arm for arm, effect in found.items() if effect == word
                ]
            )
        ]
        mixed = [arm for arm, effect in found.items() if effect == "mixed"]
        if mixed:
            told.append(f"extractors disagree in sign: {', '.join(mixed)}")
        lines.append(f"- {title} distance: {'; '.join(told) or 'none'}.")
    return "\n".join(lines)


def _resolution(rows):
    """How large a difference must be to be told apart."""
    told = []
    for score in FRECHET:
        row = rules.row_of(rows, score)
        widths = [
            (cell["interval"][1] - cell["interval"][0]) / 2 / plain_mean
            for cell in row["arms"].values()
            if cell.get("interval") and (plain_mean := _base(row))
        ]
        if widths:
            low, high = (f"{100 * f(widths):.0f}" for f in (min, max))
            told.append(f"{low} to {high} % of plain's {score}")
    if not told:
        return ""
    return (
        "What such runs can tell: half of an interval's width is "
        f"{' and '.join(told)}, before the correction, so that only larger "
        "differences could be told apart."
    )


def _base(row):
    """The mean of the first arm, the baseline."""
    return next(iter(row["arms"].values()))["mean"]


def effects(sweep, arm):
    """What an arm does: dict from what is looked at to what `rules` say."""
    rows, (by_seconds, _) = sweep.rows, speed.equal_seconds(sweep)
    found = {
        f"{title} distance (both extractors)": rules.effect(rows, arm, scores)
        for title, scores in (("Frechet", FRECHET), ("kernel", KERNEL))
    }
    found["Frechet distance at equal seconds (one extractor)"] = rules.effect(
        [by_seconds] if by_seconds else [], arm, [speed.SCORE]
    )
    heads = {**COVERAGE, **LAYERS, **LEAKS}
    heads.pop("frechet[fashion]")
    for score, (head, _) in heads.items():
        found[head] = rules.effect(rows, arm, [score])
    return found


def differs(sweep):
    """The arms that are worse or better than plain in something."""
    lines, count = [], 0
    for arm in sweep.arms:
        if arm == sweep.baseline:
            continue
        found = effects(sweep, arm)
        count = len(found)
        told = [
            f"{word} in {listed(names)}"
            for word in ("worse", "better")
            if (names := [n for n, effect in found.items() if effect == word])
        ]
        if told:
            lines.append(f"- **{arm}**: {'; '.join(told)}.")
    told = (
        "Told apart from plain, by the tables below and above: the distances "
        "by both extractors, all else by its own test. These are "
        f"{count} tests of each arm, corrected over arms alone, so "
        "that about one in twenty scores has an arm here by chance."
    )
    return section(told, "\n".join(lines) or "None, as far as told apart.")


def _without_classes(rows):
    if rules.row_of(rows, "classes_covered[fashion]") is not None:
        return ""
    return (
        "Classes covered are missing: these runs were scored without "
        "`class_coverage`. It is in the file of the sweep now, and the same "
        "command scores them again without training."
    )


def _tuning(store):
    sweep = store.sweeps[TUNING]
    row = sweep.rows[0]
    score = row["score"]
    methods = {}
    for arm in row["arms"]:
        methods.setdefault(arm.rpartition("-")[0], []).append(arm)
    lines = []
    for method, arms in methods.items():
        means = {arm: row["arms"][arm]["mean"] for arm in arms}
        settings = [f"{arm[-1]}: {number(m)}" for arm, m in means.items()]
        best = next(iter(ranked(row, arms)), "-")
        lines.append((method, ", ".join(settings), best))
    more = ", ".join(
        f"{method} ({len(arms)})"
        for method, arms in methods.items()
        if len(arms) > 2
    )
    return section(
        "## Tuning",
        "Two or more settings of each method, shorter runs, and a seed that is "
        "used nowhere else; the one with the lower mean is taken. Plain's two "
        "are rates of the discriminator; the better one is that of all arms. "
        "So arms do not differ in their rates; but the rate is one that suited "
        "plain, which favours it. One seed and a third of the steps choose "
        "poorly."
        + (f" With more than two settings: {more}." if more else "")
        + " Of these DAG-c, -d and Deshuffle-c have the heads that were tried "
        "first, made again at the end. More tries favour a method in this "
        "choice, not in the seeds that are reported.",
        _chosen_on(sweep),
        progress(sweep),
        what_was_run(sweep),
        markdown_table(("method", score, "better one"), lines),
    )


def _chosen_on(sweep):
    """What is said where the choice saw the images that count at the end."""
    if all(scoring["split"] != "test" for scoring in sweep.found["score"]):
        return ""
    return (
        "The choice was made by scores against the test set, against which "
        "the runs are scored too: with two settings of each the "
        "advantage is small, and all arms have it, but they are not blind to "
        "these images."
    )
