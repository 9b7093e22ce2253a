"""Sweeps that were made in several pieces, on several machines."""

import statistics

from keras_ganmix import recipes
from keras_ganmix.utils.differences import differences

#: What must be the same of the pieces of a sweep.
_SAME = ("recipe", "baseline", "score", "common")
#: Beside the seed, what protocols may differ in.
_INCIDENTAL = ("seed", "packages")


class DifferentSweepError(ValueError):
    """Two pieces that are not of one sweep."""


def merge(known, found):
    """A sweep with the runs of two pieces.

    Each cell is given the number of its `piece`, since times of different
    machines cannot be compared.

    Args:
        known: data that was collected before.
        found: data that is new. If it has all runs that are done of the other,
            it takes its place, and may be another sweep.

    Returns:
        The data of both. Neither is changed.

    Raises:
        DifferentSweepError: see `check`.
    """
    check(known, found)
    if replaces(known, found):
        return found
    older = of_lower_seed(known, found)
    seeds = sorted({*known["seeds"], *found["seeds"]})
    arms = {**known["arms"], **found["arms"]}
    for arm, about in known["arms"].items():
        if arms[arm]["ms_per_step"] is None:
            arms[arm] = {**arms[arm], "ms_per_step": about["ms_per_step"]}
    both = _cells(known, found)
    left = {"status": "left", "seconds": 0, "cpu_seconds": 0}
    return {
        **known,
        **found,
        "seeds": seeds,
        "arms": arms,
        "floor": known["floor"] or found["floor"],
        "protocols": known["protocols"] or found["protocols"],
        "cells": [
            both.get((arm, seed), {"arm": arm, "seed": seed, **left})
            for seed in seeds
            for arm in arms
        ],
        "logs": {
            **found["logs"],
            **{arm: known["logs"][arm] for arm in older & known["logs"].keys()},
        },
        "sampled": found["sampled"] or known["sampled"],
    }


def replaces(known, found):
    """Whether new data have all runs that are done of those before."""
    return _done(known).keys() <= _done(found).keys()


def of_lower_seed(known, found):
    """Arms whose first finished run is one of the data collected before.

    Args:
        known, found: see `merge`.

    Returns:
        A set of names. Their logs and pictures are those that are shown.
    """
    if replaces(known, found):
        return set()
    before, now = first_seeds(known), first_seeds(found)
    return {a for a, seed in before.items() if a not in now or seed < now[a]}


def first_seeds(found):
    """Dict from arm to the lowest seed of its finished runs."""
    seeds = {}
    for arm, seed in _done(found):
        seeds[arm] = min(seed, seeds.get(arm, seed))
    return seeds


def ratios(cells, arm, baseline):
    """What the runs of an arm cost, those of the baseline as 1.

    Args:
        cells: of a sweep.
        arm, baseline: their names.

    Returns:
        For each run of the arm whose processor time per step is known, that
        over the median of the baseline's runs of the same piece, if any.
    """
    base = {}
    for cell in cells:
        if cell["arm"] == baseline and is_timed(cell):
            own = base.setdefault(cell.get("piece", 0), [])
            own.append(cell["cpu_seconds_per_step"])
    return [
        cell["cpu_seconds_per_step"] / statistics.median(base[piece])
        for cell in cells
        if cell["arm"] == arm
        and is_timed(cell)
        and (piece := cell.get("piece", 0)) in base
    ]


def check(known, found):
    """Refuses pieces whose arms, recipes, scores or protocols do not agree.

    One that takes the place of the other may be another sweep.

    Args:
        known, found: see `merge`.

    Raises:
        DifferentSweepError: with the first difference.
    """
    if replaces(known, found):
        return
    pairs = [(name, known[name], found[name]) for name in _SAME]
    # Resolved anew: a schema may have got keys in the meantime.
    pairs.append(
        (
            f"recipe of {known['baseline']}",
            *(
                recipes.from_dict(x["baseline_recipe"]).to_dict()
                for x in (known, found)
            ),
        )
    )
    for arm in known["arms"].keys() & found["arms"].keys():
        changes = (each["arms"][arm]["changes"] for each in (known, found))
        pairs.append((f"arm {arm}", *changes))
    if known["protocols"] and found["protocols"]:
        pairs.append(("protocols", _essence(known), _essence(found)))
    for name, before, now in pairs:
        free = (f"{name}.description",)
        for path, a, b in differences({name: before}, {name: now}, free=free):
            raise DifferentSweepError(
                f"{path} was {a!r} and is {b!r} now, so these are no runs of "
                "one sweep; collect a sweep that has all of its runs, or "
                "remove its file from docs/results/data first"
            )


def _cells(known, found):
    """Dict from arm and seed to the cell of the piece that has more of it."""
    both = {
        _key(cell): {"piece": 0, **cell}
        for cell in known["cells"]
        if cell["status"] != "left" or cell["cpu_seconds"]
    }
    piece = _piece(known, found)
    for cell in found["cells"]:
        if _worth(cell) >= _worth(both.get(_key(cell))):
            both[_key(cell)] = {**cell, "piece": piece}
    return both


def _piece(known, found):
    """The number of the new piece: its old one if it was collected before."""
    before, highest = _done(known), 0
    for key, cell in _done(found).items():
        old = before.get(key)
        if old is not None and old["cpu_seconds"] == cell["cpu_seconds"]:
            return old.get("piece", 0)
    for cell in known["cells"]:
        highest = max(highest, cell.get("piece", 0))
    return highest + 1


def _worth(cell):
    if cell is None:
        return (-1, 0)
    states = ("left", "failed", "done")
    spent = cell["cpu_seconds"] if cell["status"] == "left" else 0
    return states.index(cell["status"]), spent


def _done(found):
    return {_key(c): c for c in found["cells"] if c["status"] == "done"}


def _key(cell):
    return cell["arm"], cell["seed"]


def is_timed(cell):
    """Whether the processor time of a cell's steps is known."""
    return cell.get("cpu_seconds_per_step") is not None


def _essence(found):
    """Protocols as dicts by place, so that one difference can be named."""
    return {
        str(place): {k: v for k, v in protocol.items() if k not in _INCIDENTAL}
        for place, protocol in enumerate(found["protocols"])
    }
