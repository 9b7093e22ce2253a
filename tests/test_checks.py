"""What is refused before training, on several replicas."""

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
        (33, None, None, "Arrays of 33 samples .* a multiple of 4"),
    ],
)
def test_replicas_get_equal_shares(two, tiny, n, batch, drop, words):
    """The last batch of 33 would leave one without any, and NaN."""
    data = tiny.images(n)
    if batch is not None:
        data = tiny.dataset(n, 1).unbatch().batch(batch, drop_remainder=drop)
    with pytest.raises(ValueError, match=words):
        two.fit(data, batch_size=16 if batch is None else None)
    assert int(two.step.numpy()) == 0
