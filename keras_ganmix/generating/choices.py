"""The flags of `generate`, and what they exclude. Needs no TensorFlow."""

import math

from absl import flags

from keras_ganmix import recipes
from keras_ganmix.generating import output, plan
from keras_ganmix.generating.folders import find_saved
from keras_ganmix.metrics.names import check_extractor
from keras_ganmix.run_folder import RunFolder, existing
from keras_ganmix.utils import cli

_MOST_IN_A_FILE = 10_000
#: Which weights: averaged ones, those that were trained, averaged ones of the
#: best checkpoint.
WHICH = ("ema", "last", "best")
#: One file in the place of one for each picture.
WAYS = ("grid", "interpolate", "neighbours")
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
    "extractor": "NAME|FILE.keras",
    "data": "SOURCE",
    "out": "FOLDER",
}


def new_flags():
    """Returns the flags, with their default values."""
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
        WHICH,
        "With --run: which weights: the averaged ones of the newest "
        "checkpoint (ema), those that are trained, or the averaged ones of the "
        "best checkpoint.",
        flag_values=options,
    )
    number("n", 64, "Number of pictures.", most=10**6)
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
        "What --neighbours compares: features of fashion, squeezenet, "
        "inception or a .keras file of your own, auto for one of the first "
        "two, or pixels.",
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


def check(options):
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
    output.check_folder(options.out, names, command(options), options.overwrite)
    return seeds, names


def _check_together(options):
    """Refuses flags that exclude each other or need another one."""
    ways = [flag for flag in WAYS if options[flag].value]
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
    with cli.bad_input("extractor"):
        options.extractor = check_extractor(
            options.extractor, ("pixels",), must_exist=True
        )


def _seeds(options):
    if options.interpolate is not None:
        seeds = plan.parse_seeds(options.interpolate, "interpolate")
        if len(seeds) < 2:
            raise cli.UsageError(
                "--interpolate: give at least two seeds, such as 1,5"
            )
        _check_one_file("interpolate", options.steps * len(seeds))
        return seeds, ["interpolation.gif", "strip.png"]
    seeds = None
    if options.seeds is not None:
        seeds = plan.parse_seeds(options.seeds, "seeds")
        if len(set(seeds)) < len(seeds):
            raise cli.UsageError("--seeds: a seed comes twice; leave one out")
    for way in ("grid", "neighbours"):
        if options[way].value:
            count = options.n if seeds is None else len(seeds)
            _check_one_file(way, count)
            return seeds, [f"{way}.png"]
    pictures = plan.plan_pictures(options.n, options.seed, seeds, None, None)
    return seeds, [plan.file_name(picture) for picture in pictures]


def _check_one_file(way, count):
    if count > _MOST_IN_A_FILE:
        raise cli.UsageError(
            f"--{way}: {count} pictures are too many for one file; at most "
            f"{_MOST_IN_A_FILE}"
        )


def command(options):
    """What is asked for, whatever the spelling and the folder."""
    flags_given = []
    for name in (*WORDS, "grid", "neighbours"):
        value = options[name].value
        if name != "out" and value != options[name].default:
            flags_given.append(f"--{name}" + f"={value}" * (value is not True))
    return ["python", "-m", "keras_ganmix.generate", *flags_given]
