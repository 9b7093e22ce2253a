"""The comparison as numbers, and as lines for a terminal."""

import math
import typing

from keras_ganmix.comparing.intervals import difference, summarize
from keras_ganmix.metrics.report import direction
from keras_ganmix.utils.tables import ARROWS, columns, number


class Cell(typing.NamedTuple):
    """A score of an arm.

    Attributes:
        arm: the `Arm`.
        summary: `Summary` over its seeds.
        difference: `Difference` to the baseline; `None` for the baseline, and
            where no seed is shared.
        verdict: `"better"`, `"worse"`, `"not told apart"`, `"one seed"`,
            `"no common seed"`, or `""` where there is nothing to say.
    """

    arm: typing.Any
    summary: typing.Any
    difference: typing.Any
    verdict: str


class Row(typing.NamedTuple):
    """A score: its name, which way is better, its floor, a `Cell` per arm."""

    name: str
    better: str
    floor: float | None
    cells: list


def common_scores(arms):
    """Names of the scores that all runs have, and of those that some have."""
    every = [run.scores for arm in arms for run in arm.runs.values()]
    names = list(dict.fromkeys(name for scores in every for name in scores))
    common = [
        name
        for name in names
        if all(math.isfinite(scores.get(name, math.nan)) for scores in every)
    ]
    return common, [name for name in names if name not in common]


def make_rows(arms):
    """`Row`s of all scores that all runs have; the first arm is the baseline.

    Raises:
        ValueError: if there is no such score.
    """
    names, partial = common_scores(arms)
    if not names:
        raise ValueError(
            "the runs have no score in common; they have "
            f"{', '.join(partial) or 'none'}"
        )
    base = arms[0]
    rows = []
    for name in names:
        cells = [
            _cell(arm, name, None if arm is base else base) for arm in arms
        ]
        floor = base.first.floor.get(name)
        rows.append(Row(name, direction(name), floor, cells))
    return rows


def _cell(arm, name, base):
    values = arm.values(name)
    summary = summarize(list(values.values()))
    if base is None:
        return Cell(arm, summary, None, "")
    found = difference(values, base.values(name))
    if found is None:
        return Cell(arm, summary, None, "no common seed")
    return Cell(arm, summary, found, _verdict(found, direction(name)))


def _verdict(found, better):
    if found.interval is None:
        return "one seed" if found.count == 1 else "same in all seeds"
    if not better:
        return ""
    if found.sign == 0:
        return "not told apart"
    return "better" if (found.sign > 0) == (better == "higher") else "worse"


def shown_summary(summary):
    """`12.3 ± 0.4`."""
    spread = "" if summary.spread is None else f" ± {summary.spread:.2g}"
    return number(summary.mean) + spread


def shown_difference(found):
    """`-2.2 [-2.9, -1.5]`."""
    if found is None:
        return "-"
    text = f"{found.mean:+.3g}"
    if found.interval is None:
        return text
    low, high = found.interval
    return f"{text} [{low:+.3g}, {high:+.3g}]"


def shown_changes(arm):
    """How an arm differs from the baseline, a list of texts."""
    return [f"{path}: {old} → {new}" for path, old, new in arm.changes]


def protocol_line(arms):
    """What was scored, against what, at which step."""
    run = arms[0].first
    p = run.protocol
    steps = {run.step for arm in arms for run in arm.runs.values()}
    step = "different steps" if len(steps) > 1 else f"step {run.step}"
    if steps == {None}:
        step = "an unknown step"
    extractor = f", extractor {p.extractor}" if p.extractor else ""
    return (
        f"{p.num_fake} fakes against {p.num_real} of {p.source}, {p.split}"
        f"{extractor}, at {step}"
    )


def notes(arms):
    """What a reader should know before believing the numbers; texts."""
    texts = []
    _, partial = common_scores(arms)
    if partial:
        texts.append(f"not scored in all runs: {', '.join(partial)}")
    every = [run for arm in arms for run in arm.runs.values()]
    later = {}
    for run in every:
        losses = run.losses()
        last = losses[-1]["step"] if losses else None
        if None not in (last, run.step) and last > run.step:
            names = later.setdefault((run.step, last), [])
            names.append(str(run.folder.path))
    for (step, last), names in later.items():
        who = "all runs" if len(names) == len(every) else ", ".join(names)
        texts.append(f"scored at step {step}, trained to step {last}: {who}")
    return texts


LEGEND = (
    "↑ higher is better, ↓ lower is better. "
    "± is the standard deviation over seeds. A difference is that of runs of "
    "the same seed, own minus baseline, with the 95 % confidence interval of "
    "its mean (Student's t). Of twenty such intervals one is expected to miss."
)


def as_text(arms, rows):
    """The lines for a terminal."""
    lines = []
    for arm in arms:
        seeds = ", ".join(map(str, arm.runs))
        role = " (baseline)" if arm is arms[0] else ""
        lines.append(f"{arm.label}{role}: seeds {seeds}")
        lines += [f"    {text}" for text in shown_changes(arm)]
    table = [("score", "arm", "mean", "difference", "")]
    for row in rows:
        for cell in row.cells:
            is_first = cell is row.cells[0]
            table.append(
                (
                    f"{row.name} {ARROWS[row.better]}" if is_first else "",
                    cell.arm.label,
                    shown_summary(cell.summary),
                    shown_difference(cell.difference),
                    cell.verdict,
                )
            )
        if row.floor is not None:
            table.append(("", "(real images)", number(row.floor), "", ""))
    lines += ["", *columns(table)]
    ends = [protocol_line(arms), *(f"note: {text}" for text in notes(arms))]
    return "\n".join([*lines, "", *ends])
