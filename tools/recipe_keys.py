"""Writes `docs/recipes.md`: every key of a recipe.

    python -m tools.recipe_keys

Types, ranges and defaults are those of the schema. What a key means is taken
from the docstrings: of the section, or of what the key is an argument of.
"""

import inspect
import os
import pathlib
import re
import textwrap

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import yaml

import keras_ganmix as kgm
from keras_ganmix import callbacks, networks, regularizers
from keras_ganmix.recipes import schema
from keras_ganmix.recipes.errors import describe
from keras_ganmix.recipes.fields import Weight
from keras_ganmix.recipes.networks import DISCRIMINATORS, GENERATORS
from keras_ganmix.recipes.optimizers import OPTIMIZERS, LinearDecay, Optimizer
from keras_ganmix.recipes.regularizers import REGULARIZERS
from keras_ganmix.utils.files import write_text
from keras_ganmix.utils.tables import markdown_table

PAGE = pathlib.Path(__file__).resolve().parents[1] / "docs" / "recipes.md"
TEMPLATE = pathlib.Path(__file__).with_name("recipe_keys.md")

#: Sections, and where the keys that are arguments are explained.
SECTIONS = {
    "data": (schema.Data, kgm.data.load, kgm.data.dataset),
    "optimizer": (Optimizer,),
    "optimizer.schedule": (LinearDecay,),
    "train": (schema.Train, kgm.GAN, kgm.GAN.compile),
    "samples": (schema.Samples, callbacks.Samples),
    "gradients": (schema.Gradients, callbacks.GradientAngles),
    "checkpoint": (schema.Checkpoint,),
    "guards": (schema.Guards, callbacks.Saturation),
    "evaluate": (schema.Evaluate, callbacks.Evaluate),
}
#: Page of each regularizer.
PAGES = {
    "ModeSeeking": "mode_seeking_gdpp",
    "GDPP": "mode_seeking_gdpp",
    "R1": "gradient_penalties",
    "R2": "gradient_penalties",
    "GradientPenalty": "gradient_penalties",
    "DiffAugment": "augmentation",
    "AdaptiveAugment": "augmentation",
    "LeCam": "lecam",
}
#: Words of Python in docstrings to those of YAML.
YAML = {"None": "null", "True": "true", "False": "false"}


def explained(thing):
    """Dict from the arguments of a docstring to what it says of them."""
    text = inspect.cleandoc(thing.__doc__ or "")
    blocks = re.findall(
        r"(?ms)^(?:Args|Attributes):\n(.*?)(?=^\S|\Z)", text + "\n"
    )
    found = {}
    for block in blocks:
        entries = textwrap.dedent(block)
        for entry in re.split(r"(?m)^(?=\*{0,2}\w+: )", entries):
            name, _, words = entry.partition(": ")
            if words:
                found[name] = " ".join(words.split())
    return found


def keys(model, *sources, leave_out=()):
    """The table of a section.

    Args:
        model: the `Section`.
        *sources: objects whose docstrings explain the keys, the first that
            does counts.
        leave_out: keys that are told of elsewhere.

    Raises:
        KeyError: if a key is explained nowhere.
    """
    told = {}
    for source in (model, *model.__mro__[1:-1], *sources):
        told = explained(source) | told
    lines = []
    for name, field in model.model_fields.items():
        name = field.alias or name
        if name in leave_out:
            continue
        words = re.sub(
            r"\b(None|True|False)\b", lambda m: YAML[m[0]], told[name]
        ).rstrip(".")
        allowed = describe(field)
        if "mapping with " in allowed:
            allowed = "see below"
        if field.is_required():
            default = "required"
        elif hasattr(field.default, "model_dump"):
            default = "its defaults"
        else:
            default = f"`{_short(field.default)}`"
        lines.append((f"`{name}`", default, allowed, words))
    return markdown_table(("key", "default", "allowed", "what"), lines)


def _short(default):
    text = yaml.safe_dump(default, default_flow_style=True, width=10**6)
    return text.removesuffix("...\n").strip()


def _page(name):
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    return f"methods/{PAGES.get(name, words)}.md"


def _sections():
    parts = []
    for path, (model, *sources) in SECTIONS.items():
        table = keys(model, *sources, leave_out=["type"])
        parts += [f"### `{path}`", table]
        if path == "optimizer":
            for kind, optimizer in OPTIMIZERS.models.items():
                parts += [
                    f"`type: {kind}`",
                    keys(optimizer, leave_out=["type"]),
                ]
    return parts


def _networks():
    parts = []
    for family in GENERATORS.models:
        builders = getattr(networks, family)
        parts.append(f"### `network: {family}`")
        for role, kinds in (
            ("generator", GENERATORS),
            ("discriminator", DISCRIMINATORS),
        ):
            table = keys(
                kinds.models[family],
                getattr(builders, role),
                kgm.GAN,
                leave_out=["network"],
            )
            parts += [f"`{role}`", table]
    return parts


def _regularizers():
    parts = []
    for name, model in REGULARIZERS.models.items():
        table = keys(
            model, getattr(regularizers, name), leave_out=["type", "name"]
        )
        parts += [f"### [{name}]({_page(name)})", table]
    return parts


def page():
    """The text of the page."""
    parts = {
        "top": [keys(schema.Recipe)],
        "sections": _sections(),
        "networks": _networks(),
        "weight": [keys(Weight)],
        "regularizers": _regularizers(),
    }
    text = TEMPLATE.read_text(encoding="utf-8")
    for name, made in parts.items():
        text = text.replace(f"{{{{{name}}}}}", "\n\n".join(made))
    return text


if __name__ == "__main__":
    write_text(PAGE, page())
    print(PAGE)
