"""`modes.md`: are more modes found?"""

import numpy as np

from keras_ganmix.data.sources.toys import MIXTURES
from keras_ganmix.metrics.modes import mode_coverage
from keras_ganmix.sweeping.tables import markdown_table
from tools.results import figures
from tools.results.mixtures import SCORES
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
from tools.results.store import LATE

STACKED = {"modes": ("modes", 1), "mode_kl": ("KL", 1)}
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
        "Does a method find more modes? Points of the plane, in the cheaper of "
        "the two published settings: latents of 256 numbers, networks of two "
        "layers of 128 tanh units, batches of 512. Of 2,500 samples we count "
        "the modes found (a sample within 3 standard deviations), the share "
        "of samples that near to a mode, and the reverse KL of their "
        "histogram over the modes. Weights are the defaults or as said, the "
        "same for both mixtures; no arm was tuned, but the default of "
        "DiversityPenalty was chosen on these mixtures.",
        "2,500 points that are scattered evenly over a square a quarter larger "
        "than the mixture find most of the modes, too: read modes beside "
        "quality. In the published setting the discriminator learns ten times "
        "as slowly as the generator, and that of plain training stays at "
        "chance: the generator is starved rather than collapsed. So the grid "
        "is also run with one that learns as fast as the generator, all else "
        "equal.",
        "Modes and reverse KL are counted among the samples near a mode. Where "
        "these are few both are bad for that alone: a generator that serves "
        "all modes of the ring evenly would have",
        _even("ring"),
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


def scatter(mixture, draws=200):
    """Mean scores of points scattered evenly, which know nothing of modes.

    2,500 points in the square around the centres, a quarter larger.
    """
    rng = np.random.default_rng(0)
    side = 1.25 * np.abs(MIXTURES[mixture][0]).max()
    found = [
        mode_coverage(rng.uniform(-side, side, (2500, 2)), mixture)
        for _ in range(draws)
    ]
    return {
        score: float(np.mean([getattr(each, score) for each in found]))
        for score in SCORES
    }


def even(mixture, quality, draws=200):
    """Mean modes and reverse KL of a generator that serves all modes evenly.

    Args:
        mixture: its name.
        quality: its share of samples near a mode, of 2,500.
        draws: over how many batches.
    """
    centres, rng = np.asarray(MIXTURES[mixture][0]), np.random.default_rng(0)
    found = []
    for _ in range(draws):
        points = centres[rng.integers(len(centres), size=2500)]
        far = rng.random(2500) >= quality
        points = np.where(far[:, None], 1000.0, points)
        found.append(mode_coverage(points, mixture))
    return (
        float(np.mean([each.modes for each in found])),
        float(np.mean([each.reverse_kl for each in found])),
    )


def _even(mixture, qualities=(0.0004, 0.004, 0.01, 0.03, 0.3)):
    lines = []
    for quality in qualities:
        modes, kl = even(mixture, quality)
        lines.append((f"{100 * quality:g}", f"{modes:.1f}", f"{kl:.2g}"))
    return markdown_table(("high quality %", "modes", "reverse KL"), lines)


def _mixture(sweep, title, places):
    late = sweep.late_rows
    references = {"scattered points": scatter(sweep.recipe)}
    return section(
        f"## {title}",
        progress(sweep),
        what_was_run(sweep),
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
    log = sweep.logs.get(sweep.baseline)
    if log is None:
        return ""
    loss, steps = log["discriminator_loss"], np.array(log["step"])
    late = np.array(loss, float)[steps > LATE * steps[-1]].mean()
    return (
        f"The discriminator of plain training has a mean loss of {late:.4f} "
        "over the last fifth of the steps (first seed); at chance it is "
        f"2 ln 2 = {2 * np.log(2):.4f}."
    )


def _stacked(store):
    if "stacked_dcgan" not in store.sweeps:
        return ""
    sweep, published = store.sweeps["stacked_dcgan"], store.published["stacked"]
    return section(
        "## Stacked garments",
        "Three garments of Fashion-MNIST as the channels of a picture: 1,000 "
        "triples of classes. They stand in for the digits of Stacked MNIST, "
        "and a classifier of garments names them; scores are those of 26,000 "
        "samples at the last step.",
        progress(sweep),
        what_was_run(sweep),
        comparison(sweep.rows, STACKED),
        verdicts(sweep.rows, STACKED),
        picture(store.places, "stacked_dcgan_samples", "Samples at the end"),
        "Not comparable, other data and networks (Stacked MNIST, from the "
        "PacGAN paper):",
        markdown_table(published["columns"], published["rows"]),
    )
