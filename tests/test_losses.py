import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_ganmix import losses
from keras_ganmix.utils import tfgan

RELATIVISTIC = [n for n in losses.NAMES if n.startswith("relativistic")]
BRANCHED = [n for n in losses.NAMES if n not in RELATIVISTIC]


def softplus(x):
    return np.logaddexp(0.0, x)


# D and G of each loss, written out for vectors r and f.
REFERENCE = {
    "logistic": (
        lambda r, f: softplus(-r).mean() + softplus(f).mean(),
        lambda r, f: softplus(-f).mean(),
    ),
    "minimax": (
        lambda r, f: softplus(-r).mean() + softplus(f).mean(),
        lambda r, f: -softplus(f).mean(),
    ),
    "hinge": (
        lambda r, f: np.maximum(0, 1 - r).mean() + np.maximum(0, 1 + f).mean(),
        lambda r, f: -f.mean(),
    ),
    "least_squares": (
        lambda r, f: ((r - 1) ** 2).mean() + (f**2).mean(),
        lambda r, f: ((f - 1) ** 2).mean(),
    ),
    "wasserstein": (
        lambda r, f: f.mean() - r.mean(),
        lambda r, f: -f.mean(),
    ),
    "relativistic_average_logistic": (
        lambda r, f: (
            softplus(-(r - f.mean())).mean() + softplus(f - r.mean()).mean()
        ),
        lambda r, f: (
            softplus(-(f - r.mean())).mean() + softplus(r - f.mean()).mean()
        ),
    ),
    "relativistic_average_least_squares": (
        lambda r, f: (
            ((r - f.mean() - 1) ** 2).mean() + ((f - r.mean() + 1) ** 2).mean()
        ),
        lambda r, f: (
            ((f - r.mean() - 1) ** 2).mean() + ((r - f.mean() + 1) ** 2).mean()
        ),
    ),
    "relativistic_average_hinge": (
        lambda r, f: (
            np.maximum(0, 1 - (r - f.mean())).mean()
            + np.maximum(0, 1 + (f - r.mean())).mean()
        ),
        lambda r, f: (
            np.maximum(0, 1 - (f - r.mean())).mean()
            + np.maximum(0, 1 + (r - f.mean())).mean()
        ),
    ),
    "relativistic_pairing": (
        lambda r, f: np.mean(
            [softplus(-(a - b)) for a, b in zip(r, f, strict=True)]
        ),
        lambda r, f: np.mean(
            [softplus(-(b - a)) for a, b in zip(r, f, strict=True)]
        ),
    ),
}

logits = st.lists(
    st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=1, max_size=8
)


@pytest.mark.parametrize("name", losses.NAMES)
@settings(max_examples=10, deadline=None)
@given(pairs=logits)
def test_equals_formula(name, pairs):
    r, f = np.array(pairs).T
    loss = losses.get(name)
    real, fake = r[:, None].astype("float32"), f[:, None].astype("float32")
    d, g = REFERENCE[name]
    close = {"rtol": 1e-5, "atol": 1e-4}
    np.testing.assert_allclose(loss.discriminator(real, fake), d(r, f), **close)
    np.testing.assert_allclose(loss.generator(fake, real), g(r, f), **close)


# (ours, tensorflow-gan's discriminator and generator, factor, offset of G)
TFGAN = [
    ("logistic", "modified", 1.0, 0.0),
    ("minimax", "minimax", 1.0, np.log1p(np.exp(-1.0))),
    ("hinge", "wasserstein_hinge", 1.0, 0.0),
    ("least_squares", "least_squares", 2.0, 0.0),
    ("wasserstein", "wasserstein", 1.0, 0.0),
    ("relativistic_average_logistic", "relativistic", 1.0, 0.0),
]
SMOOTHED = ("logistic", "minimax")  # by 0.25 unless told not to


