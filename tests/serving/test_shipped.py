"""The generator that comes with the repository."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import keras_ganmix as kgm
from keras_ganmix import recipes
from keras_ganmix.generating.saved import load_saved
from keras_ganmix.metrics.hashes import hash_arrays
from keras_ganmix.serving import self_check

ROOT = Path(kgm.__file__).resolve().parents[1]
FOLDER = ROOT / "savedmodels" / "fashion_mnist" / "1"


@pytest.fixture(scope="module")
def stored():
    """The first 16 pictures of seed 0, row by row, from another machine."""
    pixels = np.asarray(
        Image.open(Path(__file__).parent / "fashion_mnist_1.png")
    )
    tiles = pixels.reshape(4, 32, 4, 32).swapaxes(1, 2)
    return tiles.reshape(16, 32, 32, 1)


@pytest.fixture(scope="module")
def generator():
    return load_saved(FOLDER)


def test_it_makes_the_stored_pictures_within_a_level(generator, stored):
    made = generator.generate(16, seed=0)
    assert made.dtype == np.uint8
    assert np.abs(made.astype(int) - stored).max() <= 1


def test_it_does_what_every_export_does():
    self_check.check(FOLDER)


def test_checksums_of_the_card_are_those_of_the_files(generator, stored):
    card = (FOLDER / "model_card.md").read_text()
    weights, images = re.findall(r"SHA-256 \| `(\w+)`", card)
    assert images == hash_arrays([stored])
    variables = generator.model.generator_variables
    assert weights == hash_arrays([v.numpy() for v in variables])
    assert weights == generator.weights_sha256


def test_card_and_recipe_tell_where_it_comes_from():
    card = (FOLDER / "model_card.md").read_text()
    assert "MIT, Copyright 2017 Zalando SE" in card
    assert "`frechet[fashion]`" in card
    assert "| num fake | 10000 |" in card
    recipe = recipes.load(FOLDER / "assets.extra" / "recipe.yaml")
    facts = json.loads((FOLDER / "assets.extra" / "generator.json").read_text())
    assert facts["step"] == recipe.train.steps
    assert recipe.data.source == "fashion_mnist_10k"


def test_it_is_small_and_names_no_machine():
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 6_000_000
    for path in files:
        found = re.search(rb"/(work|root|home|tmp|Users)/", path.read_bytes())
        assert not found or path.name.startswith("variables.data"), path
