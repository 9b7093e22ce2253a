"""`modes.md`: are more modes found?"""

import numpy as np

from keras_ganmix.data.sources.toys import MIXTURES
from keras_ganmix.utils.tables import markdown_table
from tools.results import figures
from tools.results.mixtures import (
    SCORES,
    STACKED,
    all_found,
    even,
    scatter,
)
from tools.results.parts import (
    GENERATED,
    LEGEND,
    comparison,
    page,
    picture,
    progress,
    section,
    verdicts,
    what_was_run,
)
from tools.results.store import LATE, late_scores

CURVES = {
    "modes": "modes found",
    "high_quality": "share of high quality",
    "reverse_kl": "reverse KL",
}
TITLES = {
    "modes_ring": "Ring of 8",
    "modes_grid": "Grid of 25",
    "modes_grid_fast": "Grid of 25, faster discriminator",
}


#: What is said of a sweep that differs from the others.
NOTES = {
    "modes_grid": (
        "Compare modes and reverse KL with the row of scattered points, and "
        "look at the pictures: points that fill the whole square find most "
        "modes without knowing of them."
    ),
    "modes_grid_fast": (
        "The discriminator's rate is ten times the published one. It was "
        "chosen after the results of the ring, in a run of plain alone "
        "(another seed), and so suits plain. `DiversityPenalty_1` is an "
        "exception: its weight was the best of four in [shorter "
        "runs](../methods/diversity_penalty.md) of this mixture at these "
        "rates. It shows what a weight chosen for the task can do; it decides "
        "no claim, and is not to be ranked with arms that had one try. Steps "
        "are equal, seconds are not."
    ),
}


def build(store):
    """The page, or `None` without data; draws its pictures."""
    names = [*TITLES, "stacked_dcgan"]
    if not any(name in store.sweeps for name in names):
        return None
    for name in names:
        if name in store.sweeps:
            _draw(store.sweeps[name], store.places)
    mixtures = [
        _mixture(store.sweeps[name], title, store.places)
        for name, title in TITLES.items()
        if name in store.sweeps
    ]
    return page(
        "# Modes",
        GENERATED,
        "Does a method find more modes? Points of the plane, with latents of "
        "256 numbers, networks of two layers of 128 tanh units, batches of "
        "512, and a discriminator that learns a tenth as fast as the "
        "generator, a setting known from publications that takes minutes. Of "
        "2,500 samples we count the modes found (a sample within 3 standard "
        "deviations), the share of samples that near to a mode, and the "
        "reverse KL of their histogram over the modes.",
        "**What was tuned**: nothing in these runs. Weights are the defaults "
        "or as said; GDPP's and the relativistic one are ours. But defaults "
        "of DiversityPenalty and ModeSeeking were chosen in [shorter runs of "
        "these mixtures](../methods/diversity_penalty.md). packing_2 is "
        "PacGAN's with packs that overlap: each sample has a logit of its own.",
        "**Read modes beside quality**: 2,500 points that are scattered evenly "
        "over a square a quarter larger than the mixture find most of the "
        "modes, too. And modes and reverse KL are counted among the samples "
        "near a mode; where these are few both are bad for that alone. A "
        "generator that serves all modes evenly would have",
        _even(),
        "**Look at the discriminator first**: where its logits of real and of "
        "generated points are equal it is at chance, and its generator is "
        "starved rather than collapsed. A gain there may be that of a "
        "discriminator that learns at all, which a faster one gives plain "
        "training too. So the grid is also run with one that learns as fast "
        "as the generator.",
        LEGEND.format(baseline="plain"),
        *mixtures,
        _stacked(store),
        "## Not comparable: other networks",
        "Published results on the same two mixtures, with other networks, "
        "rates, batches and numbers of steps than above, and others in each "
        "paper. They say what is usual, not what is better.",
        markdown_table(store.published["columns"], store.published["rows"]),
    )


def _draw(sweep, places):
    name = sweep.name
    path = places.images / f"{name}_samples.png"
    if name == "stacked_dcgan":
        figures.gallery(sweep, places, path, columns=2)
        return
    figures.curves(
        sweep, CURVES, places.images / f"{name}_curves.png", ("reverse_kl",)
    )
    titles = [f"step {step:,}" for step in sweep.found["sampled"]]
    figures.gallery(sweep, places, path, titles=titles)


