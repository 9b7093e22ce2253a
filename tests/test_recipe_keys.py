"""The page of all keys is that of the schema, and its example works."""

import re

import yaml

from keras_ganmix import recipes
from tools import recipe_keys


def test_the_page_is_that_of_the_schema():
    assert recipe_keys.PAGE.read_text() == recipe_keys.page()


def test_the_least_recipe_is_one():
    example = re.search(r"(?s)```yaml\n(.*?)```", recipe_keys.page())[1]
    recipe = recipes.from_dict(yaml.safe_load(example))
    assert recipe.name == "photos"


def test_explanations_are_taken_whole():
    def thing():
        """First.

        Args:
            one: a long
                line: with a colon.
            two: short.
            **kwargs: `three: four`.

        Raises:
            ValueError: never.
        """

    assert recipe_keys.explained(thing) == {
        "one": "a long line: with a colon.",
        "two": "short.",
        "**kwargs": "`three: four`.",
    }
