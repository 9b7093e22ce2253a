"""Which steps to profile. Needs no TensorFlow."""

#: Of more, a profile is too large for TensorBoard to show.
MOST_STEPS = 200


def parse_range(text):
    """Returns `(first, last)` of a text such as `"50,60"`.

    Raises:
        ValueError: if it is no such range.
    """
    words = text.split(",")
    if len(words) != 2 or not all(w.strip().isdecimal() for w in words):
        raise ValueError(
            f"{text!r} is not allowed; give the first and the last step, for "
            "example 50,60"
        )
    first, last = map(int, words)
    check_range(first, last)
    return first, last


def check_range(first, last):
    """Refuses what is no range of steps to profile."""
    for name, step in (("first", first), ("last", last)):
        if not isinstance(step, int) or isinstance(step, bool) or step < 1:
            raise ValueError(
                f"{name}: {step!r} is not allowed; steps are counted from 1"
            )
    if last < first:
        raise ValueError(f"the last step, {last}, is before the first, {first}")
    if last - first >= MOST_STEPS:
        raise ValueError(
            f"{first},{last} are {last - first + 1} steps; at most "
            f"{MOST_STEPS} can be profiled at once"
        )


def check_within(first, last, begin, end):
    """Refuses steps that a run does not make.

    Args:
        first, last: the steps to profile.
        begin: steps made before.
        end: the last step of the run.
    """
    if first <= begin:
        raise ValueError(
            f"{first},{last}: the run has made {begin} steps already; begin "
            f"with {begin + 2} or later"
        )
    if last > end:
        raise ValueError(f"{first},{last}: the run ends at step {end}")
