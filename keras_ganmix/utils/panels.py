"""Labelled panels of pictures, drawn onto one page.

A `Panel` has a title, a note and rows; a row is a `Strip` of small images or a
list of `Points`, `Matrix` and `Lines` plots side by side.
"""

import dataclasses
import textwrap

import numpy as np

DPI = 100
COLUMNS = 8

# In inches.
_MARGIN, _LABEL, _CELL, _PITCH = 0.15, 1.3, 0.92, 0.98
_PLOT, _PLOT_PITCH, _PLOT_BOTTOM = 2.1, 2.95, 0.3
_WIDTH = 2 * _MARGIN + _LABEL + COLUMNS * _PITCH
_TITLE, _NOTE, _LINE, _GAP = 0.21, 0.17, 0.16, 0.3
_CHARACTERS = 150


@dataclasses.dataclass(frozen=True)
class Strip:
    """A labelled row of at most `COLUMNS` images.

    Attributes:
        label: text at the left.
        images: `(n, height, width, channels)`, in [-1, 1].
        captions: texts below the images.
        headers: texts above them.
        kind: `"image"`; `"share"` for values in [0, 1], shown from black to
            white; or `"heat"` for values from 0, shown relative to the
            largest of the row.
        marks: for each image a list of `(x, y, text)`, with x to the right
            and y down, in [0, 1].
    """

    label: str
    images: np.ndarray
    captions: tuple = ()
    headers: tuple = ()
    kind: str = "image"
    marks: tuple = ()

    @property
    def height(self):
        lines = bool(self.captions) + _lines(self.headers)
        return _CELL + lines * _LINE + 0.05

    def draw(self, page, top):
        page.text(_MARGIN, top + self._above + _CELL / 2, self.label, size=8)
        values, options = self._values()
        ratio = self.images.shape[1] / self.images.shape[2]
        wide, high = _CELL * min(1, 1 / ratio), _CELL * min(1, ratio)
        for i, value in enumerate(values[:COLUMNS]):
            left = _MARGIN + _LABEL + i * _PITCH
            y = top + self._above
            axes = page.axes(left, y, wide, high)
            axes.imshow(value, **options)
            axes.set_axis_off()
            middle = left + wide / 2
            for x, down, text in self.marks[i] if self.marks else ():
                page.text(
                    left + x * wide,
                    y + down * high,
                    text,
                    size=7,
                    color="#ffe14d",
                    weight="bold",
                    ha="center",
                    outline=True,
                )
            if i < len(self.headers):
                place = y - 0.04
                page.text(
                    middle, place, self.headers[i], ha="center", va="bottom"
                )
            if i < len(self.captions):
                place = y + high + 0.09
                page.text(middle, place, self.captions[i], ha="center")

    @property
    def _above(self):
        return _lines(self.headers) * _LINE

    def _values(self):
        images = np.asarray(self.images, np.float32)
        options = {"cmap": "gray", "vmin": 0, "vmax": 1}
        options["interpolation"] = "nearest"
        if self.kind == "heat":
            options["cmap"] = "inferno"
            options["vmax"] = max(float(images[:COLUMNS].max()), 1e-12)
        elif self.kind == "image":
            images = np.clip((images + 1) / 2, 0, 1)
        if images.shape[-1] == 1:
            images = images[..., 0]
        return images, options


@dataclasses.dataclass(frozen=True)
class Points:
    """A scatter plot.

    Attributes:
        label: text above.
        points: `(n, 2)`.
        values: `(n,)`, shown as colours, or `None`.
    """

    label: str
    points: np.ndarray
    values: np.ndarray | None = None

    def draw(self, page, axes, limit):
        color = "tab:blue" if self.values is None else self.values
        shown = axes.scatter(*self.points.T, s=4, c=color, alpha=0.7)
        axes.set(xlim=(-limit, limit), ylim=(-limit, limit))
        if self.values is not None:
            page.scale(axes, shown)


@dataclasses.dataclass(frozen=True)
class Matrix:
    """A square matrix in colours, its entries printed if they are few.

    Attributes:
        label: text above.
        values: `(n, n)`.
        low: the value of the first colour.
        high: the value of the last one.
    """

    label: str
    values: np.ndarray
    low: float = -1.0
    high: float = 1.0

    def draw(self, page, axes, limit):
        colors = "RdBu_r" if self.low < 0 else "viridis"
        shown = axes.imshow(
            self.values, cmap=colors, vmin=self.low, vmax=self.high
        )
        n = len(self.values)
        axes.set_xticks(range(n))
        axes.set_yticks(range(n))
        page.scale(axes, shown)


