"""Mutated recipes: refused in words, or meant as they were accepted."""

import copy
import math
import os
import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from keras_ganmix import recipes
from keras_ganmix.recipes.fields import MOST_INTEGER, MOST_NUMBER

VALID = [
    recipes.load(name, kind=None).to_dict() for name in recipes.names(None)
]
VALID += [
    recipes.load(
        "quickstart",
        [
            "regularizers=[R1, AdaptiveMix, LeCam, {type: DAG, policy: "
            "[rotation, cutout]}, {type: SampleMixing, weight: {value: 2, "
            "warmup: 9, every: 2}}, Deshuffle, Consistency]",
            "optimizer.schedule={start: 3, end: 50}",
        ],
    ).to_dict()
]
TEXTS = [path.read_bytes() for path in recipes.folder().glob("*.yaml")]

ODD_TEXT = st.sampled_from(
    [
        "",
        "~",
        "null",
        "yes",
        "1e-4",
        "0x10",
        "\x00",
        "\x1b[2J",
        "a\nb",
        "\u202egnp",
        "💥",
        "__class__",
        "os.system",
        "keras.layers.Lambda",
        "../../etc/passwd",
        "folder:/dev/zero",
        "folder:~nobody_at_all/x",
        "npz:\x00",
        "idx:" + "a" * 5000,
        "tfds:../up",
        "tfds:/etc",
        "stacked_digits:stacked_digits:ring",
        "!!python/object/apply:os.system [id]",
        "*x",
        "&x [*x]",
        "<<",
    ]
)
ODD_NUMBER = st.one_of(
    st.sampled_from(
        [0, -1, 1, 2, 2**31 - 1, 2**31, 2**63, 10**25, 10**4000, True, False]
    ),
    st.sampled_from(
        [
            *(0.0, -0.0, 0.5, 1.0, 1e38, 1e39, 1e308, 5e-324),
            *(math.inf, -math.inf, math.nan),
        ]
    ),
    st.integers(),
    st.floats(),
)
LEAVES = st.one_of(st.none(), ODD_NUMBER, ODD_TEXT, st.text(max_size=8))
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=6) | ODD_TEXT, inner, max_size=4)
    ),
    max_leaves=10,
)
# More of the words that recipes are made of than chance would give.
WORDS = sorted(
    {
        word
        for data in VALID
        for word in yaml.safe_dump(data).replace(":", " ").split()
    }
)


def places(data, path=()):
    """Every path in nested data, the empty one first."""
    yield path
    if isinstance(data, dict):
        for key in data:
            yield from places(data[key], (*path, key))
    elif isinstance(data, list):
        for index, item in enumerate(data):
            yield from places(item, (*path, index))


def put(data, path, value):
    for key in path[:-1]:
        data = data[key]
    data[path[-1]] = value


@st.composite
def mutants(draw):
    """A valid recipe with a few places replaced, removed, added or moved."""
    data = copy.deepcopy(draw(st.sampled_from(VALID)))
    for _ in range(draw(st.integers(1, 3))):
        paths = list(places(data))
        if len(paths) < 2:
            break
        path = draw(st.sampled_from(paths[1:]))
        inner = data
        for key in path[:-1]:
            inner = inner[key]
        kind = draw(st.sampled_from(["put", "word", "drop", "add", "swap"]))
        if kind == "put":
            inner[path[-1]] = draw(VALUES)
        elif kind == "word":
            inner[path[-1]] = draw(st.sampled_from(WORDS))
        elif kind == "drop":
            del inner[path[-1]]
        elif kind == "add" and isinstance(inner, dict):
            key = draw(st.sampled_from(WORDS) | st.text(max_size=6))
            inner[key] = draw(VALUES)
        elif kind == "swap":
            other = draw(st.sampled_from(paths[1:]))
            whole = copy.deepcopy(data)
            value = whole
            for key in other:
                value = value[key]
            inner[path[-1]] = value
    return data


@st.composite
def texts(draw):
    """A recipe file with bytes cut, repeated, flipped or put in."""
    raw = bytearray(draw(st.sampled_from(TEXTS)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(raw)))
        end = min(len(raw), at + draw(st.integers(0, 40)))
        kind = draw(st.sampled_from(["cut", "twice", "flip", "put", "yaml"]))
        if kind == "cut":
            del raw[at:end]
        elif kind == "twice":
            raw[at:at] = raw[at:end] * draw(st.integers(1, 50))
        elif kind == "flip" and at < len(raw):
            raw[at] ^= draw(st.integers(1, 255))
        elif kind == "put":
            raw[at:at] = draw(st.binary(max_size=20))
        elif kind == "yaml":
            raw[at:at] = draw(
                st.sampled_from(
                    [
                        b"!!int ",
                        b"!!float x",
                        b"!!timestamp x",
                        b"!!binary x",
                        b"!!set {a}",
                        b"!!omap [a: 1]",
                        b"!",
                        b"&a ",
                        b"*a",
                        b"<<: ",
                        b"? ",
                        b"---\n",
                        b"%YAML 9.9\n---\n",
                        b"{" * 900,
                        b"[" * 5000,
                        b"- " * 900,
                        b"9" * 5000,
                        b"\t",
                        b"\xff",
                        b"\xe2\x80\xa8",
                    ]
                )
            )
    return bytes(raw)


