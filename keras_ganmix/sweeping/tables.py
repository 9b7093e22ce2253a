"""The comparison of a sweep as text, for a terminal and as Markdown."""

from keras_ganmix.utils.tables import (
    ARROWS,
    columns,
    markdown_table,
    number,
)

HEADS = ("score", "arm", "mean", "seeds", "difference", "p (Holm)", "")
LEGEND = (
    "↑ higher is better, ↓ lower is better; ± is the standard deviation over "
    "seeds. Differences are those of runs of the same seed, own minus "
    "baseline, with the 95 % confidence interval of their mean (Student's t) "
    "and the p value of the paired t test, after Holm's correction over the "
    "arms of the score. Better and worse are said where it is below 0.05. Few "
    "pairs cannot show whether differences are normally distributed, as the "
    "test takes them to be; a test by signs could not be below 1/16 with "
    "five pairs."
)


def lines_of(found, scores=None):
    """The comparison as tuples of texts, one for each line below `HEADS`.

    Args:
        found: what `results.collect` returned.
        scores: names of the scores to show; by default all.
    """
    lines = []
    for row in found["table"]:
        if scores is not None and row["score"] not in scores:
            continue
        name = f"{row['score']} {ARROWS[row['better']]}".strip()
        for arm, cell in row["arms"].items():
            lines.append((name, arm, *_cell(cell)))
            name = ""
        if row["floor"] is not None:
            lines.append(("", "(real data)", number(row["floor"]), *[""] * 4))
    return lines


def _cell(cell):
    mean = number(cell["mean"])
    if cell["spread"] is not None:
        mean += f" ± {cell['spread']:.2g}"
    if "difference" not in cell:
        return mean, str(cell["count"]), "-", "-", "baseline"
    change = "-"
    if cell["difference"] is not None:
        change = f"{cell['difference']:+.3g}"
    if cell["interval"] is not None:
        low, high = cell["interval"]
        change += f" [{low:+.3g}, {high:+.3g}]"
    p = "-" if cell["p_holm"] is None else p_value(cell["p_holm"])
    return mean, str(cell["count"]), change, p, cell["verdict"]


def p_value(value):
    """A p value in two digits, in three where 0.05 would hide a side."""
    if value < 0.001:
        return "< 0.001"
    return f"{value:.3g}" if 0.0495 <= value < 0.05 else f"{value:.2g}"


def notes(found):
    """What a reader should know before believing the numbers; texts."""
    left = sum(cell["status"] == "left" for cell in found["cells"])
    texts = []
    if left:
        texts.append(f"{left} of {len(found['cells'])} runs are not made yet")
    for cell in found["cells"]:
        who = f"{cell['arm']}, seed {cell['seed']}"
        if cell["status"] == "failed":
            texts.append(f"{who}: failed: {cell['message']}")
        if "otherwise" in cell:
            texts.append(
                f"{who}: not compared, since it was scored by another "
                f"protocol than the baseline ({cell['otherwise']})"
            )
    return texts


def as_text(found):
    """The lines for a terminal."""
    lines = columns([HEADS, *lines_of(found)])
    return "\n".join([*lines, *(f"note: {text}" for text in notes(found))])


def as_markdown(found):
    """The page `table.md`."""
    seeds = ", ".join(map(str, found["seeds"]))
    parts = [
        f"# Sweep of `{found['recipe']}`, seeds {seeds}",
        _all_arms(found["common"]),
        markdown_table(
            ("arm", "changes", "ms per step"),
            [
                (
                    f"{arm} (baseline)" if arm == found["baseline"] else arm,
                    _code(about["changes"]) or "-",
                    "-"
                    if about["ms_per_step"] is None
                    else f"{about['ms_per_step']:.3g}",
                )
                for arm, about in found["arms"].items()
            ],
        ),
        markdown_table(HEADS, lines_of(found)),
        LEGEND,
        "\n".join(f"- {text}" for text in notes(found)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _all_arms(common):
    return f"All arms: {_code(common)}." if common else ""


def _code(changes):
    return ", ".join(f"`{change}`" for change in changes)
