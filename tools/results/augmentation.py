"""`augmentation.md`: do generated images teach a classifier?"""

import json
import textwrap

from keras_ganmix.sweeping.results import make_row
from keras_ganmix.utils.tables import markdown_table
from tools.results.parts import (
    GENERATED,
    LEGEND,
    change,
    code,
    comparison,
    hours,
    page,
    preliminary,
    section,
    verdicts,
)


def build(store):
    """The page, or `None` without data."""
    found = store.others.get("augmentation")
    if found is None:
        return None
    sizes = sorted({run["images"] for run in found["runs"]})
    return page(
        "# Augmentation by GAN",
        GENERATED,
        "Do generated images teach a classifier what few real ones do not? A "
        "small convolutional network learns the garments from labelled images "
        "alone (plain), from shifted and mirrored ones (classical), and with "
        "samples of a conditional WGAN-GP that saw the same images, without "
        "and with the diversity penalty. All have the same network, "
        f"{found['steps']:,} steps of {found['batch']} images, so that each "
        "generated image takes the place of a real one in its batch.",
        preliminary(len(found["runs"]), planned(found)),
        code(
            "python benchmarks/evidence/augmentation.py --out "
            "evidence/augmentation"
        ),
        "Each arm has two settings; the better one on "
        f"{found['validation']:,} labelled training images that nothing else "
        "saw is tested on the 10,000 test images. Plain's two are learning "
        "rates; the better one is that of the other arms of the same images "
        "and seed. A seed draws the images, too. The GANs are small and short, "
        "and the weight of the penalty is its default (N images, seed S):",
        code(_commands(found)),
        _settings(found),
        LEGEND.format(baseline="plain"),
        *[_size(found, size) for size in sizes],
        _chosen(found),
        _compute(found),
    )


def _commands(found):
    """How the GANs were trained."""
    return "\n".join(
        " \\\n".join(
            textwrap.wrap(
                f"python -m keras_ganmix.train {words}",
                78,
                subsequent_indent="    ",
                break_long_words=False,
                break_on_hyphens=False,
            )
        )
        for words in found.get("commands", {}).values()
    )


def _size(found, size):
    score = f"accuracy, {size} images"
    shown = {score: ("accuracy %", 100)}
    return section(
        f"## {size:,} labelled images",
        comparison(found["table"], shown),
        verdicts(found["table"], shown),
        _penalty(found, size),
    )


def _penalty(found, size):
    cell = penalty(found, size)
    if cell is None:
        return ""
    return (
        "Diversity penalty over plain WGAN-GP samples, paired by seed: "
        f"{change(cell, 100)} points of accuracy."
    )


def penalty(found, size):
    """The arm with the penalty compared with the one without, or `None`."""
    row = row_of(found, size, "wgan_gp")
    cell = row["arms"].get("wgan_gp_dpm") if row else None
    return None if cell is None or cell.get("difference") is None else cell


def row_of(found, size, base="plain"):
    """A row of `make_row` for a number of labelled images, or `None`.

    Compared with another arm than plain it has the GANs alone.
    """
    values = {}
    for run in found["runs"]:
        if run["images"] == size:
            own = values.setdefault(run["arm"], {})
            own[run["seed"]] = run["accuracy"]
    if base not in values:
        return None
    arms = [
        arm
        for arm in found["settings"]
        if arm in values and (base == "plain" or arm.startswith("wgan_gp"))
    ]
    return make_row("accuracy", base, arms, values, {}, "higher")


def planned(found):
    """How many classifiers there are to be."""
    arms, images = len(found["settings"]), len(found["images"])
    return arms * images * len(found["seeds"])


def _settings(found):
    rows = [
        (arm, *(f"`{json.dumps(s)}`" for s in settings))
        for arm, settings in found["settings"].items()
    ]
    return markdown_table(("arm", "setting a", "setting b"), rows)


def _chosen(found):
    """How often each setting was the better one."""
    rows = []
    for arm, settings in found["settings"].items():
        own = [r["setting"] for r in found["runs"] if r["arm"] == arm]
        rows.append((arm, *(str(own.count(s)) for s in settings)))
    heads = ("arm", "setting a was better", "setting b was better")
    return section("## Chosen settings", markdown_table(heads, rows))


def _compute(found):
    seconds = [run["cpu_seconds"] for run in found["runs"]]
    seconds += found["gan_cpu_seconds"].values()
    return (
        f"**Compute**: {hours(sum(seconds) / 3600)}, GANs, classifiers and "
        "their choice together."
    )
