"""Scores generated images: `python -m keras_ganmix.evaluate --help`."""

import sys
from pathlib import Path

from absl import flags

from keras_ganmix import recipes
from keras_ganmix.metrics.names import (
    ALIASES,
    METRICS,
    TRAINING_METRICS,
    check_extractor,
)
from keras_ganmix.run_folder import RunFolder
from keras_ganmix.utils import cli
from keras_ganmix.utils.names import unknown

SUMMARY = """
Score generated images against held-out real ones.

  python -m keras_ganmix.evaluate --run runs/quickstart
  python -m keras_ganmix.evaluate --run runs/quickstart \\
      --metrics frechet,memorisation,leak --pictures pictures
  python -m keras_ganmix.evaluate --images my/fakes --data folder:my/photos \\
      --image_size 64 --split train

A run is scored on the test split of its own data; a folder has one if it has
sub-folders train and test. Beside each score stands its floor: the same score
of real images in the place of the fakes, those of the training split where
there is one. Scores can be compared if their protocols, which the file of
scores holds, are the same.

Exit codes: 0 done, 2 bad input, 130 stopped by Ctrl-C.
"""

WORDS = {
    "run": "FOLDER",
    "savedmodel": "FOLDER",
    "images": "FOLDER",
    "checkpoint": "newest|best",
    "latents": "normal|uniform|truncated",
    "data": "SOURCE",
    "split": "NAME",
    "image_size": "N",
    "metrics": "LIST",
    "extractor": "NAME|FILE.keras",
    "extractor_path": "PATH",
    "extractor_hash": "HASH",
    "num_fake": "N",
    "num_real": "N",
    "seed": "N",
    "out": "FILE",
    "pictures": "FOLDER",
}


def _flags():
    options = cli.new_flags()

    def text(name, default, help):
        flags.DEFINE_string(name, default, help, flag_values=options)

    def number(name, help, least=1):
        flags.DEFINE_integer(
            name, None, help, lower_bound=least, flag_values=options
        )

    text("run", None, "Folder of a run.")
    text(
        "savedmodel",
        None,
        "Folder of an export, or of another SavedModel whose signature "
        "serving_default makes images of `latents` (and `labels`).",
    )
    text("images", None, "Folder of images to score.")
    flags.DEFINE_enum(
        "checkpoint",
        "newest",
        ("newest", "best"),
        "Which checkpoint of the run: the newest, or the best by the score "
        "that it watched.",
        flag_values=options,
    )
    flags.DEFINE_enum(
        "latents",
        "normal",
        ("normal", "uniform", "truncated"),
        "Distribution of the latents of a --savedmodel that is no export; "
        "runs and exports know their own.",
        flag_values=options,
    )
    text(
        "data",
        None,
        "Real images, as in a recipe's data.source. Default: those of the run.",
    )
    text("split", "test", "Split of the real images.")
    number(
        "image_size",
        "With --images: size to which real images and fakes are brought. "
        "Default: that of the real images.",
    )
    text(
        "metrics",
        "frechet,kernel,prdc",
        "Comma-separated: " + ", ".join([*METRICS, *TRAINING_METRICS]) + ".",
    )
    text(
        "extractor",
        "auto",
        "Network whose features are compared: fashion, squeezenet, inception, "
        "or a .keras file of your own, such as the classifier.keras that "
        "classify trains; auto takes fashion for grey images and squeezenet "
        "for colour; pixels, for memorisation, takes none.",
    )
    text("extractor_path", None, "Where the extractor's weights are.")
    text("extractor_hash", None, "SHA-256 that they must have.")
    number(
        "num_fake",
        "Number of fakes. Default: 10,000, or all of --images.",
        least=2,
    )
    number("num_real", "Number of real images. Default: all.", least=2)
    flags.DEFINE_integer(
        "seed",
        0,
        "Seed of the fakes and of what is drawn for scores.",
        lower_bound=0,
        flag_values=options,
    )
    text(
        "out",
        None,
        "JSON file for scores, floor and protocol. Default: scores.json in "
        "the folder of the run, otherwise none.",
    )
    text(
        "pictures",
        None,
        "Folder for memorisation.png: the fakes that are nearest to training "
        "images, above these.",
    )
    return options


def main(argv=None):
    """Runs the command; returns its exit code."""
    return cli.run(_evaluate, argv, _flags(), SUMMARY, WORDS)


def _evaluate(options):
    metrics, training_metrics = _check(options)
    if options.run is not None:
        recipes.load(RunFolder(options.run).recipe)

    with cli.without_startup_noise():
        from keras_ganmix import building, scoring

        building.start_devices()
    with cli.bad_input(), cli.plain_warnings():
        evaluation, pairs = scoring.score(options, metrics, training_metrics)
        cli.say(evaluation.table())
        out = options.out
        if out is None and options.run is not None:
            out = RunFolder(options.run).evaluation
        if out is not None:
            evaluation.save(out)
            cli.say(f"scores and protocol: {out}")
        if options.pictures is not None:
            from keras_ganmix.utils.pictures import image_grid, write_png

            path = Path(options.pictures) / "memorisation.png"
            write_png(path, image_grid(pairs, columns=len(pairs) // 2))
            cli.say(f"closest pairs: {path}")
    return cli.DONE


def _check(options):
    """Refuses what can be refused at once; returns the two lists of metrics."""
    given = [n for n in ("run", "savedmodel", "images") if options[n].value]
    if len(given) != 1:
        raise cli.UsageError(
            "give one of --run, --savedmodel and --images; got "
            f"{' and '.join('--' + n for n in given) or 'none'}"
        )
    if options.data is None and given != ["run"]:
        raise cli.UsageError(
            f"--data: missing; --{given[0]} does not say which real images "
            "to compare with"
        )
    if options.image_size is not None and given != ["images"]:
        raise cli.UsageError(
            f"--image_size: the fakes of --{given[0]} have their size; leave "
            "it out"
        )
    folder = Path(options[given[0]].value)
    if not folder.is_dir():
        raise cli.UsageError(f"--{given[0]} {folder}: no such folder")
    with cli.bad_input("extractor"):
        options.extractor = check_extractor(
            options.extractor, ("pixels",), must_exist=True
        )
    names = [name.strip() for name in options.metrics.split(",")]
    names = [ALIASES.get(name, name) for name in names]
    for name in names:
        allowed = [*METRICS, *ALIASES, *TRAINING_METRICS]
        if name not in allowed:
            message = unknown("metric", name, allowed)
            raise cli.UsageError(f"--metrics: {message}")
    training = [name for name in names if name in TRAINING_METRICS]
    if options.pictures is not None and "memorisation" not in training:
        raise cli.UsageError(
            "--pictures: shows what memorisation finds; add it to --metrics"
        )
    return [name for name in names if name not in training], training


if __name__ == "__main__":
    sys.exit(main())
