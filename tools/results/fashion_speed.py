"""The part of `fashion_mnist.md` about time."""

from keras_ganmix.utils.tables import markdown_table
from tools.results import speed
from tools.results.parts import change, comparison, picture, section, verdicts


def build(sweep, places, level):
    """Equal seconds, and steps and seconds until plain's final score."""
    row, steps = speed.equal_seconds(sweep)
    if row is None:
        return ""
    shown = {speed.SCORE: (speed.SCORE, 1)}
    return section(
        f"{level} Equal seconds",
        "Each arm is looked at where it has spent the processor time that "
        "plain takes for all its steps, on straight lines between the scores "
        "during training (2,048 fakes, `fashion` alone, so by one extractor). "
        "An arm that is cheaper than plain is looked at at its last step. The "
        "cost is the processor time of an arm's steps over that of plain's on "
        "the same machine, the median over seeds, without scores; tracing the "
        "first step is in it. "
        "It is steadier than the few steps that are timed before a sweep, by "
        "the clock of a busy machine.",
        markdown_table(
            ("arm", "cost, plain = 1", "ms per step, timed before", "at step"),
            [
                (
                    arm,
                    f"{speed.cost(sweep, arm):.2f}",
                    _timed(sweep, arm),
                    f"{step:,.0f}",
                )
                for arm, step in steps.items()
            ],
        ),
        comparison([row], shown),
        verdicts([row], shown),
        picture(places, f"{sweep.name}_curves", "Frechet during training"),
        f"{level} How long until plain's final score?",
        "The first step at which an arm's score during training is at most "
        "plain's at its end, seed by seed; of plain itself, when it was first "
        "that good. Seconds are steps times the cost per step, which is one "
        "number for all runs of an arm: their differences have no interval. "
        "For the differences a run that never got there counts as the last "
        "step, which favours it; an arm none of whose runs did has none. An "
        "arm as good as plain gets there in half of its runs.",
        _until(sweep),
    )


def _timed(sweep, arm):
    value = sweep.found["arms"][arm]["ms_per_step"]
    return "-" if value is None else f"{value:.0f}"


def _until(sweep):
    found = speed.time_to_baseline(sweep)
    by_steps = speed.faster_row(sweep)
    by_cost = speed.faster_row(sweep, in_seconds=True)
    never = speed.counts_never(sweep)
    base = sweep.seconds_per_step(sweep.baseline) or 0
    lines = []
    for arm, own in found.items():
        ratio = speed.cost(sweep, arm)
        shown = [_step(step) for _, step in sorted(own.items())]
        seconds = [
            "never" if step is None else f"{step * base * ratio:.0f}"
            for _, step in sorted(own.items())
            if ratio is not None
        ]
        lines.append(
            (
                arm,
                ", ".join(shown) or "-",
                f"{never[arm]} of {len(own)}",
                _difference(by_steps, arm, never[arm], len(own)),
                ", ".join(seconds) or "-",
                _mean_difference(by_cost, arm, base, never[arm] == len(own)),
            )
        )
    heads = ("arm", "steps, seed by seed", "never", "difference")
    return markdown_table((*heads, "seconds", "difference"), lines)


def _step(step):
    return "never" if step is None else f"{step:,.0f}"


def _mean_difference(row, arm, factor, is_never):
    cell = row["arms"].get(arm) if row else None
    if is_never or cell is None or cell.get("difference") is None:
        return "-"
    return f"{factor * cell['difference']:+.3g}"


def _difference(row, arm, never, count):
    """Bold where told apart; "never" cannot be told apart as better."""
    cell = row["arms"].get(arm) if row else None
    if never == count or cell is None or "difference" not in cell:
        return "-"
    text = change(cell)
    told = ("worse",) if never else ("better", "worse")
    return f"**{text}**" if cell["verdict"] in told else text
