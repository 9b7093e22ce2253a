"""Checks of arguments that several regularizers share."""

from keras_ganmix.utils.names import unknown

#: Where what a regularizer needs of real images can be prepared.
PLACES = ("step", "pipeline")


def check_name(argument, value, allowed):
    """Raises a ValueError unless `value` is one of the `allowed` names.

    Args:
        argument: name for the message, `"Class.argument"`.
        value: what was given.
        allowed: tuple of names.
    """
    if value not in allowed:
        raise ValueError(unknown(argument, value, allowed))


def check_number(argument, value, is_allowed, allowed):
    """Raises a ValueError unless `value` is an allowed number.

    Args:
        argument: name for the message, `"Class.argument"`.
        value: what was given.
        is_allowed: function of a number, whether it is allowed.
        allowed: what is allowed, in words.
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not is_allowed(value):
        raise ValueError(
            f"{argument}: {value!r} is not allowed; give {allowed}."
        )


def is_positive(value):
    return 0 < value < float("inf")


def is_not_negative(value):
    return 0 <= value < float("inf")


def is_integer(low):
    """A function of a number: whether it is an integer of at least `low`."""
    return lambda value: isinstance(value, int) and value >= low
