import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_ganmix.ops import transforms

NAMES = {
    "rotation": ["identity", "rotate_90", "rotate_180", "rotate_270"],
    "flipping": ["identity", "flip_up_down", "flip_left_right", "flip_both"],
    "fliprot": ["identity", "flip_up_down", "flip_left_right", "rotate_90"],
    "cropping": [
        "identity",
        "crop_top_left",
        "crop_top_right",
        "crop_bottom_left",
        "crop_bottom_right",
    ],
    "translation": ["identity", "translate"],
    "cutout": ["identity", "cutout"],
}

# What each transform does to one image, by numpy.
REFERENCE = {
    "identity": lambda x: x,
    "rotate_90": lambda x: np.rot90(x, 1),
    "rotate_180": lambda x: np.rot90(x, 2),
    "rotate_270": lambda x: np.rot90(x, 3),
    "flip_up_down": lambda x: x[::-1],
    "flip_left_right": lambda x: x[:, ::-1],
    "flip_both": lambda x: x[::-1, ::-1],
}


def images(batch=3, height=8, width=8, channels=2, seed=0, dtype="float32"):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(batch, height, width, channels)).astype(dtype)


def uniforms(batch, seed=0):
    return np.random.default_rng(seed).random((batch, 2), "float32")


def resize_by_loops(window, height, width):
    """Bilinear enlargement with pixel centres at half-integers."""
    tall, wide = window.shape[:2]
    out = np.zeros((height, width, window.shape[2]))
    for i in range(height):
        for j in range(width):
            y = min(max((i + 0.5) * tall / height - 0.5, 0), tall - 1)
            x = min(max((j + 0.5) * wide / width - 0.5, 0), wide - 1)
            v, u = min(int(y), tall - 2), min(int(x), wide - 2)
            dy, dx = y - v, x - u
            out[i, j] = (1 - dy) * (
                (1 - dx) * window[v, u] + dx * window[v, u + 1]
            ) + dy * ((1 - dx) * window[v + 1, u] + dx * window[v + 1, u + 1])
    return out


def translate_by_loops(x, u):
    out = np.zeros_like(x)
    for b in range(len(x)):
        shifts = []
        for axis in (0, 1):
            limit = int(x.shape[axis + 1] / 8 + 0.5)
            shifts.append(int(u[b, axis] * (2 * limit + 1)) - limit)
        for i in range(x.shape[1]):
            for j in range(x.shape[2]):
                v, w = i - shifts[0], j - shifts[1]
                if 0 <= v < x.shape[1] and 0 <= w < x.shape[2]:
                    out[b, i, j] = x[b, v, w]
    return out


def cutout_by_loops(x, u):
    out = x.copy()
    for b in range(len(x)):
        span = []
        for axis in (0, 1):
            size = x.shape[axis + 1]
            length = int(size / 2 + 0.5)
            centre = int(u[b, axis] * (size + 1 - length % 2))
            span.append(
                range(centre - length // 2, centre - length // 2 + length)
            )
        for i in range(x.shape[1]):
            for j in range(x.shape[2]):
                if i in span[0] and j in span[1]:
                    out[b, i, j] = 0
    return out


@pytest.mark.parametrize("policy", NAMES)
def test_policies_in_order(policy):
    got = transforms.transforms(policy)
    assert [t.name for t in got] == NAMES[policy]
    x = images()
    np.testing.assert_array_equal(got[0](x), x)
    for transform in got:
        if transform.name in REFERENCE:
            want = np.stack([REFERENCE[transform.name](i) for i in x])
            np.testing.assert_array_equal(transform(x), want)
            assert transform.uniforms == 0
        assert transform.square == (
            transform.name in ("rotate_90", "rotate_270")
        )


@pytest.mark.parametrize("size", [(8, 8), (9, 6)])
def test_crops_are_resized_corners(size):
    x = images(2, *size)
    tall, wide = (round(0.75 * n) for n in size)
    corners = {
        "crop_top_left": x[:, :tall, :wide],
        "crop_top_right": x[:, :tall, -wide:],
        "crop_bottom_left": x[:, -tall:, :wide],
        "crop_bottom_right": x[:, -tall:, -wide:],
    }
    for transform in transforms.transforms("cropping")[1:]:
        window = corners[transform.name]
        want = np.stack([resize_by_loops(w, *size) for w in window])
        np.testing.assert_allclose(transform(x), want, atol=1e-5)
        assert (np.abs(want - x) > 0.1).any()


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 100), st.integers(2, 17), st.integers(2, 17))
def test_translation_and_cutout_equal_loops(seed, height, width):
    x, u = images(4, height, width, 1, seed), uniforms(4, seed)
    (_, translate), (_, cutout) = (
        transforms.transforms(p) for p in ("translation", "cutout")
    )
    np.testing.assert_array_equal(translate(x, u), translate_by_loops(x, u))
    np.testing.assert_array_equal(cutout(x, u), cutout_by_loops(x, u))


