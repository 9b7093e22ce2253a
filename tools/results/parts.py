"""Pieces that pages are put together from."""

import re
import textwrap

from keras_ganmix.sweeping import tables
from keras_ganmix.utils.tables import ARROWS, markdown_table, number

GENERATED = (
    "<!-- Written by tools/results_pages.py from docs/results/data; change "
    "these. -->"
)
LEGEND = (
    "± is the standard deviation over seeds. Differences are paired by seed, "
    "own minus {baseline}, with the 95 % interval of Student's t, which is not "
    "corrected; p is that of the paired t test after Holm's correction over "
    "the arms of a score. "
    "Bold is what is told apart at 0.05. p is missing where the difference is "
    "the same in all seeds, or where there is one seed."
)


#: The verdict where there is nothing to test with.
SAME = "same in all seeds"


def page(*parts):
    """Paragraphs, those that are not empty, in lines of 80 characters."""
    texts = [wrapped(part.rstrip()) for part in parts if part]
    return "\n\n".join(texts) + "\n"


def wrapped(text):
    """A paragraph in short lines; anything else as it is."""
    if "\n" in text or re.match(r"[#|!`<]", text):
        return text
    return textwrap.fill(
        text, 80, break_long_words=False, break_on_hyphens=False
    )


def section(*parts):
    """The same without the last line break, to be a part itself."""
    return page(*parts).rstrip()


def code(text):
    return f"```\n{text}\n```"


def preliminary(made, count):
    """What is said of data that are not complete, or nothing."""
    if made >= count:
        return ""
    return (
        f"**Preliminary: {made} of {count} runs.** The others are not made "
        "yet; all below may change. Differences are those over the seeds that "
        "both arms have, means are over all of an arm's, so that they need "
        "not agree."
    )


def progress(sweep):
    """`preliminary` of a `Sweep`."""
    left = sum(c["status"] == "left" for c in sweep.cells)
    return preliminary(len(sweep.cells) - left, len(sweep.cells))


def listed(names):
    """ "a, b and c", each as it is."""
    names = list(names)
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def what_was_run(sweep):
    """The arms, the command, and what it took."""
    seeds = ",".join(map(str, sweep.seeds))
    rows = [
        (
            arm,
            ", ".join(f"`{c}`" for c in about["changes"]) or "-",
            minutes_per_run(sweep, arm),
        )
        for arm, about in sweep.found["arms"].items()
    ]
    common = ", ".join(f"`{change}`" for change in sweep.found["common"])
    return section(
        f"Recipe `{sweep.recipe}`, {sweep.steps:,} steps, seeds {seeds}; "
        f"{len(sweep.done)} of {len(sweep.cells)} runs are done.",
        code(
            f"python -m keras_ganmix.sweep --recipe {sweep.recipe} \\\n"
            f"    --vary benchmarks/evidence/{sweep.name}.yaml "
            f"--seeds {seeds} \\\n"
            f"    --out evidence/{sweep.name}"
        ),
        f"Changes to the recipe, the same for all arms: {common}."
        if common
        else "",
        markdown_table(("arm", "changes", "minutes of a core per run"), rows),
        compute(sweep),
        failures(sweep),
    )


def hours(value):
    return (
        f"{value:.1f} core-hours"
        if value >= 0.95
        else (f"{60 * value:.0f} core-minutes")
    )


def compute(sweep):
    """Processor time of a sweep, and what is missing in it."""
    lost = sum(bool(cell.get("resumed_at")) for cell in sweep.done)
    return (
        f"**Compute**: {hours(sweep.hours)}"
        f"{'' if sweep.complete else ' so far'}, start and scores included."
        + (
            f" Runs that were interrupted and went on: {lost}; if such a run "
            "was killed, what it did before is missing in that, and minutes "
            "per run are those of the others."
            if lost
            else ""
        )
    )


def minutes_per_run(sweep, arm):
    found = sweep.seconds_per_run(arm)
    return "-" if found is None else f"{found / 60:.1f}"


