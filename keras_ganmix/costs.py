"""What a run will cost, measured on a few of its own steps."""

import contextlib
import resource
import sys
import threading
import warnings

import numpy as np

from keras_ganmix.checks import check_data
from keras_ganmix.state import state_bytes
from keras_ganmix.stepping import Steps
from keras_ganmix.utils.files import free_bytes
from keras_ganmix.utils.times import duration

_SECONDS = 4.0
_MOST_STEPS = 20
_CHECKPOINT_COPIES = 1  # one more than is kept, while a new one is written
_BYTES_PER_LOG_LINE = 400


def measure(gan, dataset):
    """Runs a few steps and says what they cost. Changes the GAN.

    Args:
        gan: compiled `GAN`.
        dataset: the endless `tf.data.Dataset` that it will be trained on.

    Returns:
        Dict: `first_step` and `step` in seconds; `generator` and
        `discriminator`, their passes per step in batches of one discriminator
        update; `memory`, the peak of this process in bytes.
    """
    check_data(gan, dataset)
    gan.train_function = None  # passes are counted where it is traced
    passes = {}
    with _counting(gan, passes):
        steps = Steps(gan, dataset)
        first = steps.time(1)
    once = max(steps.time(1), 1e-3)
    step = steps.time(int(np.clip(_SECONDS / once, 1, _MOST_STEPS)))
    return {
        "first_step": first,
        "step": step,
        "memory": peak_memory(),
        **passes,
    }


def peak_memory():
    """The most memory that this process has had so far, in bytes."""
    # Kilobytes on Linux, bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


@contextlib.contextmanager
def _counting(gan, passes):
    """Counts the passes of both networks when the step is traced.

    Terms that are not computed in every step count as if they were.
    """
    view, seen = gan.view, threading.local()  # replicas trace in threads
    judge = "features" if view.has_features else "logits"
    judged, generated, step = (
        getattr(view, judge),
        gan.fakes,
        gan.train_step,
    )

    def count(kind, function):
        def counted(inputs, *args, **kwargs):
            first = inputs[0] if isinstance(inputs, list) else inputs
            seen.images[kind] += first.shape[0] or seen.batch
            return function(inputs, *args, **kwargs)

        return counted

    def counted_step(data):
        images = data[0] if isinstance(data, tuple) else data
        if isinstance(images, dict):
            images = images["images"]
        seen.batch = (images.shape[0] or 1) // gan.discriminator_steps or 1
        seen.images = {"generator": 0, "discriminator": 0}
        result = step(data)
        passes.update({k: n / seen.batch for k, n in seen.images.items()})
        return result

    # Past Keras' own bookkeeping of attributes, which these are not.
    setattr(view, judge, count("discriminator", judged))
    object.__setattr__(gan, "fakes", count("generator", generated))
    object.__setattr__(gan, "train_step", counted_step)
    try:
        yield
    finally:
        delattr(view, judge)
        object.__delattr__(gan, "fakes")
        object.__delattr__(gan, "train_step")


def disk(recipe, gan):
    """Returns the bytes of a finished run: checkpoints, pictures, logs."""
    steps = recipe.train.steps
    state = state_bytes(gan)
    kept = recipe.checkpoint.keep + (recipe.evaluate is not None)
    total = state * (kept + _CHECKPOINT_COPIES)
    total += steps // recipe.train.log_every * _BYTES_PER_LOG_LINE
    if recipe.samples is not None:
        pixels = max(int(np.prod(gan.image_shape[:2])), 48 * 48)
        grid = recipe.samples.count * pixels * 3
        # In the folder, for TensorBoard and in the animation; PNG halves it.
        total += (steps // recipe.samples.every + 1) * grid * 3 // 2
    return total


def check_room(recipe, gan, directory):
    """Refuses a run whose state the disk cannot hold twice.

    Warns if the whole run may need more than there is. What the folder takes
    already, of a run that goes on, counts as free.

    Args:
        recipe: the `Recipe`.
        gan: its compiled `GAN`.
        directory: the run's folder, or where it will be.

    Raises:
        ValueError: naming what is needed and what is free.
    """
    state, total = state_bytes(gan), disk(recipe, gan)
    files = [path for path in directory.rglob("*") if path.is_file()]
    free = free_bytes(directory) + sum(path.stat().st_size for path in files)
    if free < 2 * state:
        raise ValueError(
            f"{directory}: has {free / 1e6:,.0f} MB free, and two checkpoints "
            f"take {2 * state / 1e6:,.0f} MB; make room or name another folder"
        )
    if free < total:
        warnings.warn(
            f"{directory}: has {free / 1e6:,.0f} MB free, and the run may "
            f"take {total / 1e6:,.0f} MB"
        )


def report(recipe, gan, dataset):
    """Returns lines that say what the run of a recipe will cost."""
    cost = measure(gan, dataset)
    steps = recipe.train.steps
    seconds = cost["first_step"] + (steps - 1) * cost["step"]
    lines = [
        f"generator: {gan.generator.count_params():,} parameters",
        f"discriminator: {gan.discriminator.count_params():,} parameters",
    ]
    heads = sum(r.count_params() for r in gan.regularizers)
    if heads:
        lines.append(f"heads of regularizers: {heads:,} parameters")
    lines += [
        f"passes per step: {cost['generator']:g} of the generator, "
        f"{cost['discriminator']:g} of the discriminator, "
        f"{recipe.data.batch_size} images each",
        f"time: {1000 * cost['step']:.1f} ms per step, "
        f"{cost['first_step']:.1f} s for the first; "
        f"{duration(seconds)} for {steps} steps, pictures and scores aside",
        f"memory: {cost['memory'] / 2**20:.0f} MiB at most so far",
        f"disk: about {disk(recipe, gan) / 2**20:.0f} MiB",
    ]
    return lines
