"""The command that trains and tests classifiers."""

import json
import os
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from keras_ganmix import classify, train
from keras_ganmix.classifying import running
from keras_ganmix.utils import jsonl

TINY = [
    "data.source=fashion_mnist_10k",
    "data.max_images=64",
    "data.image_size=8",
    "data.batch_size=16",
    "train.log_every=1",
    "checkpoint.every=2",
    "evaluate.noise_images=20",
    "evaluate.ood=[digits,uniform]",
    "evaluate.fgsm=[4]",
]
NAME = "fashion_mnist_wrn_mixup"


def words(folder, *extra, recipe=NAME):
    settings = [f"--set={setting}" for setting in TINY]
    place = f"--run_dir={folder}"
    return ["classify", f"--recipe={recipe}", *settings, place, *extra]


def run(folder, *extra, **kwargs):
    return classify.main(words(folder, *extra, **kwargs))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run of six steps that was never stopped."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    assert run(folder, "--steps=6", "--quiet") == 0
    return folder


def read(path):
    return json.loads(path.read_text())


def same_end(folder, other):
    """Compares the models, the logs and the scores of two runs to the bit."""
    models = [
        keras.saving.load_model(place / "classifier.keras")
        for place in (folder, other)
    ]
    for a, b in zip(*(m.get_weights() for m in models), strict=True):
        np.testing.assert_array_equal(a, b)
    for name in ("metrics.jsonl", "scores.json", "recipe.yaml"):
        assert (folder / name).read_text() == (other / name).read_text()


def test_a_run_leaves_its_recipe_its_log_its_model_and_its_scores(whole):
    lines = jsonl.read(whole / "metrics.jsonl")
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert all(0 <= line["accuracy"] <= 1 for line in lines)
    summary = read(whole / "summary.json")
    assert (summary["status"], summary["step"]) == ("done", 6)
    scores = read(whole / "scores.json")
    assert scores["protocol"]["test"]["images"] == 2000
    assert scores["protocol"]["train"]["images"] == 64
    assert set(scores["fgsm"]) == {"4"}
    assert set(scores["ood"]) == {"digits", "uniform"}
    assert scores["ood"]["digits"]["images"] == 1797


def test_the_saved_model_is_the_one_that_was_tested(whole):
    from keras_ganmix import data

    source = data.load("fashion_mnist_10k", "test", image_size=8)
    model = keras.saving.load_model(whole / "classifier.keras")
    logits = model.predict(source.images / 127.5 - 1, 500, verbose=0)
    accuracy = np.mean(logits.argmax(axis=1) == source.labels)
    assert read(whole / "scores.json")["accuracy"] == pytest.approx(accuracy)


def test_a_finished_run_is_left_alone(whole, capsys):
    before = (whole / "scores.json").stat().st_mtime_ns
    assert run(whole, "--steps=6") == 0
    assert "is done already" in capsys.readouterr().out
    assert (whole / "scores.json").stat().st_mtime_ns == before


def test_another_recipe_is_refused_in_the_same_folder(whole, tmp_path, capsys):
    # The schedule depends on the number of steps.
    assert run(whole, "--steps=8") == 2
    assert "train.steps: 6 there, 8 now" in capsys.readouterr().err
    assert run(whole, "--steps=6", recipe="fashion_mnist_wrn_plain") == 2
    assert "method.type: 'mixup' there" in capsys.readouterr().err
    recipe = f"--recipe={whole}"
    assert train.main(["train", recipe, f"--run_dir={whole}"]) == 2
    assert "recipe of a classifier" in capsys.readouterr().err
    quick = ["train", "--recipe=quickstart"]
    elsewhere = f"--run_dir={tmp_path / 'new'}"
    assert train.main([*quick, f"--init_from={whole}", elsewhere]) == 2
    assert (
        "its generator has other weights, or it has" in capsys.readouterr().err
    )
    quick.append(f"--run_dir={whole}")
    assert train.main(quick) == 2
    assert "kind: 'classifier' there, None now" in capsys.readouterr().err


