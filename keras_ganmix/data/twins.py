"""Pictures that are the same, or nearly: by digests, hashes, thumbnails."""

import numpy as np

# Two pictures are near-duplicates if at most so many of their 64 gradients
# differ, and their thumbnails by so many of 255 levels on average.
MOST_BITS = 3
MOST_LEVELS = 2.0
_MOST_COMPARISONS = 2 * 10**8
_BLOCK = 2**20


def equal(digests):
    """Maps positions to the first position with the same digest.

    Args:
        digests: a list.

    Returns:
        Dict with the later positions only.
    """
    first, twins = {}, {}
    for position, digest in enumerate(digests):
        earlier = first.setdefault(digest, position)
        if earlier != position:
            twins[position] = earlier
    return twins


def near(hashes, thumbnails):
    """Maps positions to the first position that is nearly the same.

    Hashes that differ in three bits share one of four quarters, so only those
    that share one are compared.

    Args:
        hashes: uint64 (N,).
        thumbnails: uint8 (N, ...).

    Returns:
        `(twins, whole)`: dict with the later positions only; whether all that
        should have been compared was.
    """
    twins, left = {}, _MOST_COMPARISONS
    flat = thumbnails.reshape(len(thumbnails), -1)
    for shift in range(0, 64, 16):
        quarter = (hashes >> np.uint64(shift)) & np.uint64(0xFFFF)
        order = np.argsort(quarter, kind="stable")
        cuts = np.flatnonzero(np.diff(quarter[order])) + 1
        for bucket in np.split(order, cuts):
            left -= len(bucket) ** 2
            if left < 0:
                return twins, False
            for first, second in _pairs(bucket, hashes, flat):
                twins[second] = min(twins.get(second, first), first)
    return twins, True


def _pairs(bucket, hashes, thumbnails):
    """Yields `(earlier, later)` for the near-duplicates in a bucket."""
    if len(bucket) < 2:
        return
    rows = max(1, _BLOCK // len(bucket))
    for start in range(0, len(bucket), rows):
        some = bucket[start : start + rows]
        different = np.bitwise_count(hashes[some][:, None] ^ hashes[bucket])
        i, j = np.nonzero(different <= MOST_BITS)
        first, second = some[i], bucket[j]
        keep = first < second
        first, second = first[keep], second[keep]
        for at in range(0, len(first), 2**16):
            a, b = first[at : at + 2**16], second[at : at + 2**16]
            gap = np.abs(thumbnails[a].astype(np.int16) - thumbnails[b]).mean(
                axis=1
            )
            close = gap <= MOST_LEVELS
            yield from zip(a[close].tolist(), b[close].tolist(), strict=True)
