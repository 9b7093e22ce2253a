"""`landscape.md`: losses around the weights, and angles of gradients."""

import math

import numpy as np

from keras_ganmix.utils.tables import markdown_table, number
from tools.results.landscape_pictures import (
    draw_angles,
    draw_lines,
    draw_planes,
)
from tools.results.parts import (
    GENERATED,
    LEGEND,
    code,
    comparison,
    hours,
    listed,
    page,
    picture,
    progress,
    section,
    what_was_run,
)
from tools.results.store import LATE

SIDES = {"discriminator": "D", "generator": "G"}
COLUMNS = {
    "at_zero": "loss",
    "sharpness": "sharpness",
    "rise": "rise",
    "concavity": "concavity",
}
FRECHET = {"frechet[fashion]": ("frechet[fashion]", 1)}
LINES = """\
python -m keras_ganmix.landscape \\
    evidence/landscape/{plain,Deshuffle,Rotation}/seed-? \\
    --out evidence/landscape/lines"""
PLANES = """\
python -m keras_ganmix.landscape \\
    evidence/landscape/{plain,Deshuffle,Rotation}/seed-0 \\
    --two --directions 1 --out evidence/landscape/planes"""


def build(store):
    """The page, or `None` without data; draws its pictures."""
    sweep = store.sweeps.get("landscape")
    found = store.others.get("landscapes")
    if sweep is None and found is None:
        return None
    return page(
        "# Loss landscapes",
        GENERATED,
        "What do self-supervised tasks do to the losses around the weights, "
        "and do their gradients go the adversarial way? Deshuffle and Rotation "
        "against plain; how lines and cosines are made, and what they do not "
        "show, is said in [landscapes](../landscape.md).",
        "Both have their defaults, heads that average over positions, which "
        "see little of where a tile or an edge lies ([how "
        "much](../methods/deshuffle.md#when-it-helps-and-when-it-hurts)); the "
        "discriminator has the recipe's rate, half that of the [other runs of "
        "garments](fashion_mnist.md). Two seeds say nothing of which is the "
        "better one.",
        _runs(sweep) if sweep is not None else "",
        _lines(found, store.places) if found is not None else "",
    )


def _runs(sweep):
    return section(
        progress(sweep),
        what_was_run(sweep),
        LEGEND.format(baseline=sweep.baseline),
        comparison(sweep.rows, FRECHET),
    )


def _lines(found, places):
    seconds = sum(c["seconds"] for r in found["runs"] for c in r["checkpoints"])
    series = angle_series(found)
    if series:
        path = places.images / "landscape_gradients.png"
        draw_angles(series, by_arm(found), path)
    return section(
        "## Lines",
        code(LINES),
        _protocol(found["protocol"])
        + f" Taking them all took {hours(seconds / 3600)}, by the clock of one "
        "process.",
        _failures(found),
        *(_drawn(found, places) if lasts(found) else ()),
        _planes(found, places),
        "## Gradients",
        "Cosine between the gradient of the self-supervised term and the "
        "adversarial one, and the length of the weighted term's over the "
        "adversarial one's; over training, mean over seeds at the steps that "
        "all of them have. Shaded is the range from the lowest to the highest "
        "seed; ± is the standard deviation over seeds.",
        picture(places, "landscape_gradients", "Cosines over training"),
        _angles(series),
        _against(series),
    )


def _protocol(protocol):
    """What was measured, from the numbers in the file."""
    extent = protocol["extent"]
    return (
        f"Random directions: {protocol['directions']}, normalized filter by "
        f"filter; {protocol['points']} points from -{extent:g} to {extent:g} "
        f"along each; mean over {protocol['batches']} batches of images; seed "
        f"{protocol['seed']} of directions, images and latents."
    )


def _drawn(found, places):
    path = places.images / "landscape_lines.png"
    draw_lines(lasts(found), by_arm(found), found["alphas"], path)
    return (
        f"Each term {_at_steps(found)}; shaded is one standard deviation over "
        "directions and seeds.",
        picture(places, "landscape_lines", "Losses along random directions"),
        "Sharpness is the second difference at 0 over the squared spacing, "
        "rise the mean of both ends minus the loss, concavity 0 for a convex "
        "line and 1 for a concave one; ± is over seeds.",
        _table(found),
    )


def _at_steps(found):
    steps = {c["step"] for runs in lasts(found).values() for c in runs}
    if len(steps) == 1:
        return f"at step {steps.pop():,}"
    return (
        "at the last step of which a run has lines, "
        f"{listed(f'{step:,}' for step in sorted(steps))}"
    )


