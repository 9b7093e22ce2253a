import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_ganmix.ops import similarity


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, "float64")))


def cosine(a, b):
    a, b = np.ravel(a).astype("float64"), np.ravel(b).astype("float64")
    return a @ b / np.sqrt((a @ a) * (b @ b))


def penalty_by_loops(
    z, f, scale, weighting, threshold, center, include_diagonal
):
    if center:
        f = f - f.mean(0)
    terms = []
    for i in range(len(z)):
        for j in range(len(z)):
            if i == j and not include_diagonal:
                continue
            s_f = sigmoid(scale * cosine(f[i], f[j]))
            cos_z = cosine(z[i], z[j])
            if weighting == "ratio":
                terms.append(s_f / (sigmoid(scale * cos_z) + 1e-8))
            elif cos_z < threshold:
                terms.append(s_f)
    return np.mean(terms) if terms else 0.0


@settings(max_examples=15, deadline=None)
@given(
    st.integers(2, 7),
    st.sampled_from([0.5, 5.0]),
    st.sampled_from(["ratio", "threshold"]),
    st.sampled_from([-0.5, 0.0, 0.3]),
    st.booleans(),
    st.booleans(),
)
def test_penalty_equals_loops(
    batch, scale, weighting, threshold, center, diagonal
):
    z, f = normal(batch, 3), normal(batch, 2, 2, 3, seed=1)
    arguments = (scale, weighting, threshold, center, diagonal)
    np.testing.assert_allclose(
        similarity.diversity_penalty(z, f, *arguments),
        penalty_by_loops(z, f, *arguments),
        rtol=1e-4,
    )


def test_penalty_of_identical_fakes():
    z, f = normal(8, 4), np.repeat(normal(1, 5), 8, axis=0)
    s_z = sigmoid(5 * np.asarray(similarity.cosine_matrix(z)))
    off = ~np.eye(8, dtype=bool)
    np.testing.assert_allclose(
        similarity.diversity_penalty(z, f),
        sigmoid(5) * np.mean(1 / s_z[off]),
        rtol=1e-5,
    )


def test_penalty_of_orthogonal_features():
    z, f = normal(8, 4), np.eye(8, 20)
    s_z = sigmoid(5 * np.asarray(similarity.cosine_matrix(z)))
    off = ~np.eye(8, dtype=bool)
    np.testing.assert_allclose(
        similarity.diversity_penalty(z, f),
        0.5 * np.mean(1 / s_z[off]),
        rtol=1e-5,
    )


def test_penalty_is_one_where_features_are_as_alike_as_latents():
    z = normal(8, 4)
    np.testing.assert_allclose(
        similarity.diversity_penalty(z, 3.0 * z), 1.0, rtol=1e-6
    )


def test_penalty_scale_of_high_dimensional_latents():
    z = normal(64, 512)
    collapsed = similarity.diversity_penalty(z, np.ones((64, 9)))
    spread = similarity.diversity_penalty(z, np.eye(64))
    np.testing.assert_allclose(collapsed, 2.0, atol=0.05)
    np.testing.assert_allclose(spread, 1.0, atol=0.05)


