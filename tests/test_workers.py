"""How one worker hears of another's end, from the errors that it leaves."""

import socket

import pytest
import tensorflow as tf

from keras_ganmix.cluster import Cluster, PeerError
from keras_ganmix.workers import together

# As TensorFlow 2.21 puts it.
UNHEALTHY = """Graph execution error:
Detected at node CollectiveReduceV2 defined at (most recent call last):
Collective ops is aborted by: Error reported from /job:worker/task:1: The \
following tasks are unhealthy (stopped sending heartbeats):
/job:worker/replica:0/task:1
The tasks have crashed. Check the task logs for an earlier error
\t [[{{node CollectiveReduceV2}}]] [Op:__inference_add_36]"""
TOLD = """Collective ops is aborted by: Collective ops is aborted by: \
<<keras_ganmix: worker 0 (a:1) ended by KeyError: 'x'>>
Additional GRPC error information from remote target /job:worker/replica:0\
/task:0: {grpc_message:"<<keras_ganmix: worker 0 (a:1) ended by KeyError"}"""


@pytest.fixture
def cluster():
    """The last of three; a port is open for the first, and for no other."""
    with (
        socket.create_server(("127.0.0.1", 0)) as first,
        socket.create_server(("127.0.0.1", 0)) as second,
    ):
        addresses = [s.getsockname() for s in (first, second)]
        second.close()
        names = ("worker 0", "worker 1", "worker 2")
        yield Cluster(names, (*addresses, ("127.0.0.1", 9)), 2)


@pytest.mark.parametrize(
    "text, words",
    [
        (TOLD, "worker 0 (a:1) ended by KeyError: 'x'. Start all "),
        (UNHEALTHY, "lost {worker}: it was ended"),
        ("Socket closed", "lost {worker}: it was ended"),
    ],
)
def test_others_are_named(cluster, text, words):
    with pytest.raises(PeerError) as caught, together(cluster):
        raise tf.errors.UnavailableError(None, None, text)
    expected = words.format(worker=cluster.shown(1))
    assert str(caught.value).startswith(expected)


def test_who_is_missed_may_still_listen(cluster):
    """As a frozen process does."""
    text = UNHEALTHY.replace("task:1\n", "task:0\n")
    with pytest.raises(PeerError) as caught, together(cluster):
        raise tf.errors.UnavailableError(None, None, text)
    assert str(caught.value).startswith(f"lost {cluster.shown(0)}: ")


def test_own_errors_stay_what_they_are(cluster):
    with socket.create_server(cluster.addresses[1]):  # all are there
        for error in (
            KeyError("x"),
            KeyboardInterrupt(),
            tf.errors.InternalError(None, None, "a kernel failed"),
        ):
            with pytest.raises(type(error)) as caught, together(cluster):
                raise error
            assert caught.value is error


def test_one_process_alone_blames_nobody():
    error = tf.errors.UnavailableError(None, None, UNHEALTHY)
    with pytest.raises(tf.errors.UnavailableError), together(None):
        raise error
