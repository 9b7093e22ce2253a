import numpy as np
import pytest
import tensorflow as tf

from keras_ganmix.ops import augment, transforms

DIFF_AUGMENT = ("color", "translation", "cutout")
EVERYTHING = ("flip", "rotation", "translation", "color", "cutout")


def images(batch=6, channels=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (batch, 8, 8, channels)).astype("float32")


def uniforms(batch, count, seed=1):
    return np.random.default_rng(seed).random((batch, count), "float32")


def color_by_loops(x, u):
    out = x.astype("float64").copy()
    for b in range(len(x)):
        out[b] += u[b, 0] - 0.5
        for pixel in out[b].reshape(-1, x.shape[-1]):
            grey = pixel.mean()
            pixel[:] = (pixel - grey) * 2 * u[b, 1] + grey
        mean = out[b].mean()
        out[b] = (out[b] - mean) * (u[b, 2] + 0.5) + mean
    return out


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_color_equals_loops(channels):
    x, u = images(channels=channels), uniforms(6, 3)
    got = augment.augment(x, u, ["color"])
    if channels == 1:
        u[:, 1] = 0.5  # saturation does nothing to grey images
    np.testing.assert_allclose(got, color_by_loops(x, u), atol=1e-5)


def test_saturation_of_grey_images_is_exactly_nothing():
    x = images(channels=1)
    np.testing.assert_array_equal(
        augment.saturation(x, uniforms(6, 1)[:, 0]), x
    )


def test_one_half_changes_no_color():
    x, half = images(), np.full(6, 0.5, "float32")
    for function in (augment.brightness, augment.saturation, augment.contrast):
        np.testing.assert_allclose(function(x, half), x, atol=1e-6)


def test_diff_augment_is_color_then_shift_then_cutout():
    x, u = images(), uniforms(6, 7)
    assert augment.uniforms_needed(DIFF_AUGMENT) == 7
    want = augment.augment(x, u[:, :3], ["color"])
    want = transforms.translate(want, u[:, 3:5])
    want = transforms.cutout(want, u[:, 5:])
    got = augment.augment(x, u, DIFF_AUGMENT)
    np.testing.assert_array_equal(got, want)
    assert (np.asarray(got) == 0).mean() > 0.1


def test_flips_and_rotations():
    x = images(8)
    u = (np.arange(8, dtype="float32") + 0.5) / 8
    flipped = np.asarray(augment.flip(x, u))
    np.testing.assert_array_equal(flipped[:4], x[:4, :, ::-1])
    np.testing.assert_array_equal(flipped[4:], x[4:])
    turned = np.asarray(augment.rotation(x, u))
    want = [np.rot90(x[i], i // 2) for i in range(8)]
    np.testing.assert_array_equal(turned, np.stack(want))


def test_gate_chooses_per_image():
    x = images(4)
    gate = np.float32([0.0, 0.29, 0.3, 0.9])
    mixed = np.asarray(augment.apply_with_probability(x, -x, gate, 0.3))
    np.testing.assert_array_equal(mixed, np.concatenate([-x[:2], x[2:]]))


def test_probability_zero_is_exactly_nothing_and_one_is_always():
    x = images()
    count = augment.uniforms_needed(EVERYTHING, gated=True)
    assert count == 2 + 2 + 3 + 6 + 3
    u = uniforms(6, count)
    never = augment.augment(x, u, EVERYTHING, 0.0)
    np.testing.assert_array_equal(never, x)
    columns = [0, 2, 4, 5, 7, 9, 11, 13, 14]  # those that are no gates
    np.testing.assert_array_equal(
        augment.augment(x, u, EVERYTHING, tf.constant(1.0)),
        augment.augment(x, u[:, columns], EVERYTHING),
    )


def test_each_piece_is_gated_independently():
    x = images(4000, 1)[:, :2, :2]
    u = uniforms(4000, 4)
    got = np.asarray(augment.augment(x, u, ["flip", "rotation"], 0.4))
    touched = (u[:, 1] < 0.4) | (u[:, 3] < 0.4)
    np.testing.assert_array_equal(got[~touched], x[~touched])
    changed = (got != x).any((1, 2, 3)).mean()
    # A flip happens with 0.4 / 2, a turn with 0.4 * 3 / 4.
    np.testing.assert_allclose(changed, 1 - 0.8 * 0.7, atol=0.03)


@pytest.mark.parametrize("channels", [1, 3])
def test_gradient_equals_differences(channels):
    x, u = images(2, channels), uniforms(2, 16)
    weights = images(2, channels, seed=2)

    def total(x):
        out = augment.augment(x, u, EVERYTHING, 0.7)
        return tf.reduce_sum(out * weights)

    point = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(point)
        value = total(point)
    gradient = tape.gradient(value, point)
    direction = images(2, channels, seed=3)
    # Affine in the images, so differences are exact.
    np.testing.assert_allclose(
        total(x + direction) - total(x),
        np.vdot(gradient, direction),
        rtol=1e-3,
        atol=1e-3,
    )
    assert (np.asarray(gradient) != 0).any()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_kept_and_finite(dtype):
    x = tf.cast(images(), dtype)
    u = tf.cast(uniforms(6, 9), dtype)
    y = augment.augment(x, u, EVERYTHING)
    assert y.dtype == x.dtype
    assert np.isfinite(tf.cast(y, "float32")).all()


def test_same_under_xla_and_for_an_unknown_batch():
    x, u = images(), uniforms(6, 16)
    want = augment.augment(x, u, EVERYTHING, 0.5)
    signature = [
        tf.TensorSpec([None, 8, 8, 3]),
        tf.TensorSpec([None, 16]),
        tf.TensorSpec([]),
    ]
    for jit in (False, True):
        function = tf.function(
            lambda x, u, p: augment.augment(x, u, EVERYTHING, p),
            signature,
            jit_compile=jit,
        )
        np.testing.assert_allclose(function(x, u, 0.5), want, atol=1e-5)


def test_errors():
    with pytest.raises(ValueError, match=r"'colour'.*'color'"):
        augment.uniforms_needed(["colour"])
    with pytest.raises(ValueError, match=r"uniforms: got 4 .* needs 3"):
        augment.augment(images(), uniforms(6, 4), ["color"])
    oblong = np.zeros((2, 4, 6, 1), "float32")
    with pytest.raises(ValueError, match="square images, got 4 x 6"):
        augment.augment(oblong, uniforms(2, 1), ["rotation"])
