"""Tables of texts, and the numbers in them."""

#: Which way a score is better, as `metrics.report.direction` names it.
ARROWS = {"higher": "↑", "lower": "↓", "": ""}


def number(value):
    """A score in four digits."""
    return str(value) if isinstance(value, int) else f"{value:.4g}"


def columns(rows, right=()):
    """Lines of text for a terminal, a list.

    Args:
        rows: sequences of texts, all of one length.
        right: places of the columns that are flush right.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            f"{text:>{width}}" if place in right else f"{text:<{width}}"
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def markdown_table(heads, lines):
    """A Markdown table of tuples of texts."""
    rows = [heads, ["---"] * len(heads), *lines]
    return "\n".join(f"| {' | '.join(map(_escaped, row))} |" for row in rows)


def _escaped(text):
    return str(text).replace("|", "\\|")