def failures(sweep):
    """What became of runs that are in no table."""
    lines = []
    for cell in sweep.cells:
        who = f"- {cell['arm']}, seed {cell['seed']}"
        if cell["status"] == "failed":
            why = cell.get("message", "without a word")
            lines.append(f"{who}: failed: {why}")
        elif "otherwise" in cell:
            lines.append(f"{who}: scored otherwise: {cell['otherwise']}")
    return "\n".join(lines)


def comparison(rows, shown, references=None):
    """A table for each score: its arms, means and paired differences.

    Args:
        rows: what `make_rows` returned.
        shown: dict from score to `(head, factor)`.
        references: dict from what is no arm to a dict from score to number;
            it is put below, as real data are.

    p is shown of up to three scores; the verdicts below a table tell of all.
    """
    rows = {row["score"]: row for row in rows}
    rows = [rows[score] for score in shown if score in rows]
    if not rows:
        return ""
    heads, width = ["arm", "seeds"], 3 if len(rows) <= 3 else 2
    for row in rows:
        head, _ = shown[row["score"]]
        arrow = ARROWS[row["better"]]
        heads += [f"{head} {arrow}".rstrip(), "difference", "p"][:width]
    lines = []
    for arm in rows[0]["arms"]:
        line = [arm, str(rows[0]["arms"][arm]["count"])]
        for row in rows:
            cell = row["arms"].get(arm)
            cells = ["-"] * 3 if cell is None else _cells(cell, row, shown)
            line += cells[:width]
        lines.append(line)
    real = {row["score"]: row["floor"] for row in rows}
    for name, values in {"real data": real, **(references or {})}.items():
        line = [name, ""]
        for row in rows:
            value, factor = values[row["score"]], shown[row["score"]][1]
            value = "" if value is None else number(factor * value)
            line += [value, "", ""][:width]
        if any(line[2:]):
            lines.append(line)
    return markdown_table(heads, lines)


def _cells(cell, row, shown):
    """Mean, difference and corrected p; bold where told apart."""
    factor = shown[row["score"]][1]
    mean = number(float(factor * cell["mean"]))
    if cell["spread"] is not None:
        mean += f" ± {factor * cell['spread']:.2g}"
    text = change(cell, factor)
    if cell.get("verdict") in ("better", "worse"):
        text = f"**{text}**"
    p = cell.get("p_holm")
    return [mean, text, "-" if p is None else tables.p_value(p)]


def change(cell, factor=1):
    """A difference with its interval, as text."""
    if cell.get("difference") is None:
        return "-"
    text = f"{factor * cell['difference']:+.3g}"
    if cell["interval"] is None:
        return text
    low, high = (factor * x for x in cell["interval"])
    return f"{text} [{low:+.3g}, {high:+.3g}]"


def effect_in_words(cell, verdict):
    """Better, worse or not told apart, and if that is for the correction."""
    if verdict in ("better", "worse"):
        return verdict
    interval = cell["interval"]
    is_beyond = interval is not None and not interval[0] <= 0 <= interval[1]
    after = " after correction" if is_beyond and cell["pairs"] > 1 else ""
    return f"not told apart{after}"


def verdicts(rows, shown):
    """What is told apart, in a line for each score where anything is."""
    lines = []
    for row in rows:
        if row["score"] not in shown:
            continue
        cells = row["arms"].items()
        told = [
            f"{word}: {', '.join(names)}"
            for word in ("better", "worse", SAME)
            if (names := [a for a, c in cells if c.get("verdict") == word])
        ]
        if told:
            lines.append(f"- {shown[row['score']][0]}: {'; '.join(told)}.")
    if not any(row["score"] in shown for row in rows):
        return ""
    return "\n".join(lines) or "No arm is told apart from the baseline."


def picture(places, name, text):
    """A picture, if there is one."""
    path = places.images / f"{name}.png"
    return f"![{text}](images/{path.name})" if path.is_file() else ""
