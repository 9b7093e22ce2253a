"""Verdicts on made-up tables."""

import math
import types

import pytest
from scipy import stats

from keras_ganmix.sweeping.results import make_row
from tools.results import claims, mixtures, rules, speed
from tools.results.costs import read
from tools.results.fashion import FULL, MAIN
from tools.results.places import Places
from tools.results.rules import DEPENDS, FAILS, HOLDS, NOT_RUN, UNDECIDED
from tools.results.trials import KINDS, modes


def rows(**arms):
    """Rows of two lower-is-better scores: values of an arm by seed."""
    return [
        make_row(
            score,
            "plain",
            ["plain", *arms],
            {
                "plain": {0: 5.0, 1: 5.1, 2: 4.9},
                **{
                    arm: dict(enumerate(values[place]))
                    for arm, values in arms.items()
                },
            },
            {},
            "lower",
        )
        for place, score in enumerate(("a", "b"))
    ]


GOOD, BAD = [4.0, 4.11, 3.9], [6.0, 6.11, 5.9]
WEAK = [4.9, 5.2, 4.7]


@pytest.mark.parametrize(
    "values, verdict",
    [
        ((GOOD, GOOD), HOLDS),
        ((BAD, BAD), FAILS),
        ((GOOD, BAD), UNDECIDED),
        ((GOOD, WEAK), UNDECIDED),
        ((WEAK, WEAK), UNDECIDED),
    ],
)
def test_both_scores_must_agree(values, verdict):
    assert rules.improves(rows(x=values), "x", ["a", "b"]) == verdict


def test_an_effect_of_other_signs_is_mixed():
    found = rows(x=(GOOD, BAD), y=(GOOD, GOOD))
    assert rules.effect(found, "x", ["a", "b"]) == "mixed"
    opposite = [5.1, 5.0, 5.05]
    found = rows(x=(WEAK, opposite), y=(GOOD, GOOD))  # nothing is told apart
    assert rules.effect(found, "x", ["a", "b"]) == "none"
    assert rules.effect(found, "y", ["a", "b"]) == "better"
    assert rules.effect(found, "z", ["a", "b"]) is None
    assert rules.improves(found, "z", ["a", "b"]) == NOT_RUN


def test_a_claim_with_many_chances_must_be_told_apart_more_clearly():
    found = rows(x=(GOOD, GOOD))
    p = max(row["arms"]["x"]["p_holm"] for row in found)
    few, many = math.floor(rules.LEVEL / p), math.ceil(rules.LEVEL / p)
    scores = ["a", "b"]
    assert rules.improves(found, "x", scores, chances=few) == HOLDS
    assert rules.improves(found, "x", scores, chances=many) == UNDECIDED


def test_one_seed_decides_nothing():
    found = rows(x=([1.0], [1.0]))
    assert rules.improves(found, "x", ["a", "b"], size=-9) == UNDECIDED


def test_an_interval_that_excludes_the_claimed_size_refutes_it():
    found = rows(x=(GOOD, GOOD))  # one better, give or take little
    assert rules.improves(found, "x", ["a"], size=-0.5) == HOLDS
    assert rules.improves(found, "x", ["a"], size=-3) == FAILS
    wide = rows(x=([4.0, 6.0, 5.0], GOOD))
    assert rules.improves(wide, "x", ["a"], size=-1) == UNDECIDED


@pytest.mark.parametrize(
    "verdicts, any_of, all_of",
    [
        ([HOLDS, NOT_RUN], HOLDS, UNDECIDED),
        ([HOLDS, UNDECIDED], HOLDS, UNDECIDED),
        ([HOLDS, FAILS, UNDECIDED], DEPENDS, FAILS),
        ([FAILS, UNDECIDED], FAILS, FAILS),
        ([HOLDS, HOLDS], HOLDS, HOLDS),
        ([NOT_RUN, NOT_RUN], NOT_RUN, NOT_RUN),
    ],
)
def test_several_tests_of_a_claim(verdicts, any_of, all_of):
    assert rules.together(verdicts) == any_of
    assert rules.all_of(verdicts) == all_of


@pytest.mark.parametrize("table", [(10, 10, 3, 10), (2, 5, 2, 7), (0, 3, 1, 4)])
def test_fisher_is_that_of_scipy(table):
    yes, count, other_yes, other_count = table
    expected = stats.fisher_exact(
        [[yes, count - yes], [other_yes, other_count - other_yes]],
        alternative="greater",
    ).pvalue
    assert math.isclose(rules.fisher(*table), expected)