def test_other_tests_are_made_of_the_same_training(whole, tmp_path, capsys):
    folder = tmp_path / "copy"
    subprocess.run(["cp", "-r", whole, folder], check=True)
    assert run(folder, "--steps=6", "--set=evaluate.fgsm=[1,16]") == 0
    assert "steps" not in capsys.readouterr().out
    before, after = read(whole / "scores.json"), read(folder / "scores.json")
    assert set(after["fgsm"]) == {"1", "16"}
    assert after["accuracy"] == before["accuracy"]


def test_another_rate_is_that_of_the_steps_to_come(tmp_path, monkeypatch):
    """Without a schedule the rate is a variable, which is restored."""
    rates = []

    class Rates(keras.callbacks.Callback):
        def __init__(self, folder):
            super().__init__()

        def on_train_batch_end(self, batch, logs=None):
            rates.append(float(self.model.optimizer.learning_rate))

    monkeypatch.setattr(running, "StillThere", Rates)
    same = ["--quiet", "--set=optimizer.schedule=null"]
    same.append("--set=evaluate=null")
    assert run(tmp_path / "run", "--steps=2", *same) == 0
    other = ["--allow_recipe_change", "--set=optimizer.learning_rate=0.5"]
    assert run(tmp_path / "run", "--steps=3", *same, *other) == 0
    assert rates == pytest.approx([0.1, 0.1, 0.5])


class Stopping(keras.callbacks.Callback):
    """Sends a signal to this process after its third step."""

    def __init__(self, folder):
        super().__init__()

    def on_train_batch_end(self, batch, logs=None):
        if batch == 2:
            os.kill(os.getpid(), signal.SIGTERM)


def test_a_stopped_run_goes_on_as_if_it_had_not_been(
    whole, tmp_path, monkeypatch, capsys
):
    folder = tmp_path / "stopped"
    with monkeypatch.context() as patch:
        patch.setattr(running, "StillThere", Stopping)
        assert run(folder, "--steps=6") == 143
    assert "saved at step 3" in capsys.readouterr().out
    assert read(folder / "summary.json")["status"] == "interrupted"
    assert not (folder / "scores.json").exists()
    assert run(folder, "--steps=6") == 0
    assert "steps 4 to 6" in capsys.readouterr().out
    same_end(folder, whole)


@pytest.mark.slow
@pytest.mark.long
def test_a_killed_run_goes_on_as_if_it_had_not_been(whole, tmp_path):
    folder = tmp_path / "killed"
    command = [sys.executable, "-m", "keras_ganmix.classify"]
    process = subprocess.Popen([*command, *words(folder, "--steps=6")[1:]])
    try:
        end = time.monotonic() + 120
        while len(jsonl.read(folder / "metrics.jsonl")) < 3:
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    assert run(folder, "--steps=6", "--quiet") == 0
    same_end(folder, whole)


def test_numbers_that_are_not_finite_end_the_run(tmp_path, capsys):
    folder = tmp_path / "hot"
    hot = ["--set=optimizer.learning_rate=1e38", "--steps=6", "--quiet"]
    assert run(folder, *hot) == 3
    assert "became NaN or infinite at step" in capsys.readouterr().err
    summary = read(folder / "summary.json")
    assert summary["status"] == "failed" and "NaN" in summary["error"]
    assert not (folder / "classifier.keras").exists()


@pytest.mark.parametrize(
    "extra, message",
    [
        (["--recipe=quickstart"], "recipe of a GAN"),
        (["--set=method.type=mixp"], "mean 'mixup'"),
        (["--set=method.sigma=1"], "method.sigma: unknown key"),
        (["--set=network.depth=12"], "network.depth: got 12"),
        (["--set=evaluate.fgsm=[0]"], "evaluate.fgsm.0: got 0"),
        (["--set=evaluate.ood=[digit]"], "did you mean 'digits'"),
        (["--set=evaluate.ood=[digits,digits]"], "one is there twice"),
        (["--set=data.source=ring"], "has points"),
        (["--set=data.batch_size=65"], "more than the 64"),
        (["--set=evaluate.split=tset"], "evaluate.split"),
        (["--set=optimizer.schedule.at=[0.5,0.5]"], "schedule"),
        (["--set=optimizer.schedule={type: steps, at: [0.5,0.2]}"], "grow"),
        (["--steps=0"], "steps"),
        (["--epoch=3"], "mean 'epochs'"),
        (["--resume=must"], "no checkpoint"),
        (["--run_dir=/proc/nowhere"], "--run_dir"),
    ],
)
def test_bad_input_is_told_in_a_line(extra, message, tmp_path, capsys):
    assert run(tmp_path / "bad", *extra) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("error: ")
    assert not (tmp_path / "bad").exists()


