import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ganmix.metrics import Extractor, from_keras, get_extractor
from keras_ganmix.metrics.hashes import hash_arrays


def mean_extractor(shape=(8, 8, 1), **kwargs):
    def function(images):
        return {
            "features": tf.reshape(images, (tf.shape(images)[0], -1)),
            "early": tf.reduce_mean(images, axis=(1, 2)),
        }

    return Extractor("pixels", function, shape, "0" * 64, **kwargs)


def pixels(count=10, shape=(8, 8, 1), seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(256, size=(count, *shape), dtype=np.uint8)


def test_features_are_those_of_the_function_in_any_batches():
    images = pixels(11)
    expected = (images / 127.5 - 1).reshape(11, -1)
    for batch_size in (1, 4, 11, 100):
        extractor = mean_extractor(batch_size=batch_size)
        np.testing.assert_allclose(extractor(images), expected, atol=1e-6)
    assert extractor.dimension == 64
    assert extractor.dimensions == {"early": 1, "features": 64}
    early = extractor(images, layer="early")
    np.testing.assert_allclose(early[:, 0], expected.mean(1), atol=1e-6)
    assert extractor(images[:0]).shape == (0, 64)


def test_uint8_and_both_float_ranges_agree():
    images = pixels()
    extractor = mean_extractor()
    for floats, value_range in (
        (images / 127.5 - 1, None),
        (images / 255, (0, 1)),
    ):
        np.testing.assert_allclose(
            extractor(floats, value_range=value_range),
            extractor(images),
            atol=1e-6,
        )


def test_other_sizes_are_resized_without_aliasing():
    """A chequerboard of single pixels is grey at half the size."""
    board = np.indices((16, 16)).sum(0) % 2 * 255
    images = np.tile(board[None, :, :, None], (2, 1, 1, 1)).astype(np.uint8)
    small = mean_extractor()(images).reshape(2, 8, 8)
    np.testing.assert_allclose(small[:, 2:-2, 2:-2], 0, atol=0.02)
    constant = mean_extractor()(np.full((1, 5, 9, 1), 0.25))
    np.testing.assert_allclose(constant, 0.25, atol=1e-6)
    assert np.abs(mean_extractor()(pixels(shape=(5, 6, 1)))).max() <= 1


def test_grey_is_repeated_and_colour_is_refused():
    colour = mean_extractor((8, 8, 3))
    got = colour(pixels()).reshape(10, 8, 8, 3)
    np.testing.assert_array_equal(got[..., 0], got[..., 2])
    with pytest.raises(ValueError, match="3 channels, but the extractor"):
        mean_extractor()(pixels(shape=(8, 8, 3)))


def test_bad_requests():
    with pytest.raises(ValueError, match="Did you mean 'features'"):
        mean_extractor()(pixels(), layer="feature")
    with pytest.raises(ValueError, match="Did you mean 'fashion'"):
        get_extractor("fashon")
    with pytest.raises(ValueError, match=r"expected a keras\.Model, got int"):
        get_extractor(3)
    with pytest.raises(ValueError, match="hash of the weights is 0000"):
        get_extractor(mean_extractor(), expected_hash="1234567890")
    with pytest.raises(ValueError, match=r"fashion.*comes with the package"):
        get_extractor("fashion", path="/tmp/x")


def test_hash_sees_values_shapes_and_dtypes():
    array = np.arange(6.0)
    hashes = {
        hash_arrays(arrays)
        for arrays in (
            [array],
            [array + 1],
            [array.reshape(2, 3)],
            [array.astype(np.float32)],
            [array[:3], array[3:]],
        )
    }
    assert len(hashes) == 5
    assert hash_arrays([array]) == hash_arrays([array[::-1][::-1]])


def user_model():
    images = keras.Input((6, 6, 3), name="images")
    x = keras.layers.Conv2D(2, 3, name="first")(images)
    x = keras.layers.Flatten()(x)
    return keras.Model(images, keras.layers.Dense(4)(x), name="mine")


def test_keras_model_with_its_own_range_and_early_layer():
    model = user_model()
    images = pixels(shape=(6, 6, 3))
    extractor = from_keras(model, value_range=(0, 255), early="first")
    expected = model(images.astype(np.float32)).numpy()
    np.testing.assert_allclose(extractor(images), expected, atol=1e-3)
    first = model.get_layer("first")(images.astype(np.float32)).numpy()
    np.testing.assert_allclose(
        extractor(images, layer="early"), first.reshape(10, -1), atol=1e-3
    )
    assert extractor.name == "mine"
    assert extractor.describe()["preprocessing"] == "range [0, 255]"
    assert get_extractor(model).weight_hash == extractor.weight_hash
    model.set_weights([w + 1 for w in model.get_weights()])
    assert get_extractor(model).weight_hash != extractor.weight_hash


def test_keras_model_that_does_not_fit():
    with pytest.raises(ValueError, match="'fashion' is the name of a shipped"):
        from_keras(user_model(), name="fashion")
    unsized = keras.Sequential(
        [keras.Input((None, None, 3)), keras.layers.GlobalAveragePooling2D()]
    )
    with pytest.raises(ValueError, match="one input of images with a known"):
        from_keras(unsized)
    model = user_model()
    named = keras.Model(model.inputs, {"logits": model.output})
    with pytest.raises(ValueError, match="no output named 'features'"):
        from_keras(named)
