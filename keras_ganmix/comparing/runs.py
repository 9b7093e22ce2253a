"""What runs have left in their folders, and which of them are one arm."""

import copy
import dataclasses
import json
from pathlib import Path

from keras_ganmix import recipes
from keras_ganmix.metrics.protocol import Protocol
from keras_ganmix.metrics.report import (
    Evaluation,
    protocol_path,
    read_protocol,
)
from keras_ganmix.run_folder import RunFolder
from keras_ganmix.utils import jsonl

# What may differ within an arm.
_INCIDENTAL = (*recipes.INCIDENTAL, "train.seed")


@dataclasses.dataclass
class Run:
    """A run with its scores.

    Attributes:
        folder: `RunFolder`.
        recipe: `Recipe`.
        history: lines of `scores.jsonl`, dicts with a `step`.
        origin: the run whose weights it began with, a dict, or `None`.
        scores: the scores to compare, a dict.
        step: of these scores; `None` if that is not known.
        floor: the same scores of real images, maybe empty.
        protocol: `Protocol` of the scores.
    """

    folder: RunFolder
    recipe: recipes.Recipe
    history: list
    origin: dict | None = None
    scores: dict = dataclasses.field(default_factory=dict)
    step: int | None = None
    floor: dict = dataclasses.field(default_factory=dict)
    protocol: Protocol | None = None

    @property
    def seed(self):
        """The seed of the run."""
        return self.recipe.train.seed

    @property
    def picture(self):
        """Path of the newest picture of samples, or `None`."""
        pictures = sorted(self.folder.samples.glob("step-*.png"))
        return pictures[-1] if pictures else None

    def losses(self):
        """Lines of `metrics.jsonl`, dicts with a `step`."""
        return _lines(self.folder.metrics)


@dataclasses.dataclass
class Arm:
    """Runs that differ in nothing but the seed.

    Attributes:
        label: its name on the page.
        runs: dict from seed to `Run`.
        changes: list of `(path, baseline's value, own value)`.
    """

    label: str
    runs: dict
    changes: list = dataclasses.field(default_factory=list)

    def values(self, name):
        """Dict from seed to the score of that name."""
        return {seed: run.scores[name] for seed, run in self.runs.items()}

    @property
    def first(self):
        """The run with the smallest seed."""
        return self.runs[min(self.runs)]


def load(paths):
    """Reads runs, and chooses the scores in which they can be compared.

    If each run has a file `scores.json`, written by `evaluate`, these count;
    otherwise the scores during training, at the last step that all have.

    Args:
        paths: folders of runs.

    Returns:
        List of `Run`s with scores.

    Raises:
        ValueError: folders that hold no run, no scores, or no common step.
    """
    folders = {}
    for path in paths:
        folders.setdefault(Path(path).resolve(), path)
    runs = [_read(path) for path in folders.values()]
    final = [run.folder.evaluation.exists() for run in runs]
    if all(final):
        for run in runs:
            found = Evaluation.load(run.folder.evaluation)
            run.scores, run.floor = found.scores, found.floor
            run.protocol, run.step = found.protocol, found.step
        return runs
    for run, scored in zip(runs, final, strict=True):
        if not run.history:
            has = "only a scores.json, but others have none" * scored
            raise ValueError(
                f"{run.folder.path}: holds {has or 'no scores'}; score each "
                f"run with python -m keras_ganmix.evaluate --run RUN"
            )
    steps = set.intersection(*({x["step"] for x in r.history} for r in runs))
    if not steps:
        raise ValueError(
            "the runs were never scored at the same step; score each with "
            "python -m keras_ganmix.evaluate --run RUN"
        )
    for run in runs:
        run.step = max(steps)
        (line,) = (x for x in run.history if x["step"] == run.step)
        run.scores = {k: v for k, v in line.items() if k != "step"}
        path = protocol_path(run.folder.scores)
        run.protocol, run.floor = read_protocol(path)
    return runs


def _read(path):
    folder = RunFolder(path)
    if not folder.recipe.is_file():
        raise ValueError(f"{path}: holds no run (recipe.yaml is missing)")
    recipe, origin = recipes.load(folder.recipe), folder.read_origin()
    return Run(folder, recipe, _lines(folder.scores), origin)


