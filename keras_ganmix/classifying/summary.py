"""What the folder of a run says of it. Needs no TensorFlow."""

import json

from keras_ganmix import recipes
from keras_ganmix.utils.differences import differences


def read_summary(folder):
    """The summary of a run as a dict; empty if there is none to read.

    Args:
        folder: its `RunFolder`.
    """
    try:
        found = json.loads(folder.summary.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def is_done(folder, recipe):
    """Whether a run has been trained and tested as a recipe says.

    Args:
        folder: its `RunFolder`.
        recipe: the `ClassifierRecipe`.
    """
    summary, now = read_summary(folder), recipe.to_dict()
    if summary.get("status") != "done":
        return False
    before = recipes.load(folder.recipe, kind="classifier").to_dict()
    return summary["evaluate"] == now["evaluate"] and not any(
        differences(before, now, free=recipe.FREE)
    )
