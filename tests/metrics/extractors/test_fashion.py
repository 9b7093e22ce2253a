import numpy as np
import pytest

from keras_ganmix.data import load
from keras_ganmix.metrics import FeatureStatistics, get_extractor
from keras_ganmix.metrics.extractors import fashion


@pytest.fixture(scope="module")
def extractor():
    return get_extractor("fashion")


@pytest.fixture(scope="module")
def outputs(extractor):
    return extractor.outputs(load("fashion_mnist_10k", split="test").images)


def test_recognises_held_out_garments(outputs):
    labels = load("fashion_mnist_10k", split="test").labels
    assert (outputs["logits"].argmax(axis=1) == labels).mean() > 0.91


def test_layers_and_size_of_the_files(extractor):
    assert extractor.dimensions == {"early": 48, "features": 128, "logits": 10}
    assert extractor.weight_hash == fashion.WEIGHT_HASH
    folder = fashion.resources.files("keras_ganmix.metrics.extractors")
    size = sum(
        len((folder / name).read_bytes())
        for name in (fashion.WEIGHTS_FILE, fashion.STATISTICS_FILE)
    )
    assert size < 1_500_000


def test_folding_changes_nothing():
    trained = fashion.build(batch_norm=True)
    rng = np.random.default_rng(0)
    trained.set_weights(
        [
            w + rng.uniform(0.1, 0.5, w.shape).astype(w.dtype)
            for w in trained.get_weights()
        ]
    )
    folded = fashion.build()
    folded.set_weights(fashion.fold(trained))
    images = rng.uniform(-1, 1, size=(4, 28, 28, 1)).astype(np.float32)
    expected, got = trained(images), folded(images)
    for name in expected:
        np.testing.assert_allclose(got[name], expected[name], rtol=2e-4)


@pytest.mark.parametrize("size", fashion.STATISTICS_SIZES)
def test_embedded_test_images_are_close_to_the_shipped_statistics(
    extractor, size
):
    """A part of the test set is nearer to all of it than blurred images."""
    shipped = fashion.reference_statistics(size)
    assert len(shipped) == 10_000
    shipped.check_extractor(extractor)
    images = load("fashion_mnist_10k", split="test", image_size=size).images
    part = FeatureStatistics().update(extractor(images))
    with pytest.warns(UserWarning, match="only 2000"):
        floor = part.frechet(shipped.statistics)
    half = images // 2 + np.roll(images, 1, axis=1) // 2
    with pytest.warns(UserWarning, match="only 2000"):
        damaged = (
            FeatureStatistics()
            .update(extractor(half))
            .frechet(shipped.statistics)
        )
    assert floor < 0.1 * damaged


def test_statistics_of_other_sizes_are_not_there():
    with pytest.raises(ValueError, match="image_size: no statistics"):
        fashion.reference_statistics(64)


def test_damaged_weights_are_refused(monkeypatch):
    arrays = fashion._read(fashion.WEIGHTS_FILE)
    key = sorted(arrays)[0]
    arrays[key] = arrays[key] + np.float16(0.1)
    monkeypatch.setattr(fashion, "_read", lambda name: arrays)
    with pytest.raises(ValueError, match="hash of the weights"):
        get_extractor("fashion")
