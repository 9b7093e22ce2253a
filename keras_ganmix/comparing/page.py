"""The comparison as one HTML page that needs nothing beside it."""

import base64
import html

import keras_ganmix
from keras_ganmix.comparing import charts
from keras_ganmix.comparing.table import (
    LEGEND,
    notes,
    protocol_line,
    shown_changes,
    shown_difference,
    shown_summary,
)
from keras_ganmix.utils.tables import ARROWS, number

_LOSSES = (
    "generator_loss",
    "discriminator_loss",
    "real_logits",
    "fake_logits",
)
STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1a1a1a; margin: 2rem auto;
  max-width: 72rem; padding: 0 1rem; background: #fff; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; vertical-align: top; }
td.n { font-variant-numeric: tabular-nums; white-space: nowrap; }
tr.first td, tr.first th { border-top: 1px solid #ccc; }
.chip { display: inline-block; width: .8em; height: .8em; border-radius: 2px;
  margin-right: .45em; }
.better { color: #00633f; font-weight: 600; }
.worse { color: #a33a00; font-weight: 600; }
.quiet { color: #666; }
.row { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: 0; max-width: 26rem; }
figure img { max-width: 100%; image-rendering: pixelated; }
img.chart { width: 26rem; max-width: 100%; }
""".strip()


def as_html(arms, rows):
    """The page.

    Args:
        arms: list of `Arm`s, the baseline first.
        rows: what `make_rows` made of them.

    Returns:
        HTML text; all pictures are inside of it.
    """
    others = ", ".join(arm.label for arm in arms[1:])
    title = _text(
        f"{others} against {arms[0].label}" if others else arms[0].label
    )
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>{title}</title><style>{STYLE}</style></head><body>",
        f"<h1>{title}</h1>",
        _arms(arms),
        f"<h2>Scores</h2><p>{_text(protocol_line(arms))}</p>",
        _table(rows),
        f'<p class="quiet">{_text(LEGEND)} Dashed lines are the floor: real '
        "images in the place of the fakes.</p>",
        "".join(f"<p>Note: {_text(note)}.</p>" for note in notes(arms)),
        _row(
            _chart(charts.dots(_values(row), row.floor, row.name), row.name)
            for row in rows
        ),
        _curves(arms),
        _samples(arms),
        _protocol(arms),
        f'<p class="quiet">Made by keras_ganmix {keras_ganmix.__version__}.'
        "</p></body></html>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _text(value):
    return html.escape(str(value))


def _arms(arms):
    lines = ["<h2>Arms</h2><table>"]
    for place, arm in enumerate(arms):
        changes = "<br>".join(map(_text, shown_changes(arm))) or "baseline"
        seeds = ", ".join(map(str, arm.runs))
        lines.append(
            f'<tr class="first"><th>{_chip(place)}{_text(arm.label)}</th>'
            f"<td>{changes}</td><td>seeds {seeds}</td></tr>"
        )
    return "\n".join([*lines, "</table>"])


def _chip(place):
    return (
        f'<span class="chip" style="background:{charts.colour(place)}"></span>'
    )


def _table(rows):
    lines = [
        "<table><tr><th>score</th><th>arm</th><th>mean</th>"
        "<th>difference</th><th></th></tr>"
    ]
    for row in rows:
        for place, cell in enumerate(row.cells):
            name = f"{_text(row.name)} {ARROWS[row.better]}"
            floor = ""
            if row.floor is not None:
                floor = (
                    f'<br><span class="quiet">floor {number(row.floor)}</span>'
                )
            head = (
                f'<tr class="first"><th rowspan="{len(row.cells)}">{name}'
                f"{floor}</th>"
                if place == 0
                else "<tr>"
            )
            kind = (
                cell.verdict if cell.verdict in ("better", "worse") else "quiet"
            )
            lines.append(
                f"{head}<td>{_chip(place)}{_text(cell.arm.label)}</td>"
                f'<td class="n">{shown_summary(cell.summary)}</td>'
                f'<td class="n">{shown_difference(cell.difference)}</td>'
                f'<td class="{kind}">{cell.verdict}</td></tr>'
            )
    return "\n".join([*lines, "</table>"])


def _values(row):
    return [
        (cell.arm.label, list(cell.arm.values(row.name).values()))
        for cell in row.cells
    ]


def _curves(arms):
    names = {}
    for arm in arms:
        for run in arm.runs.values():
            for line in run.history:
                names.update(dict.fromkeys(line))
    names.pop("step", None)
    losses = {
        id(run): run.losses() for arm in arms for run in arm.runs.values()
    }
    found = [
        *((charts.curves(arms, lambda r: r.history, n), n) for n in names),
        *(
            (charts.curves(arms, lambda r: losses[id(r)], n), n)
            for n in _LOSSES
        ),
    ]
    shown = [_chart(svg, name) for svg, name in found if svg is not None]
    return f"<h2>Curves</h2>{_row(shown)}" if shown else ""


def _samples(arms):
    shared = set.intersection(*({*arm.runs} for arm in arms))
    figures = []
    for place, arm in enumerate(arms):
        run = arm.runs[min(shared)] if shared else arm.first
        if run.picture is None:
            continue
        step = int(run.picture.stem.removeprefix("step-"))
        data = _uri("image/png", run.picture.read_bytes())
        figures.append(
            f"<figure><figcaption>{_chip(place)}{_text(arm.label)}, seed "
            f"{run.seed}, step {step}</figcaption>"
            f'<img src="{data}" alt="samples of {_text(arm.label)}"></figure>'
        )
    return f"<h2>Samples</h2>{_row(figures)}" if figures else ""


def _protocol(arms):
    rows = "".join(
        f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>"
        for name, value in arms[0].first.protocol.items()
        if name not in ("seed", "packages") and value not in (None, {})
    )
    return (
        f"<h2>Protocol</h2><p>The same for all runs:</p><table>{rows}</table>"
    )


def _row(parts):
    return f'<div class="row">{"".join(parts)}</div>'


def _chart(svg, name):
    data = _uri("image/svg+xml", svg.encode())
    return f'<img class="chart" src="{data}" alt="{_text(name)}">'


def _uri(kind, content):
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