def test_claims_name_tests_and_papers_that_are_there():
    known = claims.load()
    for claim in known["claims"]:
        assert claim["paper"] in known["papers"]
        assert ("untestable" in claim) != ("tests" in claim)
        for test in claim.get("tests", []):
            assert test["kind"] in KINDS


@pytest.fixture(autouse=True)
def nothing_is_found_by_scatter(monkeypatch):
    monkeypatch.setattr(mixtures, "scatter", lambda recipe: {"modes": 0.0})


def a_store(name, failed=0, **about):
    about = {"complete": True, "seeds": [0, 1, 2], "rows": [], **about}
    about = {"recipe": "ring", "baseline": "plain", **about}
    sweep = types.SimpleNamespace(failed=lambda arm: failed, **about)
    return types.SimpleNamespace(sweeps={name: sweep})


def test_modes_and_quality_must_both_be_better_where_both_are_claimed():
    found = rows(x=(WEAK, GOOD))
    for row, score in zip(found, ("modes", "high_quality"), strict=True):
        row["score"] = score
    store = a_store("modes_ring", arms=["x"], late_rows=found)
    scores = ["modes", "high_quality"]
    assert modes(store, "modes_ring", "x", scores).verdict == HOLDS
    both = modes(store, "modes_ring", "x", scores, every=True)
    assert both.verdict == UNDECIDED


def test_runs_that_are_left_prove_nothing():
    found = rows(x=(GOOD, GOOD))
    for row, score in zip(found, ("modes", "reverse_kl"), strict=True):
        row["score"] = score
    about = {"arms": ["plain", "x"], "late_rows": found}
    whole = modes(a_store("modes_ring", **about), "modes_ring", "x")
    assert whole.verdict == HOLDS
    part = modes(a_store("modes_ring", failed=2, **about), "modes_ring", "x")
    assert part.verdict == UNDECIDED
    assert "x failed in 2 of 3 runs" in part.text
    none = a_store("modes_ring", failed=3, arms=["plain"])
    assert modes(none, "modes_ring", "x").text == "x: every run failed"


def test_the_last_step_may_not_say_the_opposite():
    late, last = rows(x=(GOOD, GOOD)), rows(x=(GOOD, BAD))
    for found in (late, last):
        for row, score in zip(found, ("modes", "reverse_kl"), strict=True):
            row["score"] = score
    store = a_store("modes_ring", arms=["x"], late_rows=late, rows=last)
    assert modes(store, "modes_ring", "x").verdict == UNDECIDED


def of_modes(scores, floor=None, **arms):
    """A store of a mixture: values of arms by score, higher is better."""
    made = [
        make_row(
            score,
            "plain",
            list(arms),
            {a: dict(enumerate(v[place])) for a, v in arms.items()},
            {} if floor is None else {score: floor},
            "higher",
        )
        for place, score in enumerate(scores)
    ]

    def of(arm):
        """Curves of which the last fifth is the last value."""
        columns = zip(*arms[arm], strict=True)
        return {
            seed: {
                "curves": {"step": [1, 9]}
                | {s: [0, v] for s, v in zip(scores, values, strict=True)}
            }
            for seed, values in enumerate(columns)
        }

    return a_store(
        "modes_grid", arms=list(arms), late_rows=made, rows=made, of=of
    )


BASE, MORE = [18.0, 19.0, 18.5], [22.0, 23.1, 22.4]


def test_modes_of_points_scattered_evenly_prove_nothing(monkeypatch):
    store = of_modes(["modes"], plain=[BASE], x=[MORE])
    assert modes(store, "modes_grid", "x", ["modes"]).verdict == HOLDS
    # 22.5 and half an interval of 1.4
    for scattered, verdict in (
        (22.6, UNDECIDED),
        (21.3, UNDECIDED),
        (21, HOLDS),
    ):
        monkeypatch.setattr(
            mixtures, "scatter", lambda recipe, n=scattered: {"modes": n}
        )
        found = modes(store, "modes_grid", "x", ["modes"])
        assert found.verdict == verdict
        told = "not shown to beat scattered points, which find 2"
        assert (told in found.text) is (verdict == UNDECIDED)


def test_more_modes_of_less_quality_prove_nothing():
    scores = ["modes", "high_quality"]
    sharp, dull = [0.9, 0.91, 0.89], [0.1, 0.12, 0.1]
    store = of_modes(scores, plain=[BASE, sharp], x=[MORE, dull])
    assert modes(store, "modes_grid", "x", ["modes"]).verdict == UNDECIDED
    store = of_modes(scores, plain=[BASE, sharp], x=[MORE, sharp])
    assert modes(store, "modes_grid", "x", ["modes"]).verdict == HOLDS


