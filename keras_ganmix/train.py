"""Trains a GAN as a recipe says: `python -m keras_ganmix.train --help`."""

import os
import sys
import warnings

from absl import flags

from keras_ganmix import cluster, meeting, recipes, run_folder
from keras_ganmix.cluster import PeerError
from keras_ganmix.recipes import flags as recipe_flags
from keras_ganmix.recipes.source import open_source
from keras_ganmix.utils import cli, profiles

SUMMARY = """
Train a GAN as a recipe says.

  python -m keras_ganmix.train --recipe quickstart
  python -m keras_ganmix.train --recipe quickstart --set train.seed=1 \\
      --set regularizers.0=R1 --run_dir runs/with_r1
  python -m keras_ganmix.train --recipe quickstart --set \\
      data.source=folder:my/photos --set data.channels=3 --dry_run

Runs live in runs/NAME and go on where they stopped when started again.

Exit codes: 0 done, 2 bad input, 3 training failed, 130 stopped by Ctrl-C,
143 stopped by SIGTERM, 129 by a terminal that was closed; these stops save
the state of the run first.
"""

WORDS = {
    **recipe_flags.WORDS,
    **run_folder.WORDS,
    "init_from": "RUN",
    "steps": "N",
    "profile": "FIRST,LAST",
    "strategy": "none|mirrored|multi_worker",
    "peer_timeout": "SECONDS",
}


def _flags():
    options = cli.new_flags()
    recipe_flags.define(options)
    flags.DEFINE_integer(
        "steps",
        None,
        "Short for --set train.steps=N: the number of generator updates, "
        "those of a resumed run's past included.",
        lower_bound=1,
        flag_values=options,
    )
    flags.DEFINE_enum(
        "strategy",
        None,
        ["none", "mirrored", "multi_worker"],
        "Short for --set strategy=: one device, all devices of this machine, "
        "or those of all machines in TF_CONFIG (docs/distributed.md).",
        flag_values=options,
    )
    flags.DEFINE_float(
        "peer_timeout",
        300.0,
        "Seconds that multi_worker waits for the other machines at its start.",
        lower_bound=1.0,
        flag_values=options,
    )
    run_folder.define(options)
    flags.DEFINE_bool(
        "deterministic",
        False,
        "Short for --set train.deterministic=true: bit-equal runs on GPUs as "
        "well, at a cost (docs/reliability.md).",
        flag_values=options,
    )
    flags.DEFINE_string(
        "init_from",
        None,
        "Folder of another run, from whose weights a new run starts: "
        "fine-tuning.",
        flag_values=options,
    )
    flags.DEFINE_string(
        "profile",
        None,
        "Write a TensorBoard profile of the steps FIRST to LAST, for example "
        "50,60 (docs/performance.md).",
        flag_values=options,
    )
    flags.DEFINE_bool(
        "dry_run",
        False,
        "Print the whole recipe, the size of the models and what the run "
        "will cost in time, memory and disk; train nothing.",
        flag_values=options,
    )
    flags.DEFINE_bool(
        "list_recipes",
        False,
        "List the recipes that come with the package.",
        flag_values=options,
    )
    flags.DEFINE_bool(
        "quiet", False, "Print nothing but errors.", flag_values=options
    )
    return options


def main(argv=None):
    """Runs the command; returns its exit code."""
    return cli.run(_follow, argv, _flags(), SUMMARY, WORDS)


def _follow(options):
    if options.list_recipes:
        cli.say(_list_of_recipes())
        return cli.DONE
    recipe = _load_recipe(options)
    profile = _profile(options, recipe)
    if options.dry_run:
        return _dry_run(recipe)
    try:
        return _train(recipe, options, profile)
    except PeerError as error:
        cli.complain(cli.one_line(error))
        return cli.FAILED_RUN


def _list_of_recipes():
    rows = [(name, recipes.load(name).description) for name in recipes.names()]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:{width}}  {text}" for name, text in rows)


def _load_recipe(options):
    changes = []
    if options.steps is not None:
        changes.append(f"train.steps={options.steps}")
    if options.deterministic:
        changes.append("train.deterministic=true")
    if options.strategy is not None:
        changes.append(f"strategy={options.strategy}")
    return recipe_flags.load(options, changes)


def _profile(options, recipe):
    """The steps to profile, `None` for none."""
    if options.profile is None:
        return None
    with cli.bad_input("profile"):
        steps = profiles.parse_range(options.profile)
        profiles.check_within(*steps, 0, recipe.train.steps)
    return steps


def _dry_run(recipe):
    # A recipe with comments: what is printed can be kept as a file.
    cli.say(recipes.dump(recipe).rstrip("\n"))
    with cli.bad_input():
        source = open_source(recipe)

    with cli.without_startup_noise():
        from keras_ganmix import building, costs

        building.start_devices()
    with cli.bad_input():
        building.set_up(recipe)
        gan = building.build_gan(recipe, source)
        building.build_scores(recipe, source, run_folder.RunFolder("."))
        dataset = building.build_dataset(recipe, source, gan)
        lines = costs.report(recipe, gan, dataset)
    cli.say("\n".join(f"# {line}" for line in lines))
    if recipe.strategy != "none":
        cli.say(f"# all of it measured on one device, not {recipe.strategy}")
    return cli.DONE