def test_a_missing_package_is_told_before_training(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    assert run(tmp_path / "bad") == 2
    error = capsys.readouterr().err
    assert "evaluate.ood.0: 'digits' needs scikit-learn" in error


def test_too_few_features_for_the_classes_are_told(tmp_path, capsys):
    images, labels = np.zeros((70, 8, 8), np.uint8), np.arange(70)
    np.savez(tmp_path / "many.npz", images=images, labels=labels)
    source = f"--set=data.source=npz:{tmp_path}/many.npz"
    settings = ["--set=evaluate=null", "--set=network.orthogonal_head=true"]
    assert run(tmp_path / "bad", source, *settings) == 2
    assert "network.width: 1 gives features" in capsys.readouterr().err


def test_the_cost_is_told_and_the_recipe_can_be_kept(tmp_path, capsys):
    recipe = "fashion_mnist_wrn_adaptive_mix"
    words = ["--steps=6", "--dry_run"]
    assert run(tmp_path / "none", *words, recipe=recipe) == 0
    text = capsys.readouterr().out
    assert "# network: wide_resnet_10_1, 78,032 parameters, 76,912" in text
    assert "2 trunk passes" in text and "# training: 6 steps" in text
    (tmp_path / "kept.yaml").write_text(text)
    options = classify._flags()
    options(["classify", f"--recipe={tmp_path}/kept.yaml"])
    kept = classify._load_recipe(options)
    assert kept.train.steps == 6 and kept.name == recipe
    assert not (tmp_path / "none").exists()


def test_schedules_are_made_for_the_steps_of_the_run():
    from keras_ganmix import recipes
    from keras_ganmix.classifying.building import build_optimizer

    def rates(schedule, steps):
        changes = [f"optimizer.schedule={schedule}"]
        recipe = recipes.load(NAME, changes, "classifier")
        optimizer = build_optimizer(recipe, steps)
        found = []
        for step in range(steps):
            optimizer.iterations.assign(step)
            found.append(float(optimizer.learning_rate))
        return found

    cosine = [0.05 * (1 + np.cos(np.pi * t / 10)) for t in range(10)]
    np.testing.assert_allclose(rates("{type: cosine}", 10), cosine, rtol=1e-5)
    fall = [0.1] * 3 + [0.02] * 3 + [0.004] * 2 + [0.0008] * 2
    np.testing.assert_allclose(rates("{type: steps}", 10), fall, rtol=1e-5)
    np.testing.assert_allclose(rates("null", 3), [0.1] * 3, rtol=1e-6)


def test_help_and_mistakes_need_no_tensorflow():
    code = (
        "import sys; from keras_ganmix import classify; "
        "codes = [classify.main(['x', *w.split()]) for w in ('--help', "
        "'--list_recipes', '--recipe=fashion_mnist_wrn_plain --set=a=1')]; "
        "print(codes, [m for m in ('tensorflow', 'keras') "
        "if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "[0, 0, 2] []", done.stderr
    assert "--epochs N" in done.stdout
    assert "fashion_mnist_wrn_mixup" in done.stdout


def test_graphs_are_traced_once():
    """Batches of other sizes are no reason for another graph."""
    from keras_ganmix.classifying import methods, scoring
    from keras_ganmix.classifying.classifier import Classifier
    from keras_ganmix.networks import wide_resnet

    network = wide_resnet.classifier((8, 8, 1), 3, 10, 1)
    classifier = Classifier(network, methods.Plain())
    for n in (7, 600):
        scoring.observe(classifier, np.zeros((n, 8, 8, 1), np.uint8))
    assert classifier._observe.experimental_get_tracing_count() == 1
