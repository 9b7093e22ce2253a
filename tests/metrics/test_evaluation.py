import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import keras_ganmix
from keras_ganmix.data import load
from keras_ganmix.metrics import (
    Evaluation,
    Evaluator,
    Extractor,
    FeatureStatistics,
    ReferenceStatistics,
    cache,
    evaluate_images,
    kernel_distance,
    precision_recall_density_coverage,
)

pytestmark = pytest.mark.filterwarnings("ignore:.*only .* samples")
ALL = (
    "frechet",
    "kernel",
    "prdc",
    "classifier_score",
    "class_coverage",
    "layers",
    "intra_class",
    "sliced_wasserstein",
    "spectra",
)


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_GANMIX_CACHE", str(tmp_path / "cache"))


class Counting:
    """Means of the quarters, and how many images went through."""

    def __init__(self):
        self.images = 0

    def __call__(self, images):
        self.images += int(tf.shape(images)[0])
        pooled = tf.nn.avg_pool2d(images, 4, 4, "VALID")
        flat = tf.reshape(pooled, (tf.shape(images)[0], -1))
        return {"features": flat, "early": flat[:, :2], "logits": 5 * flat}


def extractor(function=None, name="quarters"):
    return Extractor(name, function or Counting(), (8, 8, 1), "ab" * 32)


def draw(count, seed, shape=(8, 8, 1)):
    rng = np.random.default_rng(seed)
    base = rng.integers(30, 220, size=(count, 1, 1, shape[2]))
    noise = rng.integers(-30, 30, size=(count, *shape))
    return (base + noise).astype(np.uint8)


def source(count=200, seed=0, labels=True):
    images = draw(count, seed)
    return load((images, np.arange(count) % 2) if labels else images)


def test_scores_are_those_of_the_functions():
    reference, fakes = source(), draw(150, 1)
    network = extractor()
    real, fake = network(reference.images), network(fakes)
    got = evaluate_images(
        fakes,
        reference,
        ("frechet", "kernel", "prdc"),
        network,
        num_fake=150,
        seed=3,
    )
    expected = (
        FeatureStatistics()
        .update(real)
        .frechet(FeatureStatistics().update(fake))
    )
    assert got.scores["frechet[quarters]"] == pytest.approx(expected)
    kernel = kernel_distance(real, fake, seed=3)
    assert got.scores["kernel[quarters]"] == pytest.approx(kernel.mean)
    prdc = precision_recall_density_coverage(real, fake)
    assert got.scores["recall[quarters]"] == pytest.approx(prdc.recall)
    assert got.protocol["fingerprint"] == reference.fingerprint()
    assert got.protocol["extractor_hash"] == "ab" * 32
    assert (got.protocol["num_real"], got.protocol["num_fake"]) == (200, 150)


def test_batches_and_their_size_do_not_matter():
    reference = source()
    fakes = draw(120, 1)
    labels = np.arange(120) % 2
    one = evaluate_images(
        [(fakes, labels)], reference, ALL, extractor(), num_fake=100
    )
    batches = ((fakes[i : i + 7], labels[i : i + 7]) for i in range(0, 120, 7))
    two = evaluate_images(batches, reference, ALL, extractor(), num_fake=100)
    assert one.scores == pytest.approx(two.scores)
    assert set(one.scores) == set(one.floor)
    assert len(one.scores) == 16


def test_floats_score_as_their_rounded_pixels():
    reference, fakes = source(), draw(100, 1)
    floats = fakes.astype(np.float32) / 127.5 - 1 + 1e-3
    one, two = (
        evaluate_images(f, reference, "frechet", extractor(), num_fake=100)
        for f in (fakes, floats)
    )
    assert one.scores == two.scores


def test_bright_fakes_are_not_mistaken_for_another_range():
    bright = np.full((100, 8, 8, 1), 0.9, np.float32)
    got = evaluate_images(
        bright, source(), "frechet", extractor(), num_fake=100
    )
    assert got.scores["frechet[quarters]"] > 0.1


