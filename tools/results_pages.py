"""Builds the pages of results from the data of sweeps.

    python tools/results_pages.py --sweeps sweeps   # take over new results
    python tools/results_pages.py                   # write the pages anew

`--sweeps` names the folder of the sweeps: their `sweep.json` is copied, without
what no page uses, to `docs/results/data/NAME.json`, and pictures are drawn from
their runs. Every number on the pages comes from these copies.
"""

import argparse
import json
import pathlib
import sys

# The checkout that this file is of, installed or not.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from keras_ganmix.comparing.charts import COLOURS
from keras_ganmix.sweeping import tables
from keras_ganmix.sweeping.results import make_rows
from keras_ganmix.sweeping.tables import markdown_table, number
from keras_ganmix.utils.files import write_text

RESULTS = pathlib.Path(__file__).resolve().parents[1] / "docs" / "results"
DATA = RESULTS / "data"
IMAGES = RESULTS / "images"
SWEEPS = (
    "modes_ring",
    "modes_grid",
    "stacked_dcgan",
    "fashion_tune",
    "fashion_6000",
)
# Of the scorings during a run, the last fifth of the steps is averaged.
LATE = 0.8


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sweeps", type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.sweeps is not None:
        for name in SWEEPS:
            folder = arguments.sweeps / name
            if (folder / "sweep.json").is_file():
                take_over(name, folder)
    found = {name: load(name) for name in SWEEPS}
    pages = {"modes.md": modes_page, "fashion_mnist.md": fashion_page}
    for file, make in pages.items():
        text = make(found)
        if text is not None:
            write_text(RESULTS / file, text)
            print(RESULTS / file)


# Data and pictures


def take_over(name, folder):
    """Copies what a page needs of a sweep, and draws its pictures."""
    found = json.loads((folder / "sweep.json").read_text(encoding="utf-8"))
    lines = json.dumps(found, separators=(",", ":"))
    # A cell a line, so that changes can be read.
    lines = lines.replace('{"arm":', '\n{"arm":').replace(
        '{"score":', '\n{"score":'
    )
    write_text(DATA / f"{name}.json", lines + "\n")
    IMAGES.mkdir(parents=True, exist_ok=True)
    samples_over_time(found, folder, IMAGES / f"{name}_samples.png")
    if any(cell.get("curves") for cell in found["cells"]):
        curves(found, IMAGES / f"{name}_curves.png")


def load(name):
    """The data of a sweep, or `None`."""
    path = DATA / f"{name}.json"
    if not path.is_file():
        return None
    return json.loads(path.read_text(encoding="utf-8"))


def finished(found):
    """Names of the arms that have a finished run, and the finished cells."""
    cells = [cell for cell in found["cells"] if cell["status"] == "done"]
    have = {cell["arm"] for cell in cells}
    return [arm for arm in found["arms"] if arm in have], cells


def samples_over_time(found, folder, path, columns=5):
    """A row for each arm: the pictures of its first seed, by step."""
    arms, cells = finished(found)
    rows = {}
    for arm in arms:
        seed = min(cell["seed"] for cell in cells if cell["arm"] == arm)
        run = folder / arm / f"seed-{seed}" / "samples"
        rows[arm] = sorted(run.glob("step-*.png"))
    rows = {arm: pictures for arm, pictures in rows.items() if pictures}
    if not rows:
        return
    count = min(columns, *(len(pictures) for pictures in rows.values()))
    figure = Figure((1.6 * count + 1.2, 1.6 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), count, squeeze=False)
    points = found["recipe"] in ("ring", "grid")
    for row, (arm, pictures) in enumerate(rows.items()):
        places = np.linspace(0, len(pictures) - 1, count).round().astype(int)
        for axis, place in zip(axes[row], places, strict=True):
            with Image.open(pictures[place]) as image:
                part = middle if points else corner
                axis.imshow(np.asarray(part(image.convert("RGB"))))
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
            if row == 0:
                step = int(pictures[place].stem.removeprefix("step-"))
                axis.set_title(f"step {step:,}", fontsize=8)
        axes[row, 0].set_ylabel(arm, fontsize=7)
    figure.savefig(path, dpi=110)