def _even(qualities=(0.0004, 0.004, 0.01, 0.03, 0.3)):
    lines = []
    for quality in qualities:
        line = [f"{100 * quality:g}"]
        for mixture in ("ring", "grid"):
            modes, kl = even(mixture, quality)
            line += [f"{modes:.1f}", f"{kl:.2g}"]
        lines.append(line)
    heads = ["high quality %", "ring: modes", "reverse KL"]
    return markdown_table([*heads, "grid: modes", "reverse KL"], lines)


def _mixture(sweep, title, places):
    late = sweep.late_rows
    references = {"scattered points": scatter(sweep.recipe)}
    return section(
        f"## {title}",
        progress(sweep),
        what_was_run(sweep),
        NOTES.get(sweep.name, ""),
        "### Does the discriminator learn?",
        _strength(sweep),
        "### At the last step",
        comparison(sweep.rows, SCORES, references),
        verdicts(sweep.rows, SCORES),
        "### Over the last fifth of the steps",
        "A generator of this kind circles around the data and drifts in and "
        "out of modes, and a single step catches it anywhere. The mean over "
        "the scorings of the last fifth is steadier. It was made the measure "
        "of the claims when 11 of 40 runs of the ring had been seen; a claim "
        "holds only if the last step does not say the opposite.",
        comparison(late, SCORES, references),
        verdicts(late, SCORES),
        "### Runs that found all modes",
        _all_found(sweep),
        "### During training",
        picture(places, f"{sweep.name}_curves", "Scores during training"),
        "Mean over seeds; shaded is the range over seeds."
        if any("curves" in c and c["curves"] for c in sweep.done)
        else "",
        picture(places, f"{sweep.name}_samples", "Points during training"),
        "1,024 points of the generator of the first seed (blue) and centres "
        "of the modes (grey).",
    )


def _strength(sweep):
    """How far the discriminator tells real from generated, of each arm."""
    lines = []
    for arm in sweep.arms:
        log = sweep.logs.get(arm)
        if log is None:
            continue
        late = np.array(log["step"]) > LATE * log["step"][-1]
        real, fake = (
            np.array(log[f"{side}_logits"], float)[late].mean()
            for side in ("real", "fake")
        )
        lines.append((arm, f"{real:.2f}", f"{fake:.2f}", f"{real - fake:.2f}"))
    if not lines:
        return ""
    return section(
        "Logits over the last fifth of the steps, first seed. A difference "
        "of 0 is chance, or points that cannot be told from the data.",
        markdown_table(("arm", "real", "generated", "difference"), lines),
    )


def _all_found(sweep):
    """How many runs of each arm miss no mode."""
    count, lines = len(MIXTURES[sweep.recipe][0]), []
    for arm in sweep.arms:
        late = [
            late_scores(cell)["modes"] == count
            for cell in sweep.of(arm).values()
            if cell["curves"]
        ]
        counts = [
            f"{sum(runs)} of {len(runs)}"
            for runs in (all_found(sweep, arm), late)
        ]
        lines.append((arm, *counts))
    heads = ("arm", "at the last step", "at each scoring of the last fifth")
    return markdown_table(heads, lines)


def _stacked(store):
    if "stacked_dcgan" not in store.sweeps:
        return ""
    sweep, published = store.sweeps["stacked_dcgan"], store.published["stacked"]
    shown = {score: (name, 1) for score, name in STACKED.items()}
    return section(
        "## Stacked garments",
        "Three garments of Fashion-MNIST as the channels of a picture: 1,000 "
        "triples of classes. They stand in for the digits of Stacked MNIST, "
        "and a classifier of garments names them; scores are those of 26,000 "
        "samples at the last step.",
        progress(sweep),
        what_was_run(sweep),
        comparison(sweep.rows, shown),
        verdicts(sweep.rows, shown),
        picture(store.places, "stacked_dcgan_samples", "Samples at the end"),
        "Not comparable, other data and networks (Stacked MNIST, from the "
        "PacGAN paper):",
        markdown_table(published["columns"], published["rows"]),
    )
