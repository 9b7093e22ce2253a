"""Trains a classifier on mixtures: `python -m keras_ganmix.classify --help`."""

import sys

from absl import flags

from keras_ganmix import recipes, run_folder
from keras_ganmix.recipes import flags as recipe_flags
from keras_ganmix.utils import cli

SUMMARY = """
Train an image classifier as a recipe says, and test it: accuracy, calibration,
robustness under FGSM, detection of foreign images.

  python -m keras_ganmix.classify --recipe fashion_mnist_wrn_adaptive_mix
  python -m keras_ganmix.classify --recipe fashion_mnist_wrn_plain \\
      --set method.type=mixup --set method.alpha=0.2 --run_dir runs/mixup_02
  python -m keras_ganmix.classify --recipe fashion_mnist_wrn_plain --set \\
      data.source=folder:my/photos --set data.image_size=32 --dry_run

Runs live in runs/NAME and go on where they stopped when started again; the
scores are in scores.json, the trained model in classifier.keras.

Exit codes: 0 done, 2 bad input, 3 training failed, 130 stopped by Ctrl-C,
143 stopped by SIGTERM; these stops save the state of the run first.
"""

WORDS = {
    **recipe_flags.WORDS,
    **run_folder.WORDS,
    "epochs": "N",
    "steps": "N",
}

_SHORT = {"epochs": "train.epochs", "steps": "train.steps"}


def _flags():
    options = cli.new_flags()
    recipe_flags.define(options)

    def number(name, help):
        flags.DEFINE_integer(
            name, None, help, lower_bound=1, flag_values=options
        )

    def switch(name, help):
        flags.DEFINE_bool(name, False, help, flag_values=options)

    number(
        "epochs",
        "Short for --set train.epochs=N: how often all images are seen.",
    )
    number(
        "steps",
        "Short for --set train.steps=N: the number of updates, instead of "
        "epochs.",
    )
    run_folder.define(options)
    switch(
        "dry_run",
        "Print the whole recipe, the size of the network and what a step "
        "takes; train nothing.",
    )
    switch("list_recipes", "List the recipes that come with the package.")
    switch("quiet", "Print nothing but errors.")
    return options


def main(argv=None):
    """Runs the command; returns its exit code."""
    return cli.run(_follow, argv, _flags(), SUMMARY, WORDS)


def _follow(options):
    if options.list_recipes:
        cli.say(_list_of_recipes())
        return cli.DONE
    recipe = _load_recipe(options)
    if options.dry_run:
        return _dry_run(recipe)
    return _classify(recipe, options)


def _list_of_recipes():
    names = recipes.names("classifier")
    found = {n: recipes.load(n, kind="classifier").description for n in names}
    width = max(map(len, found))
    return "\n".join(f"{name:{width}}  {text}" for name, text in found.items())


def _load_recipe(options):
    changes = [
        f"{path}={options[name].value}"
        for name, path in _SHORT.items()
        if options[name].value is not None
    ]
    return recipe_flags.load(options, changes, kind="classifier")


def _open(recipe):
    from keras_ganmix.classifying.sources import open_sources

    with cli.bad_input():
        return open_sources(recipe)


def _dry_run(recipe):
    # A recipe with comments: what is printed can be kept as a file.
    cli.say(recipes.dump(recipe).rstrip("\n"))
    sources = _open(recipe)
    with cli.without_startup_noise():
        from keras_ganmix.classifying import costs
    with cli.bad_input():
        lines = costs.report(recipe, sources)
    cli.say("\n".join(f"# {line}" for line in lines))
    return cli.DONE


def _classify(recipe, options):
    """The story of a run."""
    from keras_ganmix.classifying.summary import is_done

    progress = None if options.quiet else sys.stdout
    folder, resumes = run_folder.choose(
        recipe, options.run_dir, options.resume, options.allow_recipe_change
    )
    if resumes and is_done(folder, recipe):
        _say(f"run: {folder.path} is done already", progress)
        return cli.DONE
    sources = _open(recipe)
    train = sources.train
    _say(f"data: {len(train):,} of {train.image_shape}, {train.name}", progress)
    with cli.without_startup_noise():
        # Only now, since it takes seconds.
        from keras_ganmix import building
        from keras_ganmix.classifying.running import Run
        from keras_ganmix.ending import FAILURES

        building.start_devices()
    with cli.bad_input(), cli.plain_warnings():
        run = Run(recipe, sources, folder, resumes)
    with cli.bad_input("run_dir"):
        folder.make(recipe)
    try:
        return _run(run, progress)
    except FAILURES as error:
        with cli.complaining(OSError):
            folder.check_there()
            cli.complain(cli.one_line(error))
            run.summarize("failed", error)
        return cli.FAILED_RUN
    finally:
        folder.leave()


def _run(run, progress):
    run.begin()
    place = run.folder.path
    if not run.is_trained:
        _say(f"run: steps {run.first + 1} to {run.total}, {place}", progress)
        run.train(progress)
    if not run.is_trained:
        run.summarize("interrupted")
        _say(
            f"run: saved at step {run.step}; start it again to go on", progress
        )
        return cli.STOPPED + run.signal.received
    if run.sources.test is not None:
        _say(f"run: testing with {len(run.sources.test):,} images", progress)
    scores = run.conclude()
    for line in _lines(scores or {}):
        _say(line, progress)
    _say(f"run: done; look into {place}", progress)
    return cli.DONE


def _lines(scores):
    if not scores:
        return
    yield (
        f"accuracy {scores['accuracy']:.4f}  loss {scores['loss']:.4f}  "
        f"calibration error {scores['ece']:.4f}"
    )
    if scores["fgsm"]:
        shares = scores["fgsm"].items()
        words = [f"{eps}/255 {share:.4f}" for eps, share in shares]
        yield f"accuracy under FGSM: {'  '.join(words)}"
    for name, found in scores["ood"].items():
        parts = [
            f"{kind} AUROC {found[kind]['auroc']:.4f} "
            f"FPR95 {found[kind]['fpr95']:.4f}"
            for kind in ("1ds", "max_softmax")
        ]
        yield f"foreign {name}: {'  '.join(parts)}"


def _say(text, file):
    if file is not None:
        cli.say(text, file)


if __name__ == "__main__":
    sys.exit(main())
