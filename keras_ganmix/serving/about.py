"""What is known of a generator beside itself: recipe, data, scores."""

import dataclasses

from keras_ganmix import recipes
from keras_ganmix.data.sources import FAMILIES
from keras_ganmix.metrics.report import (
    Evaluation,
    protocol_path,
    read_protocol,
)
from keras_ganmix.run_folder import RunFolder
from keras_ganmix.trained import DataFacts
from keras_ganmix.utils import jsonl

_NO_SCORES = ("step", "diversity")


@dataclasses.dataclass(frozen=True)
class About:
    """What is known of a generator beside itself.

    Attributes:
        recipe: the `Recipe`.
        data: `trained.DataFacts`.
        evaluation: `Evaluation` of these weights, or `None`.
        origin: the run whose weights training began with, a dict, or `None`.
    """

    recipe: recipes.Recipe
    data: DataFacts
    evaluation: Evaluation | None = None
    origin: dict | None = None

    @classmethod
    def of_run(cls, run, generator, data):
        """What the folder of a run tells.

        Args:
            run: the folder.
            generator: its `TrainedGenerator`.
            data: its `DataFacts`.
        """
        folder = RunFolder(run)
        recipe = recipes.load(folder.recipe)
        return cls(
            _without_places(recipe),
            data._replace(source=without_place(data.source)),
            _evaluation(folder, generator, recipe),
            folder.read_origin(),
        )

    def write_recipe(self, folder):
        """Writes `assets.extra/recipe.yaml`."""
        path = folder / "assets.extra" / "recipe.yaml"
        path.write_text(recipes.dump(self.recipe), encoding="utf-8")


def without_place(source):
    """A source without the folders that lead to it: they are nobody's."""
    family, colon, argument = source.partition(":")
    if family == "stacked_digits":
        return f"{family}{colon}{without_place(argument)}"
    if family in FAMILIES and FAMILIES[family].argument != "PATH":
        return source
    return family + colon + argument.rstrip("/").rpartition("/")[2]


def _without_places(recipe):
    source = without_place(recipe.data.source)
    changed = {"data": recipe.data.model_copy(update={"source": source})}
    if recipe.evaluate is not None:
        name = recipe.evaluate.extractor.rpartition("/")[2]
        changed["evaluate"] = recipe.evaluate.model_copy(
            update={"extractor": name}
        )
    return recipe.model_copy(update=changed)


def _evaluation(folder, generator, recipe):
    """The scores of the very weights that are exported, or `None`."""
    averaged = generator.averaged
    if folder.evaluation.is_file():
        found = Evaluation.load(folder.evaluation)
        ema = found.protocol.ema
        if found.step == generator.step and ema in (averaged, None):
            return found
    protocol = protocol_path(folder.scores)
    if not (folder.scores.is_file() and protocol.is_file()):
        return None
    protocol, floor = read_protocol(protocol)
    for line in reversed(jsonl.read(folder.scores)):
        if line["step"] == generator.step and protocol.ema == averaged:
            scores = {k: line[k] for k in line if k not in _NO_SCORES}
            return Evaluation(scores, floor, {}, protocol, 0.0, line["step"])
    return None
