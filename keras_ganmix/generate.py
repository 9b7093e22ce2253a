"""Makes pictures: `python -m keras_ganmix.generate --help`."""

import math
import sys

from absl import flags

from keras_ganmix import recipes
from keras_ganmix.generating import output, plan
from keras_ganmix.generating.folders import find_saved
from keras_ganmix.run_folder import RunFolder, existing
from keras_ganmix.utils import cli
from keras_ganmix.utils.names import unknown

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

EXTRACTORS = ("fashion", "squeezenet", "inception")
_WAYS = ("grid", "interpolate", "neighbours")
_POINTS = ["points.csv", "points.png"]

WORDS = {
    "run": "FOLDER",
    "savedmodel": "FOLDER",
    "which": "ema|last|best",
    "n": "N",
    "seed": "N",
    "seeds": "LIST",
    "labels": "LIST",
    "truncation": "X",
    "interpolate": "SEEDS",
    "steps": "N",
    "extractor": "NAME",
    "data": "SOURCE",
    "out": "FOLDER",
}


def _flags():
    options = cli.new_flags()

    def text(name, default, help):
        flags.DEFINE_string(name, default, help, flag_values=options)

    def number(name, default, help, least=1, most=None):
        flags.DEFINE_integer(
            name,
            default,
            help,
            lower_bound=least,
            upper_bound=most,
            flag_values=options,
        )

    def switch(name, help):
        flags.DEFINE_bool(name, False, help, flag_values=options)

    text("run", None, "Folder of a run; it may still be training.")
    text(
        "savedmodel",
        None,
        "Folder of an export: NAME, for the newest version, or NAME/VERSION.",
    )
    flags.DEFINE_enum(
        "which",
        None,
        ("ema", "last", "best"),
        "With --run: which weights: the averaged ones of the newest "
        "checkpoint (ema), those that are trained, or the averaged ones of the "
        "best checkpoint.",
        flag_values=options,
    )
    number("n", 64, "Number of pictures.", most=10**7)
    number("seed", 0, "Seed of the pictures.", least=0, most=plan.MAX_SEED)
    text(
        "seeds",
        None,
        "Seeds such as 0-35,100, in the place of --n and --seed: the first "
        "picture of each.",
    )
    text(
        "labels",
        None,
        "Classes, numbers or names such as 3 or Sandal,Bag, gone through in "
        "turn. Default: all.",
    )
    flags.DEFINE_float(
        "truncation",
        None,
        "Cut latents at so many standard deviations: less variety, more "
        "typical pictures. (Unlike StyleGAN's psi, which moves latents towards "
        "their mean, it may be above 1.)",
        flag_values=options,
    )
    switch("grid", "One picture, grid.png, in the place of a file for each.")
    text(
        "interpolate",
        None,
        "Seeds such as 1,5,9: the way from each to the next, as "
        "interpolation.gif and strip.png.",
    )
    number("steps", 16, "Frames from one seed of --interpolate to the next.")
    switch(
        "neighbours",
        "The three nearest training images beside each picture, as "
        "neighbours.png.",
    )
    text(
        "extractor",
        "auto",
        "What --neighbours compares: features of fashion, squeezenet or "
        "inception, auto for one of these, or pixels.",
    )
    text(
        "data",
        None,
        "Training images for --neighbours, as in a recipe's data.source. "
        "Default: those of the run.",
    )
    text("out", "images", "Folder of the pictures.")
    switch("overwrite", "Replace files of another command in that folder.")
    return options


def main(argv=None):
    """Runs the command; returns its exit code."""
    options = _flags()
    try:
        cli.parse(options, sys.argv if argv is None else argv)
        if options.help:
            print(cli.help_text(options, SUMMARY, WORDS))
            return cli.DONE
        return _generate(options)
    except (recipes.RecipeError, cli.UsageError) as error:
        cli.complain(error)
        return cli.BAD_INPUT
    except KeyboardInterrupt:
        return cli.INTERRUPTED


