"""What the log says of a term is the mean over the steps that had it."""

import contextlib

import numpy as np
import pytest

from keras_ganmix.callbacks import MetricsLog
from keras_ganmix.regularizers import R1
from keras_ganmix.utils import jsonl


def log_of(gan, dataset, path, every):
    log = MetricsLog(path, every)
    gan.fit(dataset, steps_per_epoch=6, callbacks=[log], verbose=0)
    return jsonl.read(path)


@pytest.mark.parametrize("replicas", [1, 2])
def test_terms_that_no_step_had_are_not_logged_as_zero(
    tiny, tmp_path, replicas
):
    strategy = tiny.strategy() if replicas == 2 else None
    lines = {}
    for every in (1, 3):
        with strategy.scope() if strategy else contextlib.nullcontext():
            gan = tiny.gan([R1({"value": 1.0, "every": 3})])
        path = tmp_path / f"{every}.jsonl"
        lines[every] = log_of(gan, tiny.dataset(), path, every)
    # Computed in the first step, number 0, and in the fourth.
    having = [x["step"] for x in lines[1] if "discriminator/R1" in x]
    assert having == [1, 4]
    # Both runs begin alike.
    alone = [x["discriminator/R1"] for x in lines[1] if x["step"] in having]
    mean = [x["discriminator/R1"] for x in lines[3]]
    np.testing.assert_allclose(mean, alone, rtol=1e-6)
    assert min(alone) > 0
    assert all("discriminator_loss" in x for x in lines[1])


def test_keras_counts_all_steps_of_an_epoch(tiny, tmp_path):
    """Whatever the log has taken of them."""
    found = []
    for callbacks in ([], [MetricsLog(tmp_path / "m.jsonl", 2)]):
        gan = tiny.gan([R1()])
        history = gan.fit(
            tiny.dataset(),
            steps_per_epoch=5,
            epochs=2,
            callbacks=callbacks,
            verbose=0,
        ).history
        found.append(history)
    assert found[0].keys() == found[1].keys()
    for name, values in found[0].items():
        np.testing.assert_allclose(values, found[1][name], rtol=1e-5)
    # A line in the middle of an epoch begins with it.
    steps = [x["step"] for x in jsonl.read(tmp_path / "m.jsonl")]
    assert steps == [2, 4, 6, 8, 10]


def test_lines_of_epochs_are_those_of_training(tiny, tmp_path):
    """Not of the images that are held out."""
    gan = tiny.gan([R1()])
    log = MetricsLog(tmp_path / "m.jsonl")
    history = gan.fit(
        tiny.dataset(),
        steps_per_epoch=4,
        validation_data=tiny.images(16, seed=1),
        validation_batch_size=8,
        callbacks=[log],
        verbose=0,
    ).history
    (line,) = jsonl.read(tmp_path / "m.jsonl")
    assert line.pop("step") == 4
    expected = {k: v[0] for k, v in history.items() if k[:4] != "val_"}
    assert line == pytest.approx(expected) and "discriminator/R1" in line
    assert line["discriminator_loss"] != history["val_discriminator_loss"][0]


@pytest.mark.parametrize("validated", [False, True])
def test_lines_of_epochs_leave_out_what_no_step_had(tiny, tmp_path, validated):
    """Validation computes the penalty in no step, training in the first."""
    gan = tiny.gan([R1({"value": 1.0, "every": 4})])
    held_out = {}
    if validated:
        held_out = {
            "validation_data": tiny.images(16, seed=1),
            "validation_batch_size": 8,
        }
    gan.fit(
        tiny.dataset(),
        steps_per_epoch=2,
        epochs=3,
        callbacks=[MetricsLog(tmp_path / "m.jsonl")],
        verbose=0,
        **held_out,
    )
    lines = jsonl.read(tmp_path / "m.jsonl")
    assert ["discriminator/R1" in x for x in lines] == [True, False, True]
    assert all("discriminator_loss" in x for x in lines)
