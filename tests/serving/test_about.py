"""What an export tells of the run that it comes from."""

from keras_ganmix import recipes
from keras_ganmix.serving import about


def test_folders_are_nobodys():
    changes = [
        "data.source=stacked_digits:npz:/home/ann/secret/digits.npz",
        "evaluate.extractor=/home/ann/secret/own.keras",
    ]
    recipe = recipes.load("quickstart", changes)
    told = about._without_places(recipe)
    assert told.data.source == "stacked_digits:npz:digits.npz"
    assert told.evaluate.extractor == "own.keras"
    assert "secret" not in recipes.dump(told)
    kept = "stacked_digits:tfds:my/digits"
    named = recipes.load("quickstart", [f"data.source={kept}"])
    assert about._without_places(named).data.source == kept
    for unknown in ("arrays", "stats.npz"):  # no sources of recipes
        assert about.without_place(unknown) == unknown
    bare = recipes.load("quickstart")
    assert about._without_places(bare).evaluate is None
