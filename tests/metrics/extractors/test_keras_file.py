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


def classifier(classes=10, end=(), name="own"):
    """A classifier, and the part of it that makes its features."""
    keras.utils.set_random_seed(0)
    images = keras.Input(SHAPE)
    x = layers.Conv2D(4, 3, activation="relu")(images)
    seen = layers.GlobalAveragePooling2D(name="features")(x)
    x = layers.Dense(classes, bias_initializer="normal")(seen)
    for layer in end:
        x = layer(x)
    return keras.Model(images, x, name=name), keras.Model(images, seen)


@pytest.mark.parametrize("single_list", [False, True])
@pytest.mark.parametrize("kind", ["logits", "softmax", "nested", "linear"])
def test_a_classifier_gives_its_features_and_logits(
    tmp_path, kind, single_list
):
    end = {
        "logits": [],
        "softmax": [layers.Softmax()],
        "nested": [keras.Sequential([layers.Dense(5, "softmax")])],
        "linear": [layers.Softmax(), layers.Activation("linear")],
    }[kind]
    model, seen = classifier(end=end)
    if single_list:
        model = keras.Model(model.inputs, [model.output], name="own")
    path = saved(model, tmp_path)
    extractor = get_extractor(path)
    images = pixels()
    floats = images / 127.5 - 1
    got = extractor.outputs(images)
    assert extractor.name == f"own-{extractor.weight_hash[:8]}"
    expected = seen.predict(floats, verbose=0)
    np.testing.assert_allclose(got["features"], expected, atol=1e-6)
    said = np.reshape(model.predict(floats, verbose=0), (len(images), -1))
    if kind == "logits":
        np.testing.assert_allclose(got["logits"], said, atol=1e-6)
    else:
        np.testing.assert_allclose(np.exp(got["logits"]), said, atol=1e-6)
    # Given in Python it is no other extractor but for its name.
    same = get_extractor(model).outputs(images)
    for layer, values in got.items():
        np.testing.assert_array_equal(values, same[layer])


def test_features_are_float32_whatever_the_model_is(tmp_path):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model, _ = classifier()
    finally:
        keras.config.set_dtype_policy(policy)
    got = get_extractor(saved(model, tmp_path)).outputs(pixels())
    assert {v.dtype for v in got.values()} == {np.dtype("float32")}


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
    # An embedding is the features, whatever its last layer.
    embedding = keras.Model(images, flat, name="embedding")
    assert get_extractor(embedding).dimensions == {"features": 5}


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
    shipped, _ = classifier(name="fashion")
    with pytest.raises(ValueError, match="name of a shipped extractor"):
        get_extractor(shipped)
    with pytest.raises(ValueError, match="logits, rows of a number"):
        get_extractor(classifier(1)[0])
    several = keras.Model(model.inputs, [model.output, model.output])
    with pytest.raises(ValueError, match="it has 2 outputs; give it a dict"):
        get_extractor(several)
    two = keras.Model([model.inputs[0], keras.Input((1,))], model.output)
    with pytest.raises(ValueError, match="one input of images"):
        get_extractor(saved(two, tmp_path))


def test_code_in_a_file_is_not_run(tmp_path):
    code = keras.Sequential([keras.Input(SHAPE), layers.Lambda(lambda x: x)])
    path = saved(code, tmp_path)
    with pytest.raises(ValueError, match=r"Keras cannot read.*Lambda"):
        get_extractor(path)


def brightness(classes=10, channels=1):
    """A classifier: a digit is the number of steps of brightness."""
    images = keras.Input((8, 8, channels))
    x = layers.GlobalAveragePooling2D(name="features")(images)
    head = layers.Dense(classes)
    model = keras.Model(images, head(x), name="brightness")
    if channels == 1:
        levels = (np.arange(classes) * 25) / 127.5 - 1
        head.set_weights([2 * levels[None], -(levels**2)])
    return model


@pytest.fixture
def digits(tmp_path):
    """Stacked pictures of ten grey levels, in a folder of a telling name."""
    labels = np.repeat(np.arange(10), 30)
    images = np.zeros((300, 8, 8, 1), np.uint8)
    images += (labels * 25).astype(np.uint8)[:, None, None, None]
    folder = tmp_path / "fashion_mnist"
    folder.mkdir()
    np.savez(folder / "x.npz", images=images, labels=labels)
    return load(f"stacked_digits:npz:{folder}/x.npz", "train")


def test_modes_of_stacked_digits_by_a_file(tmp_path, digits):
    path = saved(brightness(), tmp_path)
    rng = np.random.default_rng(0)
    fakes = (rng.integers(0, 3, (400, 3)) * 25).astype(np.uint8)
    fakes = np.broadcast_to(fakes[:, None, None, :], (400, 8, 8, 3))
    evaluator = Evaluator(digits, "modes", path, num_fake=400, floor=False)
    found = evaluator.evaluate(fakes)
    assert found.scores["modes"] == 27
    assert found.protocol["extractor"].startswith("brightness-")
    assert found.protocol["extractor_hash"]


@pytest.mark.parametrize(
    "metrics, classes, channels, message",
    [
        ("modes", 26, 1, "knows 26 classes"),
        ("modes,frechet", 10, 1, "takes images of 1 channels, but these have"),
        ("modes", None, 1, "no layer 'logits'"),
    ],
)
def test_what_cannot_classify_digits_is_refused_at_once(
    tmp_path, digits, metrics, classes, channels, message
):
    if classes is None:
        whole = brightness(10, channels)
        pooled = whole.get_layer("features").output
        model = keras.Model(whole.inputs, pooled, name="mean")
    else:
        model = brightness(classes, channels)
    with pytest.raises(ValueError, match=message):
        Evaluator(digits, metrics, saved(model, tmp_path), num_fake=400)


def test_digits_need_a_classifier(digits):
    with pytest.raises(ValueError, match="does not know the classes"):
        Evaluator(digits, "modes", num_fake=400)