def _train(recipe, options, profile=None):
    """The story of a run."""
    team = _team(recipe)
    is_guest = team is not None and not team.is_chief
    progress = None if options.quiet or is_guest else sys.stdout
    say = _silence if progress is None else _say
    folder, resumes = run_folder.choose(
        recipe, options.run_dir, options.resume, options.allow_recipe_change
    )
    if is_guest:
        folder = run_folder.GuestFolder(folder.path)
    other = None
    if options.init_from and resumes:
        say(f"init_from: {folder.path} goes on from its own checkpoint")
    elif options.init_from:
        other = run_folder.existing(options.init_from, "init_from")
    with cli.bad_input():
        source = open_source(recipe)
    say(f"data: {source.num_images:,} of {source.image_shape}, {source.name}")
    # From here on TensorFlow is needed, whose import takes seconds.
    if team is not None:
        _meet(team, recipe, resumes, options.peer_timeout, say)
    run, is_over = _make_run(
        recipe, source, folder, resumes, other, team, options.peer_timeout
    )
    if is_over:
        why = f": {run.ended}" if run.ended else ""
        say(f"run: {folder.path} is done already, at step {run.step}{why}")
        return cli.DONE
    if profile is not None:
        with cli.bad_input("profile"):
            profiles.check_within(*profile, run.first, recipe.train.steps)
        run.profile = profile
    return _train_in_folder(run, team, progress)


def _meet(team, recipe, resumes, timeout, say):
    """Waits for the other workers, and compares what they are about to do."""
    with cli.without_startup_noise():
        from keras_ganmix.workers import hush
    if not team.is_chief:
        hush()
    say(f"workers: waiting for {len(team.names) - 1} more")
    mine = meeting.passport(recipe.to_dict(), resumes)
    with cli.bad_input():
        meeting.meet(team, mine, timeout)


def _make_run(recipe, source, folder, resumes, other, team, timeout):
    """The `Run`, and whether nothing of it is left to do."""
    with cli.without_startup_noise():
        from keras_ganmix import building
        from keras_ganmix.running import Run
        from keras_ganmix.workers import together
    with (
        together(team),
        cli.bad_input(),
        meeting.patience(team, timeout),
        cli.without_startup_noise(),
    ):
        strategy = building.build_strategy(recipe)
        building.start_devices()
    with together(team), cli.bad_input(), cli.plain_warnings():
        building.set_up(recipe)
        gan = building.build_gan(recipe, source, strategy)
        origin = None
        if other is not None:
            with cli.bad_input("init_from"):
                origin = building.start_from(gan, other)
        run = Run(recipe, source, gan, folder, resumes)
        run.origin = origin
        return run, run.is_done and run.is_told


def _train_in_folder(run, team, progress):
    """Trains, and says in a line what has befallen the run."""
    from keras_ganmix.ending import FAILURES
    from keras_ganmix.workers import together

    folder = run.folder
    with together(team), cli.bad_input("run_dir"), cli.plain_warnings():
        _make_folder(run, team)
    try:
        with together(team):
            return _train_to_the_end(run, progress)
    except (*FAILURES, ValueError) as error:
        # Some parts show only at the first step that they do not fit.
        if not run.step and not isinstance(error, FAILURES):
            folder.unmake()
            raise cli.UsageError(cli.one_line(error)) from error
        with cli.complaining(OSError):
            folder.check_there()
            cli.complain(cli.one_line(error))
            run.summarize("failed", error)
        return cli.FAILED_RUN
    finally:
        folder.leave()


def _make_folder(run, team):
    from keras_ganmix import costs

    if team is None or team.is_chief:
        costs.check_room(run.recipe, run.gan, run.folder.path)
    run.folder.make(run.recipe, run.origin)


def _team(recipe):
    """The workers that train together; `None` for a process alone."""
    if recipe.strategy != "multi_worker":
        if os.environ.get("TF_CONFIG"):
            with cli.plain_warnings():
                warnings.warn(
                    f"TF_CONFIG is set, but strategy is {recipe.strategy!r}: "
                    "this process trains alone; --strategy multi_worker "
                    "trains with the others"
                )
        return None
    with cli.bad_input():
        return cluster.from_environment()


def _train_to_the_end(run, progress):
    recipe, folder = run.recipe, run.folder
    say = _silence if progress is None else _say
    if run.is_done:
        run.close()
    else:
        steps = f"{run.first + 1} to {recipe.train.steps}"
        say(f"run: steps {steps}, {folder.path}")
        run.train(progress)
    if not run.is_done:
        run.summarize("interrupted")
        say(f"run: saved at step {run.step}; start it again to go on")
        return cli.STOPPED + run.signal.received
    run.summarize("done")
    if run.ended:
        say(f"run: ended at step {run.step}: {run.ended}")
    where = folder.path if recipe.samples is None else folder.samples
    say(f"run: done; look into {where}")
    return cli.DONE


def _say(text):
    cli.say(text)


def _silence(text):
    pass


if __name__ == "__main__":
    sys.exit(main())