@st.composite
def changes(draw):
    """What may stand after --set."""
    paths = [
        ".".join(map(str, path)) for data in VALID for path in places(data)
    ]
    path = draw(
        st.sampled_from(paths)
        | st.text(max_size=12)
        | st.sampled_from(
            [
                "a." * 5000,
                "regularizers.99999999999999999999.weight",
                "regularizers." + "9" * 5000,
                "regularizers.-1",
                "regularizers.0.0.0",
                "regularizers.²",
                "data.__class__",
                "schema",
            ]
        )
    )
    value = draw(
        ODD_TEXT
        | st.text(max_size=20)
        | VALUES.map(repr)
        | st.sampled_from([*WORDS, "[" * 5000, "{" * 300, "9" * 9000])
    )
    return path + draw(st.sampled_from(["=", "==", "", " = "])) + value


def numbers(data):
    for path in places(data):
        value = data
        for key in path:
            value = value[key]
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            yield value


def check(load):
    """Loads; returns the recipe or None, having checked either."""
    try:
        recipe = load()
    except recipes.RecipeError as error:
        assert error.lines and len(error.lines) <= 21
        assert all(error.lines)
        return None
    data = recipe.to_dict()
    # What is accepted says itself: nothing was guessed or dropped.
    again = recipes.from_dict(data, kind=None)
    assert again == recipe and again.to_dict() == data
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recipe.yaml"
        recipes.save(recipe, path)
        assert recipes.load(path, kind=None) == recipe
    for value in numbers(data):
        assert math.isfinite(value) and abs(value) <= MOST_NUMBER
        if isinstance(value, int):
            assert abs(value) <= MOST_INTEGER
    return recipe


def from_bytes(raw):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recipe.yaml"
        path.write_bytes(raw)
        return recipes.load(path, kind=None)


FAST = settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
LONG = settings(FAST, max_examples=5_000, derandomize=False, print_blob=True)


def data_is_refused_or_kept(data):
    note(repr(data)[:2000])
    check(lambda: recipes.from_dict(data, kind=None))


def file_is_refused_or_kept(raw):
    note(repr(raw)[:2000])
    check(lambda: from_bytes(raw))


def change_is_refused_or_kept(texts):
    note(repr(texts)[:2000])
    check(lambda: recipes.load("quickstart", texts))


TARGETS = {
    "data": (mutants(), data_is_refused_or_kept),
    "file": (texts(), file_is_refused_or_kept),
    "changes": (
        st.lists(changes(), min_size=1, max_size=3),
        change_is_refused_or_kept,
    ),
}


@pytest.mark.parametrize("target", TARGETS)
def test_mutants_are_refused_or_kept(target):
    strategy, prove = TARGETS[target]
    FAST(given(strategy)(prove))()


@pytest.mark.long
@pytest.mark.parametrize("target", TARGETS)
def test_many_mutants_are_refused_or_kept(target):
    strategy, prove = TARGETS[target]
    LONG(given(strategy)(prove))()


@pytest.mark.parametrize(
    "name", ["~nobody_at_all/x", "x" * 5000, "a\0b", "/dev/zero", "", "."]
)
def test_names_of_recipes_that_cannot_be(name):
    with pytest.raises(recipes.RecipeError):
        recipes.load(name)


def test_a_pipe_is_no_recipe(tmp_path):
    os.mkfifo(tmp_path / "recipe.yaml")
    with pytest.raises(recipes.RecipeError, match="no such recipe file"):
        recipes.load(tmp_path / "recipe.yaml")
    with pytest.raises(recipes.RecipeError):
        recipes.load(tmp_path)


def test_accepted_mutants_occur():
    """Otherwise the checks of accepted recipes would prove nothing."""
    accepted = []

    @settings(FAST, max_examples=300)
    @given(mutants())
    def collect(data):
        if check(lambda: recipes.from_dict(data, kind=None)) is not None:
            accepted.append(data)

    collect()
    assert 15 < len(accepted) < 285
