"""What is refused before training, on several replicas."""

import keras
import pytest


@pytest.fixture(scope="module")
def two(tiny):
    """A GAN on two replicas, whose batches are dealt out to two updates."""
    with tiny.strategy().scope():
        return tiny.gan(discriminator_steps=2)


@pytest.mark.parametrize(
    "n, batch, drop, words",
    [
        (32, 6, True, "Batches of 6 samples .* use a multiple of 4"),
        (33, 16, False, "drop_remainder=True"),
    ],
)
def test_replicas_get_equal_shares(two, tiny, n, batch, drop, words):
    """The last batch of 33 would leave one without any, and NaN."""
    data = tiny.dataset(n, 1).unbatch().batch(batch, drop_remainder=drop)
    with pytest.raises(ValueError, match=words):
        two.fit(data)
    assert int(two.step.numpy()) == 0


@pytest.mark.parametrize(
    "n, batch, size",
    [
        (33, 16, 1),
        (64, 21, 21),
        (64, 20, None),
        (68, None, None),
        (12, 30, None),  # one batch of 12, however large it may be
    ],
)
def test_replicas_get_equal_shares_of_arrays(
    two, tiny, n, batch, size, monkeypatch
):
    """Of 64 in batches of 20 four are left, of 68 in those of 32 too.

    `size` is that of the batch that is refused.
    """
    monkeypatch.setattr(keras.Model, "fit", lambda *_, **__: "trained")
    if size is None:
        assert two.fit(tiny.images(n), batch_size=batch) == "trained"
        return
    with pytest.raises(ValueError, match=f"Batches of {size} samples"):
        two.fit(tiny.images(n), batch_size=batch)