def _generate(options):
    seeds, names = _check(options)
    command = _command(options)

    with cli.without_startup_noise():
        from keras_ganmix import building
        from keras_ganmix.generating import making

        building.start_devices()
    with cli.bad_input(), cli.plain_warnings():
        generator, described, recipe = _open(options)
        if not generator.makes_images:
            names = _POINTS
            _check_points(options)
            output.check_folder(options.out, names, command, options.overwrite)
        pictures = _pictures(options, seeds, generator)
        manifest = output.Manifest(command, described, generator.class_names)
        made = making.batches(generator, pictures, options.truncation)
        if not generator.makes_images:
            making.write_points(options.out, made, manifest)
        elif options.grid:
            making.write_grid(options.out, made, manifest)
        elif options.interpolate is not None:
            making.write_interpolation(
                options.out,
                generator,
                pictures,
                options.steps,
                options.truncation,
                manifest,
            )
        elif options.neighbours:
            making.write_neighbours(
                options.out,
                made,
                recipe,
                options.data,
                options.extractor,
                manifest,
            )
        else:
            making.write_files(options.out, made, manifest)
        manifest.write(options.out)
    what = f"{len(pictures)} pictures" if len(names) > 3 else " ".join(names)
    print(f"{options.out}: {what}, {output.MANIFEST}")
    return cli.DONE


def _check(options):
    """Refuses what can be refused at once.

    Returns:
        `(seeds, names)`: the seeds of --seeds or --interpolate, or `None`,
        and the names of the files that will be written.
    """
    given = [name for name in ("run", "savedmodel") if options[name].present]
    if len(given) != 1:
        raise cli.UsageError(
            "give one of --run and --savedmodel; got "
            f"{' and '.join('--' + n for n in given) or 'none'}"
        )
    _check_together(options)
    if options.truncation is not None and not 0 < options.truncation < math.inf:
        raise cli.UsageError(
            f"--truncation: {options.truncation} is not allowed; give a number "
            "above 0, in standard deviations"
        )
    if options.run is not None:
        recipes.load(RunFolder(options.run).recipe)
        existing(options.run, "run")
    else:
        find_saved(options.savedmodel)
    seeds, names = _seeds(options)
    output.check_folder(
        options.out, names, _command(options), options.overwrite
    )
    return seeds, names


def _check_together(options):
    """Refuses flags that exclude each other or need another one."""
    ways = [
        f for f in ("grid", "interpolate", "neighbours") if options[f].value
    ]
    if len(ways) > 1:
        raise cli.UsageError(f"--{ways[0]}: leave out --{ways[1]}")
    for flag, others in (
        ("seeds", ("n", "seed")),
        ("interpolate", ("n", "seed", "seeds")),
        ("savedmodel", ("which",)),
    ):
        for other in others:
            if options[flag].value is not None and options[other].present:
                raise cli.UsageError(f"--{flag}: leave out --{other}")
    for flag, other in (
        ("steps", "interpolate"),
        ("extractor", "neighbours"),
        ("data", "neighbours"),
    ):
        if options[flag].present and not options[other].value:
            raise cli.UsageError(f"--{flag}: only with --{other}")
    if options.extractor not in ("auto", "pixels", *EXTRACTORS):
        allowed = ["auto", "pixels", *EXTRACTORS]
        message = unknown("extractor", options.extractor, allowed)
        raise cli.UsageError(f"--extractor: {message}")


def _seeds(options):
    if options.interpolate is not None:
        seeds = plan.parse_seeds(options.interpolate, "interpolate")
        if len(seeds) < 2:
            raise cli.UsageError(
                "--interpolate: give at least two seeds, such as 1,5"
            )
        return seeds, ["interpolation.gif", "strip.png"]
    seeds = None
    if options.seeds is not None:
        seeds = plan.parse_seeds(options.seeds, "seeds")
        if len(set(seeds)) < len(seeds):
            raise cli.UsageError("--seeds: a seed comes twice; leave one out")
    if options.grid:
        return seeds, ["grid.png"]
    if options.neighbours:
        return seeds, ["neighbours.png"]
    pictures = plan.plan_pictures(options.n, options.seed, seeds, None, None)
    return seeds, [plan.file_name(picture) for picture in pictures]


def _command(options):
    """What is asked for, whatever the spelling and the folder."""
    flags_given = []
    for name in WORDS | {"grid": "", "neighbours": ""}:
        value = options[name].value
        if name != "out" and value != options[name].default:
            flags_given.append(f"--{name}" + f"={value}" * (value is not True))
    return ["python", "-m", "keras_ganmix.generate", *flags_given]


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
    for flag in _WAYS:
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
