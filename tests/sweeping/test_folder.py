"""Whether a sweep may go on in a folder."""

import dataclasses

import pytest

from keras_ganmix import recipes
from keras_ganmix.sweeping import folder as folders
from keras_ganmix.sweeping.folder import SweepFolder
from keras_ganmix.sweeping.vary import Plan, Scoring
from keras_ganmix.utils.cli import UsageError


def arm(name, *changes):
    return recipes.load("ring", [*changes, f"name={name}"])


@pytest.fixture
def plan():
    return Plan(
        "ring",
        {"plain": arm("plain"), "r1": arm("r1", "regularizers.0=R1")},
        ["train.steps=5"],
        {"plain": [], "r1": ["regularizers.0=R1"]},
        (0, 1),
        [Scoring(metrics=["modes"], num_fake=50)],
    )


@pytest.fixture
def begun(tmp_path, plan):
    """A sweep of which both arms have begun."""
    folder = SweepFolder(tmp_path / "out")
    folder.path.mkdir()
    folder.save(plan)
    for name in plan.arms:
        folder.run(name, 0).path.mkdir(parents=True)
        folder.timing(name).write_text("{}")
    return folder


def test_a_plan_is_read_as_it_was_saved(begun, plan):
    assert begun.load() == plan


def test_more_arms_seeds_and_scores_may_join(begun, plan):
    more = {**plan.arms, "gdpp": arm("gdpp", "regularizers.0=GDPP")}
    scorings = [Scoring(metrics=["sliced_wasserstein"])]
    begun.check(
        dataclasses.replace(plan, arms=more, seeds=(3,), scorings=scorings)
    )


@pytest.mark.parametrize(
    "changes, words",
    [
        (["train.steps=9"], "arm 'r1': train.steps: 25000 there, 9 now"),
        (["samples.every=9"], "samples.every"),
        ([], "regularizers"),
    ],
)
def test_another_recipe_is_refused_with_the_difference(
    begun, plan, changes, words
):
    if changes:
        changes = ["regularizers.0=R1", *changes]
    arms = {**plan.arms, "r1": arm("r1", *changes)}
    with pytest.raises(UsageError, match=words):
        begun.check(dataclasses.replace(plan, arms=arms))


def test_an_arm_with_runs_cannot_be_left_out(begun, plan):
    arms = {"plain": plan.arms["plain"]}
    with pytest.raises(UsageError, match="arm 'r1' there, none now"):
        begun.check(dataclasses.replace(plan, arms=arms))


def test_an_arm_without_runs_may_change_and_is_timed_again(begun, plan):
    begun.run("r1", 0).path.rmdir()
    arms = {**plan.arms, "r1": arm("r1", "regularizers.0=R2")}
    changed = dataclasses.replace(plan, arms=arms)
    begun.check(changed)
    begun.save(changed)
    assert begun.timing("plain").exists()
    assert not begun.timing("r1").exists()


def test_foreign_folders_are_refused(tmp_path, plan):
    (tmp_path / "photo.png").write_text("")
    with pytest.raises(UsageError, match=r"'photo\.png' but no sweep"):
        SweepFolder(tmp_path).check(plan)
    with pytest.raises(UsageError, match="is not a folder"):
        SweepFolder(tmp_path / "photo.png").check(plan)


def test_one_sweep_at_a_time(begun, monkeypatch):
    monkeypatch.setattr(folders, "_PATIENCE", 0.1)
    message = "another sweep works in it"
    with begun.lock(), pytest.raises(UsageError, match=message):
        SweepFolder(begun.path).lock()
    begun.lock().close()


def test_a_plan_that_cannot_be_read_is_said(begun, plan):
    begun.plan.write_text("{}")
    with pytest.raises(UsageError, match="not the plan of a sweep"):
        begun.check(plan)
