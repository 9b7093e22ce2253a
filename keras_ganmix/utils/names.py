"""Names in messages: those that are not known, those that cannot be shown."""

import difflib


def unknown(kind, got, allowed):
    """Returns the error message for an unknown name.

    Args:
        kind: what the name should have named, for example `"loss"`.
        got: the name that was given.
        allowed: iterable of the names that exist.

    Returns:
        A one-line message with the near names first, then all of them.
    """
    allowed = sorted(allowed)
    near = difflib.get_close_matches(str(got), allowed, n=3, cutoff=0.5)
    names = " or ".join(repr(n) for n in near)
    hint = f" Did you mean {names}?" if near else ""
    return f"Unknown {kind} {got!r}.{hint} Allowed: {', '.join(allowed)}."


def shown(name):
    """Returns a name as it may be printed, on one line.

    Names of files may hold line breaks, terminal commands and bytes that are
    no text; these are escaped.
    """
    return name if name.isprintable() else ascii(name)
