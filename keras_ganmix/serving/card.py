"""`model_card.md`: what an exported generator is, and how it is called."""

import json
import shlex
import textwrap

from keras_ganmix.metrics.hashes import hash_arrays
from keras_ganmix.metrics.report import direction
from keras_ganmix.serving.about import without_place
from keras_ganmix.serving.describe import describe_signatures

_LICENCES = {
    "fashion_mnist_10k": "MIT, Copyright 2017 Zalando SE",
    "fashion_mnist": "MIT, Copyright 2017 Zalando SE",
    "emoji": "SIL Open Font License 1.1, Noto Color Emoji, Google",
    "ring": "none needed: drawn from a formula",
    "grid": "none needed: drawn from a formula",
}
_WHICH = {
    "ema": "averaged weights of the generator",
    "last": "the generator's own weights, not averaged",
    "best": "weights at the best score, averaged if the run keeps averages",
}


def model_card(facts, references, about):
    """Returns the text of the card.

    Args:
        facts: what `generator.json` holds.
        references: arrays of reference pictures.
        about: `About`, or `None`.
    """
    parts = [
        _head(facts),
        _data(facts, about),
        _training(facts, about),
        _scores(about),
        _signatures(facts),
        _calls(facts),
        _checksums(facts, references),
        _limits(facts),
    ]
    return "\n\n".join(parts) + "\n"


def _head(facts):
    shape = _times(facts["image_shape"])
    classes = ""
    if facts["num_classes"]:
        classes = f" of {facts['num_classes']} classes"
    return f"# {facts['name']}, version {facts['version']}\n\n" + _wrap(
        f"A generator of {_kind(facts)} ({shape}){classes} from latents of "
        f"{facts['latent_dim']} numbers, {_latents(facts)}. Exported by "
        f"keras_ganmix {facts['versions']['keras_ganmix']} on "
        f"{facts['created'][:10]}; it runs in TensorFlow Serving, or wherever "
        "TensorFlow loads a SavedModel, without this package and without Keras."
    )


def _latents(facts):
    return {
        "normal": "standard normal",
        "truncated": "standard normal cut at 2 standard deviations",
        "uniform": "uniform in [-1, 1)",
    }[facts["latent_distribution"]]


def _data(facts, about):
    if about is None:
        return "## Data\n\nNot recorded: it was exported without its run."
    data = about.data
    rows = [
        ("source", f"`{data.source}`"),
        ("split", data.split or "not recorded"),
        ("images", "not recorded" if data.images is None else data.images),
        ("fingerprint", _fingerprint(data)),
        ("licence of the data", _licence(data.source)),
    ]
    if facts["class_names"]:
        names = enumerate(facts["class_names"])
        rows.append(("classes", ", ".join(f"{i} {n}" for i, n in names)))
    return "## Data\n\n" + _table(("", ""), rows)


def _fingerprint(data):
    if data.fingerprint is None:
        return "not recorded"
    part = data.fingerprint_images
    of = "" if part in (None, data.images) else f", of the first {part} images"
    return f"`{data.fingerprint}`{of}"


def _licence(source):
    family, _, argument = source.partition(":")
    if family == "stacked_digits":
        return _licence(argument)
    return _LICENCES.get(family, "not recorded; ask where the data come from")


def _training(facts, about):
    weights = _WHICH[facts["which"]]
    if about is None:
        return "## Training\n\n" + _wrap(
            f"{facts['step']} generator updates; the export "
            f"holds the {weights}."
        )
    recipe = about.recipe
    terms = ", ".join(section.type for section in recipe.regularizers)
    rows = [
        ("recipe", f"`{recipe.name}`, see `assets.extra/recipe.yaml`"),
        ("generator", recipe.generator.network),
        ("discriminator", recipe.discriminator.network),
        ("loss", recipe.loss),
        ("regularizers", terms or "none"),
        ("steps", f"{facts['step']} of {recipe.train.steps}"),
        ("batch size", recipe.data.batch_size),
        *_origin(about),
        ("exported", weights),
    ]
    return "## Training\n\n" + _table(("", ""), rows)


def _origin(about):
    if about.origin is None:
        return []
    recipe, step = about.origin["recipe"], about.origin["step"]
    name = "another run" if recipe is None else f"recipe `{recipe['name']}`"
    return [("began with the weights of", f"{name} at step {step}")]


