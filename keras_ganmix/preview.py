"""Shows what regularizers do to images: `python -m keras_ganmix.preview -h`."""

import sys
from pathlib import Path

from absl import flags

from keras_ganmix import run_folder
from keras_ganmix.recipes import flags as recipe_flags
from keras_ganmix.recipes.source import open_source
from keras_ganmix.utils import cli

SUMMARY = """
Draw what each regularizer of a recipe does to its images.

  python -m keras_ganmix.preview --recipe quickstart \\
      --set regularizers.0=SampleMixing --out preview.png
  python -m keras_ganmix.preview --run_dir runs/quickstart \\
      --set regularizers.0=R1

The pictures are made with the functions and the random numbers of the next
training step. Nothing is trained: without --run_dir the networks are
untrained, and other real images stand in for fakes.

Exit codes: 0 done, 2 bad input.
"""

WORDS = {
    **recipe_flags.WORDS,
    "run_dir": "RUN",
    "out": "FILE",
}


def _flags():
    options = cli.new_flags()
    recipe_flags.define(
        options,
        "Name of a recipe that comes with the package, a recipe file, or the "
        "folder of a run. Default: the recipe of --run_dir.",
        "Change the recipe; may be repeated, as for the train command: "
        "--set regularizers.0=R1 --set regularizers.0.weight=2.",
    )
    flags.DEFINE_string(
        "run_dir",
        None,
        "Folder of a run whose trained networks are used. Its regularizers "
        "may be others.",
        flag_values=options,
    )
    flags.DEFINE_string(
        "out", "preview.png", "PNG file to write.", flag_values=options
    )
    return options


def main(argv=None):
    """Runs the command; returns its exit code."""
    return cli.run(_preview, argv, _flags(), SUMMARY, WORDS)


def _preview(options):
    run = options.run_dir and run_folder.existing(options.run_dir, "run_dir")
    out = _out(options.out)
    recipe = recipe_flags.load(options, default=options.run_dir)
    with cli.bad_input():
        source = open_source(recipe)

    with cli.without_startup_noise():
        from keras_ganmix import building, previews
        from keras_ganmix.utils.panels import draw
        from keras_ganmix.utils.pictures import write_png

        building.start_devices()
    with cli.bad_input():
        building.set_up(recipe)
        panels = previews.panels(recipe, source, run)
        write_png(out, draw(panels))
    cli.say(f"preview: {', '.join(panel.title for panel in panels)}: {out}")
    return cli.DONE


def _out(path):
    out = Path(path)
    if out.suffix.lower() != ".png" or out.is_dir():
        raise cli.UsageError(f"--out {path}: give the name of a .png file")
    return out


if __name__ == "__main__":
    sys.exit(main())
