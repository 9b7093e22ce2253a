"""A `.keras` file of one's own as the extractor."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

from keras_ganmix.data import load
from keras_ganmix.metrics import Evaluator, get_extractor
from keras_ganmix.networks import wide_resnet

SHAPE = (8, 8, 1)


def pixels(count=12, shape=SHAPE, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, *shape)).astype(np.uint8)


def saved(model, tmp_path, name="own.keras"):
    path = tmp_path / name
    model.save(path)
    return str(path)


def classifier(classes=10, activation=None, softmax=False):
    keras.utils.set_random_seed(0)
    images = keras.Input(SHAPE)
    x = layers.Conv2D(4, 3, activation="relu")(images)
    x = seen = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(classes, activation, bias_initializer="normal")(x)
    if softmax:
        x = layers.Softmax()(x)
    return keras.Model(images, x, name="own"), keras.Model(images, seen)


@pytest.mark.parametrize(
    "kind", [{}, {"activation": "softmax"}, {"softmax": True}]
)
def test_a_classifier_gives_what_its_head_sees_and_says(tmp_path, kind):
    model, seen = classifier(**kind)
    extractor = get_extractor(saved(model, tmp_path))
    images = pixels()
    floats = images / 127.5 - 1
    got = extractor.outputs(images)
    assert extractor.name == "own"
    expected = seen.predict(floats, verbose=0)
    np.testing.assert_allclose(got["features"], expected, atol=1e-6)
    said = model.predict(floats, verbose=0)
    if kind:
        probabilities = np.exp(got["logits"])
        np.testing.assert_allclose(probabilities, said, atol=1e-6)
    else:
        np.testing.assert_allclose(got["logits"], said, atol=1e-6)


@pytest.mark.parametrize("orthogonal", [False, True])
def test_the_classifiers_of_this_package(tmp_path, orthogonal):
    network = wide_resnet.classifier(SHAPE, 3, 10, 1, orthogonal, seed=0)
    extractor = get_extractor(saved(network, tmp_path))
    assert extractor.dimensions == {"features": 64, "logits": 3}
    lengths = np.linalg.norm(extractor(pixels()), axis=1)
    if orthogonal:
        np.testing.assert_allclose(lengths, 1, rtol=1e-5)
    again = get_extractor(saved(network, tmp_path, "again.keras"))
    assert again.weight_hash == extractor.weight_hash


def test_a_process_that_knows_no_classifier(tmp_path):
    network = wide_resnet.classifier(SHAPE, 3, 10, 1, True, seed=0)
    script = (
        "from keras_ganmix.metrics import get_extractor\n"
        f"print(get_extractor({saved(network, tmp_path)!r}).dimension)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True
    )
    assert done.stdout == "64\n", done.stderr


def test_a_sequential_model_given_in_python():
    model = keras.Sequential(
        [keras.Input(SHAPE), layers.Flatten(), layers.Dense(3)], name="rows"
    )
    assert get_extractor(model).dimensions == {"features": 3}
    unbuilt = keras.Sequential([layers.Dense(3)])
    with pytest.raises(ValueError, match="one input of images"):
        get_extractor(unbuilt)


def test_a_model_that_is_no_classifier(tmp_path):
    """Its output is the features; a dict says itself what is what."""
    images = keras.Input(SHAPE)
    maps = layers.Conv2D(2, 3)(images)
    model = keras.Model(images, maps, name="maps")
    extractor = get_extractor(saved(model, tmp_path))
    assert extractor.dimensions == {"features": 6 * 6 * 2}
    flat = layers.Dense(5)(layers.Flatten()(maps))
    both = keras.Model(images, {"features": flat, "early": maps}, name="both")
    extractor = get_extractor(saved(both, tmp_path))
    assert extractor.dimensions == {"features": 5, "early": 72}


def test_files_that_do_not_fit(tmp_path):
    with pytest.raises(ValueError, match="there is no such file"):
        get_extractor(str(tmp_path / "none.keras"))
    bad = tmp_path / "bad.keras"
    bad.write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"bad\.keras: Keras cannot read"):
        get_extractor(str(bad))
    model, _ = classifier()
    path = saved(model, tmp_path)
    with pytest.raises(ValueError, match="is a path itself"):
        get_extractor(path, path="weights")
    with pytest.raises(ValueError, match="hash of the weights"):
        get_extractor(path, expected_hash="0" * 64)
    shipped = keras.Model(model.inputs, model.output, name="fashion")
    with pytest.raises(ValueError, match="name of a shipped extractor"):
        get_extractor(saved(shipped, tmp_path))
    two = keras.Model([model.inputs[0], keras.Input((1,))], model.output)
    with pytest.raises(ValueError, match="one input of images"):
        get_extractor(saved(two, tmp_path))


def test_code_in_a_file_is_not_run(tmp_path):
    code = keras.Sequential([keras.Input(SHAPE), layers.Lambda(lambda x: x)])
    path = saved(code, tmp_path)
    with pytest.raises(ValueError, match=r"Keras cannot read.*Lambda"):
        get_extractor(path)


def stacked():
    """Stacked digits, and how they are classified: by their brightness."""
    grey = np.repeat(np.arange(10), 30)
    images = np.full((300, 8, 8, 1), 0, np.uint8)
    images += (grey * 25).astype(np.uint8)[:, None, None, None]
    return images, grey


def test_modes_of_stacked_digits_by_a_file(tmp_path):
    images, labels = stacked()
    np.savez(tmp_path / "x.npz", images=images, labels=labels)
    reference = load(f"stacked_digits:npz:{tmp_path}/x.npz", "train")
    # A digit is the number of steps of brightness.
    head = layers.Dense(10)
    model = keras.Sequential(
        [keras.Input(SHAPE), layers.GlobalAveragePooling2D(), head],
        name="brightness",
    )
    levels = (np.arange(10) * 25) / 127.5 - 1
    head.set_weights([2 * levels[None], -(levels**2)])
    path = saved(model, tmp_path)
    rng = np.random.default_rng(0)
    digits = rng.integers(0, 3, (400, 3))
    fakes = (digits * 25).astype(np.uint8)[:, None, None, :]
    fakes = np.broadcast_to(fakes, (400, 8, 8, 3))
    arguments = {"num_fake": 400, "floor": False}
    evaluator = Evaluator(reference, "modes", path, **arguments)
    found = evaluator.evaluate(fakes)
    assert found.scores["modes"] == 27
    assert found.protocol["extractor"] == "brightness"
    assert found.protocol["extractor_hash"]
    with pytest.raises(ValueError, match="does not know the classes"):
        Evaluator(reference, "modes", **arguments)
    maps = keras.Model(model.inputs, model.layers[0].output, name="mean")
    with pytest.raises(ValueError, match="no layer 'logits'"):
        Evaluator(reference, "modes", saved(maps, tmp_path), **arguments)
