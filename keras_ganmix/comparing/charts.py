"""Charts of runs, as SVG text."""

import io
import math

import numpy as np

# Okabe and Ito's colours, which colour-blind people can tell apart.
COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
)
_POINTS = 300


def colour(index):
    """The colour of the arm at that place."""
    return COLOURS[index % len(COLOURS)]


def curves(arms, lines_of, name):
    """A thin line for each run over its steps, a thick one for an arm's mean.

    Args:
        arms: list of `Arm`s.
        lines_of: function of a `Run` to its lines, dicts with a `step`.
        name: the key to draw.

    Returns:
        SVG text, or `None` if no run has the key.
    """
    figure, axes = _figure(name)
    drawn = False
    for place, arm in enumerate(arms):
        runs = [_series(lines_of(run), name) for run in arm.runs.values()]
        runs = [series for series in runs if len(series)]
        if not runs:
            continue
        drawn = True
        common = sorted(set.intersection(*({*run} for run in runs)))
        own = {"color": colour(place)}
        if len(runs) > 1:
            for run in runs:
                _draw(axes, run, linewidth=0.7, alpha=0.45, **own)
        mean = {s: float(np.mean([run[s] for run in runs])) for s in common}
        _draw(axes, mean, linewidth=1.8, label=arm.label, **own)
    if not drawn:
        return None
    axes.set_xlabel("step")
    axes.grid(alpha=0.25)
    if len(arms) > 1:
        axes.legend(fontsize=8)
    return _svg(figure)


def dots(rows_of_values, floor, name):
    """A row of dots for each arm, one for each seed; a bar at the mean.

    Args:
        rows_of_values: list of `(label, list of numbers)`.
        floor: number of a dashed line, or `None`.
        name: of the score.

    Returns:
        SVG text.
    """
    figure, axes = _figure(name, 0.9 + 0.35 * len(rows_of_values))
    for place, (_, values) in enumerate(rows_of_values):
        own = {"color": colour(place)}
        axes.plot(values, [place] * len(values), "o", alpha=0.6, **own)
        axes.plot([np.mean(values)], [place], "|", ms=20, mew=2.5, **own)
    if floor is not None:
        axes.axvline(floor, color="0.5", linestyle="--", linewidth=1)
    axes.set_yticks(
        range(len(rows_of_values)), [label for label, _ in rows_of_values]
    )
    axes.set_ylim(len(rows_of_values) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.25)
    return _svg(figure)


def _series(lines, name):
    found = {
        line["step"]: float(line[name])
        for line in lines
        if isinstance(line.get(name), int | float) and math.isfinite(line[name])
    }
    steps = sorted(found)
    # Every so many lines become their mean, at the step of the last.
    each = math.ceil(len(steps) / _POINTS) or 1
    groups = [steps[i : i + each] for i in range(0, len(steps), each)]
    return {g[-1]: float(np.mean([found[s] for s in g])) for g in groups}


def _draw(axes, series, **style):
    marker = "." if len(series) <= 20 else None
    axes.plot(list(series), list(series.values()), marker=marker, **style)


def _figure(title, height=2.6):
    # Not pyplot: it keeps global state and wants a display on some machines.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.4, height), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, fontsize=10, parse_math=False)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _svg(figure):
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "keras_ganmix"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
