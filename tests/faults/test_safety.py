"""Nothing that is loaded runs code, leaves its folder or fills the memory."""

import gzip
import io
import json
import os
import pickle
import resource
import struct
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

import keras_ganmix as kgm
from keras_ganmix import data, recipes
from keras_ganmix.data.bombs import check_expansion
from keras_ganmix.data.sources import prepared
from keras_ganmix.data.sources.idx import read_idx
from keras_ganmix.metrics import FeatureStatistics
from keras_ganmix.metrics.extractors.squeezenet import _ArrayUnpickler
from keras_ganmix.metrics.report import Evaluation, read_protocol

ROOT = Path(kgm.__file__).resolve().parents[1]


class Evil:
    """Pickles to a call that leaves a trace."""

    def __reduce__(self):
        return (os.mkdir, ("run_by_a_file",))


@pytest.fixture(autouse=True)
def nothing_is_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield
    assert not os.path.exists("run_by_a_file")


def quickly(seconds=2.0, megabytes=64):
    """Context that refuses to take longer, or much memory."""

    class Limit:
        def __enter__(self):
            self.began = time.perf_counter()
            self.before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

        def __exit__(self, *_):
            after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            assert time.perf_counter() - self.began < seconds
            assert (after - self.before) / 1024 < megabytes

    return Limit()


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.mkdir [run_by_a_file]",
        "!!python/object/new:os.mkdir [run_by_a_file]",
        "!!python/name:os.mkdir",
        "!!python/module:antigravity",
        "!<tag:yaml.org,2002:python/object/apply:os.mkdir> [run_by_a_file]",
        "!!binary aGVsbG8=",
        "!!set {a, b}",
        "!!timestamp soon",
        "!!int x",
        "!mine x",
    ],
)
def test_yaml_makes_plain_values_only(text):
    for place in (text, f"name: {text}", f"data: {{source: {text}}}"):
        Path("recipe.yaml").write_text(place)
        # Within braces some are no YAML at all.
        with pytest.raises(
            recipes.RecipeError, match=r"is not allowed|scanning a tag"
        ):
            recipes.load("recipe.yaml")
    with pytest.raises(recipes.RecipeError, match="is not allowed"):
        recipes.load("quickstart", [f"data.source={text}"])


def billion_laughs(levels=9):
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    for i in range(1, levels):
        lines.append(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]")
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        billion_laughs(),
        "a: &a {b: *a}",
        "a: " + "[" * 30_000,
        "a: " + "{a: " * 10_000,
        "- " * 30_000,
        "a: " + "9" * 60_000,
        "a: " + "[1, " * 15_000,
        "# " + "x" * 10**6,
    ],
)
def test_yaml_cannot_explode(text):
    Path("recipe.yaml").write_text(text)
    with quickly(seconds=6), pytest.raises(recipes.RecipeError) as caught:
        recipes.load("recipe.yaml")
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    "change",
    [
        "regularizers=[os.system]",
        "regularizers=[{type: Regularizer}]",
        "regularizers=[{type: __class__}]",
        "regularizers=[{class_name: R1, config: {}}]",
        "generator.network=os",
        "generator.network=keras_ganmix.networks.dcgan",
        "optimizer.generator.type=keras.optimizers.Adam",
        "loss=keras.losses.Hinge",
        "evaluate.metrics=[os.system]",
        "evaluate.extractor=/tmp/extractor",
    ],
)
def test_a_recipe_names_no_python_class(change):
    with pytest.raises(recipes.RecipeError):
        recipes.load("quickstart", [change])


def test_pickles_in_arrays_are_never_loaded():
    evil = np.array([Evil()], dtype=object)
    np.savez("evil.npz", images=evil, mu=evil, sigma=evil)
    with pytest.raises(ValueError, match="never loaded"):
        data.load("npz:evil.npz")
    with pytest.raises(ValueError, match="allow_pickle=False"):
        FeatureStatistics.from_npz("evil.npz")
    np.savez("labels.npz", images=np.zeros((2, 4, 4), np.uint8), labels=evil)
    with pytest.raises(ValueError, match="never loaded"):
        data.load("npz:labels.npz")
    np.save("plain.npy", evil, allow_pickle=True)
    Path("named.npz").write_bytes(Path("plain.npy").read_bytes())
    with pytest.raises(ValueError, match=r"not a readable \.npz"):
        data.load("npz:named.npz")


