"""What came out of a sweep: scores of all cells, and the arms compared."""

import json
import math

from keras_ganmix.comparing.intervals import difference, summarize
from keras_ganmix.metrics.report import Evaluation, direction
from keras_ganmix.sweeping.records import DONE, read_record
from keras_ganmix.sweeping.statistics import holm, paired_p
from keras_ganmix.utils import jsonl
from keras_ganmix.utils.files import write_json

LEVEL = 0.05


def collect(plan, folder):
    """Everything that is known of a sweep, as plain data.

    Args:
        plan: the `Plan`.
        folder: its `SweepFolder`.

    Returns:
        Dict: `recipe`, `baseline`, `seeds`, `score` (what was asked of
        `evaluate`), `common` (changes to all arms), `arms` (their further
        changes, resolved recipe and ms per step),
        `protocols` and `floor` of the scores, `cells`, and `table`, a list of
        rows of one score each (see `make_row`). A cell that was scored by
        another protocol than the baseline says so (`otherwise`) and is in no
        row.
    """
    cells, protocols, floor = [], [], {}
    order = list(plan.cells())
    # The baseline first, with which the others are compared.
    for arm, seed in sorted(order, key=lambda cell: cell[0] != plan.baseline):
        record = read_record(folder, arm, seed) or {}
        cell = {
            "arm": arm,
            "seed": seed,
            "status": record.get("status", "left"),
            "seconds": record.get("seconds", 0),
            "cpu_seconds": record.get("cpu_seconds", 0),
        }
        if record.get("message"):
            cell["message"] = record["message"]
        if cell["status"] == DONE:
            found = [
                Evaluation.load(folder.scores(arm, seed, index))
                for index in range(len(plan.scorings))
            ]
            cell["step"] = found[0].step
            cell["scores"] = _merge([e.scores for e in found])
            cell["curves"] = _curves(folder.run(arm, seed).scores)
            floor = floor or _merge([e.floor for e in found])
            protocols = protocols or [e.protocol for e in found]
            if otherwise := _otherwise(protocols, found):
                cell["otherwise"] = otherwise
        cells.append(cell)
    cells.sort(key=lambda cell: order.index((cell["arm"], cell["seed"])))
    return {
        "recipe": plan.recipe,
        "baseline": plan.baseline,
        "seeds": list(plan.seeds),
        "score": [s.model_dump() for s in plan.scorings],
        "common": plan.common,
        "arms": {
            arm: {
                "changes": plan.changes[arm],
                "ms_per_step": _ms_per_step(folder, arm),
                "recipe": recipe.to_dict(),
            }
            for arm, recipe in plan.arms.items()
        },
        "protocols": [protocol.to_dict() for protocol in protocols],
        "floor": floor,
        "cells": cells,
        "table": make_rows(plan.baseline, list(plan.arms), cells, floor),
    }


def _otherwise(protocols, found):
    """How a cell was scored otherwise than the baseline, or nothing."""
    return "; ".join(
        f"{name}: {old} there, {new} here"
        for protocol, own in zip(protocols, found, strict=True)
        for name, (old, new) in protocol.differences(own.protocol).items()
        if name != "ema"  # which an arm may be about
    )


def _merge(dicts):
    """The scores of all scorings; the first one that has a name keeps it."""
    merged = {}
    for scores in dicts:
        for name, value in scores.items():
            merged.setdefault(name, value)
    return merged


def _curves(path):
    """Scores during training as lists, or nothing: `step`, then each score."""
    lines = jsonl.read(path) if path.exists() else []
    if not lines:
        return {}
    return {
        name: [_short(line.get(name)) for line in lines] for name in lines[0]
    }


def _short(value):
    return float(f"{value:.5g}") if isinstance(value, float) else value


def _ms_per_step(folder, arm):
    path = folder.timing(arm)
    if not path.exists():
        return None
    found = json.loads(path.read_text(encoding="utf-8"))
    return round(1000 * found["step"], 3)


def make_rows(baseline, arms, cells, floor):
    """A row for each score that a finished cell has; see `make_row`."""
    values = {}
    for cell in cells:
        if "otherwise" in cell:
            continue
        for name, value in cell.get("scores", {}).items():
            own = values.setdefault(name, {}).setdefault(cell["arm"], {})
            own[cell["seed"]] = value
    return [
        make_row(name, baseline, [a for a in arms if a in found], found, floor)
        for name, found in values.items()
    ]


def make_row(name, baseline, arms, values, floor, better=None):
    """The arms compared by one score.

    Args:
        name: of the score.
        baseline: name of an arm.
        arms: names of the arms that have the score.
        values: dict from arm to a dict from seed to number.
        floor: dict from score to number.
        better: `"higher"` or `"lower"`; by default what the name says.

    Returns:
        Dict: `score`, `better` (higher, lower or nothing), `floor`, and `arms`:
        for each `mean`, `spread` (standard deviation over seeds), `count`; for
        all but the baseline also `difference`, its `interval` (95 %, Student's
        t), `pairs`, `p` (paired t test), `p_holm` (Holm's correction over the
        arms of this row) and `verdict`.
    """
    better, row = better or direction(name), {}
    for arm in arms:
        mean, spread, count = summarize(list(values[arm].values()))
        row[arm] = {"mean": mean, "spread": spread, "count": count}
    others = [arm for arm in arms if arm != baseline]
    for arm in others:
        row[arm].update(_compare(values[arm], values.get(baseline, {})))
    corrected = holm([row[arm]["p"] for arm in others])
    for arm, p in zip(others, corrected, strict=True):
        row[arm]["p_holm"] = p
        row[arm]["verdict"] = _verdict(row[arm], better)
    return {
        "score": name,
        "better": better,
        "floor": floor.get(name),
        "arms": row,
    }


def ranked(row, arms):
    """The better ones of some arms first.

    Args:
        row: of `make_row`; a score of which nothing is known is taken for one
            of which less is better.
        arms: names. Those without the score are left out, and those that have
            it of fewer seeds than others or whose mean is not finite.

    Returns:
        Dict from arm to mean.
    """
    found = {arm: row["arms"][arm] for arm in arms if arm in row["arms"]}
    most = max((about["count"] for about in found.values()), default=0)
    means = {
        arm: about["mean"]
        for arm, about in found.items()
        if about["count"] == most and math.isfinite(about["mean"])
    }
    upwards = row["better"] != "higher"
    return dict(sorted(means.items(), key=lambda x: x[1] if upwards else -x[1]))


def _compare(own, base):
    found = difference(own, base)
    if found is None:
        return {"difference": None, "interval": None, "pairs": 0, "p": None}
    seeds = sorted(own.keys() & base.keys())
    return {
        "difference": found.mean,
        "interval": None if found.interval is None else list(found.interval),
        "pairs": found.count,
        "p": paired_p([own[seed] - base[seed] for seed in seeds]),
    }


def _verdict(cell, better):
    if cell["pairs"] == 0:
        return "no common seed"
    if cell["pairs"] == 1:
        return "one seed"
    if cell["p"] is None:
        return "same in all seeds"
    if not better or cell["p_holm"] >= LEVEL:
        return "not told apart" if better else ""
    return (
        "better"
        if (cell["difference"] > 0) == (better == "higher")
        else "worse"
    )


def write(plan, folder):
    """Writes `sweep.json` and `table.md`; returns what `collect` found."""
    from keras_ganmix.sweeping.tables import as_markdown
    from keras_ganmix.utils.files import write_text

    found = collect(plan, folder)
    write_json(folder.result, found)
    write_text(folder.table, as_markdown(found))
    return found
