"""Makes pictures: `python -m keras_ganmix.generate --help`."""

import sys

from keras_ganmix.generating import choices, output, plan
from keras_ganmix.generating.folders import find_saved
from keras_ganmix.run_folder import RunFolder
from keras_ganmix.utils import cli

SUMMARY = """
Make pictures with the generator of a run or of an export.

  python -m keras_ganmix.generate --run runs/quickstart --n 64 --seed 1
  python -m keras_ganmix.generate --savedmodel savedmodels/fashion_mnist \\
      --seeds 0-35,100 --truncation 0.7 --grid
  python -m keras_ganmix.generate --run runs/quickstart --interpolate 1,5,9
  python -m keras_ganmix.generate --run runs/quickstart --n 16 --neighbours

A seed stands for an endless row of pictures: --n takes its first n, --seeds
the first of each. They are the same from a run, from its export, and from a
server of it, within one level of 255. The file manifest.json in the folder
says what was made, from what, with a checksum of each picture's pixels.

Exit codes: 0 done, 2 bad input, 130 stopped by Ctrl-C.
"""

_POINTS = ["points.csv", "points.png"]


def main(argv=None):
    """Runs the command; returns its exit code."""
    options = choices.new_flags()
    return cli.run(_generate, argv, options, SUMMARY, choices.WORDS)


def _generate(options):
    seeds, names = choices.check(options)
    command = choices.command(options)

    with cli.without_startup_noise():
        from keras_ganmix import building

        building.start_devices()
    with cli.bad_input(), cli.plain_warnings():
        generator, described, recipe = _open(options)
        if not generator.makes_images:
            names = _POINTS
            _check_points(options)
            output.check_folder(options.out, names, command, options.overwrite)
        pictures = _pictures(options, seeds, generator)
        manifest = output.Manifest(command, described, generator.class_names)
        _write(options, generator, pictures, recipe, manifest)
        manifest.write(options.out)
    what = f"{len(pictures)} pictures" if len(names) > 3 else " ".join(names)
    cli.say(f"{options.out}: {what}, {output.MANIFEST}")
    return cli.DONE


def _write(options, generator, pictures, recipe, manifest):
    """Writes the pictures in the way that is asked for."""
    from keras_ganmix.generating import making

    out, cut = options.out, options.truncation
    if options.interpolate is not None:
        making.write_interpolation(
            out, generator, pictures, options.steps, cut, manifest
        )
        return
    made = making.batches(generator, pictures, cut)
    if not generator.makes_images:
        making.write_points(out, made, manifest)
    elif options.grid:
        making.write_grid(out, made, manifest)
    elif options.neighbours:
        making.write_neighbours(
            out, made, recipe, options.data, options.extractor, manifest
        )
    else:
        making.write_files(out, made, manifest)


def _open(options):
    """Returns the generator, what the manifest tells of it, and its recipe."""
    from keras_ganmix.generating.saved import load_saved
    from keras_ganmix.metrics.hashes import hash_arrays
    from keras_ganmix.metrics.protocol import package_versions
    from keras_ganmix.trained import load_generator

    if options.run is not None:
        generator, _ = load_generator(options.run, options.which or "ema")
        described = {"run": options.run}
        weights = hash_arrays(generator.model.get_weights())
        recipe = RunFolder(options.run).recipe
    else:
        folder = find_saved(options.savedmodel)
        generator = load_saved(folder)
        described = {"savedmodel": str(folder)}
        weights = generator.weights_sha256
        recipe = folder / "assets.extra" / "recipe.yaml"
    described |= {
        "which": generator.which,
        "step": generator.step,
        "weights_sha256": weights,
        "versions": package_versions(),
    }
    return generator, described, recipe


def _check_points(options):
    for flag in choices.WAYS:
        if options[flag].value:
            raise cli.UsageError(
                f"--{flag}: this generator makes points, not images; leave it "
                "out"
            )


def _pictures(options, seeds, generator):
    labels = None
    if options.labels is not None:
        labels = plan.parse_labels(
            options.labels, generator.num_classes, generator.class_names
        )
    if options.interpolate is not None:
        labels = labels or [0]
        if len(labels) > 1:
            raise cli.UsageError("--labels: one class with --interpolate")
    return plan.plan_pictures(
        options.n, options.seed, seeds, labels, generator.num_classes
    )


if __name__ == "__main__":
    sys.exit(main())
