"""Pictures of `landscape.md`."""

import numpy as np

from keras_ganmix.gradients.names import SIDES
from tools.results import figures


def draw_angles(series, arms, path):
    """Cosines and lengths over training, the range over seeds shaded.

    Args:
        series: of `landscape.angle_series`.
        arms: names of all arms, for their colours.
        path: of the PNG file.
    """
    chart = figures.figure(8.4, 5.6)
    panels = chart.subplots(2, 2)
    colours = figures.shades(arms, "plain")
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


def draw_lines(lasts, arms, alphas, path):
    """Each term along random directions, the standard deviation shaded.

    Args:
        lasts: of `landscape.lasts`.
        arms: names of all arms, for their colours.
        alphas: where the losses were computed.
        path: of the PNG file.
    """
    lines = {arm: [c["lines"] for c in last] for arm, last in lasts.items()}
    terms = {
        side: list(
            dict.fromkeys(
                term
                for runs in lines.values()
                for term in runs[0][side]
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
            for arm, runs in lines.items():
                own = [run[side][term] for run in runs if term in run[side]]
                curves = [curve for found in own for curve in found["losses"]]
                if curves:
                    figures.band(axes, alphas, curves, arm, colours[arm], True)
            figures.tidy(axes, f"{side}: {term}", "alpha")
        for axes in row[len(terms[side]) :]:
            axes.set_visible(False)
    figures.legend(chart, panels[0][0])
    figures.save(chart, path)


def draw_planes(planes, alphas, path):
    """The adversarial term in planes, a column for each run.

    Args:
        planes: list of dictionaries with `arm` and `planes`.
        alphas: where the losses were computed, along both directions.
        path: of the PNG file.
    """
    chart = figures.figure(3.2 * len(planes), 5.8)
    panels = chart.subplots(2, len(planes), squeeze=False)
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
            axes.set_xlabel("alpha", fontsize=9)
            axes.set_ylabel("beta", fontsize=9)
            axes.tick_params(labelsize=8)
    figures.save(chart, path)