def test_a_score_without_room_cannot_hold():
    """Real data find 25 in every seed, and plain may nearly do so."""
    near = [24.0, 25.0, 25.0]
    full = [25.0, 25.0, 25.0]
    store = of_modes(["modes"], floor=25.0, plain=[near], x=[full])
    found = modes(store, "modes_grid", "x", ["modes"])
    assert (found.verdict, found.tests) == (UNDECIDED, 1)
    assert "too few seeds to tell better modes" in found.text
    store = of_modes(["modes"], floor=25.0, plain=[BASE], x=[MORE])
    found = modes(store, "modes_grid", "x", ["modes"])
    assert (found.verdict, found.tests) == (HOLDS, 1)
    assert "too few" not in found.text
    # It can fail, and so it is one of the tests by which a claim is decided.
    less = [20.0, 20.2, 20.1]
    store = of_modes(["modes"], floor=25.0, plain=[near], x=[less])
    found = modes(store, "modes_grid", "x", ["modes"], every=True)
    assert (found.verdict, found.tests) == (FAILS, 1)
    many = modes(store, "modes_grid", "x", ["modes"], every=True, chances=99)
    assert many.verdict == UNDECIDED
    # What is not made yet is planned as a test of each of its scores.
    missing = modes(store, "modes_ring", "x")
    assert (missing.verdict, missing.tests) == (NOT_RUN, 2)


@pytest.mark.parametrize(
    "verdicts, effects, expected",
    [
        ([HOLDS, UNDECIDED], ["better", "none"], HOLDS),
        ([HOLDS, UNDECIDED], ["better", "worse"], UNDECIDED),
        ([FAILS, UNDECIDED], ["worse", "none"], FAILS),
        ([FAILS, UNDECIDED], ["worse", "better"], UNDECIDED),
        ([HOLDS, FAILS], ["better", "worse"], UNDECIDED),
        ([UNDECIDED, UNDECIDED], ["better", "none"], UNDECIDED),
        ([NOT_RUN, NOT_RUN], [None, None], NOT_RUN),
    ],
)
def test_scores_of_one_experiment_may_not_contradict(
    verdicts, effects, expected
):
    assert rules.either(verdicts, effects) == expected


def stacked(**arms):
    """A store of stacked pictures: modes and KL of arms by seed."""
    rows = [
        make_row(
            score,
            "plain",
            list(arms),
            {arm: dict(enumerate(both[place])) for arm, both in arms.items()},
            {},
            better,
        )
        for place, (score, better) in enumerate(
            (("modes", "higher"), ("mode_kl", "lower"))
        )
    ]
    return a_store("stacked_dcgan", arms=list(arms), rows=rows)


def test_stacked_pictures_are_judged_by_modes_and_kl():
    plain = [700.0, 705.0, 702.0], [1.0, 1.01, 1.02]
    more, less = [730.0, 736.0, 731.0], [690.0, 694.0, 692.0]
    closer, farther = [0.8, 0.82, 0.81], [1.3, 1.32, 1.31]
    for scores, verdict in (
        ((more, closer), HOLDS),
        ((more, plain[1]), HOLDS),
        ((more, farther), UNDECIDED),
        ((less, farther), FAILS),
    ):
        store = stacked(plain=plain, x=scores)
        outcome = KINDS["stacked"](store, "x")
        assert (outcome.verdict, outcome.tests) == (verdict, 2)
        assert outcome.text.startswith("x: modes ") and "; KL " in outcome.text
    missing = types.SimpleNamespace(sweeps={})
    assert KINDS["stacked"](missing, "x").tests == 2


def test_p_of_modes_is_not_corrected_over_arms():
    """The other arms are those of other claims."""
    others = {f"y{i}": [[18.2, 19.1, 18.4]] for i in range(30)}
    more = [20.0, 22.5, 21.0]
    store = of_modes(["modes"], plain=[BASE], x=[more], **others)
    rows = store.sweeps["modes_grid"].late_rows
    assert rules.improves(rows, "x", ["modes"]) == UNDECIDED
    assert modes(store, "modes_grid", "x", ["modes"]).verdict == HOLDS
    p = rows[0]["arms"]["x"]["p"]
    many = math.ceil(rules.LEVEL / p)
    found = modes(store, "modes_grid", "x", ["modes"], chances=many)
    assert found.verdict == UNDECIDED


