"""What is varied: read, and checked before anything is started."""

import pytest

from keras_ganmix.recipes import RecipeError
from keras_ganmix.sweeping.vary import Scoring, make_plan

GOOD = """
common: [train.steps=7]
arms:
  plain: []
  with_r1: [regularizers.0=R1, train.steps=9]
"""


@pytest.fixture
def plan(tmp_path):
    def make(text, recipe="ring", seeds=(0, 1)):
        path = tmp_path / "vary.yaml"
        path.write_text(text)
        return make_plan(recipe, path, seeds)

    return make


def test_arms_are_the_recipe_with_their_changes(plan):
    found = plan(GOOD)
    assert list(found.arms) == ["plain", "with_r1"]
    assert found.arms["plain"].train.steps == 7
    assert found.arms["with_r1"].train.steps == 9
    assert found.arms["with_r1"].regularizers[0].type == "R1"
    cell = found.recipe_of("with_r1", 1)
    assert (cell.name, cell.train.seed) == ("with_r1", 1)
    # All arms of a seed come first, so that half a sweep can be compared.
    assert found.cells() == [
        ("plain", 0),
        ("with_r1", 0),
        ("plain", 1),
        ("with_r1", 1),
    ]


def test_an_arm_may_have_a_name_that_looks_like_a_number(plan):
    found = plan('arms: {plain: [], "1e3": [train.steps=1000]}')
    assert found.arms["1e3"].name == "1e3"


def test_arms_for_several_machines_are_refused(plan):
    with pytest.raises(RecipeError, match=r"arms.plain: strategy: multi") as e:
        plan("common: [strategy=multi_worker]\narms: {plain: []}")
    assert "add strategy=none or strategy=mirrored" in str(e.value)


def test_the_baseline_comes_first(plan):
    found = plan(GOOD + "baseline: with_r1\n")
    assert found.baseline == "with_r1"
    assert list(found.arms) == ["with_r1", "plain"]


def test_scores_are_those_of_the_recipe_unless_the_file_says_more(plan):
    (scoring,) = plan(GOOD).scorings
    assert scoring.metrics == ["modes"]
    assert scoring.num_fake == 2500
    score = "score: [{metrics: [modes]}, {metrics: [sliced_wasserstein]}]"
    assert len(plan(GOOD + score).scorings) == 2
    (scoring,) = plan(GOOD, "quickstart").scorings
    assert scoring.metrics == ["frechet", "kernel", "prdc"]


def test_scorings_are_flags_of_evaluate():
    flags = Scoring(metrics=["frechet", "leak"], num_fake=9).flags()
    assert "--metrics=frechet,leak" in flags
    assert "--num_fake=9" in flags
    assert not any(flag.startswith("--num_real") for flag in flags)


@pytest.mark.parametrize(
    "text, words",
    [
        ("arms: {a: [regularizers.0=R3]}", "arms.a: --set regularizers.0=R3"),
        ("arms: {a: [train.step=3]}", "Did you mean 'steps'"),
        ("arms: {a: [foo]}", "arms.a: --set foo"),
        ("arms: {a: [train.seed=3]}", "a sweep sets it itself"),
        ("arms: {a: [name=b]}", "a sweep sets it itself"),
        ("arms: {a: [], b: [samples=null]}", "the same as arms.a"),
        ("arms: {a: [], b: [train.log_every=7]}", "the same as arms.a"),
        ("arms: {a/b: []}", "'a/b'"),
        ("arms: {a: 3}", "arms.a: got 3"),
        ("arms: {}", "arms: got {}"),
        ("arms: [a]", "arms: got ['a']"),
        ("arms: {a: []}\nbaseline: b", "Unknown arm 'b'"),
        ("arms: {a: []}\ncomon: []", "Did you mean 'common'"),
        ("arms: {a: []}\nscore: [{metrics: [frechte]}]", "'frechet'"),
        ("arms: {a: []}\nscore: [{metrics: [frechet]}]", "allowed: modes"),
        ("arms: {a: []}\nscore: []", "score"),
        (
            "arms: {a: []}\nscore: [{metrics: [modes], extractor: no.keras}]",
            "score.0.extractor: there is no file",
        ),
        (
            "arms: {a: []}\nscore: [{metrics: [modes], extractor: fashon}]",
            "Did you mean 'fashion'",
        ),
        ("arms:\n  a: [\n", "line"),
    ],
)
def test_mistakes_are_named(plan, text, words):
    with pytest.raises(RecipeError) as error:
        plan(text)
    assert words in str(error.value)
    assert "vary.yaml" in str(error.value)


def test_mistakes_of_all_arms_are_told_at_once(plan):
    with pytest.raises(RecipeError) as error:
        plan("arms: {a: [train.step=3], b: [], c: [loss=hing]}")
    assert [line.split(": ")[1] for line in error.value.lines] == [
        "arms.a",
        "arms.c",
    ]
