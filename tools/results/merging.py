"""Sweeps that were made in several pieces, on several machines."""

from keras_ganmix.utils.differences import differences

#: What must be the same of the pieces of a sweep.
_SAME = ("recipe", "baseline", "score", "common", "baseline_recipe")
#: Beside the seed, what protocols may differ in.
_INCIDENTAL = ("seed", "packages")


class DifferentSweepError(ValueError):
    """Two pieces that are not of one sweep."""


def merge(known, found):
    """A sweep with the runs of two pieces.

    Args:
        known: data that was collected before.
        found: data that is new; of a run that both have it is the new one that
            counts, unless it is not done.

    Returns:
        The data of both. Neither is changed.

    Raises:
        DifferentSweepError: see `check`.
    """
    check(known, found)
    older = of_lower_seed(known, found)
    seeds = sorted({*known["seeds"], *found["seeds"]})
    arms = {**found["arms"]}
    for arm, about in known["arms"].items():
        arms.setdefault(arm, about)
    both = {}
    for cell in [*known["cells"], *found["cells"]]:
        key = cell["arm"], cell["seed"]
        if cell["status"] == "done" or _is_open(both.get(key)):
            both[key] = cell
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


def of_lower_seed(known, found):
    """Arms whose first finished run is one of the data collected before.

    Args:
        known, found: see `merge`.

    Returns:
        A set of names. Their logs and pictures are those that are shown.
    """
    before, now = first_seeds(known), first_seeds(found)
    return {a for a, seed in before.items() if a not in now or seed < now[a]}


def first_seeds(found):
    """Dict from arm to the lowest seed of its finished runs."""
    seeds = {}
    for cell in found["cells"]:
        if cell["status"] == "done":
            seed = seeds.get(cell["arm"], cell["seed"])
            seeds[cell["arm"]] = min(seed, cell["seed"])
    return seeds


def _is_open(cell):
    return cell is None or cell["status"] == "left"


def check(known, found):
    """Refuses pieces whose arms, recipes, scores or protocols do not agree.

    Args:
        known, found: see `merge`.

    Raises:
        DifferentSweepError: with the first difference.
    """
    pairs = [(name, known.get(name), found.get(name)) for name in _SAME]
    for arm in known["arms"].keys() & found["arms"].keys():
        changes = (each["arms"][arm]["changes"] for each in (known, found))
        pairs.append((f"arm {arm}", *changes))
    if known["protocols"] and found["protocols"]:
        pairs.append(("protocols", _essence(known), _essence(found)))
    for name, before, now in pairs:
        free = ("baseline_recipe.description",)
        for path, a, b in differences({name: before}, {name: now}, free=free):
            raise DifferentSweepError(
                f"{path} was {a!r} and is {b!r} now, so these are no runs of "
                "one sweep; remove the data of the old one first."
            )


def _essence(found):
    return [
        {k: v for k, v in protocol.items() if k not in _INCIDENTAL}
        for protocol in found["protocols"]
    ]
