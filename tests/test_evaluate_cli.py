"""The evaluate command, as a user meets it."""

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
from PIL import Image

import keras_ganmix as kgm
from keras_ganmix import evaluate, fakes, train
from keras_ganmix.generating.saved import load_saved
from keras_ganmix.metrics import Evaluation, Protocol
from keras_ganmix.metrics.report import read_protocol
from keras_ganmix.ops.random import Draws

ROOT = Path(evaluate.__file__).resolve().parents[1]
TINY = [
    "--recipe=quickstart",
    "--set=data.max_images=120",
    "--set=data.batch_size=8",
    "--set=generator.width=2",
    "--set=discriminator.width=2",
    "--set=samples=null",
    "--set=evaluate={every: 1, num_fake: 50, max_share: null}",
    "--steps=2",
    "--quiet",
]


@pytest.fixture(autouse=True)
def own_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERAS_GANMIX_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "run"
    assert train.main(["train", *TINY, f"--run_dir={folder}"]) == 0
    return folder


def run(*arguments):
    return evaluate.main(["evaluate", *arguments])


def start(*arguments, stdout=subprocess.PIPE):
    return subprocess.run(
        [sys.executable, "-m", "keras_ganmix.evaluate", *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def blobs(count, seed):
    """Images 8x8 of a bright square on noise, uint8 (N, 8, 8)."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 40, (count, 8, 8))
    for image in images:
        top, left = rng.integers(0, 5, 2)
        image[top : top + 4, left : left + 4] += rng.integers(100, 200)
    return images.astype(np.uint8)


def write(folder, images):
    folder.mkdir(parents=True)
    for i, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{i:04d}.png")


@pytest.fixture(scope="module")
def blob_data(tmp_path_factory):
    """A folder with the splits `train` and `test`, two classes."""
    folder = tmp_path_factory.mktemp("blobs")
    for seed, split in enumerate(("train", "test")):
        images = blobs(120, seed)
        write(folder / split / "a", images[:60])
        write(folder / split / "b", images[60:])
    return folder


def test_help_needs_no_tensorflow():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = start("--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    assert "--extractor_path" in done.stdout
    # Seconds of computing: the machine may be busy with other things.
    seconds = after.ru_utime - before.ru_utime
    assert seconds + after.ru_stime - before.ru_stime < 1.5


def test_a_run_scores_as_it_did_during_training(trained, capsys):
    lines = (trained / "scores.jsonl").read_text().splitlines()
    during = json.loads(lines[-1])
    protocol, floor = read_protocol(trained / "scores_protocol.json")
    assert run(f"--run={trained}", "--metrics=fid", "--num_fake=50") == 0
    shown = capsys.readouterr()
    assert "frechet[fashion]" in shown.out
    assert "50 fakes against 10000 of fashion_mnist, test" in shown.out
    assert "warning: num_fake: only 50 samples." in shown.err
    found = Evaluation.load(trained / "scores.json")
    assert found.scores["frechet[fashion]"] == during["frechet[fashion]"]
    assert found.floor == floor
    assert found.step == 2
    assert found.protocol.differences(protocol) == {}
    assert found.protocol["ema"] is True


def test_scores_that_cannot_be_end_a_run_with_a_line(tmp_path, capsys):
    few = "--set=evaluate={every: 1, num_fake: 4, metrics: [prdc]}"
    folder = f"--run_dir={tmp_path / 'run'}"
    assert train.main(["train", *TINY, few, folder]) == 3
    errors = [
        line
        for line in capsys.readouterr().err.splitlines()
        if line.startswith("error: ")
    ]
    assert len(errors) == 1 and "fake" in errors[0]
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["status"] == "failed" and summary["error"] in errors[0]


def test_scores_are_kept_where_nobody_reads_the_table(trained):
    """As with `| head -1`, whose end is gone when the table comes."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    arguments = [f"--run={trained}", "--metrics=frechet", "--num_fake=50"]
    done = start(*arguments, "--out=kept.json", stdout=write_end)
    os.close(write_end)
    assert (done.returncode, done.stderr.count("error")) == (0, 0)
    assert "frechet[fashion]" in Evaluation.load("kept.json").scores


def test_the_best_checkpoint_can_be_scored(trained):
    arguments = [f"--run={trained}", "--metrics=frechet", "--num_fake=50"]
    assert run(*arguments, "--checkpoint=best", "--out=best.json") == 0
    lines = (trained / "scores.jsonl").read_text().splitlines()
    best = min(json.loads(line)["frechet[fashion]"] for line in lines)
    found = Evaluation.load("best.json").scores["frechet[fashion]"]
    assert found == pytest.approx(best, rel=1e-9)


def test_a_run_is_scored_though_the_list_of_checkpoints_is_lost(trained):
    folder = Path(shutil.copytree(trained, "run")) / "checkpoints"
    (folder / "checkpoint").unlink()
    gan, _ = fakes.load_run("run")
    assert int(gan.step.numpy()) == 2
    for file in folder.glob("ckpt-*"):
        file.unlink()
    with pytest.raises(ValueError, match="--run run: holds no newest check"):
        fakes.load_run("run")


@pytest.mark.parametrize("copies", [True, False])
def test_copies_of_the_training_set_are_found(copies, blob_data, capsys):
    mirrored = blobs(120, 0)[:80, :, ::-1]
    write(Path("made"), mirrored if copies else blobs(80, 7))
    code = run(
        "--images=made",
        f"--data=folder:{blob_data}",
        "--metrics=memorisation",
        "--extractor=pixels",
        "--out=scores.json",
        "--pictures=pictures",
    )
    assert code == 0
    found = Evaluation.load("scores.json")
    assert (found.scores["memorisation_closer"] > 0.95) == copies
    assert (found.scores["memorisation_copied"] > 0.95) == copies
    assert found.floor["memorisation_closer"] == 0.5
    assert found.protocol["num_fake"] == 80
    with Image.open("pictures/memorisation.png") as picture:
        assert picture.size == (16 * 50 + 2, 2 * 50 + 2)
        pixels = np.asarray(picture)
        upper, lower = pixels[2:50], pixels[52:100]
        assert (upper == lower).all() == copies


@pytest.mark.slow
def test_damage_of_a_folder_s_images_is_found(blob_data):
    made = blobs(200, 3)
    made[:, 2:6, 2:6] = 128  # cut out
    write(Path("made"), made)
    done = start(
        "--images=made",
        f"--data=folder:{blob_data}",
        "--metrics=spectra,leak",
        "--out=scores.json",
    )
    assert done.returncode == 0, done.stderr
    found = Evaluation.load("scores.json")
    assert found.scores["leak_cutout"] > 0.5
    assert found.floor["leak_cutout"] < 0.2
    assert found.scores["leak_cutout_detected"] > 0.5
    assert "spectrum_decibels" in found.floor
    assert "leak_cutout" in done.stdout


class Stand(tf.Module):
    """As bright as its label says, plus the first latent."""

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, 3), tf.float32, name="latents"),
            tf.TensorSpec((None,), tf.int64, name="labels"),
        ]
    )
    def serve(self, latents, labels):
        light = tf.cast(labels, tf.float32) / 4 + 0.01 * latents[:, 0]
        return {"images": light[:, None, None, None] + tf.zeros((1, 8, 8, 1))}


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served") / "1"
    module = Stand()
    tf.saved_model.save(
        module, str(folder), signatures={"serving_default": module.serve}
    )
    return folder


