"""Figures of landscapes and angles. Needs no TensorFlow."""

import numpy as np

from keras_ganmix.comparing.charts import colour
from keras_ganmix.gradients.names import ADVERSARIAL, SIDES, TOTAL
from keras_ganmix.utils.files import atomic_path

_PANEL = (3.1, 2.5)
_DPI = 130
_CONTOURS = 14


def overlay(looks, alphas):
    """The lines of several runs in one figure, a panel for each term.

    Args:
        looks: `Look`s with `lines`, one for each run.
        alphas: where the losses were computed.

    Returns:
        matplotlib `Figure`.
    """
    arms = {}
    for look in looks:
        arms.setdefault(look.subject.arm, []).append(look)
    groups = []
    for label, own in arms.items():
        steps = sorted({look.step for look in own})
        groups.append((label, own[0].subject.place, own, steps))
    everywhere = {tuple(steps) for *_, steps in groups}
    curves = []
    for label, place, own, steps in groups:
        if len(everywhere) > 1:
            label = f"{label}, step {', '.join(map(str, steps))}"
        if len(own) > 1:
            label = f"{label} ({len(own)} seeds)"
        curves.append((label, colour(place), own))
    figure = _lines(curves, alphas)
    if len(everywhere) == 1:
        (steps,) = everywhere
        figure.suptitle(f"step {', '.join(map(str, steps))}", fontsize=11)
    return figure


def over_time(looks, alphas):
    """The lines of the checkpoints of one run.

    Arguments and result as for `overlay`.
    """
    import matplotlib

    shades = matplotlib.colormaps["viridis"](
        np.linspace(0.05, 0.85, len(looks))
    )
    curves = [
        (f"step {look.step}", shade, [look])
        for look, shade in zip(looks, shades, strict=True)
    ]
    figure = _lines(curves, alphas)
    figure.suptitle(looks[0].subject.label, fontsize=11, parse_math=False)
    return figure


def _lines(curves, alphas):
    rows = {
        side: _names(look.lines[side] for *_, own in curves for look in own)
        for side in SIDES
    }
    figure, panels = _figure(len(SIDES), max(map(len, rows.values())))
    handles = {}
    for side, row in zip(SIDES, panels, strict=True):
        for name, axes in zip(rows[side], row, strict=False):
            for label, shade, own in curves:
                found = [
                    k.lines[side][name] for k in own if name in k.lines[side]
                ]
                if found:
                    handles[label] = _band(axes, alphas, found, shade)
            _chance(axes, name, [look for *_, own in curves for look in own])
            _finish(axes, f"{side}: {name}")
            axes.set_xlabel("alpha", fontsize=9)
        for axes in row[len(rows[side]) :]:
            axes.set_visible(False)
    figure.legend(
        handles.values(),
        handles,
        loc="outside lower center",
        ncols=min(len(handles), 6),
        fontsize=9,
        frameon=False,
    )
    return figure


def _names(tables):
    names = dict.fromkeys(name for table in tables for name in table)
    middle = sorted(n for n in names if n not in (ADVERSARIAL, TOTAL))
    if not middle:
        return [ADVERSARIAL]  # of which the total is no other
    return [ADVERSARIAL, *middle, TOTAL]


def _band(axes, alphas, found, shade):
    curves = np.concatenate(found)
    curves = np.where(np.isfinite(curves), curves, np.nan)
    mean = curves.mean(axis=0)
    (line,) = axes.plot(alphas, mean, color=shade, linewidth=1.6)
    if len(curves) > 1:
        spread = curves.std(axis=0, ddof=1)
        axes.fill_between(
            alphas,
            mean - spread,
            mean + spread,
            color=shade,
            alpha=0.18,
            linewidth=0,
        )
    return line


def _chance(axes, name, looks):
    chances = {k.chance[name] for k in looks if name in k.chance}
    for chance in chances:
        axes.axhline(chance, color="0.45", linestyle=":", linewidth=1)
        axes.annotate(
            "guessing",
            (0.02, chance),
            xycoords=("axes fraction", "data"),
            fontsize=7,
            color="0.35",
            va="bottom",
        )


