"""The landscapes as one HTML page that needs nothing beside it."""

import base64
import html

import keras_ganmix
from keras_ganmix.comparing.page import STYLE

_MORE = "img { max-width: 100%; } td { white-space: nowrap; }"


def as_html(title, texts, pictures, tables):
    """The page.

    Args:
        title: its title.
        texts: paragraphs that say how it was made.
        pictures: list of `(caption, path of a PNG file)`.
        tables: list of `(title, headings, rows, legend)`.

    Returns:
        HTML text; all pictures are inside of it.
    """
    title = html.escape(title)
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>{title}</title><style>{STYLE} {_MORE}</style></head><body>",
        f"<h1>{title}</h1>",
        *(f"<p>{html.escape(text)}</p>" for text in texts),
        *(_picture(*picture) for picture in pictures),
        *(_table(*table) for table in tables),
        f'<p class="quiet">Made by keras_ganmix {keras_ganmix.__version__}.'
        "</p></body></html>",
    ]
    return "\n".join(parts) + "\n"


def _picture(caption, path):
    data = base64.b64encode(path.read_bytes()).decode()
    caption = html.escape(caption)
    return (
        f'<h2>{caption}</h2><img src="data:image/png;base64,{data}" '
        f'alt="{caption}">'
    )


def _table(title, heads, rows, legend):
    lines = [_cells("th", heads), *(_cells("td", row) for row in rows)]
    return (
        f"<h2>{html.escape(title)}</h2><table>{''.join(lines)}</table>"
        f'<p class="quiet">{html.escape(legend)}</p>'
    )


def _cells(kind, texts):
    cells = "".join(f"<{kind}>{html.escape(x)}</{kind}>" for x in texts)
    return f"<tr>{cells}</tr>"
