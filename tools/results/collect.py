"""Copies what the pages need out of the folders of runs."""

import json
import re

import numpy as np
from PIL import Image

from keras_ganmix.utils import jsonl
from keras_ganmix.utils.files import write_text
from tools.results import merging
from tools.results.store import SWEEPS

#: Steps of the pictures of points, and their side in pixels.
COLUMNS, SIDE = 6, 150
#: What is kept of a log, for the pages that show how runs go.
LOGGED = ("discriminator_loss", "generator_loss", "real_logits", "fake_logits")
#: Recipes whose samples are points.
POINTS = ("ring", "grid")
_ABSOLUTE = re.compile(r"(?<![\w.:/])/(?:[\w.+-]+/)+")


def collect(folder, places):
    """Copies all that is found below a folder.

    Runs of sweeps are added to those that were collected before, so that a
    sweep can be made in pieces and on several machines; see `merging`.

    Args:
        folder: path with the sweeps' folders, `classify/classify.json`,
            `augmentation/augmentation.json` and `landscape/lines` in it, as
            far as they exist.
        places: `Places`; its `data` is written to.

    Returns:
        Names of what was copied.

    Raises:
        DifferentSweepError: runs that do not belong to those collected before.
    """
    places.data.mkdir(parents=True, exist_ok=True)
    copied = []
    for name in SWEEPS:
        if (folder / name / "sweep.json").is_file():
            _take_sweep(name, folder / name, places)
            copied.append(name)
    for name in ("classify", "augmentation"):
        path = folder / name / f"{name}.json"
        if path.is_file():
            _take_all(path, places.data / path.name)
            copied.append(name)
    path = folder / "landscape" / "lines" / "landscape.json"
    if path.is_file():
        planes = folder / "landscape" / "planes" / "landscape.json"
        found = landscapes(
            _read(path), _read(planes) if planes.is_file() else None
        )
        _write(found, places.data / "landscapes.json")
        copied.append("landscapes")
    leak = places.docs / "images" / "dag_leak.json"
    if leak.is_file():
        _write(_read(leak), places.data / leak.name)
        copied.append("dag_leak")
    return copied


def _take_all(path, kept):
    """Takes an experiment that is whole in itself, unless runs were lost."""
    found = _read(path)
    if kept.is_file():
        lost = _runs(_read(kept)) - _runs(found)
        if lost:
            shown = ", ".join(" ".join(map(str, run)) for run in sorted(lost))
            raise merging.DifferentSweepError(
                f"{path.name} lacks runs that {kept} has ({shown}); begin "
                "with a copy of that, or remove it first"
            )
    _write(found, kept)


def _runs(found):
    """What tells runs of classifiers apart, as a set of tuples."""
    keys = ("arm", "images", "seed")
    return {tuple(run.get(k, "") for k in keys) for run in found["runs"]}


def _take_sweep(name, folder, places):
    found = _read(folder / "sweep.json")
    lead = found["baseline"]
    for arm, about in found["arms"].items():
        recipe = about.pop("recipe")
        about["steps"] = recipe["train"]["steps"]
        if arm == lead:
            found["baseline_recipe"] = recipe
    # Made anew from the cells when a page is built.
    del found["table"]
    for cell in found["cells"]:
        summary = folder / cell["arm"] / f"seed-{cell['seed']}" / "summary.json"
        if cell["status"] == "done" and summary.is_file():
            about = _read(summary)
            cell["resumed_at"] = about.get("resumed_at", 0)
            cell["cpu_seconds_per_step"] = _short(seconds_per_step(about))
    path = places.data / f"{name}.json"
    known = _read(path) if path.is_file() else None
    shown = first_runs(found, folder)
    found = without_paths(found)
    if known is not None:
        merging.check(known, found)
        for arm in merging.of_lower_seed(known, found) & shown.keys():
            del shown[arm]
    found["logs"] = {
        arm: _log(run)
        for arm, run in shown.items()
        if (run / "metrics.jsonl").is_file()
    }
    found["sampled"] = _take_samples(name, found["recipe"], shown, places)
    _write(found if known is None else merging.merge(known, found), path)


def seconds_per_step(summary):
    """Processor time of a run's steps without scores, or `None`.

    Nor of a run that was interrupted and went on: it was traced twice, and
    what was measured is of its last steps alone.
    """
    if "cpu_seconds" not in summary or summary.get("resumed_at", 0):
        return None
    scores = sum(about["cpu_seconds"] for about in summary["evaluation"])
    return (summary["cpu_seconds"] - scores) / summary["step"]


def first_runs(found, folder):
    """Dict from arm to the folder of its finished run of the lowest seed."""
    seeds = merging.first_seeds(found)
    return {
        arm: folder / arm / f"seed-{seeds[arm]}"
        for arm in found["arms"]
        if arm in seeds
    }