def test_floor_is_that_of_equal_counts():
    reference, train = source(300), source(300, seed=5)
    got = evaluate_images(
        draw(120, 1),
        reference,
        "frechet",
        extractor(),
        num_fake=120,
        floor_source=train,
    )
    assert got.floor_protocol["num_fake"] == 120
    assert got.floor_protocol["num_real"] == 300
    halves = evaluate_images(
        draw(120, 1), reference, "frechet", extractor(), num_fake=120
    )
    assert halves.floor_protocol["num_real"] == 150
    assert halves.floor_protocol["num_fake"] == 120
    for floor in (got.floor, halves.floor):
        assert 0 < floor["frechet[quarters]"] < 0.05
    without = evaluate_images(
        draw(120, 1), reference, "frechet", extractor(), 120, floor=False
    )
    assert without.floor == {}


def test_reference_goes_through_the_extractor_once(tmp_path):
    function = Counting()
    evaluator = Evaluator(
        source(), ("frechet", "kernel"), extractor(function), num_fake=50
    )
    evaluator.evaluate(draw(50, 1))
    before = function.images
    first = evaluator.evaluate(draw(50, 2))
    assert function.images - before == 50
    assert evaluator.evaluate(draw(50, 2)).scores == first.scores


EVERYTHING = ("layers", "kernel", "classifier_score", "intra_class", "spectra")


@pytest.mark.parametrize("metrics", ["frechet", EVERYTHING])
def test_features_are_cached_by_what_they_depend_on(tmp_path, metrics):
    function = Counting()
    network = extractor(function)
    fakes = draw(50, 1), np.arange(50) % 2
    assert network.dimensions  # a blank picture goes through the function

    def images_used(reference, network=network, metrics=metrics, **kwargs):
        before = function.images
        got = evaluate_images(
            [fakes], reference, metrics, network, num_fake=50, **kwargs
        )
        # Beside the fakes, and the noise that a network is told by.
        sets = kwargs.get("cache", True) * (1 + kwargs.get("floor", True) * 2)
        return function.images - before - 50 - sets, got

    used, first = images_used(source(), floor=False)
    assert used == 200
    again, cached = images_used(source(), floor=False)
    assert again == 0
    assert cached.scores == first.scores
    whole = images_used(source(), floor=False, cache=False)
    assert whole[0] == 200
    assert whole[1].scores == pytest.approx(first.scores, rel=1e-12)
    assert images_used(source(), floor=False, metrics="prdc")[0] == 0
    halves, floor = images_used(source())
    assert halves == 150
    assert images_used(source())[0] == 0
    assert images_used(source())[1].floor == floor.floor
    assert images_used(source(), num_real=120, floor=False)[0] == 120
    assert images_used(source(seed=9), floor=False)[0] == 200
    for other in (
        extractor(function, "eighths"),
        extractor(lambda x: {k: v + 1 for k, v in function(x).items()}),
    ):
        # The dimensions take one more.
        assert images_used(source(), other, floor=False)[0] == 201
        assert images_used(source(), other, floor=False)[0] == 0
    files = list((tmp_path / "cache" / "features").iterdir())
    assert len(files) == 6  # the last one took the place of the first
    for file in files:
        file.write_bytes(file.read_bytes()[:-50])
    assert images_used(source(), floor=False)[0] == 200
    assert images_used(source(), floor=False)[0] == 0


def test_large_sets_of_features_are_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "MOST_BYTES", 100)
    got = evaluate_images(draw(50, 1), source(), "kernel", extractor(), 50)
    assert got.scores
    assert not (tmp_path / "cache").exists()


def test_features_that_were_not_used_for_longest_go_first(
    tmp_path, monkeypatch
):
    def score(seed):
        evaluate_images(
            draw(50, 1), source(seed=seed), "frechet", extractor(), 50
        )

    folder = tmp_path / "cache" / "features"
    monkeypatch.setattr(cache, "MOST_BYTES_IN_ALL", 0)
    score(0)
    assert list(folder.iterdir()) == []
    monkeypatch.undo()
    monkeypatch.setenv("KERAS_GANMIX_CACHE", str(tmp_path / "cache"))
    score(0)
    first = set(folder.iterdir())
    size = sum(file.stat().st_size for file in first)
    for file in first:
        os.utime(file, (1, 1))
    monkeypatch.setattr(cache, "MOST_BYTES_IN_ALL", size)
    score(1)
    assert len(set(folder.iterdir())) == len(first)
    assert not first & set(folder.iterdir())


