"""Several steps at a time change nothing but the speed."""

import json

import numpy as np
import pytest
import tensorflow as tf

from keras_ganmix import train

TINY = [
    "--recipe=ring",
    "--set=data.max_images=200",
    "--set=data.batch_size=16",
    "--set=generator={network: mlp, hidden: 8, latent_dim: 4}",
    "--set=discriminator={network: mlp, hidden: 8}",
    "--set=train.discriminator_steps=2",
    "--set=train.log_every=4",
    "--set=checkpoint={every: 4, keep: 9}",
    "--set=samples=null",
    "--set=evaluate={every: 4, num_fake: 50, metrics: [modes], "
    "max_share: null}",
    "--quiet",
]
FOUR = "--set=train.steps_per_execution=4"


def run(folder, *arguments):
    return train.main(["train", *TINY, f"--run_dir={folder}", *arguments])


def assert_same(one, two, step):
    states = [
        tf.train.load_checkpoint(str(folder / f"checkpoints/ckpt-{step}"))
        for folder in (one, two)
    ]
    names = [
        name
        for name in states[0].get_variable_to_shape_map()
        if name.startswith("state/")
    ]
    assert len(names) > 20
    for name in names:
        np.testing.assert_array_equal(
            *[state.get_tensor(name) for state in states], err_msg=name
        )
    for file in ("metrics.jsonl", "scores.jsonl"):
        assert (one / file).read_text() == (two / file).read_text()


@pytest.mark.slow
def test_steps_at_a_time_are_those_one_by_one(tmp_path, capsys):
    assert run(tmp_path / "one", "--steps=6") == 0
    # From here it cannot go on with several steps at a time.
    capsys.readouterr()
    arguments = ["--steps=12", FOUR, "--allow_recipe_change"]
    assert run(tmp_path / "one", *arguments) == 2
    assert "step 6, which is no multiple of 4" in capsys.readouterr().err
    assert run(tmp_path / "one", "--steps=12") == 0
    assert run(tmp_path / "four", "--steps=8", FOUR) == 0
    assert run(tmp_path / "four", "--steps=12", FOUR) == 0
    assert_same(tmp_path / "one", tmp_path / "four", 12)
    lines = (tmp_path / "four" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [4, 8, 12]
