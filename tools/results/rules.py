"""What counts as a difference, and what becomes of a claim.

A score is `better` or `worse` for an arm when its paired t test is below 0.05
after Holm's correction over the arms of the score. Where images are looked at
by two extractors, a difference counts only if both say so with one sign. Where
a claim has several chances to hold, p is multiplied by their number; for modes
p is that of the arm alone, without the correction over arms, which are those of
other claims.
"""

import math

from keras_ganmix.comparing.intervals import t_quantile

LEVEL = 0.05
HOLDS, FAILS, UNDECIDED = "holds here", "does not hold here", "undecided"
DEPENDS = "depends on the setting"
NOT_RUN, UNTESTABLE = "not run yet", "cannot be tested here"


def row_of(rows, score):
    """The row of a score, or `None`."""
    return next((row for row in rows if row["score"] == score), None)


def effect(rows, arm, scores, chances=1, alone=False):
    """What an arm does to scores that must agree.

    Args:
        rows: what `make_rows` returned.
        arm: its name.
        scores: names of scores that measure one thing.
        chances: by how many such tests a claim may be decided.
        alone: whether p is not corrected over arms.

    Returns:
        `"better"`, `"worse"`, `"mixed"` where signs differ and one is told
        apart, `"none"` in all other cases, or `None` without data.
    """
    cells = [cell_of(rows, arm, score) for score in scores]
    if not cells or any(cell is None for cell in cells):
        return None
    signs = {
        _sign(cell["difference"], row_of(rows, score)["better"])
        for cell, score in zip(cells, scores, strict=True)
    }
    verdicts = {
        _verdict(cell, row_of(rows, score)["better"], chances, alone)
        for cell, score in zip(cells, scores, strict=True)
    }
    if len(signs) > 1:
        return "none" if verdicts == {"none"} else "mixed"
    return verdicts.pop() if len(verdicts) == 1 else "none"


def _verdict(cell, better, chances, alone):
    p = cell["p"] if alone else cell["p_holm"]
    if p is None or p * chances >= LEVEL:
        return "none"
    words = {1: "better", -1: "worse", 0: "none"}
    return words[_sign(cell["difference"], better)]


def cell_of(rows, arm, score):
    """The comparison of an arm with the baseline, or `None`."""
    row = row_of(rows, score)
    cell = row["arms"].get(arm) if row else None
    if cell is None or cell.get("difference") is None:
        return None
    return cell


def _sign(difference, better):
    """1 where the arm is better, -1 where it is worse, else 0."""
    if difference == 0:
        return 0
    return 1 if (difference > 0) == (better == "higher") else -1


def improves(rows, arm, scores, size=None, chances=1, alone=False):
    """The verdict on "the arm is better than the baseline".

    Args:
        rows, arm, scores, chances, alone: as for `effect`.
        size: the least difference that is claimed, in units of the score and
            with its sign; where the interval of every score, widened for the
            chances, excludes it and all that is larger the claim fails, also
            if the arm is better.

    Returns:
        `HOLDS`, `FAILS`, `UNDECIDED` or `NOT_RUN`.
    """
    found = effect(rows, arm, scores, chances, alone)
    if found is None:
        return NOT_RUN
    if size is not None and all(
        _excludes(cell_of(rows, arm, score), size, chances) for score in scores
    ):
        return FAILS
    return {"better": HOLDS, "worse": FAILS}.get(found, UNDECIDED)


def _excludes(cell, size, chances):
    """Whether the claimed size lies beyond the interval of a difference."""
    if cell["interval"] is None:
        return False
    middle, degrees = cell["difference"], cell["pairs"] - 1
    half = cell["interval"][1] - middle
    half *= t_quantile(degrees, 1 - LEVEL / chances) / t_quantile(degrees)
    return middle + half < size if size > 0 else middle - half > size


def together(verdicts):
    """The verdict on a claim that was tested in several ways.

    It holds if it does so in one of them and fails in none, fails likewise,
    depends on the setting if it does both, and is undecided otherwise; what
    was not run does not count.
    """
    made = [v for v in verdicts if v != NOT_RUN]
    if not made:
        return NOT_RUN
    if (HOLDS in made and FAILS in made) or DEPENDS in made:
        return DEPENDS
    for verdict in (HOLDS, FAILS):
        if verdict in made:
            return verdict
    return UNDECIDED


def either(verdicts, effects):
    """The verdict on one experiment with several scores.

    It holds if it does so by one of them and nothing is worse, fails likewise,
    and is undecided otherwise.

    Args:
        verdicts: one for each score.
        effects: of the same scores, without a correction for their number.
    """
    if HOLDS in verdicts and "worse" not in effects:
        return HOLDS
    if FAILS in verdicts and "better" not in effects:
        return FAILS
    if all(v == NOT_RUN for v in verdicts):
        return NOT_RUN
    return UNDECIDED


def all_of(verdicts):
    """The verdict on a claim that needs every test to hold."""
    if FAILS in verdicts:
        return FAILS
    if all(v == HOLDS for v in verdicts):
        return HOLDS
    if all(v == NOT_RUN for v in verdicts):
        return NOT_RUN
    return UNDECIDED


def fisher(successes, count, other_successes, other_count):
    """One-sided p of Fisher's exact test: so many more successes by chance."""
    total = successes + other_successes
    ways = sum(
        math.comb(count, k) * math.comb(other_count, total - k)
        for k in range(successes, min(count, total) + 1)
    )
    return ways / math.comb(count + other_count, total)