def _failures(found):
    return "\n".join(
        f"- {run['arm']}, seed {run['seed']}, step {checkpoint['step']:,}: "
        f"{checkpoint['failure']}"
        for run in found["runs"]
        for checkpoint in run["checkpoints"]
        if "failure" in checkpoint
    )


def _planes(found, places):
    planes = found.get("planes")
    if not planes:
        return ""
    path = places.images / "landscape_planes.png"
    draw_planes(planes, found["plane_alphas"], path)
    points = len(found["plane_alphas"])
    which = {f"seed {p['seed']}, step {p['step']:,}" for p in planes}
    return section(
        "## Planes",
        code(PLANES),
        f"The adversarial term alone, at {points} x {points} points along two "
        f"orthogonal directions: {listed(sorted(which))}. Each panel has its "
        "own scale of colours; the cross is where the weights are.",
        picture(places, "landscape_planes", "Losses in random planes"),
    )


def lasts(found):
    """Dict from arm to the last checkpoint of each run that has lines."""
    last = {}
    for arm, runs in by_arm(found).items():
        own = [[c for c in r["checkpoints"] if "lines" in c] for r in runs]
        own = [checkpoints[-1] for checkpoints in own if checkpoints]
        if own:
            last[arm] = own
    return last


def by_arm(found):
    """Dict from arm to its runs."""
    arms = {}
    for run in found["runs"]:
        arms.setdefault(run["arm"], []).append(run)
    return arms


def _table(found):
    lines = []
    for side in SIDES:
        for arm, last in lasts(found).items():
            steps = ", ".join(
                f"{x:,}" for x in sorted({c["step"] for c in last})
            )
            own = [checkpoint["lines"][side] for checkpoint in last]
            for term in own[0]:
                if term == "total" and len(own[0]) == 2:
                    continue
                cells = [
                    _spread([terms[term][key]["mean"] for terms in own])
                    for key in COLUMNS
                ]
                lines.append((f"{SIDES[side]}: {term}", arm, steps, *cells))
    lines.sort(key=lambda line: line[0])
    return markdown_table(("term", "arm", "step", *COLUMNS.values()), lines)


def _spread(values):
    values = [v for v in values if v is not None and math.isfinite(v)]
    if not values:
        return "-"
    text = number(float(np.mean(values)))
    return (
        text if len(values) == 1 else f"{text} ± {np.std(values, ddof=1):.2g}"
    )


def angle_series(found):
    """Curves of cosines and lengths over training.

    Returns:
        Dict from `(arm, side/term)` to `(steps, cosines, ratios)`: the steps
        that all runs of the arm have measured, and arrays of runs x steps.
    """
    series = {}
    for arm, runs in by_arm(found).items():
        lines = [
            {line["step"]: line for line in run["gradients"]}
            for run in runs
            if run["gradients"]
        ]
        steps = sorted(set(lines[0]).intersection(*lines)) if lines else []
        if not steps:
            continue
        paths = [key for key in lines[0][steps[0]] if key.endswith("/cosine")]
        for name in (path.removesuffix("/cosine") for path in paths):
            cosines, ratios = (
                np.array(
                    [[own[s][f"{name}/{key}"] for s in steps] for own in lines],
                    float,
                )
                for key in ("cosine", "ratio")
            )
            series[arm, name] = steps, cosines, ratios
    return series


def _angles(series):
    rows = []
    for (arm, name), (steps, cosines, ratios) in series.items():
        side, _, term = name.partition("/")
        late = np.array(steps) > LATE * steps[-1]
        rows.append(
            (
                f"{SIDES[side]}: {term}",
                arm,
                _spread(_means(cosines)),
                _spread(_means(cosines[:, late])),
                _spread(_means(ratios)),
            )
        )
    heads = ("term", "arm", "cosine, all steps", "last fifth", "length")
    return markdown_table(heads, rows) if rows else ""


def _against(series):
    """Which terms pull against the adversarial one in every run."""
    told = {}
    for (arm, name), (_, cosines, _) in series.items():
        side, means = name.partition("/")[0], _means(cosines)
        signs = {math.copysign(1, x) for x in means if math.isfinite(x)}
        if len(signs) == 1:
            word = "with" if signs == {1.0} else "against"
            told.setdefault((SIDES[side], word), []).append((arm, len(means)))
    return "\n".join(
        f"- {side}: the term's gradient lies {word} the adversarial one, in "
        "the mean over training, in all runs of "
        + ", ".join(f"{arm} ({count})" for arm, count in arms)
        + "."
        for (side, word), arms in told.items()
    )


def _means(runs):
    """The mean of each run's finite numbers; NaN without any."""
    finite = [run[np.isfinite(run)] for run in runs]
    return [run.mean() if run.size else math.nan for run in finite]
