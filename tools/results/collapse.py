"""What a collapse looks like in the log, by real runs."""

import numpy as np

from keras_ganmix.utils.tables import markdown_table, number
from tools.results import figures, mixtures
from tools.results.parts import section
from tools.results.store import LATE, late_scores

PANELS = {
    "modes": "modes found",
    "discriminator_loss": "loss of the discriminator",
    "gap": "real logits - fake logits",
    "diversity": "diversity, 1 = real",
}


def contrast(sweep):
    """The first seed's runs with the fewest and the most modes.

    Modes are means over the last fifth; equal ones are told apart by the
    share of high quality.

    Returns:
        Two cells, or `None` if no two runs with a log and this seed exist.
    """
    seed = min(sweep.seeds)
    cells = [
        c for c in sweep.done if c["seed"] == seed and c["arm"] in sweep.logs
    ]
    if len(cells) < 2:
        return None

    def coverage(cell):
        scores = late_scores(cell)
        return scores["modes"], scores["high_quality"]

    return min(cells, key=coverage), max(cells, key=coverage)


def build(store):
    """Tables of such runs; draws their pictures."""
    parts = []
    for name, title in mixtures.SWEEPS.items():
        sweep = store.sweeps.get(name)
        found = contrast(sweep) if sweep is not None else None
        if found is None:
            continue
        file = f"collapse_{name.removeprefix('modes_')}.png"
        _draw(sweep, found, store.places.images / file)
        parts += [
            f"![Two runs: {title}](results/images/{file})",
            _table(sweep, found, title),
        ]
    return section(*parts) if parts else "No sweep with logs is made yet."


def signals(sweep, cell):
    """Curves of a run: dict from the names of `PANELS` to (steps, values)."""
    log, curves = sweep.logs[cell["arm"]], cell["curves"]
    real, fake = (np.array(log[f"{x}_logits"], float) for x in ("real", "fake"))
    loss = np.array(log["discriminator_loss"], float)
    return {
        "modes": (curves["step"], np.array(curves["modes"], float)),
        "discriminator_loss": (log["step"], loss),
        "gap": (log["step"], real - fake),
        "diversity": (log["scored"], np.array(log["diversity"], float)),
    }


def _table(sweep, cells, title):
    lines = []
    for cell in cells:
        line = [f"{title}: {cell['arm']}, seed {cell['seed']}"]
        for steps, values in signals(sweep, cell).values():
            late = values[np.array(steps) > LATE * steps[-1]]
            line.append(f"{number(float(late.mean()))} ± {late.std():.2g}")
        lines.append(line)
    return markdown_table(("last fifth of the steps", *PANELS.values()), lines)


def _draw(sweep, cells, path):
    chart = figures.figure(11, 2.9)
    panels = chart.subplots(1, len(PANELS))
    for cell, colour in zip(cells, ("#D55E00", "#0072B2"), strict=True):
        found = signals(sweep, cell)
        for axes, name in zip(panels, PANELS, strict=True):
            axes.plot(*found[name], color=colour, lw=1.5, label=cell["arm"])
    for axes, title in zip(panels, PANELS.values(), strict=True):
        figures.tidy(axes, title, "step")
        axes.ticklabel_format(style="plain", axis="y", useOffset=False)
    figures.legend(chart, panels[0])
    figures.save(chart, path)
