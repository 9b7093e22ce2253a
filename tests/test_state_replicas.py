"""Checkpoints do not depend on the number of replicas."""

import numpy as np
import pytest

from keras_ganmix.regularizers import R1, AdaptiveAugment
from keras_ganmix.state import RunState, variables_of


@pytest.mark.slow
def test_a_checkpoint_restores_on_another_number_of_replicas(tiny, tmp_path):
    def make():
        return tiny.gan([AdaptiveAugment(), R1()], optimizer="adam")

    def values(gan):
        parts = variables_of(gan)
        return {
            f"{name} {i}": v.numpy()
            for name, variables in parts.items()
            for i, v in enumerate(variables)
        }

    def fit(gan):
        gan.fit(tiny.dataset(), steps_per_epoch=3, verbose=0)

    with tiny.strategy().scope():
        two = make()
    fit(two)
    RunState(two, tmp_path / "two").save()
    one = make()
    RunState(one, tmp_path / "two").restore()
    for key, value in values(two).items():
        np.testing.assert_array_equal(value, values(one)[key], err_msg=key)

    fit(one)
    RunState(one, tmp_path / "one").save()
    RunState(two, tmp_path / "one").restore()
    for key, value in values(one).items():
        np.testing.assert_allclose(
            value, values(two)[key], rtol=1e-6, err_msg=key
        )
    # And it goes on: the replicas agree on every weight.
    fit(two)
    for variable in two.generator.variables:
        copies = variable.value.values
        np.testing.assert_array_equal(copies[0], copies[1])
