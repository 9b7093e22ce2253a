"""Reads and writes recipe files: YAML as data, and nothing else."""

import re
from pathlib import Path

import yaml

from keras_ganmix.recipes.errors import RecipeError

MOST_BYTES = 64 * 1024
MOST_NODES = 10_000
MOST_DIGITS = 30
_PACKAGE = Path(__file__).resolve().parents[1]

# The scalars of YAML 1.2: `1e-4` is a number, `yes`, `010` and dates are text.
_SCALARS = (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?(?:0|[1-9][0-9_]*)", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?[0-9]+[eE][-+]?[0-9]+"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
)


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers = {}  # noqa: RUF012

    def compose_node(self, parent, index):
        event = self.peek_event()
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise yaml.MarkedYAMLError(
                problem=f"the tag {tag!r} is not allowed, only plain values",
                problem_mark=event.start_mark,
            )
        return super().compose_node(parent, index)

    def construct_yaml_int(self, node):
        if len(node.value) > MOST_DIGITS:
            raise yaml.MarkedYAMLError(
                problem=f"an integer of {len(node.value)} digits",
                problem_mark=node.start_mark,
            )
        return super().construct_yaml_int(node)

    def construct_mapping(self, node, deep=False):
        keys = set()
        for key, _ in node.value:
            value = key.value if isinstance(key, yaml.ScalarNode) else None
            if key.tag != "tag:yaml.org,2002:str" or value is None:
                raise yaml.MarkedYAMLError(
                    problem="keys must be text", problem_mark=key.start_mark
                )
            if value in keys:
                raise yaml.MarkedYAMLError(
                    problem=f"key {value!r} is given twice",
                    problem_mark=key.start_mark,
                )
            keys.add(value)
        return super().construct_mapping(node, deep=deep)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)


class _Dumper(yaml.SafeDumper):
    yaml_implicit_resolvers = {}  # noqa: RUF012

    def ignore_aliases(self, data):
        return True

    def represent_text(self, text):
        # Unicode's line ends become spaces unless they are escaped.
        style = '"' if re.search("[\x85\u2028\u2029]", text) else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _Dumper.represent_text)


for _tag, _pattern, _first in _SCALARS:
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(
            f"tag:yaml.org,2002:{_tag}",
            re.compile(rf"^(?:{_pattern})$"),
            list(_first),
        )


def folder():
    """Returns the folder of the recipes that come with the package."""
    installed = _PACKAGE / "builtin_recipes"
    return installed if installed.is_dir() else _PACKAGE.parent / "recipes"


def names():
    """Returns the names of the recipes that come with the package."""
    return sorted(path.stem for path in folder().glob("*.yaml"))


def parse(text):
    """Returns the data in a YAML text.

    Raises:
        RecipeError: if it is not one document of plain YAML data.
    """
    try:
        return _copy(yaml.load(text, _Loader), [MOST_NODES])
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: "
        words = f"{error.context or ''} {error.problem}".split()
        raise RecipeError(place + " ".join(words)) from None
    except yaml.reader.ReaderError as error:
        raise RecipeError(
            f"character {error.position} is not text: {error.reason}"
        ) from None
    except RecursionError:
        raise RecipeError("nested too deeply") from None


def _copy(value, left):
    """Copies data, so that aliases share nothing and cannot explode."""
    left[0] -= 1
    if left[0] < 0:
        raise RecipeError(f"more than {MOST_NODES} values, aliases counted")
    if isinstance(value, dict):
        return {key: _copy(item, left) for key, item in value.items()}
    if isinstance(value, list):
        return [_copy(item, left) for item in value]
    return value


def read(path):
    """Returns the mapping in a recipe file.

    Raises:
        RecipeError: if there is no such file, or no mapping in it.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise RecipeError(f"{path}: {error.strerror}") from None
    if len(raw) > MOST_BYTES:
        raise RecipeError(
            f"{path}: larger than {MOST_BYTES} bytes; not a recipe"
        )
    try:
        data = parse(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: byte {error.start} is not UTF-8") from None
    except RecipeError as error:
        raise RecipeError(f"{path}: {error}") from None
    if not isinstance(data, dict):
        kind = "nothing" if data is None else type(data).__name__
        raise RecipeError(
            f"{path}: holds {kind}; allowed: a mapping with the sections of "
            "a recipe"
        )
    return data


def dump(data):
    """Returns plain data as YAML text that `parse` gives back exactly."""
    return yaml.dump(
        data,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=80,
    )
