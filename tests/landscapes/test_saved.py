"""Weights are read from checkpoints, and bad ones are refused."""

import re

import numpy as np
import pytest

from keras_ganmix.landscapes.saved import load_weights
from keras_ganmix.run_folder import RunFolder
from keras_ganmix.state import RunState, UnreadableError, existing


@pytest.fixture
def folder(tiny, tmp_path):
    """Checkpoints of steps 0 and 1, with other weights at step 1."""
    folder = RunFolder(tmp_path)
    gan = tiny.gan()
    state = RunState(gan, folder.checkpoints)
    state.save()
    gan.step.assign(1)
    for variable in gan.generator.variables:
        variable.assign(variable + 1)
    state.save()
    return folder


def test_files_count_and_not_their_list(tiny, folder):
    # A run was killed after it wrote the files, before it wrote the list.
    names = ("model_checkpoint_path", "all_model_checkpoint_paths")
    text = "".join(f'{name}: "ckpt-0"\n' for name in names)
    (folder.checkpoints / "checkpoint").write_text(text)
    assert len(existing(folder.checkpoints)) == 1
    gan = tiny.gan()
    before = [v.numpy() for v in gan.generator.variables]
    load_weights(gan, folder, 1)
    for variable, value in zip(gan.generator.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value + 1)
    assert int(gan.step.numpy()) == 1
    load_weights(gan, folder, 0)
    for variable, value in zip(gan.generator.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)


def test_what_is_not_there_is_refused(tiny, folder):
    words = f"{re.escape(str(folder.path))}: has no checkpoint of step 7"
    with pytest.raises(ValueError, match=words):
        load_weights(tiny.gan(), folder, 7)


def test_of_a_torn_checkpoint_nothing_is_taken(tiny, folder):
    (data,) = folder.checkpoints.glob("ckpt-1.data-*")
    data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])
    gan = tiny.gan()
    before = gan.get_weights()
    with pytest.raises(UnreadableError, match="ckpt-1 cannot be read"):
        load_weights(gan, folder, 1)
    assert int(gan.step.numpy()) == 0
    for now, value in zip(gan.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, value)
