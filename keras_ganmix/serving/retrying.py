"""Asking again, for as long as the deadline allows."""

import itertools
import random
import time

from keras_ganmix.serving.errors import ServingError

#: Codes after which nothing has been done, so that asking again is safe.
RETRIED = ("UNAVAILABLE",)
_FIRST_WAIT = 0.1
_LONGEST_WAIT = 2.0


def with_retries(ask, timeout, retries, sleep=time.sleep):
    """Calls `ask` until it answers, at most `1 + retries` times.

    The waits double from 0.1 to 2 s, each shortened by up to a half at
    random, so that many clients do not come back at the same time.

    Args:
        ask: function of the seconds that are left; raises `ServingError`.
        timeout: seconds for all of it.
        retries: how often to ask again.
        sleep: function of seconds.

    Returns:
        What `ask` returns.

    Raises:
        ServingError: the last one.
    """
    end = time.monotonic() + timeout
    wait = _FIRST_WAIT
    for attempt in itertools.count():
        try:
            return ask(max(end - time.monotonic(), 1e-3))
        except ServingError as error:
            pause = wait * random.uniform(0.5, 1.0)
            late = time.monotonic() + pause >= end
            if error.code not in RETRIED or attempt >= retries or late:
                raise
        sleep(pause)
        wait = min(2 * wait, _LONGEST_WAIT)
