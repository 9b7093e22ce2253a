"""`landscape.md`: losses around the weights, and angles of gradients."""

import numpy as np

from keras_ganmix.sweeping.tables import markdown_table, number
from tools.results import figures
from tools.results.parts import (
    GENERATED,
    LEGEND,
    comparison,
    hours,
    page,
    picture,
    progress,
    section,
    what_was_run,
)

SIDES = {"discriminator": "D", "generator": "G"}
COLUMNS = {
    "at_zero": "loss",
    "sharpness": "sharpness",
    "rise": "rise",
    "concavity": "concavity",
}
FRECHET = {"frechet[fashion]": ("frechet[fashion]", 1)}


def build(store):
    """The page, or `None` without data; draws its pictures."""
    sweep = store.sweeps.get("landscape")
    found = store.others.get("landscapes")
    if sweep is None and found is None:
        return None
    return page(
        "# Loss landscapes",
        GENERATED,
        "What do self-supervised tasks do to the losses around the weights, "
        "and do their gradients go the adversarial way? Deshuffle and Rotation "
        "against plain; how lines and cosines are made, and what they do not "
        "show, is said in [landscapes](../landscape.md).",
        _runs(sweep) if sweep is not None else "",
        _lines(found, store.places) if found is not None else "",
    )


def _runs(sweep):
    return section(
        progress(sweep),
        what_was_run(sweep),
        LEGEND.format(baseline=sweep.baseline),
        comparison(sweep.rows, FRECHET),
    )


def _lines(found, places):
    seconds = sum(c["seconds"] for r in found["runs"] for c in r["checkpoints"])
    _draw_lines(found, places.images / "landscape_lines.png")
    _draw_angles(found, places.images / "landscape_gradients.png")
    _draw_planes(found, places.images / "landscape_planes.png")
    return section(
        "## Lines",
        "Each term along random directions, normalised filter by filter, at "
        "the last step; shaded is one standard deviation over directions and "
        f"seeds. Taking them all took {hours(seconds / 3600)}, by the clock "
        "of one process.",
        picture(places, "landscape_lines", "Losses along random directions"),
        "Sharpness is the second difference at 0 over the squared spacing, "
        "rise the mean of both ends minus the loss, concavity 0 for a convex "
        "line and 1 for a concave one; ± is over seeds.",
        _table(found),
        "## Planes"
        if (places.images / "landscape_planes.png").is_file()
        else "",
        picture(places, "landscape_planes", "Losses in random planes"),
        "## Gradients",
        "Cosine between the gradient of the self-supervised term and the "
        "adversarial one, and the length of the weighted term's over the "
        "adversarial one's; over training, mean over seeds.",
        picture(places, "landscape_gradients", "Cosines over training"),
        _angles(found),
    )


def by_arm(found):
    """Dict from arm to its runs."""
    arms = {}
    for run in found["runs"]:
        arms.setdefault(run["arm"], []).append(run)
    return arms


def _table(found):
    lines = []
    for side in SIDES:
        for arm, runs in by_arm(found).items():
            last = [run["checkpoints"][-1]["lines"][side] for run in runs]
            for term in last[0]:
                if term == "total" and len(last[0]) == 2:
                    continue
                cells = [
                    _spread([own[term][key]["mean"] for own in last])
                    for key in COLUMNS
                ]
                lines.append((f"{SIDES[side]}: {term}", arm, *cells))
    lines.sort(key=lambda line: line[0])
    return markdown_table(("term", "arm", *COLUMNS.values()), lines)


def _spread(values):
    values = [v for v in values if v is not None]
    if not values:
        return "-"
    text = number(float(np.mean(values)))
    return (
        text if len(values) == 1 else f"{text} ± {np.std(values, ddof=1):.2g}"
    )