def test_the_unpickler_of_weights_builds_arrays_only():
    weights = {"conv1": [np.arange(6.0, dtype=np.float32).reshape(2, 3)]}
    raw = pickle.dumps(weights, protocol=3)
    raw = raw.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    got = _ArrayUnpickler(io.BytesIO(raw)).load()
    assert np.array_equal(got["conv1"][0], weights["conv1"][0])
    for evil in (Evil(), [Evil()], os.system, print, Path("x")):
        raw = pickle.dumps(evil)
        with pytest.raises(pickle.UnpicklingError, match="is not an array"):
            _ArrayUnpickler(io.BytesIO(raw)).load()


def idx_header(*shape):
    return b"\0\0\x08" + bytes([len(shape)]) + struct.pack(">3I", *shape)


def test_a_gzip_bomb_is_refused_before_it_is_unpacked():
    # One that its header denies, and one that its header admits.
    for name, count in (("denied", 10), ("admitted", 290_000)):
        path = Path(f"{name}-images-idx3-ubyte.gz")
        zeros = gzip.compress(b"\0" * 2**24)
        path.write_bytes(gzip.compress(idx_header(count, 32, 32)) + 18 * zeros)
        assert path.stat().st_size < 400_000
        with quickly(), pytest.raises(ValueError, match=r"longer|bomb"):
            read_idx(path, (3,))


def test_absurd_headers_are_refused_before_memory_is_taken():
    for shape in ((2**32 - 1,) * 3, (8000, 1000, 1000), (10**6, 64, 64)):
        with gzip.open("small.gz", "wb") as file:
            file.write(idx_header(*shape))
        Path("small").write_bytes(idx_header(*shape))
        for name in ("small.gz", "small"):
            with (
                quickly(),
                pytest.raises(ValueError, match=r"claims|truncat"),
            ):
                read_idx(name, (3,))


def test_archives_are_as_large_as_they_say():
    header = io.BytesIO()
    fields = {"descr": "|u1", "fortran_order": False}
    np.lib.format.write_array_header_1_0(
        header, {**fields, "shape": (10**6, 40, 40)}
    )
    with zipfile.ZipFile("claims.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", header.getvalue() + b"\0" * 1000)
    with quickly(), pytest.raises(ValueError, match="its header tells of"):
        data.load("npz:claims.npz")
    np.savez_compressed("bomb.npz", images=np.zeros((10**5, 32, 32), np.uint8))
    assert os.path.getsize("bomb.npz") < 200_000
    with quickly(), pytest.raises(ValueError, match="or a bomb"):
        data.load("npz:bomb.npz")
    with zipfile.ZipFile("many.npz", "w") as archive:
        for i in range(1100):
            archive.writestr(f"{i}.npy", b"")
    with quickly(), pytest.raises(ValueError, match="1100 members"):
        data.load("npz:many.npz")


def test_names_in_archives_lead_nowhere():
    with zipfile.ZipFile("up.npz", "w") as archive:
        for name in ("../../up.npy", "/abs.npy", "images.npy"):
            buffer = io.BytesIO()
            np.save(buffer, np.ones((3, 4, 4), np.uint8))
            archive.writestr(name, buffer.getvalue())
    assert len(data.load("npz:up.npz")) == 3
    assert sorted(os.listdir()) == ["up.npz"]
    assert not os.path.exists("../../up.npy")


def test_what_compresses_well_is_still_read():
    images = np.zeros((5000, 16, 16), np.uint8)
    images[:, ::5, ::3] = np.arange(5000)[:, None, None] % 251
    np.savez_compressed("blank.npz", images=images)
    assert np.array_equal(data.load("npz:blank.npz").images[..., 0], images)
    check_expansion("pictures", 10**6, 20 * 10**6)
    check_expansion("small and blank", 70_000, 60 * 2**20)


@pytest.mark.parametrize("name", ["/etc", "../up", "a/../../up", "up/.."])
def test_prepared_data_are_looked_for_in_their_folder_only(name, monkeypatch):
    folder = Path("tfds").resolve()
    folder.mkdir()
    for place in (Path("up/1.0.0"), Path("tfds/1.0.0")):
        place.mkdir(parents=True)
        (place / "dataset_info.json").write_text("{}")
    monkeypatch.setenv("TFDS_DATA_DIR", str(folder))
    assert prepared.find(name) is None
    assert prepared.find(str(Path("up").resolve())) is None


