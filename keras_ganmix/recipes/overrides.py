"""Changes to a recipe from the command line: `data.batch_size=32`."""

from keras_ganmix.recipes.errors import RecipeError
from keras_ganmix.recipes.loading import parse

MOST_KEYS = 10
_LONGEST_KEY = 100


def split(text):
    """Returns the path and the value of `a.b=v`, the value read as YAML.

    Raises:
        RecipeError: if there is no `=`, no path, or no YAML in the value.
    """
    path, equals, value = text.partition("=")
    parts = path.strip().split(".")
    if len(parts) > MOST_KEYS or max(map(len, parts)) > _LONGEST_KEY:
        raise RecipeError(
            f"--set {text[:_LONGEST_KEY]}...: no recipe has a path as long "
            f"as this; allowed: {MOST_KEYS} keys of {_LONGEST_KEY} letters"
        )
    keys = [_key(part) for part in parts]
    if not equals or "" in keys:
        raise RecipeError(
            f"--set {text}: allowed: PATH=VALUE, for example "
            "data.batch_size=32 or regularizers.0.weight=2"
        )
    try:
        return keys, parse(value)
    except RecipeError as error:
        raise RecipeError(f"--set {text}: {error}") from None


def _key(part):
    return int(part) if part.isdecimal() and part.isascii() else part


def apply(data, text):
    """Changes `data` in place as `a.b=v` says; returns the keys of the path.

    Sections that the recipe leaves out are made. The index one past the end
    of a list appends to it. Whether the keys exist is the schema's concern.

    Raises:
        RecipeError: if the path leads through a value that has no keys, or
            out of a list.
    """
    keys, value = split(text)
    for depth, key in enumerate(keys):
        place = ".".join(map(str, keys[:depth])) or "the recipe"
        if isinstance(data, list):
            if not isinstance(key, int) or key > len(data):
                raise RecipeError(
                    f"--set {text}: {place} is a list of {len(data)}; got "
                    f"{key!r}, allowed: 0 to {len(data)}, the last appends"
                )
            if key == len(data):
                data.append(None)
        elif isinstance(data, dict):
            key = str(key)
            data.setdefault(key, None)
        else:
            raise RecipeError(
                f"--set {text}: {place} is {data!r} and has no {key!r}"
            )
        if depth == len(keys) - 1:
            data[key] = value
            return keys
        if data[key] is None:
            data[key] = [] if keys[depth] == "regularizers" else {}
        data = data[key]
    raise AssertionError("a path has at least one key")
