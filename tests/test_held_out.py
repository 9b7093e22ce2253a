"""Which real images fakes are scored against."""

import pytest

from keras_ganmix.data import Source
from keras_ganmix.held_out import open_held_out
from keras_ganmix.metrics import ReferenceStatistics


@pytest.mark.parametrize(
    "metrics, num_real, kind",
    [
        (["frechet"], None, ReferenceStatistics),
        (["frechet"], 10_000, ReferenceStatistics),
        (["frechet"], 1000, Source),  # statistics cannot be cut
        (["frechet", "kernel"], None, Source),
    ],
)
def test_garments_are_statistics_where_these_will_do(metrics, num_real, kind):
    found = open_held_out(
        "fashion_mnist_10k", "test", metrics, num_real=num_real, image_size=32
    )
    assert isinstance(found, kind)
    assert len(found) == (10_000 if kind is ReferenceStatistics else 2000)
