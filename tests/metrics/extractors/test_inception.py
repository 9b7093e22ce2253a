import tarfile

import numpy as np
import pytest
import tensorflow as tf

from keras_ganmix.metrics import get_extractor
from keras_ganmix.metrics.extractors import inception


class StandIn(tf.Module):
    """The signature of the network that tensorflow-gan publishes."""

    def __init__(self, dimension=2048):
        super().__init__()
        kernel = np.random.default_rng(0).normal(size=(3, dimension))
        self.kernel = tf.Variable(kernel.astype(np.float32))

    @tf.function(input_signature=[tf.TensorSpec((None, 299, 299, 3))])
    def __call__(self, images):
        pool = tf.reduce_mean(images, axis=(1, 2)) @ self.kernel
        return {
            "pool_3": pool[:, None, None, :],
            "logits": 2.0 * pool[:, :1008],
        }


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("hub") / "inception"
    tf.saved_model.save(StandIn(), str(path))
    return path


@pytest.fixture
def images():
    rng = np.random.default_rng(1)
    return rng.integers(256, size=(5, 299, 299, 3), dtype=np.uint8)


def test_layers_are_those_of_the_network(folder, images):
    extractor = get_extractor("inception", path=folder)
    expected = (images / 127.5 - 1).mean((1, 2)) @ StandIn().kernel.numpy()
    np.testing.assert_allclose(extractor(images), expected, atol=1e-4)
    np.testing.assert_allclose(
        extractor(images, layer="logits"), 2 * expected[:, :1008], atol=1e-4
    )
    assert extractor.dimensions == {"features": 2048, "logits": 1008}
    assert extractor.describe()["input_shape"] == [299, 299, 3]


def test_signature_alone_is_enough(folder, images, tmp_path):
    module = tf.Module()
    loaded = tf.saved_model.load(str(folder))
    module.loaded = loaded
    signature = loaded.__call__.get_concrete_function()
    path = tmp_path / "signature_only"
    tf.saved_model.save(
        module, str(path), signatures={"serving_default": signature}
    )
    extractor = get_extractor("inception", path=path)
    np.testing.assert_allclose(
        extractor(images),
        get_extractor("inception", path=folder)(images),
        atol=1e-5,
    )


def test_hash_is_checked_and_sees_the_variables(folder, tmp_path):
    full = inception.hash_saved_model(folder)
    found = get_extractor("inception", folder, expected_hash=full[:12])
    assert found.weight_hash == full
    with pytest.raises(ValueError, match=r"hash of the weights is .* expected"):
        get_extractor("inception", folder, expected_hash="0123456789ab")
    other = tmp_path / "other"
    network = StandIn()
    network.kernel.assign_add(tf.ones_like(network.kernel))
    tf.saved_model.save(network, str(other))
    assert inception.hash_saved_model(other) != full


def test_another_network_is_not_called_inception(tmp_path):
    path = tmp_path / "small"
    tf.saved_model.save(StandIn(1024), str(path))
    with pytest.raises(ValueError, match="1024 dimensions, not 2048"):
        get_extractor("inception", path)
    with pytest.raises(ValueError, match=r"no saved_model\.pb in it"):
        get_extractor("inception", tmp_path)


@pytest.fixture
def hub(folder, monkeypatch, tmp_path):
    """A file in the place of TF-Hub, and an empty cache."""
    if not hasattr(tarfile, "data_filter"):
        pytest.skip("needs Python 3.11.4")
    published = tmp_path / "published.tar.gz"
    with tarfile.open(published, "w:gz") as archive:
        archive.add(folder, arcname=".")
    monkeypatch.setattr(inception, "HANDLE", published.as_uri())
    monkeypatch.setattr(inception, "_QUERY", "")
    monkeypatch.delenv("TFHUB_CACHE_DIR", raising=False)
    monkeypatch.setenv("KERAS_GANMIX_CACHE", str(tmp_path / "cache"))
    return published


def test_offline_says_what_to_do_and_leaves_nothing(hub, tmp_path):
    hub.unlink()
    with pytest.raises(ValueError, match=r"cannot be downloaded .*--extractor"):
        get_extractor("inception")
    assert list((tmp_path / "cache").iterdir()) == []


def test_torn_download_leaves_nothing(hub, tmp_path):
    hub.write_bytes(hub.read_bytes()[:-3000])
    with pytest.raises(ValueError, match="cannot be downloaded"):
        get_extractor("inception")
    assert list((tmp_path / "cache").iterdir()) == []


def test_downloaded_once_then_from_the_cache(hub, folder):
    first = get_extractor("inception")
    assert first.weight_hash == inception.hash_saved_model(folder)
    hub.unlink()
    assert get_extractor("inception").weight_hash == first.weight_hash


def test_later_loads_must_match_the_first(hub, tmp_path):
    first = get_extractor("inception")
    note = tmp_path / "cache" / "inception.sha256"
    assert note.read_text().strip() == first.weight_hash
    note.write_text("f" * 64)
    with pytest.raises(ValueError, match="hash of the weights"):
        get_extractor("inception")
