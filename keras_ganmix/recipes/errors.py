"""Turns what pydantic found into one line for each mistake."""

import types
from typing import Annotated, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from keras_ganmix.recipes.fields import Allowed, Kinds
from keras_ganmix.utils.cli import InputError
from keras_ganmix.utils.names import unknown

MOST_LINES = 20

_NAMES = {
    int: "integer",
    float: "number",
    str: "text",
    bool: "true or false",
    type(None): "null",
}


class RecipeError(InputError):
    """A recipe that cannot be used; `lines` holds one line per mistake."""

    def __init__(self, lines):
        self.lines = [lines] if isinstance(lines, str) else list(lines)
        hidden = len(self.lines) - MOST_LINES
        if hidden > 0:
            self.lines[MOST_LINES:] = [f"... and {hidden} more"]
        super().__init__("\n".join(self.lines))


def lines(error, model, data):
    """Returns `(path, message)` for each mistake of a `ValidationError`.

    Args:
        error: the `pydantic.ValidationError`.
        model: the model that was to be made.
        data: the plain data that it was to be made of.
    """
    found = {}
    for item in error.errors(include_url=False):
        if item["type"] == "combination":
            for path, message in item["ctx"]["problems"]:
                found.setdefault(path, message)
            continue
        path = _path(item["loc"], data, item["type"] == "missing")
        message = _message(item, path, model)
        kinds = _kinds(_follow(model, item["loc"]))
        if item["type"] == "union_tag_invalid" and _chosen(item, kinds):
            path.append(kinds.key)
        found.setdefault(".".join(map(str, path)), message)
    return list(found.items())


def _chosen(item, kinds):
    """Says whether the input of a failed choice names its model at all."""
    return isinstance(item["input"], dict) and kinds is not None


def _path(loc, data, missing):
    """Drops the steps that pydantic adds for members of unions."""
    path = []
    for place, key in enumerate(loc):
        last = place == len(loc) - 1
        inside = (isinstance(data, dict) and key in data) or (
            isinstance(data, list) and isinstance(key, int) and key < len(data)
        )
        if inside:
            data = data[key]
            path.append(key)
        elif last and missing:
            path.append(key)
    return path


def _message(item, path, model):
    kind, got = item["type"], item.get("input")
    if kind == "extra_forbidden":
        fields = _fields(_follow(model, item["loc"][:-1]))
        return unknown("key", path[-1], fields).replace("Unknown", "unknown", 1)
    if kind == "value_error":
        return str(item["ctx"]["error"])
    annotation = _follow(model, item["loc"])
    if kind == "missing":
        return f"missing; allowed: {describe(annotation)}"
    kinds = _kinds(annotation)
    if kind == "union_tag_invalid" and _chosen(item, kinds):
        if kinds.key not in got:
            return f"missing; allowed: {_join(kinds.models)}"
        message = unknown(kinds.key, got[kinds.key], kinds.models)
        return message.replace("Unknown", "unknown", 1)
    message = f"got {_show(got)}; allowed: {describe(annotation)}"
    if isinstance(got, str):
        near = unknown("", got, _words(annotation))
        if "Did you mean" in near:
            hint = near.split("Did you mean ", 1)[1].split("?", 1)[0]
            message += f"; did you mean {hint}?"
    return message


def _show(value):
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = repr(value)
    if len(text) > 60:
        text = text[:57] + "..."
    name = {dict: "mapping", list: "list", str: "text"}.get(type(value))
    return f"{text} ({name or type(value).__name__})"


def _strip(annotation):
    """Returns the bare annotation and its metadata."""
    if isinstance(annotation, FieldInfo):
        inner, metadata = _strip(annotation.annotation)
        return inner, [*annotation.metadata, *metadata]
    if get_origin(annotation) is Annotated:
        inner, *outer = get_args(annotation)
        inner, metadata = _strip(inner)
        flat = []
        for extra in outer:
            flat.extend(
                extra.metadata if isinstance(extra, FieldInfo) else [extra]
            )
        return inner, [*flat, *metadata]
    return annotation, []


def _members(annotation):
    inner, _ = _strip(annotation)
    if get_origin(inner) in (Union, types.UnionType):
        return [member for a in get_args(inner) for member in _members(a)]
    return [annotation]


def _kinds(annotation):
    _, metadata = _strip(annotation)
    found = [extra for extra in metadata if isinstance(extra, Kinds)]
    return found[0] if found else None


def _is_model(annotation):
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _fields(model):
    model, _ = _strip(model)
    for member in _members(model):
        member, _ = _strip(member)
        if _is_model(member):
            return [f.alias or name for name, f in member.model_fields.items()]
    return []


def _follow(annotation, loc):
    """Returns the annotation at pydantic's location, tags included."""
    for key in loc:
        kinds = _kinds(annotation)
        if kinds is not None and key in kinds.models:
            annotation = kinds.models[key]
            continue
        for member in _members(annotation):
            inner, _ = _strip(member)
            if _is_model(inner):
                by_alias = {
                    f.alias or name: f for name, f in inner.model_fields.items()
                }
                if key in by_alias:
                    annotation = by_alias[key]
                    break
            elif get_origin(inner) is list and isinstance(key, int):
                annotation = get_args(inner)[0]
                break
    return annotation


def _words(annotation):
    words = []
    for member in _members(annotation):
        inner, _ = _strip(member)
        if get_origin(inner) is Literal:
            words.extend(w for w in get_args(inner) if isinstance(w, str))
    return words


def _join(words):
    return ", ".join(str(word) for word in words)


def describe(annotation):
    """Returns in words what an annotation accepts: `integer >= 1`."""
    inner, metadata = _strip(annotation)
    for extra in metadata:
        if isinstance(extra, Allowed):
            return extra.text
        if isinstance(extra, Kinds):
            return f"mapping with {extra.key}: {_join(extra.models)}"
    if get_origin(inner) in (Union, types.UnionType):
        parts = [describe(member) for member in get_args(inner)]
        return ", or ".join(dict.fromkeys(parts))
    if get_origin(inner) is Literal:
        return _join(get_args(inner))
    if get_origin(inner) is list:
        length = [m.min_length for m in metadata if isinstance(m, MinLen)]
        least = f"at least {length[0]} of " if length else ""
        return f"list of {least}{describe(get_args(inner)[0])}"
    if _is_model(inner):
        return f"mapping with {_join(_fields(inner))}"
    return f"{_NAMES[inner]} {' and '.join(_bounds(metadata))}".strip()


def _bounds(metadata):
    bounds = []
    for extra in metadata:
        for kind, name, sign in (
            (Ge, "ge", ">="),
            (Gt, "gt", ">"),
            (Le, "le", "<="),
            (Lt, "lt", "<"),
        ):
            if isinstance(extra, kind):
                bounds.append(f"{sign} {getattr(extra, name)}")
        if isinstance(extra, MinLen):
            bounds.append(f"of at least {extra.min_length} letter")
    return bounds
