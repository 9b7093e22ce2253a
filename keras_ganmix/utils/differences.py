"""Where two pieces of plain data differ."""


def differences(before, now, path="", free=()):
    """Yields `(path, before, now)` for each place in which two dicts differ.

    Args:
        before: dicts within dicts, as recipes are stored.
        now: the other ones.
        path: where in the whole they are, names with dots between them.
        free: the paths that may differ.
    """
    if path in free or before == now:
        return
    if isinstance(before, dict) and isinstance(now, dict):
        for key in {**before, **now}:
            inner = f"{path}.{key}" if path else key
            yield from differences(before.get(key), now.get(key), inner, free)
    else:
        yield path, before, now
