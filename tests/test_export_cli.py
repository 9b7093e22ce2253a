"""The export command, as a user meets it."""

import dataclasses
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from keras_ganmix import export, recipes, state, trained
from keras_ganmix.metrics.report import (
    Evaluation,
    protocol_path,
    read_protocol,
)
from keras_ganmix.run_folder import RunFolder
from keras_ganmix.serving import card, exporting, signatures, warmup
from keras_ganmix.serving.about import About
from keras_ganmix.state import UnreadableError

ROOT = Path(export.__file__).resolve().parents[1]
SHIPPED = ROOT / "savedmodels" / "fashion_mnist" / "1"


@pytest.fixture(autouse=True)
def own_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def run(*arguments):
    return export.main(["export", *arguments])


def facts_of(folder):
    return json.loads(
        (Path(folder) / "assets.extra" / "generator.json").read_text()
    )


def start(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "keras_ganmix.export", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_help_needs_no_tensorflow():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = start("--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    assert "--max_samples" in done.stdout
    seconds = after.ru_utime - before.ru_utime
    assert seconds + after.ru_stime - before.ru_stime < 1.5


@pytest.mark.slow
def test_a_run_becomes_versions_of_its_recipe_s_name(tiny_run, capsys):
    before = sorted(p for p in tiny_run.rglob("*"))
    assert run(f"--run={tiny_run}", "--max_samples=5") == 0
    assert capsys.readouterr().out == (
        "savedmodels/quickstart/1: step 2, ema, checked\n"
    )
    facts = facts_of("savedmodels/quickstart/1")
    assert (facts["step"], facts["which"]) == (2, "ema")
    assert facts["class_names"] == ["hat", "sock"]
    card = Path("savedmodels/quickstart/1/model_card.md").read_text()
    assert "| source | `folder:photos` |" in card
    assert "sliced_wasserstein" in card
    assert "0 hat, 1 sock" in card
    for path in Path("savedmodels").rglob("*"):
        if path.is_file():
            assert str(tiny_run.parent).encode() not in path.read_bytes()
    recipes.load("savedmodels/quickstart/1/assets.extra/recipe.yaml")
    assert sorted(p for p in tiny_run.rglob("*")) == before


@pytest.mark.parametrize(
    "step, ema, told", [(2, True, True), (1, True, False), (2, False, False)]
)
@pytest.mark.parametrize("averaged", [True, False])
def test_only_scores_of_the_very_weights_are_told(
    step, ema, told, averaged, tiny_run
):
    folder = RunFolder(shutil.copytree(tiny_run, "run"))
    protocol, floor = read_protocol(protocol_path(folder.scores))
    folder.scores.unlink()
    # Of a run that keeps no average the best weights are not averaged.
    protocol = dataclasses.replace(protocol, ema=ema is averaged)
    found = Evaluation({"sliced_wasserstein": 7.0}, floor, {}, protocol, 1.0)
    dataclasses.replace(found, step=step).save(folder.evaluation)
    generator, data = trained.load_generator("run")
    generator = dataclasses.replace(generator, averaged=averaged, which="best")
    about = About.of_run("run", generator, data)
    assert (about.evaluation is not None) is told
    if told:
        assert about.evaluation.scores == {"sliced_wasserstein": 7.0}


def test_the_card_tells_what_a_run_began_with(tiny_run):
    folder = RunFolder(shutil.copytree(tiny_run, "run"))
    origin = {"run": "/home/me/x", "step": 9, "origin": None}
    origin["recipe"] = {"name": "cats"}
    folder.origin.write_text(json.dumps(origin))
    about = About.of_run("run", *trained.load_generator("run"))
    told = card._training({"which": "ema", "step": 2}, about)
    assert "| began with the weights of | recipe `cats` at step 9 |" in told
    plain = About.of_run(tiny_run, *trained.load_generator(tiny_run))
    assert "began" not in card._training({"which": "ema", "step": 2}, plain)


def values(folder):
    """The weights in an export, by size."""
    prefix = f"{folder}/variables/variables"
    return {
        name: tf.train.load_variable(prefix, name)
        for name, _ in tf.train.list_variables(prefix)
        if name.startswith("generator_variables")
    }


def stored(run, part, step):
    reader = tf.train.load_checkpoint(f"{run}/checkpoints/{step}")
    count = sum(
        name.startswith(f"state/{part}/")
        for name in reader.get_variable_to_shape_map()
    )
    key = "state/{}/{}/.ATTRIBUTES/VARIABLE_VALUE"
    return [reader.get_tensor(key.format(part, i)) for i in range(count)]


@pytest.mark.parametrize(
    "which, part, checkpoint",
    [
        ("ema", "averaged_generator", "ckpt-2"),
        ("last", "generator", "ckpt-2"),
        ("best", "averaged_generator", "best/ckpt-{}"),
    ],
)
def test_which_weights_are_exported(
    which, part, checkpoint, tiny_run, monkeypatch
):
    for module in (exporting, signatures, warmup):  # faster
        monkeypatch.setattr(
            module, "signature_names", lambda generator: ["serving_default"]
        )
    arguments = [f"--run={tiny_run}", f"--which={which}", "--out=some"]
    assert run(*arguments, "--noself_check") == 0
    facts = facts_of("some/1")
    assert facts["which"] == which
    wanted = stored(tiny_run, part, checkpoint.format(facts["step"]))
    got = values("some/1")
    assert len(got) == len(wanted) > 4
    for i, array in enumerate(wanted):
        name = f"generator_variables/{i}/.ATTRIBUTES/VARIABLE_VALUE"
        np.testing.assert_array_equal(got[name], array)


def test_a_checkpoint_that_is_rotated_away_is_not_missed(tiny_run, monkeypatch):
    run_folder = shutil.copytree(tiny_run, "run")
    read = state.read_note
    asked = []

    def rotate(path):
        asked.append(Path(path).name)
        if len(asked) == 1:  # the run saves its next while this one is read
            for file in Path("run/checkpoints").glob("ckpt-2.*"):
                file.rename(file.with_name(file.name.replace("-2", "-3")))
            Path("run/checkpoints/checkpoint").write_text(
                'model_checkpoint_path: "ckpt-3"\n'
                'all_model_checkpoint_paths: "ckpt-3"\n'
            )
        return read(path)

    monkeypatch.setattr(state, "read_note", rotate)
    generator, _ = trained.load_generator(run_folder)
    assert list(dict.fromkeys(asked)) == ["ckpt-2", "ckpt-3"]
    assert generator.step == 2


@pytest.mark.parametrize("share", [0, 0.6])  # of 60 %, the note is whole
def test_torn_checkpoints_are_named(share, tiny_run):
    folder = Path(shutil.copytree(tiny_run, "run"))
    for file in (folder / "checkpoints").glob("ckpt-*.data*"):
        data = file.read_bytes()
        file.write_bytes(data[: int(share * len(data))])
    with pytest.raises(UnreadableError, match="ckpt-2 cannot be read"):
        trained.load_generator(folder)
    assert run("--run=run") == 2
    assert not Path("savedmodels").exists()


@pytest.mark.parametrize("flag", ["run", "check"])
def test_a_failed_check_exits_with_3(flag, tiny_run, monkeypatch, capsys):
    def fail(*args, **kwargs):
        raise exporting.ExportError("The self-check failed: for\na reason")

    monkeypatch.setattr(exporting, "check_in_clean_process", fail)
    monkeypatch.setattr(exporting, "export", fail)
    assert run(f"--{flag}={tiny_run if flag == 'run' else SHIPPED}") == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "error: The self-check failed: for a reason"
    assert list(Path().iterdir()) == []


@pytest.mark.long
def test_an_export_can_be_checked_later(capsys):
    assert run(f"--check={SHIPPED}") == 0
    folder = shutil.copytree(SHIPPED, "mine")
    path = Path("mine/assets.extra/reference.npz")
    references = dict(np.load(path))
    np.savez(path, **references | {"latents": -references["latents"]})
    assert run(f"--check={folder}") == 3
    assert "serving_default: differs by" in capsys.readouterr().err
    assert facts_of("mine")  # nothing is removed


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], "give one of --run and --check"),
        (["--run=a", "--check=b"], "give one of --run and --check"),
        (["--run=nowhere"], "recipe.yaml"),
        (["--check=nowhere"], "generator.json"),
        (["--run=RUN", "--which=worst"], "which"),
        (["--run=RUN", "--max_samples=0"], "max_samples"),
        (["--run=RUN", "--out=file"], "is a file"),
        (["--run=RUN", "--out=old/3"], "old/3 exists"),
        (["--runn=RUN"], "Did you mean 'run'"),
    ],
)
def test_mistakes_are_answered_in_a_line(arguments, words, tiny_run, capsys):
    Path("file").touch()
    Path("old/3").mkdir(parents=True)
    arguments = [a.replace("RUN", str(tiny_run)) for a in arguments]
    assert run(*arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert words in line


def test_a_run_without_scores_has_no_best(tiny_run, capsys):
    folder = Path(shutil.copytree(tiny_run, "run"))
    shutil.rmtree(folder / "checkpoints" / "best")
    assert run("--run=run", "--which=best") == 2
    assert "keeps no best checkpoint" in capsys.readouterr().err