def _log(run):
    """The log of a run and the diversity of its fakes, as lists."""
    lines = jsonl.read(run / "metrics.jsonl")
    log = {
        key: [_short(line.get(key)) for line in lines]
        for key in ("step", *LOGGED)
    }
    scores = run / "scores.jsonl"
    lines = jsonl.read(scores) if scores.exists() else []
    log["scored"] = [line["step"] for line in lines]
    log["diversity"] = [_short(line.get("diversity")) for line in lines]
    return log


def _short(value, digits=5):
    return float(f"{value:.{digits}g}") if isinstance(value, float) else value


def _take_samples(name, recipe, runs, places):
    """One small picture for each arm: over time, or the last images.

    Args:
        name: of the sweep.
        recipe: its name.
        runs: dict from arm to the folder of a run.
        places: `Places`.

    Returns:
        The steps that are shown of points, from left to right.
    """
    if name == "fashion_tune":
        return []  # the tuning is told in numbers
    shown = []
    out = places.data / "samples" / name
    points = recipe in POINTS
    for arm, run in runs.items():
        pictures = sorted((run / "samples").glob("step-*.png"))
        if pictures:
            out.mkdir(parents=True, exist_ok=True)
            if points:
                pictures = spread(pictures)
                shown = [int(p.stem.removeprefix("step-")) for p in pictures]
            strip = over_time(pictures) if points else last(pictures)
            strip.save(out / f"{arm}.png", optimize=True)
    return shown


def spread(pictures):
    """Some of all pictures, evenly spaced, the first and the last too."""
    places = np.linspace(0, len(pictures) - 1, COLUMNS).round().astype(int)
    return [pictures[place] for place in places]


def over_time(pictures):
    """Points from left to right, few colours."""
    strip = Image.new("RGB", (SIDE * len(pictures), SIDE), "white")
    for place, picture in enumerate(pictures):
        with Image.open(picture) as image:
            part = middle(image.convert("RGB")).resize((SIDE, SIDE))
            strip.paste(part, (SIDE * place, 0))
    return strip.quantize(16)


def middle(image):
    """A plot of points without its title, numbers and legend."""
    width, height = image.size
    image = image.copy()
    legend = (0.755 * width, 0.065 * height, 0.985 * width, 0.16 * height)
    image.paste("white", tuple(map(round, legend)))
    box = (0.13 * width, 0.068 * height, 0.975 * width, 0.913 * height)
    return image.crop(tuple(map(round, box)))


def last(pictures):
    """The upper half of the last grid of images, half as large."""
    with Image.open(pictures[-1]) as image:
        grid = image.convert("RGB")
    grid = grid.crop((0, 0, grid.width, grid.height // 2 + 1))
    small = grid.resize((grid.width // 2, grid.height // 2))
    bands = {band.tobytes() for band in small.split()}
    return small.convert("L") if len(bands) == 1 else small


def landscapes(lines, planes=None):
    """What the pages need of `landscape.json`, paths cut to ARM/seed-S."""
    found = {"protocol": lines["protocol"], "alphas": lines["alphas"]}
    found["runs"] = [_landscape(run) for run in lines["runs"]]
    if planes is not None:
        found["plane_alphas"] = planes["alphas"]
        found["planes"] = [
            {
                "arm": run["arm"],
                "seed": run["seed"],
                "step": checkpoint["step"],
                "planes": rounded(checkpoint["planes"]),
            }
            for run in planes["runs"]
            for checkpoint in run["checkpoints"][-1:]
            if "planes" in checkpoint
        ]
    return found


def _landscape(run):
    folder = "/".join(run["run"].replace("\\", "/").split("/")[-2:])
    checkpoints = rounded(
        [
            {k: v for k, v in c.items() if k != "planes"}
            for c in run["checkpoints"]
        ]
    )
    return {
        **run,
        "run": folder,
        "checkpoints": checkpoints,
        "gradients": rounded(run["gradients"]),
    }


def rounded(value, digits=5):
    """The same data, numbers in five digits."""
    if isinstance(value, dict):
        return {name: rounded(x, digits) for name, x in value.items()}
    if isinstance(value, list):
        return [rounded(x, digits) for x in value]
    return _short(value, digits)


def _read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def _write(found, path):
    """Compact JSON without paths of this machine, a cell or a run a line."""
    text = json.dumps(without_paths(found), separators=(",", ":"))
    text = re.sub(r"([\[,])(\{\"(?:arm|run)\":)", r"\1\n\2", text)
    write_text(path, text + "\n")


def without_paths(value):
    """The same data; absolute paths in texts are cut to their last part."""
    if isinstance(value, dict):
        return {name: without_paths(x) for name, x in value.items()}
    if isinstance(value, list):
        return [without_paths(x) for x in value]
    return _ABSOLUTE.sub("", value) if isinstance(value, str) else value
