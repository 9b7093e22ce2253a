"""What one process of a sweep does: train and score a run, or time steps.

These processes are started by `workers`; each is the command `sweep` again,
so that whoever looks for the sweep among the processes finds all of it.
"""

import json
import math
import os
import signal
import sys
import threading
import time

import numpy as np

from keras_ganmix import recipes
from keras_ganmix.metrics.names import METRICS
from keras_ganmix.recipes.source import open_source
from keras_ganmix.utils import cli
from keras_ganmix.utils.files import write_json, write_text

#: The environment variable that says that standard input is the parent's.
WATCHED = "KERAS_GANMIX_SWEEP_PARENT"

# Least steps, seconds and most steps of a timing.
_FEW, _SECONDS, _MOST = 5, 4.0, 500

#: The cell that stands for the timing of all arms.
TIMING = "timing"


def run_cell(folder, arm, seed):
    """Trains a cell with `train`, then scores it with `evaluate`.

    Args:
        folder: `SweepFolder` with a plan.
        arm: its name.
        seed: a seed.

    Returns:
        Exit code of the first of these commands that failed, or 0.
    """
    from keras_ganmix import evaluate, train

    stop_with_parent()
    plan = folder.load()
    run = folder.run(arm, seed)
    recipe = folder.path / arm / f"seed-{seed}.yaml"
    write_text(recipe, recipes.dump(plan.recipe_of(arm, seed)))
    code = train.main(["train", f"--recipe={recipe}", f"--run_dir={run.path}"])
    for index, scoring in enumerate(plan.scorings):
        if code != cli.DONE:
            return code
        out = folder.scores(arm, seed, index)
        code = evaluate.main(
            ["evaluate", f"--run={run.path}", f"--out={out}", *scoring.flags()]
        )
    return code


def time_arms(folder):
    """Measures a step of each arm that has not been measured.

    An arm that cannot be built, or not be scored, is found here, before any
    run is made.

    Args:
        folder: `SweepFolder` with a plan.

    Returns:
        0.

    Raises:
        UsageError: if an arm cannot be built, or not be scored as the plan
            says; begins with its name.
    """
    stop_with_parent()
    plan = folder.load()
    for arm in plan.arms:
        if is_timed(folder, plan, arm):
            continue
        recipe = plan.recipe_of(arm, plan.seeds[0])
        timing = _read_timing(folder, arm)
        with cli.bad_input(f"vary: arm {arm!r}:"):
            source = open_source(recipe)
            if "step" not in timing:
                with cli.without_startup_noise():
                    timing = _measure(recipe, source, folder.run(arm, 0))
                cli.say(f"{arm}: {1000 * timing['step']:.2f} ms per step")
            for scoring in plan.scorings:
                _check_scoring(scoring, recipe, source)
        timing["scorings"] = _scorings(plan)
        write_json(folder.timing(arm), timing)
    return cli.DONE


def is_timed(folder, plan, arm):
    """Whether an arm's steps are measured and its scorings were checked."""
    return _read_timing(folder, arm).get("scorings") == _scorings(plan)


def _read_timing(folder, arm):
    path = folder.timing(arm)
    if not path.exists():
        return {}
    return json.loads(path.read_text(encoding="utf-8"))


def _scorings(plan):
    return [scoring.model_dump() for scoring in plan.scorings]


def _check_scoring(scoring, recipe, source):
    """Refuses a scoring for which an arm's runs would be made in vain."""
    from keras_ganmix.scoring import check

    options = scoring.model_dump(include={"extractor", "num_fake", "num_real"})
    metrics = [name for name in scoring.metrics if name in METRICS]
    try:
        check(recipe.data, source, scoring.split, metrics, **options)
    except ValueError as error:
        raise ValueError(
            f"its runs could not be scored by {', '.join(scoring.metrics)}: "
            f"{error}"
        ) from error


def _measure(recipe, source, run):
    """Seconds of the first and of each further step, as a dict."""
    import keras

    from keras_ganmix import building

    keras.backend.clear_session()
    building.start_devices()
    building.set_up(recipe)
    gan = building.build_gan(recipe, source, building.build_strategy(recipe))
    building.build_scores(recipe, source, run)
    dataset = building.build_dataset(recipe, source, gan)
    begin = time.monotonic()
    gan.fit(dataset, steps_per_epoch=1, verbose=0)
    first = time.monotonic() - begin
    return {"first_step": first, "step": _median_step(gan, dataset)}


def _median_step(gan, dataset):
    """Seconds per step, each kind of step by its median.

    So what else the machine does counts little. Terms that are computed every
    few steps make several kinds of steps, which come in turn.
    """
    import keras

    ends, kinds = [], _kinds_of_steps(gan)

    def note(batch, logs):
        ends.append(time.monotonic())
        enough = len(ends) > _FEW * kinds and ends[-1] - ends[0] > _SECONDS
        if enough or len(ends) > _MOST:
            gan.stop_training = True

    gan.fit(
        dataset,
        steps_per_epoch=(_MOST + 1) * gan.steps_per_execution,
        callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=note)],
        verbose=0,
    )
    steps = np.diff(ends)
    if len(steps) < kinds:
        return float(np.mean(steps)) / gan.steps_per_execution
    medians = [np.median(steps[kind::kinds]) for kind in range(kinds)]
    return float(np.mean(medians)) / gan.steps_per_execution


def _kinds_of_steps(gan):
    """How many executions there are until the same terms come together."""
    every = [
        weight.every
        for regularizer in gan.regularizers
        for weight in (
            regularizer.discriminator_weight,
            regularizer.generator_weight,
        )
    ]
    together = math.lcm(*every)
    return together // math.gcd(together, gan.steps_per_execution)


def stop_with_parent():
    """Lets this process stop, as by SIGTERM, when its parent is gone.

    The parent holds the other end of standard input, and writes nothing.
    """
    if WATCHED not in os.environ:
        return

    def watch():
        # Not through Python's buffer, which is locked while a thread reads.
        os.read(sys.stdin.fileno(), 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