def _lines(path):
    try:
        return [x for x in jsonl.read(path) if isinstance(x["step"], int)]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: not lines with a step ({error})") from error


def check_protocols(runs):
    """Refuses runs whose scores cannot be ranked.

    Raises:
        ValueError: with a line for each run that differs from the first one.
    """
    first, *others = runs
    lines = []
    for run in others:
        found = first.protocol.differences(run.protocol)
        if found:
            differences = "; ".join(
                f"{name}: {_short(old)} there, {_short(new)} here"
                for name, (old, new) in found.items()
            )
            lines.append(
                f"{run.folder.path}: another protocol than "
                f"{first.folder.path} ({differences})"
            )
    if lines:
        head = "scores of different protocols cannot be ranked:"
        raise ValueError("\n".join([head, *lines]))


def group(runs):
    """Groups runs into arms.

    Args:
        runs: list of `Run`s.

    Returns:
        List of `Arm`s; that of the first run, the baseline, is the first.

    Raises:
        ValueError: if two runs are the same recipe with the same seed.
    """
    groups = {}
    for run in runs:
        own = groups.setdefault(_key(run), {})
        if run.seed in own:
            raise ValueError(
                f"{own[run.seed].folder.path} and {run.folder.path}: the same "
                f"recipe with the same seed {run.seed}; leave one out"
            )
        own[run.seed] = run
    labels = _labels([next(iter(own.values())) for own in groups.values()])
    arms = [
        Arm(label, dict(sorted(own.items())))
        for label, own in zip(labels, groups.values(), strict=True)
    ]
    base, began = _identity(arms[0].first)
    for arm in arms[1:]:
        own, own_began = _identity(arm.first)
        arm.changes = list(_changes(base, own))
        if None not in (began, own_began):
            arm.changes += _changes(began, own_began, "init_from")
        elif began != own_began:
            both = arms[0].first.origin, arm.first.origin
            arm.changes.append(("init_from", *map(_named, both)))
    return arms


def _key(run):
    return json.dumps(_identity(run), sort_keys=True)


def _identity(run):
    """What makes the arm of a run: its recipe, and the weights it began with.

    Returns:
        Two dicts without what is incidental; the second may be `None`.
    """
    return _without_incidental(run.recipe.to_dict()), _beginning(run.origin)


def _beginning(origin):
    """The same of the run that a run began with, wherever its folder is."""
    if origin is None:
        return None
    recipe = origin["recipe"]
    return {
        "step": origin["step"],
        "recipe": None if recipe is None else _without_incidental(recipe),
        "origin": _beginning(origin["origin"]),
    }


def _without_incidental(data):
    data = copy.deepcopy(data)
    for path in _INCIDENTAL:
        *sections, last = path.split(".")
        inner = data
        for section in sections:
            inner = inner.get(section, {})
        inner.pop(last, None)  # not known to every version
    return data


def _named(origin):
    if origin is None:
        return "none"
    name = "a run" if origin["recipe"] is None else origin["recipe"]["name"]
    return f"{name} at step {origin['step']}"


def _labels(runs):
    for name in (
        lambda run: run.recipe.name,
        lambda run: run.folder.path.resolve().name,
        lambda run: str(run.folder.path),
    ):
        labels = [name(run) for run in runs]
        if len(set(labels)) == len(labels):
            break
    return labels


def _changes(before, now, path=""):
    if before == now:
        return
    lists = isinstance(before, list) and isinstance(now, list)
    if lists and [_type(x) for x in before] == [_type(x) for x in now]:
        before, now = dict(enumerate(before)), dict(enumerate(now))
    if isinstance(before, dict) and isinstance(now, dict):
        for key in {**before, **now}:
            inner = f"{path}.{key}" if path else str(key)
            yield from _changes(before.get(key), now.get(key), inner)
    else:
        yield path, _shown(before), _shown(now)


def _type(item):
    return item.get("type") if isinstance(item, dict) else item


def _shown(value):
    if isinstance(value, list):
        return ", ".join(_shown(_type(x)) for x in value) or "none"
    if isinstance(value, dict):
        value = {k: v for k, v in value.items() if v is not None}
        return _type(value) or json.dumps(value)
    return "none" if value is None else str(value)


def _short(value):
    text = str(value)
    return text if len(text) <= 40 else f"{text[:16]}..."
