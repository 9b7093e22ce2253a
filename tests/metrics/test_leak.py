import numpy as np
import pytest

from keras_ganmix.metrics import leak_probe
from keras_ganmix.metrics.leak import (
    DAMAGES,
    blend,
    cut_out,
    rotate,
    shuffle_tiles,
)


def gradients(count, seed, size=12):
    """Images that are dark above, bright below, with a dot."""
    rng = np.random.default_rng(seed)
    ramp = np.linspace(-0.9, 0.5, size)[None, :, None, None]
    images = np.broadcast_to(ramp, (count, size, size, 1)).copy()
    images += rng.normal(size=(count, 1, 1, 1)) * 0.05
    spots = rng.integers(1, size - 2, size=(count, 2))
    for image, (y, x) in zip(images, spots, strict=True):
        image[y : y + 2, x : x + 2] = 0.9
    return np.clip(images, -1, 1).astype(np.float32)


def test_damages_are_what_they_say():
    rng = np.random.default_rng(0)
    images = rng.uniform(0.1, 1, size=(50, 10, 10, 2)).astype(np.float32)
    before = images.copy()
    shuffled = shuffle_tiles(images, rng)
    np.testing.assert_array_equal(shuffled[:, 9], images[:, 9])
    for one, other in zip(shuffled, images, strict=True):
        tiles = [
            {
                part[y : y + 3, x : x + 3].tobytes()
                for y in (0, 3, 6)
                for x in (0, 3, 6)
            }
            for part in (one, other)
        ]
        assert tiles[0] == tiles[1]
        assert (one != other).any()
    holes = cut_out(images, rng)
    assert ((holes == 0).sum(axis=(1, 2, 3)) == 25 * 2).all()
    mixed = blend(images, rng)
    for i in range(50):
        rest = np.delete(images, i, axis=0) - images[i]
        step = mixed[i] - images[i]
        share = (rest * step).sum((1, 2, 3)) / (rest**2).sum((1, 2, 3))
        error = np.abs(rest * share[:, None, None, None] - step).max((1, 2, 3))
        best = error.argmin()
        assert error[best] < 1e-5 and 0.29 < share[best] < 0.71
    turned = rotate(images, rng)
    for one, other in zip(turned, images, strict=True):
        fits = [np.array_equal(np.rot90(other, k), one) for k in range(4)]
        assert fits[0] is False and any(fits)
    upside = rotate(images[:, :8], rng)
    np.testing.assert_array_equal(upside, images[:, :8][:, ::-1, ::-1])
    np.testing.assert_array_equal(images, before)


@pytest.mark.slow
def test_finds_the_damage_that_the_fakes_have_and_no_other():
    real, clean = gradients(400, 0), gradients(200, 1)
    rng = np.random.default_rng(2)
    fake = np.concatenate([clean[:100], rotate(clean[100:], rng)])
    got = leak_probe(real, fake, steps=100, seed=1)
    assert set(got) == set(DAMAGES)
    assert got["rotate"].detected > 0.9
    assert got["rotate"].fake == pytest.approx(0.5, abs=0.1)
    for name, leak in got.items():
        assert leak.real < 0.1
        if name != "rotate":
            assert leak.fake < 0.1
    assert leak_probe(real, fake, steps=5) == leak_probe(real, fake, steps=5)


def test_bad_input():
    images = gradients(50, 0)
    with pytest.raises(ValueError, match="Did you mean 'rotate'"):
        leak_probe(images, images, damages=("rotated",))
    with pytest.raises(ValueError, match="real: 39 samples, but at least 40"):
        leak_probe(images[:39], images)
    with pytest.raises(ValueError, match="fake: images of shape"):
        leak_probe(images, images[:, :8])
    with pytest.raises(ValueError, match="damages: none given"):
        leak_probe(images, images, damages=())
