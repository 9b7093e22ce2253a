"""The pictures that come with the package are what they claim to be."""

import hashlib
import pathlib
import re

import numpy as np
import pytest

import keras_ganmix.data.embedded as embedded
from keras_ganmix.data import load
from keras_ganmix.data.embedded.make import make
from keras_ganmix.data.sources import fashion_mnist
from keras_ganmix.data.sources.embedded import read_split
from keras_ganmix.data.sources.idx import read_idx

FOLDER = pathlib.Path(embedded.__file__).parent
PUBLISHED = fashion_mnist.find_folder("train")
needs_published = pytest.mark.skipif(
    PUBLISHED is None,
    reason="Debian's dataset-fashion-mnist is not installed",
)


def test_files_have_the_sums_of_the_provenance():
    text = (FOLDER / "PROVENANCE.md").read_text()
    sums = dict(re.findall(r"`(\w+\.\w+)` \|.*`([0-9a-f]{64})`", text))
    assert set(sums) == {"train.png", "test.png", "index.npz"}
    for name, expected in sums.items():
        data = (FOLDER / name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == expected
    assert "MIT License" in (FOLDER / "LICENSE").read_text()


def test_everything_together_is_about_five_megabytes():
    total = sum(p.stat().st_size for p in FOLDER.iterdir() if p.is_file())
    assert total < 5_000_000


@pytest.mark.parametrize("split,per_class", [("train", 1000), ("test", 200)])
def test_splits_are_balanced(split, per_class):
    source = load("fashion_mnist_10k", split)
    assert source.image_shape == (28, 28, 1)
    assert np.bincount(source.labels).tolist() == [per_class] * 10
    assert source.class_names[9] == "Ankle boot"


@needs_published
@pytest.mark.parametrize("split,prefix", [("train", "train"), ("test", "t10k")])
def test_pictures_are_those_of_the_published_files(split, prefix):
    images, labels, indices = read_split(split)
    published = read_idx(PUBLISHED / f"{prefix}-images-idx3-ubyte.gz", (3,))
    targets = read_idx(PUBLISHED / f"{prefix}-labels-idx1-ubyte.gz", (1,))
    assert np.array_equal(images[..., 0], published[indices])
    assert np.array_equal(labels, targets[indices])
    assert (np.diff(indices) > 0).all()
    # The first of each class: nothing earlier was left out.
    for name in range(10):
        taken = indices[labels == name]
        assert np.array_equal(
            taken, np.flatnonzero(targets == name)[: len(taken)]
        )


@needs_published
def test_rest_and_embedded_make_up_the_whole():
    rest = load("fashion_mnist", "rest")
    whole = load("fashion_mnist")
    assert (len(rest), len(whole)) == (50000, 60000)

    def digests(source):
        return sorted(hashlib.sha256(i).digest() for i in source.images)

    parts = digests(rest) + digests(load("fashion_mnist_10k"))
    assert sorted(parts) == digests(whole)


@needs_published
@pytest.mark.slow
def test_the_script_makes_the_same_pictures(tmp_path):
    make(PUBLISHED, tmp_path)
    from PIL import Image

    for name in ("train.png", "test.png"):
        ours = np.asarray(Image.open(FOLDER / name))
        assert np.array_equal(ours, np.asarray(Image.open(tmp_path / name)))


def test_not_installed_is_refused_with_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(fashion_mnist, "FOLDERS", ())
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    with pytest.raises(
        ValueError, match=r"dataset-fashion-mnist.*prepare.*10k"
    ):
        load("fashion_mnist")
