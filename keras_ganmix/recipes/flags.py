"""The flags `--recipe` and `--set` of the commands that take a recipe."""

from absl import flags

from keras_ganmix import recipes
from keras_ganmix.utils.cli import UsageError

RECIPE = (
    "Name of a recipe that comes with the package, a recipe file, or the "
    "folder of a run, whose recipe is repeated."
)
SET = (
    "Change the recipe; may be repeated. The value is YAML, a number in "
    "the path is a place in a list: --set data.batch_size=32 "
    "--set regularizers.0.weight=2 --set evaluate=null."
)
WORDS = {"recipe": "NAME|FILE", "set": "PATH=VALUE"}


def define(options, recipe_help=RECIPE, set_help=SET):
    """Adds both flags to a set of flags."""
    flags.DEFINE_string("recipe", None, recipe_help, flag_values=options)
    flags.DEFINE_multi_string("set", [], set_help, flag_values=options)


def load(options, changes=(), default=None, kind="gan"):
    """Returns the recipe that the flags ask for.

    Args:
        options: the flags.
        changes: further changes, applied after those of `--set`.
        default: name of a recipe where `--recipe` was not given.
        kind: as for `recipes.load`.

    Raises:
        UsageError: if there is neither.
        RecipeError: as for `recipes.load`.
    """
    name = options.recipe or default
    if name is None:
        raise UsageError(
            "--recipe: missing; allowed: a recipe file, or one of "
            f"{', '.join(recipes.names(kind))}"
        )
    return recipes.load(name, [*options.set, *changes], kind)
