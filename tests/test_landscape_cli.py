"""The landscape command, as a user meets it."""

import json
import os
import resource
import shutil
import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import yaml
from PIL import Image

from keras_ganmix import building, landscape, train
from keras_ganmix.landscapes import subjects
from keras_ganmix.state import read_note

ROOT = Path(landscape.__file__).resolve().parents[1]
TINY = [
    "data.max_images=64",
    "data.image_size=16",
    "data.batch_size=8",
    "generator={network: dcgan, width: 2, latent_dim: 4}",
    "discriminator={network: dcgan, width: 2}",
    "regularizers.0=Rotation",
    "gradients={every: 1, batches: 1}",
    "checkpoint={every: 1, keep: 3}",
    "samples=null",
    "name=turned",
]
FEW = ["--points=5", "--directions=2", "--batches=2"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "turned"
    settings = [f"--set={setting}" for setting in TINY]
    words = ["train", "--recipe=quickstart", "--quiet", "--steps=2"]
    assert train.main([*words, *settings, f"--run_dir={folder}"]) == 0
    return folder


@pytest.mark.parametrize(
    "arguments, code, words",
    [
        (["--help"], 0, "--directions N"),
        (["nowhere"], 2, "nowhere: holds no run"),
    ],
)
def test_help_and_mistakes_are_answered_without_tensorflow(
    arguments, code, words, tmp_path
):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = subprocess.run(
        [sys.executable, "-m", "keras_ganmix.landscape", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime - before.ru_utime
    seconds += after.ru_stime - before.ru_stime
    assert result.returncode == code
    assert words in (result.stderr if code else result.stdout)
    assert seconds < 1.5
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], "no runs; name their folders"),
        (["RUN", "--points=10"], "--points: 10 is even"),
        (["RUN", "--points=3"], "--points"),
        (["RUN", "--extent=0"], "--extent: 0 is not allowed"),
        (["RUN", "--extent=nan"], "--extent: nan is not allowed"),
        (["RUN", "--steps=best"], "allowed: newest, all, or comma-separated"),
        (["RUN", "--steps=1,5"], "no checkpoint of step 5; it has 0, 1, 2"),
        (["RUN", "other"], "--out: missing; several runs need a folder"),
        (["RUN", "--out=RUN/recipe.yaml"], "--out"),
        (["RUN", "COPY", "--out=new"], "the same recipe with the same seed"),
        (["RUN", "--directons=2"], "Did you mean 'directions'"),
    ],
)
def test_mistakes_are_refused(run, arguments, words, tmp_path, capsys):
    if "COPY" in arguments:
        shutil.copytree(run, tmp_path / "copy")
    places = {"RUN": run, "COPY": tmp_path / "copy"}
    for name, place in places.items():
        arguments = [x.replace(name, str(place)) for x in arguments]
    assert landscape.main(["landscape", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and words in err and err.count("\n") == 1


def contents(folder):
    return {
        path: path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.mark.slow
def test_landscape_of_a_run(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("keras_ganmix.landscapes.pictures._DPI", 40)
    before = contents(run)
    out = tmp_path / "out"
    code = landscape.main(
        [
            *("landscape", str(run), f"--out={out}", *FEW),
            *("--steps=1,2", "--two", "--gradients"),
        ]
    )
    text = capsys.readouterr()
    assert code == 0
    assert contents(run) == before
    assert "about" in text.err and "step 2: " in text.err
    assert f"landscape: {out / 'landscape.html'}" in text.out

    found = json.loads((out / "landscape.json").read_text())
    assert found["protocol"]["points"] == 5
    assert found["alphas"] == [-1, -0.5, 0, 0.5, 1]
    (own,) = found["runs"]
    assert [line["step"] for line in own["gradients"]] == [0, 1, 2]
    assert [look["step"] for look in own["checkpoints"]] == [0, 1, 2]
    first, _, last = own["checkpoints"]
    assert (
        "lines" not in first and "generator/Rotation/cosine" in first["angles"]
    )
    terms = last["lines"]["discriminator"]
    assert list(terms) == ["adversarial", "Rotation", "total"]
    losses = np.array(terms["Rotation"]["losses"])
    assert losses.shape == (2, 5)
    assert terms["Rotation"]["at_zero"]["mean"] == losses[0, 2] == losses[1, 2]
    assert np.shape(last["planes"]["generator"]["total"]) == (5, 5)
    rows = [line.split() for line in text.out.splitlines()]
    assert ["discriminator:", "Rotation", "turned", "2"] in [
        row[:4] for row in rows
    ]

    pictures = {path.name: Image.open(path).size for path in out.glob("*.png")}
    assert set(pictures) == {
        "lines.png",
        "lines-turned-seed-0.png",
        "plane-turned-seed-0-step-1.png",
        "plane-turned-seed-0-step-2.png",
        "gradients.png",
    }
    page = (out / "landscape.html").read_text()
    assert page.count("data:image/png;base64,") == 5
    assert "generator: Rotation" in page and "http" not in page


def test_a_changed_recipe_is_told(run, tmp_path, capsys):
    shutil.copytree(run, tmp_path / "copy")
    recipe = tmp_path / "copy" / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("width: 2", "width: 3"))
    assert landscape.main(["landscape", str(tmp_path / "copy"), *FEW]) == 2
    assert "was the recipe changed?" in capsys.readouterr().err


def test_a_fine_tuned_run_is_an_arm_of_its_own(run, tmp_path):
    tuned = shutil.copytree(run, tmp_path / "tuned")
    note = {"run": "x", "step": 5, "recipe": None, "origin": None}
    (tuned / "origin.json").write_text(json.dumps(note))
    found = subjects.find([run, tuned], "newest")
    assert [subject.place for subject in found] == [0, 1]


def test_a_torn_checkpoint_is_told(run, tmp_path, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    (data,) = (copy / "checkpoints").glob("ckpt-2.data-*")
    data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])
    # Its note, which comes first, is there.
    read_note(str(copy / "checkpoints" / "ckpt-2"))
    assert landscape.main(["landscape", str(copy), *FEW]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert f"{copy / 'checkpoints' / 'ckpt-2'} cannot be read" in err


def overflow(path):
    """Sets kernels of the discriminator to what is finite and overflows."""
    reader = tf.train.load_checkpoint(path)
    tensors = {
        n: reader.get_tensor(n) for n in reader.get_variable_to_shape_map()
    }
    for name, value in tensors.items():
        if name.startswith("state/discriminator/") and np.ndim(value) > 1:
            tensors[name] = np.full_like(value, 3e38)
    tf.raw_ops.SaveV2(
        prefix=path,
        tensor_names=list(tensors),
        shape_and_slices=[""] * len(tensors),
        tensors=[tf.constant(value) for value in tensors.values()],
    )


@pytest.mark.slow
def test_one_bad_checkpoint_loses_nothing_of_the_others(
    run, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("keras_ganmix.landscapes.pictures._DPI", 40)
    bad, out = tmp_path / "bad", tmp_path / "out"
    shutil.copytree(run, bad)
    recipe = yaml.safe_load((bad / "recipe.yaml").read_text())
    recipe |= {"name": "bare", "regularizers": []}
    (bad / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    overflow(str(bad / "checkpoints" / "ckpt-2"))
    made, build = [], building.build_gan

    def build_gan(*arguments):
        # The last one has made room.
        assert all(gan() is None for gan in made)
        gan = build(*arguments)
        made.append(weakref.ref(gan))
        return gan

    monkeypatch.setattr(building, "build_gan", build_gan)
    code = landscape.main(
        ["landscape", str(bad), str(run), f"--out={out}", *FEW, "--gradients"]
    )
    text = capsys.readouterr()
    assert code == 3 and len(made) == 2
    words = "discriminator/adversarial is NaN or infinite"
    last = text.err.splitlines()[-1]
    assert f"{bad}, step 2: {words}" in last
    assert text.err.count(words) == 2  # at once, and at the end
    assert f"{bad}: no regularizer has a gradient to measure" in text.err
    assert f"{run}: no regularizer" not in text.err

    found = json.loads((out / "landscape.json").read_text())
    own = {run["arm"]: run["checkpoints"] for run in found["runs"]}
    assert [look["step"] for look in own["bare"]] == [2]
    assert words in own["bare"][0]["failure"] and "lines" not in own["bare"][0]
    assert [look["step"] for look in own["turned"]] == [0, 1, 2]
    assert "lines" in own["turned"][-1] and "failure" not in own["turned"][-1]
    assert (out / "landscape.html").is_file() and (out / "lines.png").is_file()