def test_foreign_images_are_judged_by_the_mean_over_their_kinds():
    def run(arm, seed, digits, noise):
        areas = {"digits": digits, "noise": noise}
        kinds = {kind: {"1ds": {"auroc": a}} for kind, a in areas.items()}
        return {"arm": arm, "seed": seed, "ood": kinds}

    runs = [run("plain", s, 0.9 + s / 100, 0.8) for s in range(3)]
    # One kind is told better in all runs, the other worse.
    runs += [run("x", s, 0.99, 0.7 + s / 60) for s in range(3)]
    found = {"arms": {"plain": {}, "x": {}}, "runs": runs, "left": []}
    store = types.SimpleNamespace(others={"classify": found})
    outcome = KINDS["foreign"](store, "x", "1ds")
    assert outcome.verdict == UNDECIDED
    assert "mean AUROC over the kinds -0.00" in outcome.text
    assert KINDS["foreign"](store, "y", "1ds").verdict == NOT_RUN


@pytest.mark.parametrize(
    "ends, ratio, verdict",
    [
        ([1.0, 1.1, 0.95], 1.0, HOLDS),
        ([1.0, 1.1, 0.95], 3.0, UNDECIDED),
        ([9.0, 9.1, 9.2, 9.1, 9.3], 1.0, FAILS),  # never
        ([9.0, 9.1, 9.2, 9.1], 1.0, UNDECIDED),
    ],
)
def test_faster_is_in_steps_and_not_in_more_seconds(ends, ratio, verdict):
    def cells(reached):
        """Straight from 10, below 5 at a step that differs by seed."""
        steps = [0, 1000]
        return {
            seed: {"curves": {"step": steps, speed.SCORE: [10.0, end]}}
            for seed, end in enumerate(reached)
        }

    base = [5.0, 5.1, 4.9, 5.05, 4.95][: len(ends)]
    runs = {"plain": cells(base), "x": cells(ends)}
    timed = [("plain", 100.0), ("x", 100.0 * ratio)]
    store = a_store(
        MAIN,
        arms=["plain", "x"],
        baseline="plain",
        steps=1000,
        of=runs.get,
        done=[{"arm": a, "cpu_seconds_per_step": s} for a, s in timed],
        seconds_per_step=dict(timed).get,
    )
    assert KINDS["faster"](store, "x").verdict == verdict
    # Of three such arms one is never there by chance in 9 of 100 cases.
    three = KINDS["faster"](store, "x", chances=3).verdict
    assert three == (UNDECIDED if verdict == FAILS else verdict)


def test_a_claim_awaits_its_test_on_all_images():
    """It is one of two chances, until the arms of that are chosen."""
    store = types.SimpleNamespace(sweeps={})
    assert KINDS["images"](store, "x", sweep=FULL).verdict == NOT_RUN
    found = {"arms": ["plain", "y"]}
    store.sweeps[FULL] = types.SimpleNamespace(found=found)
    assert KINDS["images"](store, "x", sweep=FULL) is None


@pytest.mark.parametrize(
    "heads, one, verdict",
    [
        ((10, 10), (3, 10), HOLDS),
        ((10, 10), (9, 10), UNDECIDED),
        ((10, 9), (0, 0), FAILS),  # one of them leaked
    ],
)
def test_heads_are_compared_at_one_weight(heads, one, verdict):
    def ends(well):
        return {"verdicts": {"at the data": well, "elsewhere": 10 - well}}

    arms = ("dag", "dag_light", "shared", "shared_light")
    found = dict(zip(arms, map(ends, (*heads, *one)), strict=True))
    found |= {"steps": 9, "real_only": ends(0)}
    outcome = KINDS["leak"](types.SimpleNamespace(others={"dag_leak": found}))
    assert outcome.verdict == verdict
    assert f"weight 0.2: {heads[1]} of 10 runs with a head" in outcome.text
    assert f"{one[1]} of 10 with one head for all" in outcome.text


def test_when_a_curve_gets_below_a_target():
    curve = {"step": [10, 20, 30, 40], speed.SCORE: [8.0, 4.0, 6.0, 2.0]}
    assert speed.first_reached(curve, 9) == 10
    assert speed.first_reached(curve, 5) == 17.5
    assert speed.first_reached(curve, 3) == 37.5
    assert speed.first_reached(curve, 1) is None
    assert speed.at(curve, 25) == 5
    assert speed.at(curve, 99) == 2


def test_costs_are_those_of_the_table(tmp_path):
    path = tmp_path / "performance.md"
    path.write_text(
        "### dcgan, other\n## The cost of each regularizer\n### dcgan, 1 ms\n"
        "| regularizer | trunk passes | ratio |\n| --- | --- | --- |\n"
        "| plain | +0 | 1.00 |\n| R1 | +2 | 1.30 |\n## Others\n| a | b |\n"
    )
    assert read(path) == {"R1": {"ratio": "1.30", "passes": "+2"}}
    with pytest.raises(ValueError, match="no costs of biggan"):
        read(path, "biggan")
    assert "DiffAugment" in read(Places().performance)
