"""What comes out of a sweep: cells, comparison and tables."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from scipy import stats

from keras_ganmix import recipes
from keras_ganmix.metrics.protocol import Protocol
from keras_ganmix.metrics.report import Evaluation
from keras_ganmix.regularizers import R1
from keras_ganmix.sweeping import cell as timing
from keras_ganmix.sweeping import results, running, tables
from keras_ganmix.sweeping.budget import Budget
from keras_ganmix.sweeping.folder import SweepFolder
from keras_ganmix.sweeping.records import is_left, read_record, write_record
from keras_ganmix.sweeping.vary import Plan, Scoring

SEEDS = (0, 1, 2, 3, 4)
PROTOCOL = Protocol("ring", "test", "cd" * 32, [2], 2500, 2500, ema=False)
SCORINGS = [Scoring(metrics=["modes"]), Scoring(metrics=["modes"], seed=1)]


@dataclasses.dataclass
class Ended:
    """What `write_record` needs of a process."""

    seconds: float
    cpu_seconds: float


@pytest.fixture
def sweep(tmp_path):
    """A sweep of three arms; one run failed, one has not been made."""
    arms = {
        name: recipes.load("ring", [*changes, f"name={name}"])
        for name, changes in {
            "plain": [],
            "r1": ["regularizers.0=R1"],
            "r2": ["regularizers.0=R2"],
        }.items()
    }
    changes = {"plain": [], "r1": ["a=|b|"], "r2": ["c=2"]}
    plan = Plan("ring", arms, ["train.steps=25000"], changes, SEEDS, SCORINGS)
    folder = SweepFolder(tmp_path)
    rng = np.random.default_rng(0)
    for arm, seed in plan.cells():
        if (arm, seed) == ("r2", 4):
            continue
        folder.run(arm, seed).path.mkdir(parents=True)
        if (arm, seed) == ("r1", 2):
            end = {"status": "failed", "code": 3, "message": "became NaN"}
            write_record(folder, arm, seed, Ended(5.0, 4.0), **end)
            continue
        quality = float(rng.normal(0.5 + 0.2 * (arm == "r1"), 0.05))
        for index, kl in enumerate((rng.uniform(), 0.1)):
            scores = {"high_quality": quality, f"kl_{index}": float(kl)}
            floor = {"high_quality": 0.99}
            Evaluation(scores, floor, {}, PROTOCOL, 1.0, 25000).save(
                folder.scores(arm, seed, index)
            )
        score = [s.model_dump() for s in SCORINGS]
        write_record(
            folder, arm, seed, Ended(60.0, 50.0), status="done", score=score
        )
        lines = [{"step": 1000 * i, "high_quality": i / 7} for i in (1, 2)]
        folder.run(arm, seed).scores.write_text(
            "".join(json.dumps(line) + "\n" for line in lines)
        )
        folder.timing(arm).write_text('{"first_step": 1.0, "step": 0.002}')
    return plan, folder


def test_differences_are_paired_by_seed_and_corrected(sweep):
    plan, folder = sweep
    found = results.write(plan, folder)
    assert json.loads(folder.result.read_text()) == found
    values = {}
    for cell in found["cells"]:
        if cell["status"] == "done":
            own = values.setdefault(cell["arm"], {})
            own[cell["seed"]] = cell["scores"]["high_quality"]
    row = found["table"][0]
    assert (row["score"], row["better"]) == ("high_quality", "higher")
    assert row["floor"] == 0.99
    expected = {}
    for arm, seeds in {"r1": [0, 1, 3, 4], "r2": [0, 1, 2, 3]}.items():
        own = [values[arm][s] for s in seeds]
        base = [values["plain"][s] for s in seeds]
        test = stats.ttest_rel(own, base)
        cell = row["arms"][arm]
        assert cell["pairs"] == cell["count"] == 4
        assert cell["difference"] == pytest.approx(
            np.subtract(own, base).mean()
        )
        assert cell["p"] == pytest.approx(test.pvalue, rel=1e-5)
        low, high = test.confidence_interval(0.95)
        assert cell["interval"] == pytest.approx([low, high], rel=1e-4)
        expected[arm] = test.pvalue
    assert expected["r1"] < expected["r2"]
    assert row["arms"]["r1"]["p_holm"] == pytest.approx(
        2 * expected["r1"], rel=1e-5
    )
    assert row["arms"]["r1"]["verdict"] == "better"
    assert row["arms"]["r2"]["verdict"] == "not told apart"


def test_a_verdict_needs_a_direction_and_a_spread():
    def verdict(name, own, base=(1.0, 2.0, 3.0)):
        values = {"a": dict(enumerate(base)), "b": dict(enumerate(own))}
        row = results.make_row(name, "a", ["a", "b"], values, {})
        return row["arms"]["b"]["verdict"]

    assert verdict("modes", [9.0, 10.1, 11.0]) == "better"
    assert verdict("reverse_kl", [9.0, 10.1, 11.0]) == "worse"
    assert verdict("kernel_error", [9.0, 10.1, 11.0]) == ""
    assert verdict("modes", [2.0, 3.0, 4.0]) == "same in all seeds"
    assert verdict("modes", [1.0, 2.0, 3.0]) == "not told apart"
    assert verdict("modes", [9.0]) == "one seed"


def test_all_scorings_count_and_failures_are_told(sweep):
    plan, folder = sweep
    found = results.collect(plan, folder)
    assert [row["score"] for row in found["table"]] == [
        "high_quality",
        "kl_0",
        "kl_1",
    ]
    assert found["cells"][0]["curves"] == {
        "step": [1000, 2000],
        "high_quality": [0.14286, 0.28571],
    }
    assert tables.notes(found) == [
        "1 of 15 runs are not made yet",
        "r1, seed 2: failed: became NaN",
    ]
    text = tables.as_text(found)
    assert "note: r1, seed 2: failed: became NaN" in text
    assert text.count("(real data)") == 1
    page = tables.as_markdown(found)
    assert "a=\\|b\\|" in page
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {4, 8}


def test_scores_of_another_protocol_are_not_compared(sweep):
    plan, folder = sweep
    path = folder.scores("r2", 0, 0)
    values = json.loads(path.read_text())
    values["protocol"]["num_fake"] += 1
    path.write_text(json.dumps(values))
    found = results.collect(plan, folder)
    told = [text for text in tables.notes(found) if "r2, seed 0" in text]
    assert "another protocol" in told[0] and "num_fake" in told[0]
    counts = [row["arms"]["r2"]["count"] for row in found["table"]]
    assert counts == [3, 3, 3]  # of four that were made
    assert [(c["arm"], c["seed"]) for c in found["cells"]] == plan.cells()


def test_arms_may_differ_in_the_average_of_the_generator(sweep):
    plan, folder = sweep
    path = folder.scores("r2", 0, 0)
    values = json.loads(path.read_text())
    values["protocol"]["ema"] = not values["protocol"]["ema"]
    path.write_text(json.dumps(values))
    assert not any(
        "otherwise" in c for c in results.collect(plan, folder)["cells"]
    )


def test_a_process_that_ended_without_a_word_is_told_of():
    assert running._exit(-9) == "killed by signal 9"
    assert running._exit(3) == "exit code 3"


def test_steps_of_all_kinds_are_timed(tiny, monkeypatch):
    """A term of every third step costs a third of what it takes."""
    clock = [0.0]
    monkeypatch.setattr(timing, "_SECONDS", 0.0)
    monkeypatch.setattr(timing.time, "monotonic", lambda: clock[0])
    gan = tiny.gan([R1({"value": 1.0, "every": 3})])

    class Slow(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            clock[0] += 7.0 if batch % 3 == 0 else 1.0

    fit = gan.fit
    monkeypatch.setattr(
        gan.__class__,
        "fit",
        lambda self, *a, callbacks, **k: fit(
            *a, callbacks=[Slow(), *callbacks], **k
        ),
    )
    assert timing._median_step(gan, tiny.dataset()) == pytest.approx(3.0)


def test_what_is_left_is_what_was_not_ended(sweep):
    plan, folder = sweep
    left = [c for c in plan.cells() if is_left(folder, plan, *c)]
    assert left == [("r2", 4)]
    again = [c for c in plan.cells() if is_left(folder, plan, *c, True)]
    assert again == [("r1", 2), ("r2", 4)]
    other = dataclasses.replace(plan, scorings=SCORINGS[:1])
    assert sum(is_left(folder, other, *c) for c in plan.cells()) == 14


def test_time_adds_up_over_interruptions(sweep):
    _, folder = sweep
    write_record(folder, "r2", 4, Ended(1.5, 1.0))
    write_record(folder, "r2", 4, Ended(2.0, 1.0), status="failed")
    assert read_record(folder, "r2", 4) == {
        "seconds": 3.5,
        "cpu_seconds": 2.0,
        "status": "failed",
    }


def test_the_budget_learns_from_runs_that_are_done(sweep):
    plan, folder = sweep
    budget = Budget(plan, folder, 2)
    alone = 1 + 24_999 * 0.002
    assert budget.steps_alone("r1") == pytest.approx(alone)
    # One of fifteen is left; the thirteen done took 60 s each.
    assert budget.remaining() == pytest.approx(60 / 2)
    half = {"step": 12_500}
    path = folder.run("r2", 4).metrics
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(half) + "\n")
    assert budget.remaining() == pytest.approx(60 / 4)
    lines = budget.lines()
    assert lines[1].split() == [
        "plain",
        "2.00",
        "25,000",
        "0:51",
        "5",
        "of",
        "5",
    ]
    assert lines[-1].startswith("time: about 0:15")
    # A run that has failed is not done, and counts if it is tried again.
    again = Budget(plan, folder, 2, retry_failed=True)
    assert again.remaining() == pytest.approx((60 + 60 / 2) / 2)
    assert lines[2].split()[-3:] == ["5", "of", "5"]
    assert again.lines()[2].split()[-3:] == ["4", "of", "5"]


def test_what_has_failed_again_is_not_left(sweep):
    plan, folder = sweep
    runs = running.Sweep(plan, folder, None, 0, retry_failed=True)
    assert runs.budget().remaining() == pytest.approx(60 + 60)
    assert runs._eta() == "about 1:00 left"


def test_the_page_compares_with_the_baseline_also_if_its_run_failed(
    sweep, monkeypatch
):
    plan, folder = sweep
    end = {"status": "failed", "code": 3, "message": "became NaN"}
    write_record(folder, "plain", 0, Ended(5.0, 4.0), **end)
    seen = []
    monkeypatch.setattr(
        running.Sweep, "_write_page", lambda self, d: seen.extend(d)
    )
    running.Sweep(plan, folder, None, 0).conclude()
    assert seen[0] == folder.run("plain", 1).path
    assert len(seen) == 12