@dataclasses.dataclass(frozen=True)
class Lines:
    """Curves over 0, 1, 2 ...

    Attributes:
        label: text above.
        curves: dictionary from a name to numbers.
    """

    label: str
    curves: dict

    def draw(self, page, axes, limit):
        for name, values in self.curves.items():
            axes.plot(values, ".-", markersize=4, linewidth=1, label=name)
        axes.set_yscale("log")
        axes.legend(fontsize=7)


@dataclasses.dataclass(frozen=True)
class Panel:
    """What there is to see of one thing.

    Attributes:
        title: its name.
        details: its parameters.
        note: what is shown.
        rows: list of `Strip`s and of lists of plots.
    """

    title: str
    details: str = ""
    note: str = ""
    rows: list = dataclasses.field(default_factory=list)


class _Page:
    """A figure whose places are inches from its top left corner."""

    def __init__(self, height):
        # Not pyplot: it keeps global state and wants a display on some
        # machines.
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.height = height
        self.figure = Figure(figsize=(_WIDTH, height), dpi=DPI)
        self.canvas = FigureCanvasAgg(self.figure)

    def axes(self, left, top, wide, high):
        bottom = self.height - top - high
        return self.figure.add_axes(
            (
                left / _WIDTH,
                bottom / self.height,
                wide / _WIDTH,
                high / self.height,
            )
        )

    def text(self, left, top, text, size=7, outline=False, va="center", **kw):
        from matplotlib import patheffects

        effects = [patheffects.withStroke(linewidth=1.5, foreground="black")]
        self.figure.text(
            left / _WIDTH,
            1 - top / self.height,
            text,
            size=size,
            va=va,
            path_effects=effects if outline else None,
            parse_math=False,
            **kw,
        )

    def scale(self, axes, shown):
        """A colour bar at the right of a plot."""
        place = axes.get_position()
        bar = self.figure.add_axes(
            (place.x1 + 0.06 / _WIDTH, place.y0, 0.08 / _WIDTH, place.height)
        )
        self.figure.colorbar(shown, cax=bar).ax.tick_params(labelsize=6)

    def picture(self):
        self.canvas.draw()
        return np.asarray(self.canvas.buffer_rgba())[..., :3].copy()


def draw(panels):
    """Draws panels below each other.

    Args:
        panels: list of `Panel`.

    Returns:
        uint8 array `(H, W, 3)`.
    """
    page = _Page(_MARGIN + sum(_panel_height(p) for p in panels))
    top = _MARGIN
    for panel in panels:
        y = top
        for text, line, options in _texts(panel):
            page.text(_MARGIN, y + line / 2, text, **options)
            y += line
        for row in panel.rows:
            if isinstance(row, Strip):
                row.draw(page, y)
                y += row.height
            else:
                y += _draw_plots(page, row, y)
        top += _panel_height(panel)
    return page.picture()


def _draw_plots(page, plots, top):
    points = [p.points for p in plots if isinstance(p, Points)]
    limit = 1.1 * max((float(np.abs(p).max()) for p in points), default=0)
    across = int((_WIDTH - _MARGIN) // _PLOT_PITCH)
    for i, plot in enumerate(plots):
        left = _MARGIN + 0.25 + i % across * _PLOT_PITCH
        y = top + i // across * _plot_height([plot])
        page.text(left, y + _LINE / 2, plot.label, size=8)
        axes = page.axes(left, y + 1.3 * _LINE, _PLOT, _PLOT)
        axes.tick_params(labelsize=6)
        plot.draw(page, axes, limit)
    return _plot_height(plots)


def _plot_height(plots):
    across = int((_WIDTH - _MARGIN) // _PLOT_PITCH)
    rows = -(-len(plots) // across)
    return rows * (_PLOT + 1.3 * _LINE + _PLOT_BOTTOM)


def _panel_height(panel):
    total = sum(line for _, line, _ in _texts(panel)) + _GAP
    for row in panel.rows:
        total += row.height if isinstance(row, Strip) else _plot_height(row)
    return total


def _texts(panel):
    """The lines above the rows: text, height and how it is written."""
    lines = [(panel.title, _TITLE, {"size": 10, "weight": "bold"})]
    for text, color in ((panel.details, "0.1"), (panel.note, "0.4")):
        for line in textwrap.wrap(text, _CHARACTERS):
            lines.append((line, _NOTE, {"size": 8, "color": color}))
    return lines


def _lines(texts):
    return max((text.count("\n") + 1 for text in texts), default=0)