def surfaces(look, alphas):
    """The planes of one checkpoint as contours, a panel for each term.

    Args:
        look: a `Look` with `planes`.
        alphas: where the losses were computed, along both directions.

    Returns:
        matplotlib `Figure`.
    """
    rows = {side: _names([look.planes[side]]) for side in SIDES}
    figure, panels = _figure(len(SIDES), max(map(len, rows.values())))
    for side, row in zip(SIDES, panels, strict=True):
        for name, axes in zip(rows[side], row, strict=False):
            surface = np.ma.masked_invalid(look.planes[side][name])
            filled = axes.contourf(
                alphas, alphas, surface, _CONTOURS, cmap="viridis"
            )
            axes.contour(
                alphas,
                alphas,
                surface,
                filled.levels,
                colors="white",
                linewidths=0.4,
            )
            axes.plot([0], [0], "+", color="red", markersize=8)
            axes.set_aspect("equal")
            _finish(axes, f"{side}: {name}", grid=False)
            axes.set_xlabel("alpha", fontsize=9)
            axes.set_ylabel("beta", fontsize=9)
            bar = figure.colorbar(filled, ax=axes, shrink=0.9)
            bar.ax.tick_params(labelsize=7)
        for axes in row[len(rows[side]) :]:
            axes.set_visible(False)
    title = f"{look.subject.label}, step {look.step}"
    figure.suptitle(title, fontsize=11, parse_math=False)
    return figure


_ANGLES = (
    ("cosine", "cosine to the adversarial gradient"),
    ("ratio", "length over that of the adversarial gradient"),
)


def gradients(subjects, looks):
    """Angles over training, and at checkpoints.

    Args:
        subjects: `Subject`s, whose `gradients` are drawn as lines.
        looks: `Look`s, whose `angles` are drawn as points with bars.

    Returns:
        matplotlib `Figure`, or `None` if there are no angles.
    """
    series = {}
    for subject in subjects:
        for line in subject.gradients:
            _collect(series, subject, line["step"], line, "line")
    for look in looks:
        _collect(series, look.subject, look.step, look.angles, "points")
    if not series:
        return None
    figure, panels = _figure(len(SIDES), len(_ANGLES), (4.4, 2.6))
    shades = _shades(series, subjects)
    handles = {}
    for (arm, name, side, _, kind), lines in series.items():
        shade = shades[arm, name]
        label = f"{name} in {arm}" if arm != name else name
        for (key, _), axes in zip(
            _ANGLES, panels[SIDES.index(side)], strict=True
        ):
            steps, middle, spread = _series(lines, key)
            draw = _draw_line if kind == "line" else _draw_points
            handle = draw(axes, steps, middle, spread, shade)
            handles.setdefault(label, handle)
    for side, row in zip(SIDES, panels, strict=True):
        for (_, title), axes in zip(_ANGLES, row, strict=True):
            _finish(axes, f"{side}: {title}")
            axes.set_xlabel("step", fontsize=9)
            axes.axhline(0, color="0.45", linewidth=0.8)
    figure.legend(
        handles.values(),
        handles,
        loc="outside lower center",
        ncols=min(len(handles), 5),
        fontsize=9,
        frameon=False,
    )
    return figure


def _shades(series, subjects):
    """A colour for each arm's regularizer: the arm's, if it is the only one."""
    names = sorted({(arm, name) for arm, name, *_ in series})
    places = {subject.arm: subject.place for subject in subjects}
    if len({arm for arm, _ in names}) < len(names):
        return {pair: colour(place) for place, pair in enumerate(names)}
    return {(arm, name): colour(places[arm]) for arm, name in names}


def _collect(series, subject, step, numbers, kind):
    for path, value in numbers.items():
        side, _, rest = path.partition("/")
        name, _, key = rest.rpartition("/")
        if side in SIDES and name:
            place = (subject.arm, name, side, subject.folder.path, kind)
            series.setdefault(place, {}).setdefault(step, {})[key] = value


def _series(lines, key):
    steps = sorted(lines)
    middle = [lines[s].get(key) for s in steps]
    spread = [lines[s].get(f"{key}_spread") for s in steps]
    as_numbers = [np.array(x, float) for x in (steps, middle, spread)]
    return as_numbers


def _draw_line(axes, steps, middle, spread, shade):
    (line,) = axes.plot(steps, middle, color=shade, linewidth=1.4)
    axes.fill_between(
        steps,
        middle - spread,
        middle + spread,
        color=shade,
        alpha=0.15,
        linewidth=0,
    )
    return line


def _draw_points(axes, steps, middle, spread, shade):
    return axes.errorbar(
        steps, middle, spread, fmt="o", ms=4, color=shade, capsize=2, lw=1
    )


def _figure(rows, columns, panel=_PANEL):
    # Not pyplot: it keeps global state and wants a display on some machines.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    size = (panel[0] * columns, panel[1] * rows + 0.5)
    figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False)


def _finish(axes, title, grid=True):
    axes.set_title(title, fontsize=9.5, parse_math=False)
    axes.tick_params(labelsize=8)
    if grid:
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)


def write(figure, path):
    """Writes a figure to a PNG file, atomically."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png")
