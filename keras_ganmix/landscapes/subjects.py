"""The runs that are looked at, and which of them are one arm.

Imports no TensorFlow, so that mistakes show at once.
"""

import dataclasses

from keras_ganmix import recipes
from keras_ganmix.comparing import runs
from keras_ganmix.recipes.source import open_source
from keras_ganmix.run_folder import RunFolder
from keras_ganmix.utils import jsonl
from keras_ganmix.utils.cli import UsageError


@dataclasses.dataclass(frozen=True)
class Subject:
    """A run that is looked at.

    Attributes:
        folder: `RunFolder`.
        recipe: `Recipe`.
        source: `data.Source` of its real images.
        arm: label of the runs that differ from it in the seed only.
        place: of that arm among all, from 0.
        kept: steps of all of its checkpoints, the newest last.
        steps: those whose landscapes are drawn.
        gradients: lines of its `gradients.jsonl`, if it has any.
    """

    folder: RunFolder
    recipe: recipes.Recipe
    source: object
    arm: str
    place: int
    kept: list
    steps: list
    gradients: list

    @property
    def label(self):
        """Name of the run on pictures that show one run only."""
        return f"{self.arm}, seed {self.recipe.train.seed}"


def find(paths, steps):
    """Reads what there is to know of runs without their networks.

    Args:
        paths: folders of runs.
        steps: `"newest"`, `"all"` or a list of steps.

    Returns:
        List of `Subject`s, arm by arm.

    Raises:
        UsageError: for folders that hold no such run, and a checkpoint that
            one of them has not.
        ValueError: if the data of a run are missing, or two runs are the same.
    """
    found, kept, chosen = [], {}, {}
    for path in paths:
        folder = RunFolder(path)
        if not folder.recipe.is_file():
            raise UsageError(f"{path}: holds no run (recipe.yaml is missing)")
        kept[folder.path] = own = _kept(folder)
        chosen[folder.path] = _chosen(folder, own, steps)
        if folder.path not in [run.folder.path for run in found]:
            recipe, origin = recipes.load(folder.recipe), folder.read_origin()
            found.append(runs.Run(folder, recipe, [], origin))
    sources = {}
    subjects = []
    for place, arm in enumerate(runs.group(found)):
        for run in arm.runs.values():
            folder, recipe = run.folder, run.recipe
            key = recipe.data.model_dump_json()
            if key not in sources:
                sources[key] = open_source(recipe)
            subjects.append(
                Subject(
                    folder,
                    recipe,
                    sources[key],
                    arm.label,
                    place,
                    kept[folder.path],
                    chosen[folder.path],
                    jsonl.read(folder.gradients),
                )
            )
    return subjects


def _kept(folder):
    names = [p.stem for p in folder.checkpoints.glob("ckpt-*.index")]
    numbers = [name.removeprefix("ckpt-") for name in names]
    kept = sorted(int(number) for number in numbers if number.isdigit())
    if not kept:
        raise UsageError(f"{folder.path}: holds no checkpoint of a run")
    return kept


def _chosen(folder, kept, steps):
    if steps == "newest":
        return kept[-1:]
    if steps == "all":
        return kept
    missing = [step for step in steps if step not in kept]
    if missing:
        raise UsageError(
            f"--steps: {folder.path} has no checkpoint of step {missing[0]}; "
            f"it has {', '.join(map(str, kept))}"
        )
    return sorted(steps)