def test_a_saved_model_gets_latents_and_labels(saved_model, blob_data):
    made = fakes.of_saved_model(str(saved_model))
    assert made.image_shape == (8, 8, 1)
    batches = list(made.batches(70, 5, 2))
    images, labels = (np.concatenate(x) for x in zip(*batches, strict=True))
    np.testing.assert_array_equal(labels, np.arange(70) % 2)
    latents = Draws(5, 0).scope("generate").latents("latents", (70, 3))
    expected = labels / 4 + 0.01 * np.array(latents)[:, 0]
    np.testing.assert_allclose(images[:, 3, 4, 0], expected, atol=1e-6)
    arguments = [f"--savedmodel={saved_model}", f"--data=folder:{blob_data}"]
    arguments += ["--metrics=spectra", "--num_fake=20", "--out=scores.json"]
    assert run(*arguments) == 0
    assert Evaluation.load("scores.json").protocol["ema"] is None


def test_an_export_draws_as_it_was_trained():
    root = Path(kgm.__file__).resolve().parents[1] / "savedmodels"
    made = fakes.of_saved_model(str(root / "fashion_mnist"))
    assert (made.image_shape, made.ema, made.step) == ((32, 32, 1), True, 3500)
    [images] = made.batches(3, 7, None)
    export = load_saved(root / "fashion_mnist" / "1")
    np.testing.assert_array_equal(images, export.generate(3, seed=7))


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], "give one of --run, --savedmodel and --images; got none"),
        (["--run=a", "--images=b"], "got --run and --images"),
        (["--images=nowhere", "--data=ring"], "no such folder"),
        (["--images=."], "--data: missing"),
        (["--run=.", "--metrics=frechett"], "Did you mean 'frechet'"),
        (["--run=.", "--pictures=p"], "add it to --metrics"),
        (["--run=.", "--image_size=9"], "--image_size"),
        (["--run=."], "recipe.yaml"),
        (["--run=.", "--num_fake=1"], "num_fake"),
        (["--savedmodel=.", "--data=ring"], "--savedmodel ."),
        (["--images=.", "--data=fashion_mnist_10k"], "--images ."),
        (["--images=.", "--data=ring", "--metrics=modes"], "points"),
        (
            ["--images=.", "--data=fashion_mnist_10k", "--split=tset"],
            "no split 'tset'; allowed: train, test",
        ),
    ],
)
def test_mistakes_are_answered_in_a_line(arguments, words, capsys):
    assert run(*arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert words in line


def test_memorisation_needs_the_training_images(blob_data, capsys):
    write(Path("made"), blobs(3, 0))
    arguments = ["--images=made", "--metrics=memorisation", "--split=train"]
    assert run(*arguments, f"--data=folder:{blob_data}") == 2
    assert "memorisation compares with" in capsys.readouterr().err


def test_a_conditional_model_needs_classes(saved_model, capsys):
    write(Path("flat"), blobs(9, 0))
    arguments = [f"--savedmodel={saved_model}", "--data=folder:flat"]
    assert run(*arguments, "--split=train", "--metrics=spectra") == 2
    assert "use labelled --data" in capsys.readouterr().err


def test_protocols_name_what_differs():
    a, b = (
        Protocol("ring", "test", "ab", [2], 9, count, seed=count)
        for count in (10, 20)
    )
    assert a.differences(b) == {"num_fake": (10, 20)}
