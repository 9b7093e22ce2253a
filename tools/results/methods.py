"""What our runs say of each method, put into the method's own page."""

import re

from keras_ganmix.sweeping.results import ranked
from keras_ganmix.utils.tables import markdown_table, number
from tools.results import choosing, leaks, mixtures
from tools.results.fashion import FRECHET, FULL, MAIN, TUNING
from tools.results.parts import section

#: Page of a method to its arms in the sweeps.
ARMS = {
    "sample_mixing": ("Mixup", "CutMix", "SRMix", "SampleMixing_mixup"),
    "adaptive_mix": ("AdaptiveMix",),
    "dag": ("DAG",),
    "diversity_penalty": ("DiversityPenalty", "DiversityPenalty_1"),
    "mode_seeking_gdpp": ("ModeSeeking", "GDPP"),
    "deshuffle": ("Deshuffle",),
    "rotation": ("Rotation",),
    "augmentation": ("DiffAugment",),
    "gradient_penalties": ("relativistic_R1_R2",),
}
#: The sweep whose images are looked at by one extractor.
ONE_EXTRACTOR = "landscape"
#: Sweep to what it is called.
SWEEPS = {
    **mixtures.ALL,
    MAIN: "6,000 garments",
    FULL: "all 60,000",
    ONE_EXTRACTOR: "6,000 garments, 1,500 steps",
}
#: Arm to the numbers of labelled images of classifiers that had its samples.
SAMPLES = {"DiversityPenalty": ("1000", "6000")}
#: Page to further tables: what stands in their marks to what makes them.
MORE = {"dag": {"the leak": leaks.table}}


def build(store):
    """Dict from the page's name to its text with the tables put in.

    Raises:
        ValueError: if a page has no place for one.
    """
    pages = {}
    for method, arms in ARMS.items():
        path = store.places.docs / "methods" / f"{method}.md"
        if not path.is_file():
            continue
        blocks = {"our runs": told(store, arms)}
        for name, made in MORE.get(method, {}).items():
            blocks[name] = made(store)
        pages[f"methods/{method}.md"] = filled(path, blocks)
    return pages


def marks(name):
    """What stands before and behind a block that is written here."""
    first = f"{name[0].upper()}{name[1:]}"
    return (
        f"<!-- {first}; written by tools/results_pages.py -->",
        f"<!-- End of {name} -->",
    )


def filled(path, blocks):
    """The text of a page with blocks put between their marks.

    Args:
        path: of the page.
        blocks: dict from their names to their texts.

    Raises:
        ValueError: if the page has not one place for each.
    """
    text = path.read_text(encoding="utf-8")
    for name, block in blocks.items():
        begin, end = marks(name)
        place = f"(?s){re.escape(begin)}.*?{re.escape(end)}"
        block = f"{begin}\n\n{block}\n\n{end}"
        text, count = re.subn(place, lambda _, block=block: block, text)
        if count != 1:
            raise ValueError(f"{path}: has {count} places for {name}, not 1")
    return text


def told(store, arms):
    """The table and what it means, or that there is nothing yet."""
    lines = []
    for arm in arms:
        for name, title in SWEEPS.items():
            sweep = store.sweeps.get(name)
            if sweep is None or arm not in sweep.found["arms"]:
                continue
            setting = settings(sweep, arm)
            if name in (MAIN, FULL):
                found = choosing.images(store, arm, name)
            elif name == ONE_EXTRACTOR:
                found = by_one_extractor(sweep, arm)
            else:
                found = choosing.modes(store, name, arm)
            lines.append((title, setting, found))
        lines += tuned(store, arm)
        for images in SAMPLES.get(arm, ()):
            count = f"{int(images):,}"
            title = f"classifiers of {count} images, samples of a WGAN-GP"
            found = choosing.augmented(store, "wgan_gp_dpm", images, "wgan_gp")
            lines.append((title, "added to that GAN", found))
    if not lines:
        return "### In our runs\n\nOn images: not run yet."
    return section(
        "### In our runs",
        "Against plain training on paired seeds: modes, quality and evenness "
        "over the last fifth of the steps (of stacked garments at the last "
        "one); of garments the Frechet distance, "
        "told apart only if both extractors do unless one is named, with the "
        "difference by `fashion`. All scores, protocols and costs are in "
        "[results](../results/README.md).",
        _of_samples(arms),
        markdown_table(("data", "setting", "what came out"), lines),
    )


def tuned(store, arm):
    """Lines of the settings among which an arm's was chosen."""
    sweep = store.sweeps.get(TUNING)
    if sweep is None:
        return []
    row = sweep.rows[0]
    names = [a for a in row["arms"] if a.rpartition("-")[0] == arm]
    best = next(iter(ranked(row, names)), None)
    lines = []
    for name in names:
        found = f"`{row['score']}` {number(row['arms'][name]['mean'])}"
        if name == best and len(names) > 1:
            found += f", best of {len(names)}"
        plain = row["arms"][sweep.baseline]["mean"]
        found += f"; plain {number(plain)}"
        title = f"tuning: 6,000 garments, {sweep.steps:,} steps, one seed"
        lines.append((title, settings(sweep, name), found))
    return lines


def settings(sweep, arm):
    """The changes of an arm, as text."""
    changes = sweep.found["arms"][arm]["changes"]
    return ", ".join(f"`{change}`" for change in changes)


def _of_samples(arms):
    if not SAMPLES.keys() & set(arms):
        return ""
    return "Classifiers are compared with those of the same GAN without it."


def by_one_extractor(sweep, arm):
    """What an arm does to the Frechet distance by `fashion`, in words."""
    if arm not in sweep.arms:
        return "not run yet"
    pairs = len(sweep.of(arm).keys() & sweep.of(sweep.baseline).keys())
    note = f"; one extractor, {pairs} seeds"
    return choosing.difference(sweep, arm, FRECHET[:1], note)
