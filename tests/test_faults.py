"""NaN and infinite numbers are named, with the step, and never saved."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ganmix.callbacks import Checkpoint, MetricsLog, NotFiniteError
from keras_ganmix.faults import check_terms
from keras_ganmix.regularizers.base import Regularizer
from keras_ganmix.state import RunState, SaveError


@keras.saving.register_keras_serializable(package="tests")
class Trap(Regularizer):
    """A term that is not a number at one step, or has no gradient there."""

    def __init__(self, step, gradient=False, replica=None, name=None):
        super().__init__(discriminator_weight=1.0, name=name)
        self.step, self.gradient, self.replica = step, gradient, replica

    def discriminator_loss(self, context):
        logits = tf.cast(context.real.logits, tf.float32)
        is_now = tf.equal(context.step, self.step)
        if self.replica is not None:
            here = tf.distribute.get_replica_context()
            is_now &= here.replica_id_in_sync_group == self.replica
        if self.gradient:  # 0, with the slope 0 * infinity
            zeros = tf.reduce_mean(logits) * 0
            return tf.where(is_now, tf.sqrt(zeros), 0.0)
        bad = tf.where(is_now, np.float32(np.inf), 0.0)
        return tf.stop_gradient(bad) + tf.reduce_mean(logits) * 0


def fit(gan, tiny, **kwargs):
    gan.fit(tiny.dataset(), steps_per_epoch=9, verbose=0, **kwargs)


@pytest.mark.parametrize("jit", [False, True])
def test_the_first_term_and_its_step_are_named(tiny, tmp_path, jit):
    gan = tiny.gan([Trap(2)], discriminator_steps=2, jit_compile=jit)
    log = MetricsLog(tmp_path / "m.jsonl", every=4)
    with pytest.raises(NotFiniteError) as caught:
        fit(gan, tiny, callbacks=[log])
    error = caught.value
    assert error.step == 3
    assert error.names[:2] == ["discriminator_loss", "discriminator/Trap"]
    assert "discriminator/Trap" in str(error) and "step 3" in str(error)
    assert not (tmp_path / "m.jsonl").exists()
    # Other terms were not finite later, or never.
    assert gan.faults.found()["discriminator/Trap"] == 3
    assert "generator_loss" not in error.names


def test_a_gradient_is_named_though_all_terms_are_finite(tiny):
    gan = tiny.gan([Trap(4, gradient=True)])
    fit(gan, tiny)
    with pytest.raises(NotFiniteError) as caught:
        check_terms(gan)
    assert caught.value.step == 5
    assert caught.value.names[0] == "discriminator_gradients"
    # Those of the generator, which saw these weights, come behind.
    assert "discriminator_loss" not in caught.value.names


def test_a_finite_run_has_no_faults(tiny):
    gan = tiny.gan(optimizer="adam")
    fit(gan, tiny)
    assert gan.faults.found() == {}


def test_a_fault_on_one_replica_is_seen(tiny):
    with tiny.strategy().scope():
        gan = tiny.gan([Trap(1, replica=1)])
    fit(gan, tiny)
    assert gan.faults.found()["discriminator/Trap"] == 2


def test_bad_weights_are_named_and_not_saved(tiny, tmp_path):
    gan = tiny.gan(optimizer="adam")
    state = RunState(gan, tmp_path)
    state.save()
    gan.step.assign(5)
    bad = gan.ema_generator.weights[1]
    bad.assign(np.full(bad.shape, np.nan))
    with pytest.raises(NotFiniteError, match=bad.path) as caught:
        state.save()
    assert caught.value.names == [bad.path]
    assert [f.name for f in tmp_path.glob("*.index")] == ["ckpt-0.index"]
    state.restore()
    assert np.isfinite(bad.numpy()).all()
    state.save()


def test_restoring_forgets_the_faults(tiny, tmp_path):
    gan = tiny.gan([Trap(6)])
    with pytest.raises(NotFiniteError):
        fit(gan, tiny, callbacks=[Checkpoint(tmp_path, every=4)])
    assert gan.faults.found()
    assert Checkpoint(tmp_path).restore(gan) == 4
    assert gan.faults.found() == {}
    assert int(gan.step.numpy()) == 4


def test_a_save_holds_the_state_of_its_moment(tiny, tmp_path):
    """Though training goes on while the files are written."""
    gan = tiny.gan(optimizer="adam")
    state = RunState(gan, tmp_path)
    fit(gan, tiny)
    before = [np.array(w) for w in gan.weights]
    state.save({"step": 9}, wait=False)
    fit(gan, tiny)
    assert state.restore() == {"step": 9}
    for a, b in zip(before, gan.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_full_disk_is_told_before_anything_is_written(
    tiny, tmp_path, monkeypatch
):
    gan = tiny.gan()
    state = RunState(gan, tmp_path)
    state.save()
    gan.step.assign(3)
    monkeypatch.setattr("keras_ganmix.state.free_bytes", lambda _: 1000)
    with pytest.raises(SaveError, match=r"needs 1 MB .* 0 MB are free.*ckpt-0"):
        state.save()
    assert [f.name for f in tmp_path.glob("*.index")] == ["ckpt-0.index"]


def test_a_save_that_cannot_be_written_is_told_with_the_next(tiny, tmp_path):
    gan = tiny.gan()
    (tmp_path / "folder").write_text("a file where the folder should be")
    state = RunState(gan, tmp_path / "folder" / "checkpoints")
    state.save(wait=False)
    with pytest.raises(SaveError, match="could not be saved"):
        state.wait()
    state.wait()  # told once