def angle_series(found):
    """Curves of cosines and lengths over training.

    Returns:
        Dict from `(arm, side/term)` to `(steps, cosines, ratios)`, the latter
        arrays of runs x steps.
    """
    series = {}
    for arm, runs in by_arm(found).items():
        lines = [run["gradients"] for run in runs if run["gradients"]]
        if not lines:
            continue
        names = [
            key.removesuffix("/cosine")
            for key in lines[0][0]
            if key.endswith("/cosine")
        ]
        steps = [line["step"] for line in lines[0]]
        for name in names:
            series[arm, name] = (
                steps,
                *(
                    np.array(
                        [[x[f"{name}/{key}"] for x in own] for own in lines],
                        float,
                    )
                    for key in ("cosine", "ratio")
                ),
            )
    return series


def _angles(found):
    rows = []
    for (arm, name), (steps, cosines, ratios) in angle_series(found).items():
        side, _, _ = name.partition("/")
        late = np.array(steps) > 0.8 * steps[-1]
        rows.append(
            (
                f"{SIDES[side]}",
                arm,
                _spread(list(np.nanmean(cosines, axis=1))),
                _spread(list(np.nanmean(cosines[:, late], axis=1))),
                _spread(list(np.nanmean(ratios, axis=1))),
            )
        )
    heads = ("network", "arm", "cosine, all steps", "last fifth", "length")
    return markdown_table(heads, rows) if rows else ""


def _draw_angles(found, path):
    series = angle_series(found)
    if not series:
        return
    chart = figures.figure(8.4, 5.6)
    panels = chart.subplots(2, 2)
    colours = figures.shades(by_arm(found), "plain")
    for (arm, name), (steps, cosines, ratios) in series.items():
        row = list(SIDES).index(name.partition("/")[0])
        for axes, values in zip(panels[row], (cosines, ratios), strict=True):
            figures.band(axes, steps, values, arm, colours[arm])
    for side, row in zip(SIDES, panels, strict=True):
        for axes, title in zip(row, ("cosine", "relative length"), strict=True):
            axes.axhline(0, color="0.45", linewidth=0.8)
            figures.tidy(axes, f"{side}: {title}", "step")
    figures.legend(chart, panels[0][0])
    figures.save(chart, path)


def _draw_lines(found, path):
    arms = by_arm(found)
    terms = {
        side: list(
            dict.fromkeys(
                term
                for runs in arms.values()
                for term in runs[0]["checkpoints"][-1]["lines"][side]
                if term != "total"
            )
        )
        for side in SIDES
    }
    across = max(map(len, terms.values()))
    chart = figures.figure(3.1 * across, 5.6)
    panels = chart.subplots(2, across, squeeze=False)
    colours = figures.shades(arms, "plain")
    for side, row in zip(SIDES, panels, strict=True):
        for axes, term in zip(row, terms[side], strict=False):
            for arm, runs in arms.items():
                own = [r["checkpoints"][-1]["lines"][side] for r in runs]
                curves = [
                    c for o in own if term in o for c in o[term]["losses"]
                ]
                if curves:
                    figures.band(
                        axes, found["alphas"], curves, arm, colours[arm], True
                    )
            figures.tidy(axes, f"{side}: {term}", "alpha")
        for axes in row[len(terms[side]) :]:
            axes.set_visible(False)
    figures.legend(chart, panels[0][0])
    figures.save(chart, path)


def _draw_planes(found, path):
    planes = found.get("planes")
    if not planes:
        return
    chart = figures.figure(3.2 * len(planes), 5.8)
    panels = chart.subplots(2, len(planes), squeeze=False)
    alphas = found["plane_alphas"]
    for column, plane in enumerate(planes):
        for side, axes in zip(SIDES, panels[:, column], strict=True):
            surface = np.array(plane["planes"][side]["adversarial"], float)
            surface = np.ma.masked_invalid(surface)
            filled = axes.contourf(alphas, alphas, surface, 14, cmap="viridis")
            axes.plot([0], [0], "+", color="red", markersize=8)
            axes.set_aspect("equal")
            chart.colorbar(filled, ax=axes, shrink=0.8).ax.tick_params(
                labelsize=7
            )
            axes.set_title(f"{plane['arm']}: {side}", fontsize=10)
            axes.tick_params(labelsize=8)
    figures.save(chart, path)
