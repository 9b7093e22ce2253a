"""Recipes: what to train, on what, for how long, as data.

A recipe is a YAML file. `load` finds it, applies changes and checks it, all
without TensorFlow, so that mistakes are answered at once.

```python
recipe = kgm.recipes.load("quickstart", ["train.steps=100"])
```
"""

import os
from pathlib import Path

from pydantic import ValidationError

from keras_ganmix.recipes import errors, loading, overrides
from keras_ganmix.recipes.classifier import ClassifierRecipe
from keras_ganmix.recipes.errors import RecipeError
from keras_ganmix.recipes.loading import folder, read
from keras_ganmix.recipes.schema import LOSSES, VERSION, Recipe
from keras_ganmix.utils.names import unknown

__all__ = [
    "INCIDENTAL",
    "LOSSES",
    "ClassifierRecipe",
    "Recipe",
    "RecipeError",
    "dump",
    "find",
    "folder",
    "from_dict",
    "load",
    "names",
    "save",
]

#: Sections and keys that change nothing of what is trained.
INCIDENTAL = (
    "name",
    "description",
    "data.cache",
    "train.log_every",
    "samples",
    "gradients",
    "checkpoint",
    "evaluate",
)

# What a recipe can be of: the model that checks it, and who runs it.
_KINDS = {
    "gan": (Recipe, "a GAN", "train"),
    "classifier": (ClassifierRecipe, "a classifier", "classify"),
}


def names(kind="gan"):
    """Returns the names of the recipes that come with the package.

    Args:
        kind: `"gan"`, `"classifier"`, or `None` for both.
    """
    listed = loading.names()
    if kind is None:
        return listed
    paths = {name: folder() / f"{name}.yaml" for name in listed}
    return [name for name in listed if _kind_of(read(paths[name])) == kind]


def find(name_or_path, kind=None):
    """Returns the path of a recipe.

    Args:
        name_or_path: a name in `names(None)`, a file, or a run's folder.
        kind: of the names that are listed if there is none.

    Raises:
        RecipeError: if there is none; lists the near names.
    """
    if name_or_path in loading.names():
        return folder() / f"{name_or_path}.yaml"
    # Not pathlib's questions: they raise for names that cannot exist.
    path = Path(os.path.expanduser(name_or_path))
    if os.path.isfile(path / "recipe.yaml"):
        return path / "recipe.yaml"
    if os.path.isfile(path):
        return path
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        raise RecipeError(f"{path}: no such recipe file")
    raise RecipeError(unknown("recipe", str(name_or_path), names(kind)))


def load(name_or_path, changes=(), kind="gan"):
    """Reads and checks a recipe.

    Args:
        name_or_path: as for `find`.
        changes: strings such as `"data.batch_size=32"`, applied in order.
        kind: `"gan"`, `"classifier"`, or `None` for either.

    Returns:
        A `Recipe` or a `ClassifierRecipe`.

    Raises:
        RecipeError: with a line for each mistake; also for a recipe of the
            other kind.
    """
    path = find(name_or_path, kind)
    return from_dict(read(path), changes, str(path), kind)


def from_dict(data, changes=(), origin="recipe", kind="gan"):
    """Checks the plain data of a recipe; see `load`.

    Args:
        data: nested dicts and lists; left unchanged.
        changes: as for `load`.
        origin: what error lines call the data.
        kind: as for `load`.
    """
    data = _expanded(data)
    version = data.get("schema")
    if version != VERSION or isinstance(version, bool):
        got = "missing" if version is None else f"got {version!r}"
        raise RecipeError(
            f"{origin}: schema: {got}; this version of keras_ganmix reads "
            f"schema: {VERSION}"
        )
    changed = {}
    for text in changes:
        keys = overrides.apply(data, text)
        data = _expanded(data)
        changed[".".join(map(str, keys))] = text
    model = _model(data, kind, origin)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        found = errors.lines(error, model, data)
    raise RecipeError(
        [f"{_origin(p, changed, origin)}: {p}: {m}" for p, m in found]
    ) from None


def save(recipe, path):
    """Writes the whole recipe, defaults included, as a recipe file."""
    Path(path).write_text(dump(recipe), encoding="utf-8")


def dump(recipe):
    """Returns the whole recipe, defaults included, as YAML text."""
    return loading.dump(recipe.to_dict())


def _kind_of(data):
    return data.get("kind", "gan")


def _model(data, kind, origin):
    """The model of a recipe's kind, which is the one that is wanted."""
    found = _kind_of(data)
    if found != "classifier" and "kind" in data:
        raise RecipeError(
            f"{origin}: kind: got {found!r}; allowed: classifier, or no such "
            "key for a GAN"
        )
    model, what, command = _KINDS[found]
    if kind not in (None, found):
        raise RecipeError(
            f"{origin}: is the recipe of {what}; allowed here: that of "
            f"{_KINDS[kind][1]}. Use python -m keras_ganmix.{command}"
        )
    return model


def _expanded(data):
    """Copies the data, with `R1` in the list written as `{type: R1}`."""
    data = _copied(data)
    listed = data.get("regularizers")
    if isinstance(listed, list):
        data["regularizers"] = [
            {"type": item} if isinstance(item, str) else item for item in listed
        ]
    return data


def _copied(data):
    if isinstance(data, dict):
        return {key: _copied(item) for key, item in data.items()}
    if isinstance(data, list):
        return [_copied(item) for item in data]
    return data


def _origin(path, changed, origin):
    """Says which change, if any, an error at `path` came from.

    A change inside of a place may have made it, so it counts too.
    """
    for changed_path, text in reversed(changed.items()):
        shorter, longer = sorted((path, changed_path), key=len)
        if f"{longer}.".startswith(f"{shorter}."):
            return f"--set {text}"
    return origin
