"""Processes that train one model together: what they must agree on.

Whatever all workers have to do alike, from the next checkpoint to the end of
training, is decided by the chief or counted among all. A worker that stopped
alone would leave the others waiting.
"""

import contextlib
import json
import re
import time
import warnings

import numpy as np
import tensorflow as tf
from absl import logging

from keras_ganmix.cluster import PeerError
from keras_ganmix.faults import NotFiniteError

# Texts are filled up to multiples of it, so that few shapes are traced.
_CHUNK = 256


class Workers:
    """The processes of a `tf.distribute.Strategy`, of which this is one.

    Every method must be called by all workers, in the same order.

    Args:
        strategy: any; only a `MultiWorkerMirroredStrategy` has several.

    Attributes:
        count: number of workers.
        index: which of them this is; 0 is the chief.
    """

    def __init__(self, strategy):
        self._strategy = strategy
        self.count, self.index = _place(strategy)
        if self.count > 1:
            self._sum = tf.function(self._add, reduce_retracing=True)

    @property
    def is_chief(self):
        """Whether this is the one that writes files."""
        return self.index == 0

    def _add(self, numbers):
        """The sum of a vector over workers, the same for each."""
        local = len(self._strategy.extended.worker_devices)

        def contribute():
            replica = tf.distribute.get_replica_context()
            first = replica.replica_id_in_sync_group % local == 0
            mine = tf.where(first, numbers, tf.zeros_like(numbers))
            return replica.all_reduce(tf.distribute.ReduceOp.SUM, mine)

        return self._strategy.experimental_local_results(
            self._strategy.run(contribute)
        )[0]

    def gather(self, number):
        """The numbers of all workers, each a small integer; a list."""
        if self.count == 1:
            return [number]
        numbers = np.zeros(self.count, np.float32)
        numbers[self.index] = number
        return [int(x) for x in self._sum(tf.constant(numbers)).numpy()]

    def from_chief(self, make):
        """What a function gives on the chief; it is called there only.

        Args:
            make: function without arguments; returns what JSON can hold.

        Raises:
            what it raises on the chief, on all workers.
        """
        if self.count == 1:
            return make()
        error, value = None, None
        if self.is_chief:
            try:
                value = make()
            except _TOLD as caught:
                error = caught
        told = self._broadcast([_description(error), value])
        if error is not None:
            raise error
        if told[0] is not None:
            raise _exception(*told[0])
        return told[1]

    def _broadcast(self, value):
        """What the chief gives, as JSON in the form of numbers to sum."""
        text = json.dumps(value).encode() if self.is_chief else b""
        size = self.gather(len(text))[0]
        numbers = np.zeros(-(-size // _CHUNK) * _CHUNK, np.float32)
        numbers[: len(text)] = np.frombuffer(text, np.uint8)
        total = self._sum(tf.constant(numbers)).numpy()
        return json.loads(total[:size].astype(np.uint8).tobytes())


def _place(strategy):
    resolver = strategy.cluster_resolver
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return 1, 0
    jobs = resolver.cluster_spec().as_dict()
    chiefs, workers = len(jobs.get("chief", [])), len(jobs.get("worker", []))
    if not jobs:  # without TF_CONFIG it has one worker
        return 1, 0
    is_worker = resolver.task_type == "worker"
    return chiefs + workers, resolver.task_id + chiefs * is_worker


# What the chief may meet that the others must hear of.
_TOLD = (NotFiniteError, ValueError, OSError)


def _description(error):
    if error is None:
        return None
    kind = next(i for i, k in enumerate(_TOLD) if isinstance(error, k))
    more = (error.step, error.names) if kind == 0 else ()
    return kind, str(error), *more


def _exception(kind, *arguments):
    return _TOLD[kind](*arguments)


def hush():
    """Lets this process report errors only: the chief tells the rest."""
    warnings.simplefilter("ignore")
    logging.set_verbosity(logging.ERROR)
    tf.get_logger().setLevel("ERROR")


@contextlib.contextmanager
def together(cluster):
    """Lets the workers of a run fail together, each saying why.

    What ends the block by an error is told to the others; what was told by
    another, or the traces that one leaves that was killed, become an error
    that names it.

    Args:
        cluster: the `Cluster`, or `None` for a process alone.

    Raises:
        PeerError: naming the worker that failed and why, or those that do
            not answer any more.
        what the block raises otherwise.
    """
    try:
        yield
    except BaseException as error:
        if cluster is None:
            raise
        fault = _fault_of_others(cluster, error)
        if fault is None:
            _tell(cluster, error)
            raise
        raise PeerError(
            f"{fault}. Start all workers again: the run goes on from its "
            "last checkpoint."
        ) from error


# What a worker says of its end, in the midst of what TensorFlow adds.
_TOLD_BY = "<<keras_ganmix: {}>>"
_HEARD = re.compile(re.escape(_TOLD_BY).replace(r"\{\}", "(.*?)"), re.DOTALL)
_MOST_LETTERS = 500
_SECONDS_TO_TELL = 0.5


def _tell(cluster, error):
    """Ends what the others wait for, with the reason.

    By TensorFlow's coordination service, as its `PreemptionCheckpointHandler`
    does; it has no public face.
    """
    reason = " ".join(f"{type(error).__name__}: {error}".split())[
        :_MOST_LETTERS
    ]
    text = f"{cluster.shown(cluster.index)} ended by {reason}"
    # Where it cannot be told, the others hear of this worker's end later.
    with contextlib.suppress(*_UNTOLD):
        from tensorflow.python.eager import context

        context.context().report_error_to_cluster(
            tf.errors.ABORTED, _TOLD_BY.format(text)
        )
        time.sleep(_SECONDS_TO_TELL)


# An older or newer TensorFlow, one that is not connected yet, any more.
_UNTOLD = (ImportError, AttributeError, ValueError, tf.errors.OpError)


def _fault_of_others(cluster, error):
    """What another worker has done to this one, or `None`."""
    if not isinstance(error, _BROKEN):
        return None
    text = str(error)
    heard = _HEARD.search(text)
    if heard is not None:
        return heard[1]
    lost = ", ".join(_lost(cluster, text))
    if not lost and not _OF_OTHERS.search(text):
        return None
    lost = lost or f"another worker ({text.splitlines()[0]})"
    return f"lost {lost}: it was ended, or cannot be reached"


def _lost(cluster, text):
    """Who was missed by TensorFlow's heartbeat, or else listens no more."""
    _, _, tasks = text.partition("unhealthy")
    names = {f"{kind} {i}" for kind, i in _TASK.findall(tasks)}
    missed = [i for i in cluster.others() if cluster.names[i] in names]
    return [cluster.shown(i) for i in missed] or cluster.silent()


_TASK = re.compile(r"^/job:(\w+)/replica:\d+/task:(\d+)$", re.MULTILINE)

# What TensorFlow raises when a collective operation finds no peer, and how
# that differs from an error of this worker's own.
_BROKEN = (
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
    tf.errors.UnavailableError,
    tf.errors.UnknownError,
)
_OF_OTHERS = re.compile("[Cc]ollective|[Cc]oordination|remote target|heartbeat")
