"""What was found, as data and as lines for a terminal."""

import dataclasses
import math

import keras_ganmix
from keras_ganmix.gradients.names import ADVERSARIAL, SIDES, TOTAL
from keras_ganmix.landscapes.summaries import summarize, summarize_runs
from keras_ganmix.utils.tables import number

#: What of a curve is shown, and in what words.
SHOWN = {
    "at_zero": "loss",
    "sharpness": "sharpness",
    "rise": "rise",
    "concavity": "concavity",
}
LEGEND = (
    "loss: at the checkpoint; sharpness: second difference there over the "
    "squared spacing; rise: mean of both ends minus the loss; concavity: 0 "
    "for a convex line, 1 for a concave one. Means over directions. ± is the "
    "standard deviation over directions, or, where an arm has several runs at "
    "a step, that of the runs' means."
)
ANGLES_LEGEND = (
    "cosine: between the gradients of the term and of the adversarial loss, "
    "mean ± standard deviation over batches, and between the means of both "
    "over all batches; length: of the weighted term's over the adversarial "
    "one's. At the discriminator's variables that both depend on, and all of "
    "the generator's."
)


def summary_rows(looks, alphas):
    """Rows of a table: a list of texts for each term and arm.

    Runs of an arm at the same step are a row: the mean of their means over
    directions.

    Args:
        looks: `Look`s with `lines`.
        alphas: where the losses were computed.

    Returns:
        Headings, and the list of rows.
    """
    groups = {}
    for look in looks:
        for side in SIDES:
            for name, curves in look.lines[side].items():
                if name == TOTAL and len(look.lines[side]) == 2:
                    continue  # the adversarial term is all there is
                key = (SIDES.index(side), _order(name), name, look.step)
                groups.setdefault((key, look.subject.arm), []).append(curves)
    rows = []
    for (key, arm), found in sorted(groups.items(), key=lambda x: x[0][0]):
        side, _, name, step = key
        summary = summarize_runs(alphas, found)
        cells = [_with_spread(*summary[name]) for name in SHOWN]
        rows.append([f"{SIDES[side]}: {name}", arm, str(step), *cells])
    return ["term", "arm", "step", *SHOWN.values()], rows


def angle_rows(looks):
    """The same for the angles between gradients of each run."""
    rows = []
    for look in looks:
        for path in look.angles:
            name, _, key = path.rpartition("/")
            if key != "cosine":
                continue
            found = {
                key: look.angles[f"{name}/{key}"]
                for key in (
                    "cosine",
                    "cosine_spread",
                    "mean_cosine",
                    "ratio",
                    "ratio_spread",
                )
            }
            rows.append(
                [
                    name.replace("/", ": "),
                    look.subject.label,
                    str(look.step),
                    _with_spread(found["cosine"], found["cosine_spread"]),
                    _shown(found["mean_cosine"]),
                    _with_spread(found["ratio"], found["ratio_spread"]),
                ]
            )
    rows.sort(key=lambda row: row[0])
    heads = ["term", "run", "step", "cosine", "of the means", "length"]
    return heads, rows


def _order(name):
    return {ADVERSARIAL: 0, TOTAL: 2}.get(name, 1)


def _shown(value):
    return number(value) if math.isfinite(value) else "-"


def _with_spread(value, spread):
    if not math.isfinite(value):
        return "-"
    if not math.isfinite(spread) or spread == 0:
        return number(value)
    return f"{number(value)} ± {spread:.2g}"


def as_data(subjects, looks, protocol):
    """All numbers and how they were made, ready for a JSON file."""
    return {
        "protocol": {
            **dataclasses.asdict(protocol),
            "normalisation": "filter",
            "left_alone": "biases, parameters of normalisation",
            "statistics": "of the batch, as in training",
            "generator": "the weights that are trained, not their average",
            "version": keras_ganmix.__version__,
        },
        "alphas": _plain(protocol.alphas),
        "runs": [_run(s, looks, protocol) for s in subjects],
    }


def _run(subject, looks, protocol):
    recipe = subject.recipe
    return {
        "run": str(subject.folder.path),
        "arm": subject.arm,
        "seed": recipe.train.seed,
        "loss": recipe.loss,
        "data": subject.source.name,
        "batch_size": recipe.data.batch_size,
        "checkpoints": [
            _checkpoint(look, protocol)
            for look in looks
            if look.subject is subject
        ],
        "gradients": subject.gradients,
    }


def _checkpoint(look, protocol):
    found = {
        "step": look.step,
        "seconds": round(look.seconds, 1),
        "weights": look.weights,
        "guessing": look.chance,
    }
    if look.failure:
        found["failure"] = look.failure
    if look.lines:
        found["lines"] = {
            side: {
                name: {
                    "losses": curves,
                    **{
                        key: {"mean": mean, "spread": spread}
                        for key, (mean, spread) in summarize(
                            protocol.alphas, curves
                        ).items()
                    },
                }
                for name, curves in look.lines[side].items()
            }
            for side in SIDES
        }
    if look.planes:
        found["planes"] = look.planes
    if look.angles:
        found["angles"] = look.angles
    return _plain(found)


def _plain(value):
    """Without arrays, and with `None` for what is not finite."""
    if isinstance(value, dict):
        return {name: _plain(x) for name, x in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list):
        return [_plain(x) for x in value]
    if isinstance(value, float):
        return float(f"{value:.7g}") if math.isfinite(value) else None
    return value