@pytest.mark.parametrize("factor", [1e-3, 10.0, 1e4])
def test_scaling_features_changes_nothing(factor):
    z, f = normal(6, 4), normal(6, 3, 3, 2, seed=1)
    np.testing.assert_allclose(
        similarity.diversity_penalty(z, factor * f),
        similarity.diversity_penalty(z, f),
        rtol=1e-4,
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("value", [0.0, 6e4])
def test_penalty_is_finite_at_zero_and_huge_features(dtype, value):
    f = tf.fill([4, 8, 8, 4], tf.cast(value, dtype))
    z = tf.cast(normal(4, 8), dtype)
    for weighting in similarity.WEIGHTINGS:
        with tf.GradientTape() as tape:
            tape.watch(f)
            penalty = similarity.diversity_penalty(z, f, weighting=weighting)
        assert penalty.dtype == tf.float32 and np.isfinite(penalty)
        gradient = tf.cast(tape.gradient(penalty, f), "float32")
        assert np.isfinite(gradient).all()


def test_penalty_pulls_features_apart():
    z = normal(4, 8)
    f = tf.Variable(np.ones((4, 6), "float32") + 0.1 * normal(4, 6, seed=1))
    start = float(similarity.diversity_penalty(z, f))
    for _ in range(200):
        with tf.GradientTape() as tape:
            penalty = similarity.diversity_penalty(z, f)
        f.assign_sub(2.0 * tape.gradient(penalty, f))
    assert float(similarity.diversity_penalty(z, f)) < 0.5 * start
    cosines = np.asarray(similarity.cosine_matrix(f))
    assert np.mean(cosines[~np.eye(4, dtype=bool)]) < 0


def test_cosine_matrix_equals_loops():
    x = normal(5, 2, 3)
    want = [[cosine(a, b) for b in x] for a in x]
    np.testing.assert_allclose(similarity.cosine_matrix(x), want, atol=1e-6)


def test_unknown_weighting():
    with pytest.raises(ValueError, match=r"'ratios'.*'ratio'"):
        similarity.diversity_penalty([[1.0]], [[1.0]], weighting="ratios")


def test_mode_seeking():
    a, b = normal(2, 6, 4, 4, 3)
    z, w = normal(2, 6, 5, seed=1)
    ratio = np.abs(a - b).mean() / np.abs(z - w).mean()
    np.testing.assert_allclose(
        similarity.mode_seeking_ratio(a, b, z, w), ratio, rtol=1e-5
    )
    np.testing.assert_allclose(
        similarity.mode_seeking_loss(a, b, z, w),
        1 / (ratio + 1e-5),
        rtol=1e-5,
    )
    np.testing.assert_allclose(
        similarity.mode_seeking_loss(a, a, z, w), 1e5, rtol=1e-5
    )
    assert float(similarity.mode_seeking_ratio(a, a, z, z)) == 0.0


def gdpp_by_numpy(real, fake, signed):
    def spectrum(x):
        x = x.reshape(len(x), -1).astype("float64")
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
        return np.linalg.eigh(x @ x.T)

    real_values, real_vectors = spectrum(real)
    fake_values, fake_vectors = spectrum(fake)
    magnitude = np.mean((real_values - fake_values) ** 2)
    low, high = real_values.min(), real_values.max()
    structure = 0.0
    for i in range(len(real)):
        similar = real_vectors[:, i] @ fake_vectors[:, i]
        weight = (real_values[i] - low) / (high - low)
        structure -= weight * (similar if signed else abs(similar))
    return magnitude, structure


def test_gdpp_equals_numpy():
    real, fake = normal(6, 3, 3, 2), normal(6, 3, 3, 2, seed=1)
    np.testing.assert_allclose(
        similarity.gdpp_terms(real, fake),
        gdpp_by_numpy(real, fake, False),
        rtol=1e-3,
    )


def test_gdpp_with_sign_differs_only_by_signs():
    real, fake = normal(5, 20), normal(5, 20, seed=1)
    _, signed = similarity.gdpp_terms(real, fake, signed=True)
    _, unsigned = similarity.gdpp_terms(real, fake)
    _, aligned = similarity.gdpp_terms(real, real, signed=True)
    assert abs(float(signed)) < -float(unsigned)
    np.testing.assert_allclose(
        aligned, similarity.gdpp_terms(real, real)[1], rtol=1e-4
    )


def test_gdpp_of_equal_batches_is_minimal():
    real = normal(6, 30)
    magnitude, structure = similarity.gdpp_terms(real, real)
    values = np.linalg.eigvalsh(np.asarray(similarity.cosine_matrix(real)))
    weights = (values - values.min()) / (values.max() - values.min())
    np.testing.assert_allclose(magnitude, 0.0, atol=1e-10)
    np.testing.assert_allclose(structure, -weights.sum(), rtol=1e-3)


def test_gdpp_gradient_equals_differences():
    real, fake = normal(5, 12), normal(5, 12, seed=1).astype("float64")

    def total(f):
        magnitude, structure = gdpp_by_numpy(real, f, False)
        return magnitude + structure

    want = np.zeros_like(fake)
    for index in np.ndindex(fake.shape):
        step = np.zeros_like(fake)
        step[index] = 1e-5
        want[index] = (total(fake + step) - total(fake - step)) / 2e-5
    variable = tf.constant(fake.astype("float32"))
    constant = tf.constant(real)
    with tf.GradientTape() as tape:
        tape.watch([variable, constant])
        loss = tf.add_n(similarity.gdpp_terms(constant, variable))
    got, none = tape.gradient(loss, [variable, constant])
    assert none is None  # reals get no gradient
    np.testing.assert_allclose(got, want, atol=2e-3 * np.abs(want).max())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_gdpp_is_finite_for_collapsed_fakes(dtype):
    real = tf.cast(normal(6, 9), dtype)
    for fake in (tf.ones((6, 9), dtype), tf.zeros((6, 9), dtype)):
        with tf.GradientTape() as tape:
            tape.watch(fake)
            loss = tf.add_n(similarity.gdpp_terms(real, fake))
        assert np.isfinite(loss)
        gradient = tf.cast(tape.gradient(loss, fake), "float32")
        assert np.isfinite(gradient).all()


def test_gdpp_refuses_other_batch_sizes():
    with pytest.raises(ValueError, match="batch of 3 differs from the 4"):
        similarity.gdpp_terms(normal(4, 2), normal(3, 2))


def test_same_under_xla_and_for_an_unknown_batch():
    def function(z, f, real):
        with tf.GradientTape() as tape:
            tape.watch(f)
            terms = [
                similarity.diversity_penalty(z, f, center=True),
                similarity.diversity_penalty(z, f, weighting="threshold"),
                similarity.mode_seeking_loss(f, real, z, z[::-1]),
                *similarity.gdpp_terms(real, f),
            ]
            total = tf.add_n(terms)
        return terms, tape.gradient(total, f)

    signature = [
        tf.TensorSpec([None, 4]),
        tf.TensorSpec([None, 3, 3, 2]),
        tf.TensorSpec([None, 3, 3, 2]),
    ]
    arguments = normal(6, 4), normal(6, 3, 3, 2), normal(6, 3, 3, 2, seed=1)
    arguments = [tf.constant(a) for a in arguments]
    terms, gradient = function(*arguments)
    for jit in (False, True):
        compiled = tf.function(function, signature, jit_compile=jit)
        got, got_gradient = compiled(*arguments)
        np.testing.assert_allclose(got, terms, rtol=1e-3)
        np.testing.assert_allclose(
            got_gradient, gradient, atol=1e-2 * np.abs(gradient).max()
        )