@pytest.mark.parametrize(
    "features",
    [
        {"pythonClassName": "evil_module.Feature"},
        {"python_class_name": "evil_module.Feature"},
        {"type": "evil_module.Feature", "content": {}},
        {
            "pythonClassName": "tensorflow_datasets.core.features.FeaturesDict",
            "featuresDict": {
                "features": {"x": {"pythonClassName": "evil_module.Feature"}}
            },
        },
        "[" * 10**5,
    ],
)
def test_prepared_data_import_no_modules(features, monkeypatch):
    Path("evil_module.py").write_text("import os; os.mkdir('run_by_a_file')")
    monkeypatch.syspath_prepend(os.getcwd())
    monkeypatch.setenv("TFDS_DATA_DIR", os.getcwd())
    folder = Path("mine/1.0.0")
    folder.mkdir(parents=True)
    (folder / "dataset_info.json").write_text("{}")
    text = features if isinstance(features, str) else json.dumps(features)
    (folder / "features.json").write_text(text)
    with pytest.raises(ValueError, match=r"evil_module|cannot be read"):
        data.load("tfds:mine")


def test_a_data_folder_with_all_that_is_no_picture():
    """It is listed and read to the end, and nothing outside of it."""
    folder = Path("pictures")
    for i in range(120):
        (folder / "a").mkdir(parents=True, exist_ok=True)
        pixels = np.random.RandomState(i).randint(0, 256, (8, 8, 3))
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"a/{i}.png")
    os.mkfifo(folder / "a" / "pipe.png")
    os.symlink("/dev/zero", folder / "a" / "zero.png")
    os.symlink("/etc/passwd", folder / "a" / "passwd.png")
    os.symlink("/", folder / "a" / "root")
    os.symlink("..", folder / "a" / "up")
    os.symlink("loop.png", folder / "a" / "loop.png")
    with quickly(10):
        source = data.load(f"folder:{folder}")
    assert len(source) == 120 and len(source.skipped) == 1
    assert "pipe.png: not a regular file" in str(source.skipped[0])
    assert source.class_names == ["a"]


def test_a_picture_that_becomes_a_pipe_or_a_device_does_not_hang(tmp_path):
    path = tmp_path / "a.png"
    os.mkfifo(path)
    for bad in (path, "/dev/zero", "/dev/tty", "/proc/self/mem", "a\0b.png"):
        with quickly(), pytest.raises(data.ImageError):
            data.read_image(bad)


def test_odd_names_are_printed_safely():
    folder = Path("names")
    folder.mkdir()
    names = ["two\nlines.png", "\x1b]0;owned\x07.png", "\u202egnp.exe.png"]
    for name in [*names, os.fsdecode(b"latin\xe9.png")]:
        (folder / name).write_bytes(b"no picture")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "keras_ganmix.train",
            "--recipe=quickstart",
            f"--set=data.source=folder:{folder}",
        ],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 2
    (line,) = done.stderr.decode("utf-8").splitlines()
    assert "none of the 4 pictures" in line
    assert line.isprintable() and done.stdout == b""


def test_a_lambda_in_a_keras_file_is_refused(tiny):
    generator, images = tiny.generator(), keras.Input((8, 8, 1))
    x = keras.layers.Lambda(lambda v: v * 1.0, output_shape=(8, 8, 1))(images)
    logits = keras.layers.Dense(1)(keras.layers.Flatten(name="flatten")(x))
    gan = kgm.GAN(
        generator,
        keras.Model(images, logits),
        feature_layer="flatten",
        seed=0,
    )
    gan.save("gan.keras")
    with pytest.raises((ValueError, TypeError), match=r"[Ll]ambda"):
        keras.saving.load_model("gan.keras")


@pytest.mark.parametrize("text", ["[" * 10**5, "{", "[]", '{"a": 1}', "\0"])
def test_files_of_scores_are_plain_json(text):
    Path("scores.json").write_text(text)
    for read in (Evaluation.load, read_protocol):
        with pytest.raises(ValueError, match=r"scores\.json"):
            read("scores.json")