def middle(image):
    """A plot of points without its title and numbers."""
    width, height = image.size
    box = (0.13 * width, 0.065 * height, 0.98 * width, 0.915 * height)
    return image.crop(tuple(map(round, box)))


def corner(image):
    """A quarter of a grid of images."""
    return image.crop((0, 0, image.width // 2 + 1, image.height // 2 + 1))


def curves(found, path):
    """A panel for each score during training: mean over seeds by arm."""
    arms, cells = finished(found)
    names = [n for n in cells[0]["curves"] if n not in ("step", "diversity")]
    figure = Figure((4.2 * len(names), 3.4), layout="constrained")
    panels = figure.subplots(1, len(names), squeeze=False)[0]
    for axis, name in zip(panels, names, strict=True):
        for place, arm in enumerate(arms):
            own = [c["curves"] for c in cells if c["arm"] == arm]
            steps = own[0]["step"]
            mean = np.mean([curve[name] for curve in own], axis=0)
            colour = "0.35" if arm == found["baseline"] else COLOURS[place - 1]
            axis.plot(steps, mean, color=colour, linewidth=1.4, label=arm)
        axis.set_title(name, fontsize=10)
        axis.set_xlabel("step", fontsize=8)
        axis.tick_params(labelsize=8)
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    figure.legend(
        *axis.get_legend_handles_labels(),
        loc="outside lower center",
        ncols=4,
        fontsize=8,
        frameon=False,
    )
    figure.savefig(path, dpi=90)


# Parts of pages


def what_was_run(name, found):
    """The arms, the command, and what it took."""
    _, cells = finished(found)
    hours = sum(cell["cpu_seconds"] for cell in found["cells"]) / 3600
    seeds = ",".join(map(str, found["seeds"]))
    steps = next(iter(found["arms"].values()))["recipe"]["train"]["steps"]
    rows = [
        (
            arm,
            ", ".join(f"`{c}`" for c in about["changes"]) or "-",
            minutes_per_run(found, arm),
        )
        for arm, about in found["arms"].items()
    ]
    parts = [
        f"Recipe `{found['recipe']}`, {steps:,} steps, seeds {seeds}; "
        f"{len(cells)} of {len(found['cells'])} runs are done and took "
        f"{hours:.1f} hours of one core.",
        code(
            f"python -m keras_ganmix.sweep --recipe {found['recipe']} \\\n"
            f"    --vary benchmarks/evidence/{name}.yaml --seeds {seeds} \\\n"
            f"    --out sweeps/{name}"
        ),
        markdown_table(("arm", "changes", "minutes of one core per run"), rows),
    ]
    return "\n\n".join(parts)


def minutes_per_run(found, arm):
    """Processor time of an arm's runs, start and scores included."""
    own = [c for c in found["cells"] if c["arm"] == arm and "step" in c]
    if not own:
        return "-"
    return f"{np.mean([c['cpu_seconds'] for c in own]) / 60:.1f}"


def code(text):
    return f"```\n{text}\n```"


def comparison(rows, shown):
    """A table: an arm a line, for each score its mean and difference.

    Args:
        rows: what `make_rows` returned.
        shown: dict from score to `(head, factor)`.
    """
    rows = [row for row in rows if row["score"] in shown]
    heads = ["arm", "seeds"]
    for row in rows:
        head, _ = shown[row["score"]]
        heads += [f"{head} {tables.ARROWS[row['better']]}", "difference", "p"]
    lines = []
    for arm in rows[0]["arms"]:
        line = [arm, str(rows[0]["arms"][arm]["count"])]
        for row in rows:
            line += scaled(row["arms"][arm], shown[row["score"]][1])
        lines.append(line)
    floor = ["real data", ""]
    for row in rows:
        value = row["floor"]
        factor = shown[row["score"]][1]
        floor += ["" if value is None else number(factor * value), "", ""]
    if any(floor[2:]):
        lines.append(floor)
    return markdown_table(heads, lines)


def scaled(cell, factor):
    """Mean, difference and corrected p of a cell; bold where told apart."""
    mean = number(float(factor * cell["mean"]))
    if cell["spread"] is not None:
        mean += f" ± {factor * cell['spread']:.2g}"
    if cell.get("interval") is None:
        return [mean, "-", "-"]
    low, high = (factor * x for x in cell["interval"])
    text = f"{factor * cell['difference']:+.3g} [{low:+.3g}, {high:+.3g}]"
    if cell["verdict"] in ("better", "worse"):
        text = f"**{text}**"
    p = "-" if cell["p_holm"] is None else tables.p_value(cell["p_holm"])
    return [mean, text, p]


def late_rows(found):
    """`make_rows` of the mean over the scorings of the last fifth."""
    arms, cells = finished(found)
    late = []
    for cell in cells:
        curve = cell["curves"]
        steps = np.array(curve["step"])
        chosen = steps > LATE * steps[-1]
        scores = {
            name: float(np.array(values)[chosen].mean())
            for name, values in curve.items()
            if name not in ("step", "diversity")
        }
        late.append({**cell, "scores": scores})
    return make_rows(found["baseline"], arms, late, found["floor"])


def verdicts(rows, shown):
    """What is told apart, in a sentence for each score."""
    lines = []
    for row in rows:
        if row["score"] not in shown:
            continue
        cells = row["arms"].items()
        told = [
            f"{word}: {', '.join(names)}"
            for word in ("better", "worse")
            if (names := [a for a, c in cells if c.get("verdict") == word])
        ]
        said = "; ".join(told) or "no arm is told apart from the baseline"
        lines.append(f"- {shown[row['score']][0]}: {said}.")
    return "\n".join(lines)


def failures(found):
    texts = [t for t in tables.notes(found) if "failed" in t]
    return "\n".join(f"- {text}" for text in texts)


def preliminary(found):
    left = sum(cell["status"] == "left" for cell in found["cells"])
    if not left:
        return ""
    return f"**Preliminary: {left} of {len(found['cells'])} runs are to come.**"


def picture(name, kind, text):
    path = IMAGES / f"{name}_{kind}.png"
    return f"![{text}](images/{path.name})" if path.is_file() else ""


def page(*parts):
    return "\n\n".join(part for part in parts if part) + "\n"


GENERATED = (
    "<!-- Written by tools/results_pages.py from docs/results/data; change "
    "these. -->"
)
LEGEND = (
    "± is the standard deviation over seeds. Differences are paired by seed, "
    "own minus plain, with the 95 % interval of Student's t; p is that of the "
    "paired t test after Holm's correction over the arms of a score. Bold is "
    "what is told apart at 0.05. p is missing where the difference is the "
    "same in all seeds."
)


# Modes

MODES = {
    "modes": ("modes", 1),
    "high_quality": ("high quality %", 100),
    "reverse_kl": ("reverse KL", 1),
}


def modes_page(found):
    if found["modes_ring"] is None and found["modes_grid"] is None:
        return None
    published = json.loads((DATA / "published_modes.json").read_text())
    return page(
        "# Modes",
        GENERATED,
        "Does a method find more modes? Points of the plane, in the cheaper of "
        "the two published settings: latents of 256 numbers, networks of two "
        "layers of 128 tanh units, batches of 512, 25,000 steps. Of 2,500 "
        "samples we count the modes found (a sample within 3 standard "
        "deviations), the share of samples that near to a mode, and the "
        "reverse KL of their histogram over the modes. Weights are the "
        "defaults or as said, the same for both mixtures; no arm was tuned.",
        LEGEND,
        mixture("modes_ring", found["modes_ring"], "Ring of 8"),
        mixture("modes_grid", found["modes_grid"], "Grid of 25"),
        stacked(found["stacked_dcgan"], published["stacked"]),
        "## Not comparable: other networks",
        "Published results on the same two mixtures, with other networks, "
        "rates, batches and numbers of steps than above, and others in each "
        "paper. They say what is usual, not what is better.",
        markdown_table(published["columns"], published["rows"]),
    )


def mixture(name, found, title):
    if found is None:
        return ""
    late = late_rows(found)
    return page(
        f"## {title}",
        preliminary(found),
        what_was_run(name, found),
        "### At the last step",
        comparison(found["table"], MODES),
        verdicts(found["table"], MODES),
        "### Over the last fifth of the steps",
        "A generator of this kind circles around the data, and a single step "
        "catches it anywhere. The mean over the scorings of the last fifth is "
        "steadier; it is not the measure that was planned.",
        comparison(late, MODES),
        verdicts(late, MODES),
        failures(found),
        picture(name, "curves", "Scores during training, mean over seeds"),
        picture(name, "samples", "Points of the first seed during training"),
    ).rstrip()


def stacked(found, published):
    if found is None:
        return ""
    shown = {"modes": ("modes", 1), "mode_kl": ("KL", 1)}
    return page(
        "## Stacked garments",
        "Three garments of Fashion-MNIST as the channels of a picture: 1,000 "
        "triples of classes. They stand in for the digits of Stacked MNIST, "
        "and a classifier of garments names them; scores are those of 26,000 "
        "samples at the last step.",
        preliminary(found),
        what_was_run("stacked_dcgan", found),
        comparison(found["table"], shown),
        verdicts(found["table"], shown),
        failures(found),
        picture("stacked_dcgan", "samples", "Samples during training"),
        "Not comparable, other data and networks (Stacked MNIST, from the "
        "PacGAN paper):",
        markdown_table(published["columns"], published["rows"]),
    ).rstrip()


# Garments

FRECHET = {
    "frechet[fashion]": ("frechet[fashion]", 1),
    "frechet[squeezenet]": ("frechet[squeezenet]", 1),
}
OTHERS = {
    "kernel[fashion]": ("kernel[fashion]", 1),
    "kernel[squeezenet]": ("kernel[squeezenet]", 1),
    "precision[fashion]": ("precision", 1),
    "recall[fashion]": ("recall", 1),
}


def fashion_page(found):
    main_sweep, tuning = found["fashion_6000"], found["fashion_tune"]
    if main_sweep is None:
        return None
    return page(
        "# A tenth of Fashion-MNIST",
        GENERATED,
        preliminary(main_sweep),
        what_was_run("fashion_6000", main_sweep),
        LEGEND,
        comparison(main_sweep["table"], FRECHET),
        verdicts(main_sweep["table"], FRECHET),
        agreement(main_sweep["table"]),
        comparison(main_sweep["table"], OTHERS),
        failures(main_sweep),
        picture("fashion_6000", "curves", "Scores during training"),
        picture("fashion_6000", "samples", "Samples during training"),
        "## Tuning" if tuning is not None else "",
        tuned(tuning),
    )


def agreement(rows):
    """The arms whose difference has the same sign by both extractors."""
    both = [row["arms"] for row in rows if row["score"] in FRECHET]
    if len(both) < 2:
        return ""
    agree = {
        word: [
            arm
            for arm in both[0]
            if all(arms.get(arm, {}).get("verdict") == word for arms in both)
        ]
        for word in ("better", "worse")
    }
    said = [f"{word}: {', '.join(a)}" for word, a in agree.items() if a]
    return "By both extractors: " + ("; ".join(said) or "none.")


def tuned(found):
    if found is None:
        return ""
    shown = {"frechet[fashion]": ("frechet[fashion]", 1)}
    return page(
        what_was_run("fashion_tune", found), comparison(found["table"], shown)
    ).rstrip()


if __name__ == "__main__":
    main()
