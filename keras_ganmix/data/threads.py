"""A function of many small items, in threads, without holding them all."""

import concurrent.futures
import os

_CHUNK = 16


def map_in_order(function, items, workers=None):
    """Yields `function(item)` for each item, in their order.

    Only a few results wait at a time, so that memory does not grow with the
    number of items.

    Args:
        function: what to call in threads; its errors end the iteration.
        items: a sequence.
        workers: number of threads; by default that of the processor's cores.
    """

    def call_all(chunk):
        return [function(item) for item in chunk]

    workers = workers or os.cpu_count() or 1
    chunks = [items[i : i + _CHUNK] for i in range(0, len(items), _CHUNK)]
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        # `pool.map` would start on all of them at once.
        for start in range(0, len(chunks), 2 * workers):
            for results in pool.map(
                call_all, chunks[start : start + 2 * workers]
            ):
                yield from results