def _scores(about):
    if about is None or about.evaluation is None:
        return "## Scores\n\n" + _wrap(
            "These weights have not been scored: "
            "`python -m keras_ganmix.evaluate --savedmodel FOLDER --data "
            "SOURCE`."
        )
    found, protocol = about.evaluation, about.evaluation.protocol
    rows = [
        (f"`{name}`", _number(value), _number(found.floor.get(name)), way)
        for name, value in found.scores.items()
        for way in [direction(name)]
    ]
    kept = {k: v for k, v in protocol.to_dict().items() if v is not None}
    kept["source"] = without_place(protocol.source)
    kept["packages"] = ", ".join(
        f"{k} {v}" for k, v in protocol.packages.items()
    )
    protocol_rows = [(k.replace("_", " "), v) for k, v in kept.items()]
    return (
        "## Scores\n\nThe floor is the same score of real images in the place "
        "of the fakes.\n\n"
        + _table(("score", "this generator", "floor", "better"), rows)
        + "\n\nScores are comparable only with those of the same protocol:"
        "\n\n" + _table(("protocol", ""), protocol_rows)
    )


def _number(value):
    return "-" if value is None else f"{value:.4g}"


def _signatures(facts):
    rows = [
        (f"`{name}`", "; ".join(inputs), "; ".join(outputs))
        for name, inputs, outputs in describe_signatures(facts)
    ]
    text = _wrap(
        "B is free, N what is asked for. Arguments with a default may be left "
        "out where the server knows defaults of signatures. A value out of "
        "its range is answered with INVALID_ARGUMENT and a message that names "
        "it."
    )
    table = _table(("signature", "inputs", "outputs"), rows)
    return f"## Signatures\n\n{text}\n\n{table}"


def _calls(facts):
    shape = (2, facts["latent_dim"])
    name = facts["name"]
    folder = json.dumps(f"{name}/{facts['version']}", ensure_ascii=False)
    volume = shlex.quote(f"/{name}:/models/{name}")
    arguments = f"latents=np.zeros({shape}, np.float32)"
    if facts["num_classes"]:
        arguments += ", labels=np.array([0, 1], np.int32)"
    return f"""## How to call it

```python
import numpy as np, tensorflow as tf

model = tf.saved_model.load({folder})
call = model.signatures["serving_default"]
images = call({arguments})["images"]
```

With TensorFlow Serving:

```bash
docker run -p 8500:8500 -p 8501:8501 \\
  -v "$PWD"{volume} \\
  -e MODEL_NAME={shlex.quote(name)} tensorflow/serving
```"""


def _checksums(facts, references):
    images, kind = references["images"], _kind(facts)
    rows = [
        ("weights, SHA-256", f"`{facts['weights_sha256']}`"),
        (
            f"{len(images)} reference {kind}, SHA-256",
            f"`{hash_arrays([images])}`",
        ),
    ]
    text = _wrap(
        f"The reference {kind} are those of seed 0, kept with their latents in "
        "`assets.extra/reference.npz`. Other machines round in other ways: "
        "pixels may differ by one level of 255. `python -m "
        "keras_ganmix.export --check FOLDER` compares."
    )
    return f"## Checksums\n\n{_table(('', ''), rows)}\n\n{text}"


def _limits(facts):
    text = (
        "It shows what a method learned from the data above, with their gaps "
        "and biases. It is no source of training data for decisions about "
        "people, no evidence of how anything looks, and nothing that it makes "
        "should be passed off as real. It may repeat training images; `python "
        "-m keras_ganmix.evaluate --metrics memorisation` measures that."
    )
    if not facts["averaged"]:
        text += (
            " Its weights are not averaged; those of an average give smoother "
            f"{_kind(facts)}."
        )
    return "## What it is not for\n\n" + _wrap(text)


def _kind(facts):
    return "images" if len(facts["image_shape"]) == 3 else "points"


def _wrap(text):
    return textwrap.fill(
        text, 80, break_on_hyphens=False, break_long_words=False
    )


def _times(shape):
    return " x ".join(map(str, shape))


def _table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    cells = [[str(cell).replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join("| " + " | ".join(line) + " |" for line in cells)
