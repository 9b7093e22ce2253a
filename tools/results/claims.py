"""The table of the papers' claims."""

import pathlib

import yaml

from keras_ganmix.utils.tables import markdown_table
from tools.results import rules
from tools.results.trials import KINDS

FILE = pathlib.Path(__file__).with_name("claims.yaml")
HEADS = ("claim", "paper", "what came out here", "verdict")


def load(path=FILE):
    """The papers and the claims, as plain data."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def judge(store, claim):
    """What came out of all tests of a claim.

    Args:
        store: `Store`.
        claim: dict of `claims.yaml`.

    Returns:
        `(verdict, outcomes)`.
    """
    if "untestable" in claim:
        return rules.UNTESTABLE, []
    outcomes = [_test(store, test) for test in claim["tests"]]
    count = sum(outcome.tests for outcome in outcomes if outcome is not None)
    if count > 1 and not claim.get("all"):
        outcomes = [_test(store, t, chances=count) for t in claim["tests"]]
    outcomes = [outcome for outcome in outcomes if outcome is not None]
    verdicts = [outcome.verdict for outcome in outcomes]
    judge = rules.all_of if claim.get("all") else rules.together
    return judge(verdicts), outcomes


def _test(store, test, **more):
    arguments = {k: v for k, v in test.items() if k != "kind"}
    return KINDS[test["kind"]](store, **arguments, **more)


def table(store):
    """The table in Markdown."""
    known = load()
    lines = []
    for claim in known["claims"]:
        verdict, outcomes = judge(store, claim)
        lines.append(
            (
                claim["claim"],
                known["papers"][claim["paper"]],
                came_out(claim, outcomes),
                f"**{verdict}**{_reservation(outcomes)}",
            )
        )
    return markdown_table(HEADS, lines)


def came_out(claim, outcomes):
    """What is told of a claim's tests, each with its link."""
    if "untestable" in claim:
        return claim["untestable"]
    made = [o for o in outcomes if o.verdict != rules.NOT_RUN]
    if not made:
        return "planned: " + ", ".join(dict.fromkeys(o.page for o in outcomes))
    texts = {}
    for outcome in made:
        texts.setdefault(outcome.page, []).append(outcome.text)
    return "<br>".join(f"{p}: {'; '.join(own)}" for p, own in texts.items())


def _reservation(outcomes):
    """That runs, or whole tests of a claim, are to come."""
    left = [o.verdict == rules.NOT_RUN for o in outcomes]
    runs = any(o.preliminary for o in outcomes)
    return " (preliminary)" if not all(left) and (runs or any(left)) else ""


def counted(store):
    """How many claims got which verdict, as text."""
    judged = [judge(store, claim) for claim in load()["claims"]]
    verdicts = [verdict for verdict, _ in judged]
    order = (
        rules.HOLDS,
        rules.FAILS,
        rules.DEPENDS,
        rules.UNDECIDED,
        rules.NOT_RUN,
        rules.UNTESTABLE,
    )
    found = {verdict: verdicts.count(verdict) for verdict in order}
    told = ", ".join(f"{n} {name}" for name, n in found.items() if n)
    left = sum(bool(_reservation(outcomes)) for _, outcomes in judged)
    return told + (f"; {left} of them preliminary" if left else "")