@pytest.mark.parametrize("name, other, factor, offset", TFGAN)
def test_equals_tensorflow_gan(name, other, factor, offset):
    rng = np.random.default_rng(0)
    real, fake = rng.normal(0, 3, (2, 64, 1)).astype("float32")
    module = tfgan.losses()
    loss = losses.get(name)
    smoothing = {"label_smoothing": 0.0} if name in SMOOTHED else {}
    want = getattr(module, f"{other}_discriminator_loss")(
        real, fake, **smoothing
    )
    np.testing.assert_allclose(
        loss.discriminator(real, fake), factor * want, rtol=1e-5
    )
    generator = getattr(module, f"{other}_generator_loss")
    arguments = (real, fake) if name in RELATIVISTIC else (fake,)
    want = factor * generator(*arguments) + offset
    np.testing.assert_allclose(
        loss.generator(fake, real), want, rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("name", losses.NAMES)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_finite_in_float32_at_huge_logits(name, dtype):
    loss = losses.get(name)
    for r, f in [(1e4, -1e4), (-1e4, 1e4), (1e4, 1e4)]:
        real = tf.fill([4, 1], tf.cast(r, dtype))
        fake = tf.fill([4, 1], tf.cast(f, dtype))
        with tf.GradientTape() as tape:
            tape.watch([real, fake])
            total = loss.discriminator(real, fake) + loss.generator(fake, real)
        assert total.dtype == tf.float32
        gradients = tape.gradient(total, [real, fake])
        assert np.isfinite(total)
        assert all(np.isfinite(tf.cast(g, "float32")).all() for g in gradients)


def test_large_logits_keep_their_slope():
    loss = losses.get("logistic")
    np.testing.assert_allclose(loss.real_branch([-1e4, 1e4]), [1e4, 0.0])
    np.testing.assert_allclose(loss.fake_branch([-1e4, 1e4]), [0.0, 1e4])


@pytest.mark.parametrize("name", BRANCHED)
def test_branches_make_up_the_loss(name):
    rng = np.random.default_rng(1)
    real, fake = rng.normal(size=(2, 16, 1)).astype("float32")
    loss = losses.get(name)
    assert loss.has_branches and not loss.needs_real
    real_branch, fake_branch = loss.real_branch(real), loss.fake_branch(fake)
    assert real_branch.shape == real.shape and fake_branch.shape == fake.shape
    d, g = REFERENCE[name]
    np.testing.assert_allclose(
        np.mean(real_branch) + np.mean(fake_branch),
        d(real.ravel(), fake.ravel()),
        rtol=1e-5,
    )
    np.testing.assert_allclose(
        np.mean(loss.generator_branch(fake)),
        g(real.ravel(), fake.ravel()),
        rtol=1e-5,
    )


def test_targets_are_where_the_branches_vanish():
    with_targets = {}
    for name in losses.NAMES:
        loss = losses.get(name)
        if loss.targets is not None:
            real, fake = with_targets[name] = loss.targets
            assert float(loss.real_branch(real)) == 0.0
            assert float(loss.fake_branch(fake)) == 0.0
    assert with_targets == {"hinge": (1.0, -1.0), "least_squares": (1.0, 0.0)}


@pytest.mark.parametrize("name", RELATIVISTIC)
def test_relativistic_losses_need_reals_and_have_no_branches(name):
    loss = losses.get(name)
    assert loss.needs_real and not loss.has_branches
    with pytest.raises(ValueError, match=r"real_logits: .* needs the logits"):
        loss.generator([[0.0]])
    for branch in (loss.real_branch, loss.fake_branch, loss.generator_branch):
        with pytest.raises(ValueError, match="no separate branches"):
            branch([[0.0]])


@pytest.mark.parametrize("name", RELATIVISTIC)
def test_relativistic_losses_ignore_a_common_shift(name):
    rng = np.random.default_rng(2)
    real, fake = rng.normal(size=(2, 8, 1)).astype("float32")
    loss = losses.get(name)
    np.testing.assert_allclose(
        loss.discriminator(real + 3, fake + 3),
        loss.discriminator(real, fake),
        rtol=1e-5,
    )


def test_pairing_refuses_other_shapes():
    loss = losses.get("relativistic_pairing")
    with pytest.raises(ValueError, match=r"fake_logits: .*\(4,\).*\(4, 1\)"):
        loss.discriminator(np.zeros((4, 1)), np.zeros(4))


@pytest.mark.parametrize("name", losses.NAMES)
def test_round_trip_and_jit(name):
    loss = losses.get(name)
    again = losses.get(keras.saving.serialize_keras_object(loss))
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()
    rng = np.random.default_rng(3)
    real, fake = rng.normal(size=(2, 8, 1)).astype("float32")
    signature = [tf.TensorSpec([None, 1])] * 2
    for jit in (False, True):
        function = tf.function(
            lambda r, f: (again.discriminator(r, f), again.generator(f, r)),
            signature,
            jit_compile=jit,
        )
        d, g = REFERENCE[name]
        got_d, got_g = function(real, fake)
        np.testing.assert_allclose(
            got_d, d(real.ravel(), fake.ravel()), rtol=1e-5
        )
        np.testing.assert_allclose(
            got_g, g(real.ravel(), fake.ravel()), rtol=1e-5
        )


def test_arguments_survive_the_round_trip():
    loss = losses.get({"name": "least_squares", "fake_target": -1.0})
    again = losses.get(keras.saving.serialize_keras_object(loss))
    assert again.targets == (1.0, -1.0)
    assert float(again.fake_branch(1.0)) == 4.0
    assert losses.get(loss) is loss


def test_bad_identifiers():
    with pytest.raises(ValueError, match="Did you mean 'hinge'"):
        losses.get("hing")
    with pytest.raises(ValueError, match=r"'fake_taget'.*'fake_target'"):
        losses.get({"name": "least_squares", "fake_taget": 1})
    for bad in (None, 3, {}, losses.Hinge):
        with pytest.raises(ValueError, match="pass a name"):
            losses.get(bad)
    with pytest.raises(ValueError, match=r"fake_target: 1\.0 equals"):
        losses.LeastSquares(fake_target=1.0)