def test_translation_reaches_both_limits_and_rests_in_the_middle():
    x = images(3, 16, 16)
    u = np.float32([[0, 0], [0.5, 0.5], [0.999, 0.999]])
    moved = np.asarray(transforms.translate(x, u))
    np.testing.assert_array_equal(moved[0, :-2, :-2], x[0, 2:, 2:])
    np.testing.assert_array_equal(moved[1], x[1])
    np.testing.assert_array_equal(moved[2, 2:, 2:], x[2, :-2, :-2])
    assert (moved[0, -2:] == 0).all() and (moved[2, :, :2] == 0).all()


@pytest.mark.parametrize("k", range(-1, 6))
def test_rotation_counter_clockwise(k):
    x = images(2, 5, 5)
    want = np.rot90(x, k, axes=(1, 2))
    np.testing.assert_array_equal(transforms.rotate90(x, k), want)
    np.testing.assert_array_equal(transforms.rotate90(x, [k, k]), want)


def test_rotation_per_image_equals_loops():
    x, k = images(8, 6, 6), np.arange(8)
    want = [np.rot90(image, turns) for image, turns in zip(x, k, strict=True)]
    np.testing.assert_array_equal(transforms.rotate90(x, k), np.stack(want))


@pytest.mark.parametrize("k", [1, -1, [0, 2]])
def test_rotation_refuses_oblong_images(k):
    with pytest.raises(ValueError, match="square images, got 4 x 6"):
        transforms.rotate90(images(2, 4, 6), k)


def test_half_turn_of_oblong_images():
    x = images(2, 4, 6)
    np.testing.assert_array_equal(transforms.rotate90(x, 2), x[:, ::-1, ::-1])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("policy", NAMES)
def test_dtype_is_kept(policy, dtype):
    x = tf.cast(images(2, 8, 8, 3), dtype)
    u = tf.cast(uniforms(2), dtype)
    for transform in transforms.transforms(policy):
        y = transform(x, u)
        assert y.dtype == x.dtype and y.shape == x.shape
        assert np.isfinite(tf.cast(y, "float32")).all()


@pytest.mark.parametrize("policy", NAMES)
def test_linear_with_the_right_gradient_under_graph_and_xla(policy):
    """All are linear in the images: <T x, y> has the gradient T' y."""
    x, y, u = images(3), images(3, seed=1), uniforms(3)
    signature = [tf.TensorSpec([None, 8, 8, 2])] * 2
    for transform in transforms.transforms(policy):

        def function(x, y, transform=transform):
            with tf.GradientTape() as tape:
                tape.watch(x)
                out = transform(x, u)
                total = tf.reduce_sum(out * y)
            return out, tape.gradient(total, x)

        want = np.asarray(transform(x, u))
        for jit in (False, True):
            compiled = tf.function(function, signature, jit_compile=jit)
            out, gradient = compiled(x, y)
            np.testing.assert_allclose(out, want, atol=1e-5)
            # <T x', y> = <x', T' y> for any other x'.
            other = images(3, seed=2)
            np.testing.assert_allclose(
                np.vdot(gradient, other),
                np.vdot(transform(other, u), y),
                rtol=1e-3,
            )


def test_second_gradient_passes_through_a_shift():
    x, u = tf.constant(images(2)), uniforms(2)
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            total = tf.reduce_sum(transforms.translate(x, u) ** 3)
        square = tf.reduce_sum(inner.gradient(total, x) ** 2)
    # A pixel moved out of the image has no gradient.
    rows, columns = shifts(u, 8)
    ones = np.ones(x.shape, "float32")
    kept = transforms.shift(
        transforms.shift(ones, rows, columns), -rows, -columns
    )
    assert np.mean(kept) < 1
    want = 36.0 * x**3 * kept
    np.testing.assert_allclose(outer.gradient(square, x), want, rtol=1e-4)


def shifts(u, size):
    limit = int(size / 8 + 0.5)
    return (np.floor(u * (2 * limit + 1)) - limit).astype("int32").T


def test_errors():
    with pytest.raises(ValueError, match=r"policy 'rotatoin'.*'rotation'"):
        transforms.transforms("rotatoin")
    with pytest.raises(ValueError, match=r"uniforms: .*'cutout' needs 2"):
        transforms.transforms("cutout")[1](images())
