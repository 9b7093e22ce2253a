"""Figures that several pages have."""

import math

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from PIL import Image

from keras_ganmix.comparing.charts import COLOURS
from keras_ganmix.utils.files import atomic_path

#: The baseline is grey, the others take these in their order.
_BASELINE = "0.35"
_OTHERS = (*COLOURS[:-1], "#7A5195", "#8C6D31")


def figure(width, height):
    found = Figure(figsize=(width, height), dpi=110, layout="constrained")
    FigureCanvasAgg(found)
    return found


def save(found, path):
    """Writes a PNG atomically, without the version of matplotlib."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        found.savefig(temporary, format="png", metadata={"Software": None})
        with Image.open(temporary) as image:
            small = image.convert("RGB").quantize(128, dither=0)
        small.save(temporary, format="png", optimize=True)


def shades(arms, baseline):
    """Dict from arm to colour."""
    others = [arm for arm in arms if arm != baseline]
    found = {arm: _OTHERS[i % len(_OTHERS)] for i, arm in enumerate(others)}
    return {**found, baseline: _BASELINE}


def tidy(axes, title, across=None, up=None):
    axes.set_title(title, fontsize=10)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    if across:
        axes.set_xlabel(across, fontsize=9)
    if up:
        axes.set_ylabel(up, fontsize=9)


def legend(found, axes, columns=4):
    found.legend(
        *axes.get_legend_handles_labels(),
        loc="outside lower center",
        ncols=columns,
        fontsize=8,
        frameon=False,
    )


def curves(sweep, names, path, logarithmic=()):
    """A panel for each score during training: mean and range by arm.

    Args:
        sweep: `Sweep`.
        names: dict from score to title.
        path: of the PNG file.
        logarithmic: scores with a logarithmic axis.
    """
    names = {
        name: title
        for name, title in names.items()
        if any(name in cell["curves"] for cell in sweep.done)
    }
    if not names:
        return
    found = figure(max(6.4, 4.2 * len(names)), 3.9)
    panels = found.subplots(1, len(names), squeeze=False)[0]
    colours = shades(sweep.found["arms"], sweep.baseline)
    for axes, (name, title) in zip(panels, names.items(), strict=True):
        for arm in sweep.arms:
            own = [c["curves"] for c in sweep.of(arm).values()]
            own = [curve for curve in own if name in curve]
            if own:
                values = [curve[name] for curve in own]
                band(axes, own[0]["step"], values, arm, colours[arm])
        if name in logarithmic:
            axes.set_yscale("log")
            low, high = axes.get_ylim()
            if high < 100 * low:  # else there are decades to be labelled
                axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_formatter(NullFormatter())
        tidy(axes, title, "step")
    legend(found, panels[0])
    save(found, path)


def band(axes, across, curves, label, colour, spread=False):
    """A mean line, and around it the range or the standard deviation.

    Args:
        axes: of matplotlib.
        across: `(n,)`.
        curves: `(runs, n)`; `None` for what is not finite.
        label, colour: of the line.
        spread: shade the standard deviation, not the range.
    """
    values = np.array(curves, float)
    mean = values.mean(axis=0)
    axes.plot(across, mean, color=colour, linewidth=1.6, label=label)
    if len(values) < 2:
        return
    low, high = values.min(axis=0), values.max(axis=0)
    if spread:
        deviation = values.std(axis=0, ddof=1)
        low, high = mean - deviation, mean + deviation
    axes.fill_between(across, low, high, color=colour, alpha=0.12, linewidth=0)


def gallery(sweep, places, path, columns=1, titles=None):
    """The collected pictures of all arms.

    Args:
        sweep: `Sweep`.
        places: `Places`.
        path: of the PNG file.
        columns: how many arms stand beside one another.
        titles: above the parts of a strip, evenly spaced; above the first row.
    """
    folder = places.data / "samples" / sweep.name
    arms = [a for a in sweep.arms if (folder / f"{a}.png").is_file()]
    if not arms:
        return
    pictures = []
    for arm in arms:
        with Image.open(folder / f"{arm}.png") as image:
            pictures.append(np.asarray(image.convert("RGB")))
    height, width = pictures[0].shape[:2]
    rows = math.ceil(len(arms) / columns)
    across = 8.6 / columns
    found = figure(8.6 + 0.3, rows * (across * height / width + 0.28) + 0.2)
    panels = found.subplots(rows, columns, squeeze=False).flat
    for axes, arm, image in zip(panels, arms, pictures, strict=False):
        axes.imshow(image)
        axes.set_title(arm, fontsize=9, loc="left")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    for axes in found.axes[len(arms) :]:
        axes.set_visible(False)
    if titles:
        part = width / len(titles)
        for place, title in enumerate(titles):
            found.axes[0].text(
                (place + 0.5) * part,
                -0.02 * height,
                title,
                fontsize=8,
                ha="center",
                va="bottom",
            )
    save(found, path)
