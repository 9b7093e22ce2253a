"""The file that says what a sweep varies, and the arms that come of it."""

import dataclasses
import json
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from keras_ganmix import recipes
from keras_ganmix.metrics.names import (
    METRICS,
    TRAINING_METRICS,
    check_extractor,
)
from keras_ganmix.recipes import RecipeError, errors, loading, overrides
from keras_ganmix.recipes.fields import (
    NAME,
    Allowed,
    Section,
    Seed,
    extractor_field,
)
from keras_ganmix.utils.differences import differences
from keras_ganmix.utils.names import unknown

_AtLeastTwo = Annotated[int, Field(ge=2)]


class Scoring(Section):
    """What `evaluate` is asked for at the end of each run."""

    metrics: Annotated[
        list[Literal[(*METRICS, *TRAINING_METRICS)]], Field(min_length=1)
    ]
    extractor: extractor_field("pixels") = "auto"
    num_fake: _AtLeastTwo | None = None
    num_real: _AtLeastTwo | None = None
    split: Annotated[str, Field(min_length=1)] = "test"
    seed: Seed = 0

    def flags(self):
        """Returns the flags of `evaluate`."""
        given = self.model_dump(exclude={"metrics"}, exclude_none=True)
        metrics = ",".join(self.metrics)
        return [
            f"--metrics={metrics}",
            *(f"--{name}={value}" for name, value in given.items()),
        ]


class Vary(Section):
    """The file: arms by name, each a list of changes to the recipe."""

    arms: Annotated[
        dict[str, list[str]],
        Field(min_length=1),
        Allowed("names, each with a list of PATH=VALUE, maybe empty"),
    ]
    common: Annotated[list[str], Allowed("a list of PATH=VALUE")] = []  # noqa: RUF012
    baseline: str | None = None
    score: Annotated[list[Scoring], Field(min_length=1)] | None = None


@dataclasses.dataclass(frozen=True)
class Plan:
    """A sweep, ready to be run.

    Attributes:
        recipe: name or path of the recipe that is varied.
        arms: dict from name to `Recipe`; the baseline is the first.
        common: list of the changes to all arms.
        changes: dict from name to the further changes of the arm.
        seeds: tuple of seeds.
        scorings: list of `Scoring`.
    """

    recipe: str
    arms: dict
    common: list
    changes: dict
    seeds: tuple
    scorings: list

    @property
    def baseline(self):
        """Name of the arm that the others are compared with."""
        return next(iter(self.arms))

    def cells(self):
        """List of `(arm, seed)`, all arms of the first seed first."""
        return [(arm, seed) for seed in self.seeds for arm in self.arms]

    def recipe_of(self, arm, seed):
        """Returns the `Recipe` of a cell."""
        return _with_seed(self.arms[arm], seed)


def make_plan(recipe, path, seeds):
    """Reads what is varied, and checks every arm against the recipe's schema.

    Args:
        recipe: name of a recipe, or a file.
        path: the YAML file.
        seeds: tuple of numbers.

    Returns:
        A `Plan`.

    Raises:
        RecipeError: with a line for each mistake of each arm.
    """
    origin = str(recipes.find(recipe))
    data = loading.read(origin)
    recipes.from_dict(data, origin=origin)
    vary = _read(path)
    arms, lines = {}, []
    for name, changes in vary.arms.items():
        try:
            changes = [*vary.common, *changes]
            _check_changes(changes)
            changes.append(f"name={json.dumps(name)}")
            arms[name] = recipes.from_dict(data, changes, origin)
            _check_strategy(arms[name])
        except RecipeError as error:
            lines += [f"{path}: arms.{name}: {line}" for line in error.lines]
    if lines:
        raise RecipeError(lines)
    _check_distinct(path, arms)
    for seed in seeds:
        _with_seed(next(iter(arms.values())), seed)
    first = vary.baseline or next(iter(arms))
    arms = {first: arms[first], **arms}
    return Plan(
        recipe,
        arms,
        vary.common,
        {name: vary.arms[name] for name in arms},
        tuple(seeds),
        _scorings(path, vary, arms),
    )


def _read(path):
    data = loading.read(path)
    try:
        vary = Vary.model_validate(data)
    except ValidationError as error:
        found = errors.lines(error, Vary, data)
        raise RecipeError([f"{path}: {p}: {m}" for p, m in found]) from None
    for name in vary.arms:
        if not NAME.fullmatch(name):
            raise RecipeError(
                f"{path}: arms: got the name {name!r}; allowed: 1 to 64 "
                "letters, digits and _ . -, starting with a letter or digit"
            )
    if vary.baseline is not None and vary.baseline not in vary.arms:
        message = unknown("arm", vary.baseline, vary.arms)
        raise RecipeError(f"{path}: baseline: {message}")
    return vary


def _check_changes(changes):
    for text in changes:
        keys, _ = overrides.split(text)
        if keys in (["name"], ["train", "seed"]):
            raise RecipeError(
                f"{text}: a sweep sets it itself; leave it out, and give "
                "seeds with --seeds"
            )


def _check_strategy(recipe):
    if recipe.strategy == "multi_worker":
        raise RecipeError(
            "strategy: multi_worker: a sweep trains on this machine alone; "
            "add strategy=none or strategy=mirrored to `common`"
        )


def _check_distinct(path, arms):
    seen = {}
    for name, recipe in arms.items():
        own = recipe.to_dict()
        for other, before in seen.items():
            if not any(differences(before, own, free=recipes.INCIDENTAL)):
                raise RecipeError(
                    f"{path}: arms.{name}: trains the same as arms.{other}; "
                    "leave one out"
                )
        seen[name] = own


def _scorings(path, vary, arms):
    """The scorings of the file, or else that of the recipe's `evaluate`."""
    baseline = next(iter(arms.values()))
    if vary.score is None:
        section = baseline.evaluate
        if section is None:
            default = Scoring(metrics=["frechet", "kernel", "prdc"])
            _check_scoring("evaluate", default, arms)
            return [default]
        return [
            Scoring(
                metrics=section.metrics,
                extractor=section.extractor,
                num_fake=section.num_fake,
                split=section.split,
            )
        ]
    for index, scoring in enumerate(vary.score):
        _check_scoring(f"{path}: score.{index}", scoring, arms)
    return list(vary.score)


def _check_scoring(place, scoring, arms):
    """Refuses metrics that do not go with the data of an arm."""
    try:
        check_extractor(scoring.extractor, ("pixels",), must_exist=True)
    except ValueError as error:
        raise RecipeError(f"{place}.extractor: {error}") from error
    metrics = [name for name in scoring.metrics if name in METRICS]
    if not metrics:
        return
    for name, recipe in arms.items():
        data = {**recipe.to_dict(), "evaluate": {"metrics": metrics}}
        recipes.from_dict(data, origin=f"{place} for arm {name}")


def _with_seed(recipe, seed):
    return recipes.from_dict(recipe.to_dict(), [f"train.seed={seed}"])
