"""The generate command, as a user meets it."""

import functools
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_ganmix import generate, serving
from keras_ganmix.generating import plan
from keras_ganmix.generating import saved as saving
from keras_ganmix.generating.output import pixel_hash
from keras_ganmix.trained import load_generator

ROOT = Path(generate.__file__).resolve().parents[1]
SHIPPED = ROOT / "savedmodels" / "fashion_mnist"


@pytest.fixture(autouse=True)
def own_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module", autouse=True)
def each_export_is_loaded_once():
    """It takes a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saving, "load_saved", functools.cache(saving.load_saved))
        yield


@pytest.fixture(scope="module")
def generator(tiny_run):
    return load_generator(tiny_run)[0]


@pytest.fixture(scope="module")
def saved(generator, tmp_path_factory):
    name = tmp_path_factory.mktemp("saved") / "tiny"
    serving.export(generator, name, self_check=False)
    return name


def run(*arguments):
    return generate.main(["generate", *arguments])


def pixels(path):
    return np.asarray(Image.open(path))


def manifest(folder="images"):
    return json.loads((Path(folder) / "manifest.json").read_text())


def levels(a, b):
    assert a.shape == b.shape
    return np.abs(a.astype(int) - b.astype(int)).max()


def test_help_needs_no_tensorflow():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "keras_ganmix.generate", "--help"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    assert "--truncation" in done.stdout
    seconds = after.ru_utime - before.ru_utime
    assert seconds + after.ru_stime - before.ru_stime < 1.5


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["--n=5", "--seed=3"], {"n": 5, "seed": 3}),
        (
            ["--n=4", "--labels=sock", "--truncation=0.5"],
            {"n": 4, "seed": 0, "labels": 1, "truncation": 0.5},
        ),
        (
            ["--n=3", "--labels=1,1,hat"],
            {"n": 3, "seed": 0, "labels": [1, 1, 0]},
        ),
    ],
)
def test_run_and_export_give_the_pictures_of_generate(
    arguments, expected, generator, tiny_run, saved
):
    wanted = generator.generate(expected.pop("n"), **expected)[..., 0]
    for place in (f"--run={tiny_run}", f"--savedmodel={saved}"):
        assert run(place, *arguments, "--out=images", "--overwrite") == 0
        noted = manifest()["pictures"]
        made = [pixels(f"images/{picture['file']}") for picture in noted]
        assert levels(np.stack(made), wanted) <= 1
        assert levels(wanted[0], wanted[1]) > 2  # they can be told apart
        for picture, image in zip(noted, made, strict=True):
            assert picture["sha256"] == pixel_hash(image)
            assert picture["class"] == ["hat", "sock"][picture["label"]]


def test_seeds_give_the_first_picture_of_each(generator, saved):
    arguments = [f"--savedmodel={saved}/1", "--seeds=7,2-4", "--labels=0"]
    assert run(*arguments) == 0
    names = [picture["file"] for picture in manifest()["pictures"]]
    assert names == [f"seed000{s}-00000.png" for s in (7, 2, 3, 4)]
    for name, seed in zip(names, (7, 2, 3, 4), strict=True):
        wanted = generator.generate(1, 0, seed=seed)[0, ..., 0]
        assert levels(pixels(f"images/{name}"), wanted) <= 1


def test_the_manifest_says_how_to_make_it_again():
    arguments = [f"--savedmodel={SHIPPED}", "--n=3", "--seed=5", "--out=one"]
    assert run(*arguments) == 0
    command = manifest("one")["command"]
    assert command[:3] == ["python", "-m", "keras_ganmix.generate"]
    assert run(*command[3:], "--out=two") == 0
    assert manifest("one") == manifest("two")
    for name in manifest("one")["files"]:
        one, two = Path("one", name), Path("two", name)
        assert one.read_bytes() == two.read_bytes()
    told = manifest("one")["generator"]
    assert (told["step"], told["which"]) == (3500, "ema")
    assert told["savedmodel"].endswith("fashion_mnist/1")


def test_a_grid_holds_the_pictures(generator, saved):
    assert run(f"--savedmodel={saved}", "--n=4", "--grid", "--out=g") == 0
    assert sorted(os.listdir("g")) == ["grid.png", "manifest.json"]
    grid = pixels("g/grid.png")
    wanted = np.repeat(generator.generate(4, seed=0), 3, axis=1)
    corner = grid[2:50, 2:50]
    assert levels(corner[::3, ::3, 0], wanted[0, ::3, :, 0]) <= 1
    assert manifest("g")["files"]["grid.png"] == pixel_hash(grid)
    assert len(manifest("g")["pictures"]) == 4


def test_interpolation_begins_and_ends_at_the_seeds(generator, saved):
    arguments = [f"--savedmodel={saved}", "--interpolate=4,1,4"]
    assert run(*arguments, "--steps=6", "--labels=hat") == 0
    with Image.open("images/interpolation.gif") as animation:
        assert animation.n_frames == 13
        assert animation.size == (48, 48)
    strip = pixels("images/strip.png")
    assert strip.shape == (2 * 50 + 2, 7 * 50 + 2, 3)
    for row, column, seed in ((0, 0, 4), (0, 6, 1), (1, 0, 1), (1, 6, 4)):
        tile = strip[2 + 50 * row :, 2 + 50 * column :][:48:3, :48:3]
        wanted = generator.generate(1, 0, seed=seed)[0]
        assert levels(tile[..., :1], wanted) <= 1
    assert [p["seed"] for p in manifest()["pictures"]] == [4, 1, 4]


def test_truncation_cuts_the_ends_of_an_interpolation(generator, saved):
    arguments = [f"--savedmodel={saved}", "--interpolate=4,1", "--steps=2"]
    assert run(*arguments, "--truncation=0.4") == 0
    strip = pixels("images/strip.png")
    for column, seed in ((0, 4), (2, 1)):
        tile = strip[2:50:3, 2 + 50 * column :][:, :48:3, :1]
        wanted = generator.generate(1, 0, seed=seed, truncation=0.4)[0]
        assert levels(tile, wanted) <= 1


def photos(folder, images):
    for i, image in enumerate(images):
        path = Path(folder) / "train" / ("hat", "sock")[i % 2] / f"{i:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(path)


def test_neighbours_are_the_nearest_training_images(generator, tiny_run):
    data = np.random.default_rng(0).integers(100, 156, (20, 16, 16, 1))
    made = generator.generate(5, seed=0)
    data[13] = made[2]
    photos("photos", data.astype(np.uint8))
    arguments = [f"--run={tiny_run}", "--n=5", "--neighbours"]
    arguments += ["--extractor=pixels", "--out=found"]
    assert run(*arguments, "--data=folder:photos") == 0
    # A folder is read class by class: the even images, then the odd.
    data = data[[*range(0, 20, 2), *range(1, 20, 2)]] / 127.5
    differences = made[:, None] / 127.5 - data[None]
    distances = np.linalg.norm(differences.reshape(5, 20, -1), axis=2)
    found = manifest("found")["neighbours"]
    nearest = np.argsort(distances, axis=1)[:, :3]
    np.testing.assert_array_equal(found["indices"], nearest)
    assert (found["indices"][2][0], found["distances"][2][0]) == (16, 0.0)
    np.testing.assert_allclose(
        found["distances"], np.sort(distances, axis=1)[:, :3], atol=1e-3
    )
    # 4 blocks and a fifth; each of 4 images of 48 pixels and a line of 6.
    assert pixels("found/neighbours.png").shape == (2 * 56 + 8, 4 * 206 + 8, 3)


def test_neighbours_need_the_data(tiny_run, capsys):
    assert run(f"--run={tiny_run}", "--n=3", "--neighbours") == 2
    error = capsys.readouterr().err
    assert "does not exist" in error and "--data" in error
    assert not Path("images").exists()


def test_pictures_of_another_command_are_not_replaced(saved, capsys):
    command = [f"--savedmodel={saved}", "--n=2"]
    assert run(*command) == 0
    assert run(f"--savedmodel={saved}", "--n=1") == 2
    assert "seed0000-00000.png of another command" in capsys.readouterr().err
    assert run(*command) == 0  # the same again
    assert run(f"--savedmodel={saved}", "--n=1", "--overwrite") == 0
    assert len(manifest()["pictures"]) == 1
    Path("own").mkdir()
    Path("own/notes.txt").touch()
    assert run(*command, "--out=own") == 0  # nothing is in the way
    assert Path("own/notes.txt").exists()


def test_points_become_a_table_and_a_picture(tmp_path):
    import keras

    from keras_ganmix.trained import TrainedGenerator

    latents = keras.Input((4,))
    points = keras.Model(latents, keras.layers.Dense(2)(latents))
    generator = TrainedGenerator(points, (2,), 4)
    serving.export(generator, tmp_path / "points", self_check=False)
    assert run("--savedmodel=points", "--n=9", "--seed=2") == 0
    table = np.loadtxt("images/points.csv", delimiter=",", skiprows=1)
    wanted = generator.generate(9, seed=2)
    np.testing.assert_allclose(table, wanted, atol=1e-5)
    assert Path("images/points.png").is_file()
    assert run("--savedmodel=points", "--grid", "--out=other") == 2


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], "give one of --run and --savedmodel; got none"),
        (["--run=a", "--savedmodel=b"], "got --run and --savedmodel"),
        (["--run=nowhere"], "recipe.yaml"),
        (["--savedmodel=nowhere"], "holds no SavedModel"),
        (["--savedmodel=bare"], "generator.json"),
        (["--savedmodel=torn"], "torn/assets.extra/generator.json: "),
        (["--savedmodel=other"], "generator.json: lacks class_names, image_"),
        (["--savedmodel=SAVED", "--which=ema"], "leave out --which"),
        (["--savedmodel=SAVED", "--n=0"], "n"),
        (["--savedmodel=SAVED", "--seed=-1"], "seed"),
        (["--savedmodel=SAVED", "--seeds=4-2"], "'4-2' is no seed"),
        (["--savedmodel=SAVED", "--seeds=1,x"], "'x' is no seed"),
        (["--savedmodel=SAVED", "--seeds=1,1"], "a seed comes twice"),
        (["--savedmodel=SAVED", "--seeds=0-999999"], "more than 100000"),
        (["--savedmodel=SAVED", "--seeds=1", "--n=2"], "leave out --n"),
        (["--savedmodel=SAVED", "--interpolate=1"], "at least two seeds"),
        (["--savedmodel=SAVED", "--interpolate=1,2", "--grid"], "leave out"),
        (
            ["--savedmodel=SAVED", "--interpolate=1,2", "--labels=0,1"],
            "one class",
        ),
        (["--savedmodel=SAVED", "--n=20000", "--grid"], "at most 10000"),
        (["--savedmodel=SAVED", "--interpolate=1,2", "--steps=9999"], "many"),
        (["--savedmodel=SAVED", "--truncation=0"], "above 0"),
        (["--savedmodel=SAVED", "--truncation=nan"], "above 0"),
        (["--savedmodel=SAVED", "--labels=sok"], "Did you mean 'sock'"),
        (["--savedmodel=SAVED", "--labels=2"], "Unknown class '2'"),
        (["--savedmodel=SAVED", "--steps=3"], "only with --interpolate"),
        (["--savedmodel=SAVED", "--data=ring"], "only with --neighbours"),
        (
            ["--savedmodel=SAVED", "--neighbours", "--extractor=pixel"],
            "Did you mean 'pixels'",
        ),
        (
            ["--savedmodel=SAVED", "--neighbours", "--extractor=no.keras"],
            "there is no file",
        ),
        (["--savedmodel=SAVED", "--out=file"], "is a file"),
        (["--savedmodel=SHIPPED", "--labels=1"], "has no classes"),
    ],
)
def test_mistakes_are_answered_in_a_line(arguments, words, saved, capsys):
    Path("file").touch()
    Path("bare").mkdir()
    Path("bare/saved_model.pb").touch()
    for name, text in (("torn", '{"step": 1'), ("other", '{"step": 1}')):
        Path(name, "assets.extra").mkdir(parents=True)
        Path(name, "saved_model.pb").touch()
        Path(name, "assets.extra", "generator.json").write_text(text)
    names = {"SAVED": saved, "SHIPPED": SHIPPED}
    for name, path in names.items():
        arguments = [a.replace(name, str(path)) for a in arguments]
    assert run(*arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert words in line
    assert not Path("images").exists()


def test_class_names_that_are_numbers_are_meant_by_their_place():
    names = ["10", "2"]  # as a folder sorts them
    assert plan.parse_labels("1,0", 2, names) == [1, 0]
