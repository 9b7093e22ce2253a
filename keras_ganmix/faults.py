"""NaN and infinite numbers: seen in the step, named afterwards."""

import contextlib
import threading

import tensorflow as tf

_NEVER = -1
_MOST_NAMED = 3

_ADVICE = (
    "Lower the learning rate or the weight of the term named, or use float32."
)


class NotFiniteError(RuntimeError):
    """Losses, gradients or weights became NaN or infinite.

    Attributes:
        step: the first step at which that was seen.
        names: what was not finite at that step.
    """

    def __init__(self, message, step=None, names=()):
        super().__init__(message)
        self.step = step
        self.names = list(names)


class Faults:
    """The first step at which each of the named numbers was not finite.

    Costs a handful of operations on one small vector per step; it is read
    only when `check_finite` is called.

    Args:
        names: of the numbers that `see` will be given, in the order in which
            they are to be named.
    """

    def __init__(self, names):
        self.names = list(names)
        self._first = tf.Variable(
            [_NEVER] * len(self.names),
            dtype=tf.int64,
            trainable=False,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )
        self._tracing = threading.local()  # replicas are traced in threads

    @contextlib.contextmanager
    def watch(self, step, replicas):
        """Notes what is seen within the block, which makes a step.

        Args:
            step: the number of the step, scalar int64 tensor.
            replicas: number of replicas; a fault of one is a fault of all.
        """
        seen = self._tracing.seen = {}
        yield
        zero = tf.zeros(())
        numbers = tf.stack([seen.get(name, zero) for name in self.names])
        bad = ~tf.math.is_finite(numbers)
        if replicas > 1:
            replica = tf.distribute.get_replica_context()
            count = tf.cast(bad, tf.float32)
            bad = replica.all_reduce(tf.distribute.ReduceOp.SUM, count) > 0
        is_first = bad & (self._first == _NEVER)
        self._first.assign(tf.where(is_first, step, self._first))

    def see(self, name, *tensors):
        """Looks at tensors; several calls within a step add up."""
        total = tf.add_n(
            [tf.cast(tf.reduce_sum(t), tf.float32) for t in tensors]
        )
        seen = self._tracing.seen
        seen[name] = seen[name] + total if name in seen else total

    def found(self):
        """Dict from the names that were not finite to the first such step."""
        first = self._first.numpy().tolist()
        pairs = zip(self.names, first, strict=True)
        return {name: step for name, step in pairs if step != _NEVER}

    def forget(self):
        """Starts anew, after another state was restored."""
        self._first.assign([_NEVER] * len(self.names))


def check_terms(gan):
    """Refuses a GAN whose terms or gradients were NaN or infinite.

    Raises:
        NotFiniteError: naming those that were the first, and the step.
    """
    found = gan.faults.found()
    if found:
        step = min(found.values())
        names = [name for name, first in found.items() if first == step]
        raise NotFiniteError(_message(names, step), step, names)


def weights_error(names, step):
    """The `NotFiniteError` for weights with these names."""
    shown = [f"the weights {names[0]}", *names[1:_MOST_NAMED]]
    if len(names) > _MOST_NAMED:
        shown.append(f"{len(names) - _MOST_NAMED} more")
    return NotFiniteError(_message(shown, step), step, names)


def _message(names, step):
    return (
        f"{', '.join(names)} became NaN or infinite at step {step}. {_ADVICE}"
    )
