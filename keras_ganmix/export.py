"""Exports a trained generator: `python -m keras_ganmix.export --help`."""

import sys
from pathlib import Path

from absl import flags

from keras_ganmix import recipes
from keras_ganmix.generating.choices import WHICH
from keras_ganmix.run_folder import RunFolder, existing
from keras_ganmix.utils import cli

SUMMARY = """
Export the generator of a run as a SavedModel for TensorFlow Serving.

  python -m keras_ganmix.export --run runs/quickstart
  python -m keras_ganmix.export --run runs/quickstart --out savedmodels/garments
  python -m keras_ganmix.export --check savedmodels/garments/1

The run may still be training. The folder NAME/VERSION appears whole or not at
all, after a process that has only TensorFlow has loaded it and made the same
images. Signatures and their ranges are in its model_card.md.

Exit codes: 0 done, 2 bad input, 3 the check failed, 130 stopped by Ctrl-C.
"""

WORDS = {
    "run": "FOLDER",
    "which": "ema|last|best",
    "out": "FOLDER",
    "max_samples": "N",
    "check": "FOLDER",
}


def _flags():
    options = cli.new_flags()
    flags.DEFINE_string("run", None, "Folder of a run.", flag_values=options)
    flags.DEFINE_enum(
        "which",
        "ema",
        WHICH,
        "Which weights: the averaged ones of the newest checkpoint, those that "
        "are trained, or the averaged ones of the best checkpoint.",
        flag_values=options,
    )
    flags.DEFINE_string(
        "out",
        None,
        "NAME, for the next version number in it, or NAME/VERSION. Default: "
        "savedmodels/ and the name of the recipe.",
        flag_values=options,
    )
    flags.DEFINE_integer(
        "max_samples",
        256,
        "Most pictures of one request that does not send the latents itself.",
        lower_bound=1,
        upper_bound=2**20,
        flag_values=options,
    )
    flags.DEFINE_bool(
        "self_check",
        True,
        "Load the export in a clean process and compare images.",
        flag_values=options,
    )
    flags.DEFINE_string(
        "check",
        None,
        "Check this export, NAME/VERSION, instead of making one.",
        flag_values=options,
    )
    return options


def main(argv=None):
    """Runs the command; returns its exit code."""
    return cli.run(_follow, argv, _flags(), SUMMARY, WORDS)


def _follow(options):
    if (options.run is None) == (options.check is None):
        raise cli.UsageError("give one of --run and --check")
    return (_export if options.check is None else _check)(options)


def _export(options):
    recipe = recipes.load(RunFolder(options.run).recipe)
    existing(options.run, "run")
    out = Path(options.out or Path("savedmodels") / recipe.name)

    with cli.without_startup_noise():
        from keras_ganmix import building
        from keras_ganmix.serving.about import About
        from keras_ganmix.serving.exporting import (
            ExportError,
            export,
            split_path,
        )
        from keras_ganmix.trained import load_generator

        building.start_devices()
    try:
        with cli.bad_input(), cli.plain_warnings():
            split_path(out)
            generator, data = load_generator(options.run, options.which)
            folder = export(
                generator,
                out,
                max_samples=options.max_samples,
                about=About.of_run(options.run, generator, data),
                self_check=options.self_check,
            )
    except ExportError as error:
        cli.complain(cli.one_line(error))
        return cli.FAILED_RUN
    checked = "checked" if options.self_check else "not checked"
    shown = out if out.name == folder.name else out / folder.name
    cli.say(f"{shown}: step {generator.step}, {generator.which}, {checked}")
    return cli.DONE


def _check(options):
    folder = Path(options.check)
    if not (folder / "assets.extra" / "generator.json").is_file():
        raise cli.UsageError(
            f"--check {folder}: holds no assets.extra/generator.json; give the "
            "folder NAME/VERSION of an export"
        )
    with cli.without_startup_noise():
        from keras_ganmix.serving.exporting import (
            ExportError,
            check_in_clean_process,
        )
    try:
        check_in_clean_process(folder)
    except ExportError as error:
        cli.complain(cli.one_line(error))
        return cli.FAILED_RUN
    cli.say(f"{folder}: does what it should")
    return cli.DONE


if __name__ == "__main__":
    sys.exit(main())
