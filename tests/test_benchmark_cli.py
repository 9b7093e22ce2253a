"""`python -m keras_ganmix.benchmark`, and the cost that a dry run tells."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import keras_ganmix
from keras_ganmix import benchmark, building, costs, data, recipes
from keras_ganmix.benchmarking import parts
from keras_ganmix.benchmarking.rounds import Part, take_turns
from keras_ganmix.stepping import (
    Steps,
    discriminator_only,
    generator_only,
)

ROOT = Path(keras_ganmix.__file__).resolve().parents[1]
TINY = [
    "data.batch_size=8",
    "data.max_images=32",
    "generator.width=4",
    "generator.latent_dim=4",
    "discriminator.width=4",
]


def run(*words):
    return benchmark.main(["benchmark", *map(str, words)])


def tiny(*changes):
    recipe = recipes.load("ring", [*TINY, *changes])
    source = data.load("ring", max_images=32)
    gan = building.build_gan(recipe, source)
    return gan, building.build_dataset(recipe, source, gan)


class StepClock(parts._Clock):
    """A step of this clock's seconds is just one."""

    def on_train_batch_end(self, batch, logs=None):
        self.times.append(int(self.model.step.numpy()))


@pytest.mark.slow
@pytest.mark.parametrize(
    "more, title",
    [
        (
            ["train.steps_per_execution=4", "train.dtype=mixed_bfloat16"],
            "batch 8, mixed_bfloat16, ",
        ),
        pytest.param(
            ["strategy=mirrored", "train.dtype=mixed_float16"],
            "CPU CPU mirrored",
            marks=pytest.mark.long,
        ),
    ],
)
def test_every_part_is_told(more, title, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(parts, "_Clock", StepClock)
    changes = [f"--set={change}" for change in [*TINY, *more]]
    changes += ["--set=regularizers.0=R1", "--set=samples=null"]
    code = run("--recipe=ring", *changes, "--steps=2", "--json=out.json")
    assert code == 0
    captured = capsys.readouterr()
    assert "benchmark: tracing the step without R1" in captured.err
    for words in (
        title,
        "step - that without R1",
        "a batch from the pipeline, alone",
        "step in fit with callbacks",
        "peak memory: ",
        "checkpoint: ",
        "need not add up",
    ):
        assert words in captured.out
    found = json.loads(Path("out.json").read_text())
    assert sorted(os.listdir()) == ["out.json"]
    seconds = {name: part["rounds"] for name, part in found["parts"].items()}
    assert {len(rounds) for rounds in seconds.values()} == {2}
    assert seconds["fit"] == [1.0, 1.0]
    expected = 8 / found["parts"]["fit"]["seconds"]
    assert found["images_per_second"] == pytest.approx(expected)
    both = np.add(seconds["discriminator"], seconds["generator"])
    np.testing.assert_allclose(
        np.add(both, seconds["rest"]), seconds["step"], atol=1e-9
    )
    waiting = np.subtract(seconds["training"], seconds["step"])
    np.testing.assert_allclose(seconds["waiting"], waiting, atol=1e-9)
    assert found["passes"] == {"generator": 2.0, "discriminator": 3.0}
    assert found["recipe"]["regularizers"][0]["type"] == "R1"
    assert found["first_step"] > found["parts"]["step"]["seconds"]


@pytest.fixture(scope="module")
def built():
    return tiny()


def test_steps_are_those_of_fit(built, monkeypatch):
    """The same weights, bit for bit, and one trace for all."""
    gan, dataset = built
    traced, step = [], type(gan).train_step

    def train_step(self, data):
        traced.append(1)
        return step(self, data)

    monkeypatch.setattr(type(gan), "train_step", train_step)
    gan.train_function = None
    optimizers = [gan.generator_optimizer, gan.discriminator_optimizer]
    variables = [*gan.variables, *(v for o in optimizers for v in o.variables)]
    start = [v.numpy() for v in variables]
    Steps(gan, dataset).time(2)
    Steps(gan, dataset.skip(2).take(1).cache().repeat()).time(1)
    made = [v.numpy() for v in gan.weights]
    for variable, value in zip(variables, start, strict=True):
        variable.assign(value)
    gan.fit(dataset, steps_per_epoch=3, verbose=0)
    assert int(gan.step.numpy()) == 3
    for weight, expected in zip(gan.weights, made, strict=True):
        np.testing.assert_array_equal(weight.numpy(), expected)
    assert len(traced) == 1


def test_each_regularizer_is_left_out_in_turn():
    changes = ["regularizers.0=R1", "regularizers.1={type: LeCam, name: low}"]
    recipe = recipes.load("ring", changes)
    left = {
        name: [section.type for section in reduced.regularizers]
        for name, reduced in parts._without_each(recipe)
    }
    assert left == {"R1": ["LeCam"], "low": ["R1"]}


def test_parts_update_their_own_network_only(built):
    gan, dataset = built
    weights = {
        "discriminator": gan.discriminator.trainable_variables,
        "generator": gan.generator.trainable_variables,
    }
    makers = {
        "discriminator": discriminator_only,
        "generator": generator_only,
    }
    first, whole = int(gan.step.numpy()), gan.train_function
    for own, make in makers.items():
        before = {k: [w.numpy() for w in v] for k, v in weights.items()}
        Steps(gan, dataset, make(gan)).time(2)
        for side, variables in weights.items():
            same = [
                np.array_equal(a, b.numpy())
                for a, b in zip(before[side], variables, strict=True)
            ]
            assert not any(same) if side == own else all(same)
    assert int(gan.step.numpy()) == first + 4
    assert gan.train_function is whole  # which `fit` goes on with


def test_the_start_of_fit_is_not_counted(built):
    """A step on data that take 20 ms is measured as such, not as a start."""
    gan, dataset = built

    def slow(x):
        time.sleep(0.02)
        return x

    def wait(x):
        return tf.ensure_shape(tf.numpy_function(slow, [x], tf.float32), (8, 2))

    cost = costs.measure(gan, dataset.map(wait))
    assert 0.015 < cost["step"] < 0.06
    assert cost["first_step"] > cost["step"]
    assert (cost["generator"], cost["discriminator"]) == (2, 3)


def test_parts_take_turns_and_tell_medians():
    calls = []

    def timer(name, seconds):
        def time_steps(steps):
            calls.append((name, steps))
            return next(seconds)

        return time_steps

    times = [9.0, 9.0, 1.0, 3.0, 2.0]
    found = take_turns(
        {"a": timer("a", iter(times)), "b": timer("b", iter([2.0] * 5))}, 3
    )
    assert calls[:4] == [("a", 1), ("a", 1), ("b", 1), ("b", 1)]
    assert [name for name, _ in calls[4:]] == ["a", "b", "b", "a", "a", "b"]
    assert found["a"].median == 2.0
    low, high = found["a"].interval
    assert 1.0 <= low <= 2.0 <= high <= 3.0
    assert (found["a"] - found["b"]).seconds.tolist() == [-1.0, 1.0, 0.0]
    assert Part([1.0]).interval is None


def test_short_parts_make_more_steps():
    counts = []

    def short(steps):
        counts.append(steps)
        return 1e-3

    take_turns({"short": short}, 10)
    assert counts[2:] == [50] * 10


def test_the_interval_covers_the_median():
    """Of 100 samples of known median about 95 % are covered."""
    numbers = np.random.default_rng(0)
    covered = 0
    for _ in range(100):
        low, high = Part(numbers.exponential(size=10)).interval
        covered += low <= np.log(2) <= high
    assert covered > 82


@pytest.mark.parametrize(
    "words, message",
    [
        ([], "--recipe: missing; allowed: a recipe file, or one of"),
        (["--recipe=rin"], "Unknown recipe 'rin'. Did you mean 'ring'"),
        (["--recipe=ring", "--set=data.batch_size=x"], "data.batch_size"),
        (["--recipe=ring", "--steps=0"], "steps"),
        (["--recipe=ring", "--json=."], "--json .: is a folder"),
        (["--recipe=ring", "--set=data.max_images=9"], "more than the 9"),
        (
            ["--recipe=ring", "--set=strategy=multi_worker"],
            "--set strategy=mirrored",
        ),
        (["--recipe=ring", "--stps=1"], "Did you mean 'steps'"),
    ],
)
def test_bad_input_is_one_line(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(*words) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and message in captured.err
    assert captured.err.startswith("error: ") and captured.err.count("\n") == 1


def test_help_needs_no_tensorflow():
    code = (
        "import sys; from keras_ganmix import benchmark; "
        "code = benchmark.main(['benchmark', '--help']); "
        "assert 'tensorflow' not in sys.modules; sys.exit(code)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert "Exit codes" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