def test_without_a_home_nothing_is_kept(monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(cache, "cache_folder", no_home)
    assert evaluate_images(draw(50, 1), source(), "kernel", extractor(), 50)


def test_names_of_scores_are_known_before():
    evaluator = Evaluator(source(), ALL, extractor(), num_fake=60)
    fakes = [(draw(60, 1), np.arange(60) % 2)]
    assert evaluator.score_names == list(evaluator.evaluate(fakes).scores)
    large = np.zeros((4, 70, 33, 1), np.uint8)
    evaluator = Evaluator(load(large), ["swd"], num_fake=4, floor=False)
    scores = evaluator.evaluate(large).scores
    assert evaluator.score_names == list(scores)
    assert len(scores) == 2
    ring = load("ring", "test", max_images=60)
    evaluator = Evaluator(
        ring, ["modes", "sliced_wasserstein"], num_fake=60, floor=False
    )
    scores = evaluator.evaluate(ring.images).scores
    assert evaluator.score_names == list(scores)


def test_imported_statistics_take_the_place_of_images(tmp_path):
    network, reference = extractor(), source()
    features = network(reference.images)
    path = tmp_path / "reference.npz"
    np.savez(path, mu=features.mean(0), sigma=np.cov(features, rowvar=False))
    imported = ReferenceStatistics.from_npz(path, (8, 8, 1), count=200)
    one, two = (
        evaluate_images(draw(90, 1), r, "frechet", network, num_fake=90)
        for r in (reference, imported)
    )
    assert one.scores == pytest.approx(two.scores)
    assert two.protocol["source"] == "reference.npz"
    assert one.protocol.differences(two.protocol).keys() == {
        "source",
        "split",
        "fingerprint",
    }
    with pytest.raises(ValueError, match=r"kernel, but only frechet can be"):
        Evaluator(imported, "kernel", network)
    known = ReferenceStatistics(
        "x", "test", (8, 8, 1), imported.statistics, extractor_hash="00" * 32
    )
    with pytest.raises(ValueError, match=r"num_real: 150 is not allowed.*200"):
        Evaluator(imported, "frechet", network, num_real=150)
    with pytest.raises(ValueError, match="with the hash 0000"):
        Evaluator(known, "frechet", network)


def test_points():
    reference = load("ring", max_images=3000)
    fakes = load("ring", split="test", max_images=2500).images
    got = evaluate_images(
        fakes, reference, ("modes", "sliced_wasserstein"), num_fake=2500
    )
    assert got.scores["modes"] == 8
    assert got.scores["high_quality"] == pytest.approx(0.989, abs=0.01)
    assert got.scores["sliced_wasserstein"] < 0.05
    assert got.protocol["extractor"] is None
    with pytest.raises(ValueError, match="frechet need images, but 'ring'"):
        evaluate_images(fakes, reference, "frechet")


def test_stacked_digits_by_the_classifier():
    rng = np.random.default_rng(0)
    digits = rng.integers(10, size=(600, 1, 1, 3)) * np.ones((1, 8, 8, 1))
    fakes = (digits * 20).astype(np.uint8)
    fakes[:300] = [0, 20, 40]
    reference = load("stacked_digits:fashion_mnist_10k", max_images=500)
    reference.store.array = np.zeros((10_000, 8, 8, 1), np.uint8)
    got = evaluate_images(
        fakes,
        reference,
        "modes",
        num_fake=600,
        floor=False,
        classify=lambda grey: grey[:, 0, 0, 0] // 20,
    )
    triples = {tuple(image[0, 0]) for image in fakes}
    assert got.scores["modes"] == len(triples)
    counts = np.unique(fakes[:, 0, 0], axis=0, return_counts=True)[1] / 600
    kl = (counts * np.log(counts * 1000)).sum()
    assert got.scores["mode_kl"] == pytest.approx(kl)


def test_garments_are_classified_by_the_shipped_extractor():
    reference = load("stacked_digits:fashion_mnist_10k", max_images=60)
    evaluator = Evaluator(reference, "modes", num_fake=60, floor=False)
    got = evaluator.evaluate(reference.images)
    assert evaluator.score_names == list(got.scores)
    known = len(np.unique(reference.labels))
    assert got.scores["modes"] == pytest.approx(known, abs=3)
    reference.name = "stacked_digits:mnist"
    with pytest.raises(ValueError, match="does not know the classes"):
        Evaluator(reference, "modes", num_fake=60)


def test_floor_that_cannot_be_is_said():
    images = draw(4, 0)
    reference = load((images, np.array([0, 0, 1, 1])))
    fakes = [(draw(10, 1), np.arange(10) % 2)]
    got = evaluate_images(fakes, reference, "intra_class", extractor(), 10)
    assert got.floor == {}
    assert "class" in got.floor_protocol["unavailable"]
    assert got.scores["intra_class_frechet[quarters]"] > 0


def test_names_are_known_without_tensorflow():
    code = (
        "import sys, keras_ganmix.metrics.evaluation;"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    root = pathlib.Path(keras_ganmix.__file__).parents[1]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root)


def test_file_and_table(tmp_path):
    got = evaluate_images(
        draw(60, 1), source(), "frechet,spectra", extractor(), 60, ema=True
    )
    path = tmp_path / "scores.json"
    got.save(path)
    again = Evaluation.load(path)
    assert again == got
    assert json.loads(path.read_text())["protocol"]["ema"] is True
    lines = got.table().splitlines()
    assert lines[1].split()[0] == "frechet[quarters]"
    assert lines[1].split()[-1] == "lower"
    assert "60 fakes against 200" in lines[-1]
    path.write_text("[]")
    with pytest.raises(ValueError, match="not a file of scores"):
        Evaluation.load(path)


def test_bad_requests():
    reference = source(labels=False)
    with pytest.raises(ValueError, match="Did you mean 'frechet'"):
        Evaluator(reference, "freched", extractor())
    with pytest.raises(ValueError, match="intra_class needs labels"):
        Evaluator(reference, "intra_class", extractor())
    with pytest.raises(ValueError, match="modes are for ring, grid"):
        Evaluator(reference, "modes", extractor())
    with pytest.raises(ValueError, match="num_fake: 1 samples"):
        Evaluator(reference, "frechet", extractor(), num_fake=1)
    with pytest.raises(ValueError, match="metrics: none given"):
        Evaluator(reference, (), extractor())
    lonely = Extractor(
        "lonely",
        lambda images: {"features": tf.reshape(images, (-1, 64))},
        (8, 8, 1),
        "cd" * 32,
    )
    with pytest.raises(ValueError, match="'lonely' has no layer 'early'"):
        Evaluator(reference, "layers", lonely)
    with pytest.raises(ValueError, match="floor_source: images of shape"):
        Evaluator(
            reference,
            "spectra",
            floor_source=load(draw(20, 0, (8, 8, 3))),
        )


def test_bad_fakes():
    evaluator = Evaluator(source(), "frechet", extractor(), num_fake=50)
    for fakes, message in (
        (draw(40, 1), "only 40 of num_fake=50 came"),
        (draw(50, 1, (8, 8, 3)), r"\(8, 8, 3\) do not match \(8, 8, 1\)"),
        (draw(50, 1).astype(np.float32), "reach from"),
        (np.full((50, 8, 8, 1), np.nan), "50 of 50 images hold NaN"),
        (draw(50, 1).astype(np.int32), "dtype int32"),
    ):
        with pytest.raises(ValueError, match=message):
            evaluator.evaluate(fakes)


def test_few_samples_warn():
    with pytest.warns(UserWarning, match="num_fake: only 50"):
        Evaluator(source(), "frechet", extractor(), num_fake=50)
