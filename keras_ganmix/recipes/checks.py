"""Combinations of sections that cannot work, found before any run."""

from keras_ganmix.metrics.names import METRICS, POINT_METRICS, check_watch
from keras_ganmix.networks.checks import SIZES
from keras_ganmix.recipes.fields import Weight

POINT_SOURCES = ("ring", "grid")

# Losses that are distances to a target value, and those that are a sum of
# one term for each real and one for each fake logit.
TARGET_LOSSES = ("hinge", "least_squares")
BRANCH_LOSSES = (
    "logistic",
    "minimax",
    "hinge",
    "least_squares",
    "wasserstein",
)


def problems(recipe):
    """Returns a list of `(path, message)`, empty for a recipe that can work.

    Args:
        recipe: a `Recipe` whose every field is valid for itself.
    """
    return [
        *_networks(recipe),
        *_regularizers(recipe),
        *_training(recipe),
        *_executions(recipe),
        *_evaluation(recipe),
    ]


def _networks(recipe):
    points = recipe.data.source in POINT_SOURCES
    size = recipe.data.image_size
    for place in ("generator", "discriminator"):
        network = getattr(recipe, place).network
        path = f"{place}.network"
        if points and network != "mlp":
            yield (
                path,
                f"got {network!r} for the points of "
                f"{recipe.data.source!r}; allowed: mlp",
            )
        elif network != "mlp" and size and size not in SIZES:
            sizes = ", ".join(map(str, SIZES))
            yield (
                "data.image_size",
                f"got {size}; {network} networks allow: {sizes}",
            )
    if points:
        for key in ("image_size", "channels"):
            if getattr(recipe.data, key) is not None:
                yield (
                    f"data.{key}",
                    f"{recipe.data.source!r} has points, not images; "
                    "allowed: null",
                )
        if recipe.data.flip:
            yield "data.flip", "points cannot be flipped; allowed: false"
    if recipe.generator.conditional and recipe.data.labels == "none":
        yield (
            "generator.conditional",
            "got true, but data.labels is none; set data.labels to auto",
        )


def _regularizers(recipe):
    names, judging = {}, {}
    for index, item in enumerate(recipe.regularizers):
        path = f"regularizers.{index}"
        name = item.name or item.type
        if name in names:
            yield (
                path,
                f"the name {name!r} is already that of "
                f"regularizers.{names[name]}; give one another `name`",
            )
        names.setdefault(name, index)
        if _replaces_judging(item):
            judging[index] = name
        if item.type == "SampleMixing":
            yield from _mixing(path, item, recipe.loss)
        packing = getattr(recipe.discriminator, "packing", 1)
        if packing > 1 and not (_fits_packing(item) or _is_inert(item)):
            yield (
                path,
                f"{item.type} does not go with discriminator.packing "
                f"{packing}: mixtures of different shares, or copies of one "
                "sample, would be judged together; allowed: packing 1",
            )
        divided = recipe.train.accumulate > 1
        if item.type == "AdaptiveMix" and item.where == "pipeline" and divided:
            yield (
                f"{path}.where",
                "'pipeline' pairs images of the whole batch, which "
                "train.accumulate divides; allowed: step",
            )
    if len(judging) > 1:
        (_, first), (index, second) = list(judging.items())[:2]
        yield (
            f"regularizers.{index}",
            f"{first!r} and {second!r} both replace how a batch is judged; "
            "keep one, or let SampleMixing use apply: add",
        )


def _replaces_judging(item):
    if item.type == "AdaptiveMix":
        return item.logits != "plain"
    return item.type == "SampleMixing" and item.apply in ("replace", "ramp")


def _is_inert(item):
    """Whether it has weights, all of which are 0, and only adds terms."""
    weights = [
        value.value if isinstance(value, Weight) else value
        for name, value in item
        if name.endswith("weight")
    ]
    return not (any(weights) or _replaces_judging(item))


def _has_batch_statistics(section):
    if section.network == "dcgan":
        return section.normalization == "batch"
    return getattr(section, "batch_norm", False)


def _fits_packing(item):
    if item.type == "Rotation":
        return item.fraction is None
    return item.type not in ("SampleMixing", "AdaptiveMix")


def _mixing(path, item, loss):
    needs = {
        "target": ("target values", TARGET_LOSSES),
        "interpolate": ("a real and a fake branch", BRANCH_LOSSES),
        "as_fake": ("a fake branch", BRANCH_LOSSES),
    }
    what, losses = needs.get(item.mode, (None, None))
    if what and loss not in losses:
        yield (
            f"{path}.mode",
            f"{item.mode!r} needs a loss with {what}, which {loss!r} has "
            f"not; allowed: mode auto or consistency, or one of the losses "
            f"{', '.join(losses)}",
        )
    mode = item.mode
    if mode == "auto" and (loss == "wasserstein" or loss not in BRANCH_LOSSES):
        mode = "consistency"
    if item.apply == "replace" and mode in ("as_fake", "consistency"):
        yield (
            f"{path}.apply",
            f"'replace' does not go with mode {mode!r}, which alone does not "
            "tell real from fake; allowed: add, ramp",
        )
    given = item.generator_weight
    given = given.value if isinstance(given, Weight) else given
    if given and loss not in BRANCH_LOSSES:
        yield (
            f"{path}.generator_weight",
            f"the generator's term needs a loss of single logits, which "
            f"{loss!r} is not; allowed: 0, or one of the losses "
            f"{', '.join(BRANCH_LOSSES)}",
        )
    if item.apply != "add" and item.weight != 1.0:
        yield (
            f"{path}.weight",
            f"apply {item.apply!r} makes the term the adversarial loss "
            "itself; allowed: 1",
        )


def _training(recipe):
    train, schedule = recipe.train, recipe.optimizer.schedule
    if recipe.data.batch_size % train.accumulate:
        yield (
            "train.accumulate",
            f"a batch of {recipe.data.batch_size} cannot be divided into "
            f"{train.accumulate} equal parts; allowed: divisors of "
            "data.batch_size",
        )
    if train.jit_compile is True and recipe.strategy != "none":
        yield (
            "train.jit_compile",
            f"true does not work with strategy {recipe.strategy}; allowed: "
            "auto, false",
        )
    if train.synchronized_batch_norm and recipe.strategy != "none":
        for index, item in enumerate(recipe.regularizers):
            ramped = getattr(item, "apply", None) == "ramp"
            if ramped and _has_batch_statistics(recipe.discriminator):
                yield (
                    f"regularizers.{index}.apply",
                    "'ramp' mixes in some steps, but replicas cannot exchange "
                    "statistics in some steps only; allowed: add, replace, or "
                    "train.synchronized_batch_norm=false",
                )
            for name, weight in item:
                if isinstance(weight, Weight) and weight.every > 1:
                    yield (
                        f"regularizers.{index}.{name}.every",
                        f"got {weight.every}, but replicas cannot exchange "
                        "statistics in some steps only; use 1, or "
                        "train.synchronized_batch_norm=false",
                    )
    if train.jit_compile is True and train.deterministic:
        yield (
            "train.jit_compile",
            "TensorFlow switches it off when train.deterministic is true; "
            "allowed: auto, false",
        )
    if recipe.gradients is not None and recipe.strategy != "none":
        yield (
            "gradients",
            f"works on one device; allowed with strategy {recipe.strategy}: "
            "null",
        )
    if schedule is not None:
        end = schedule.end or train.steps
        if schedule.start >= end:
            yield (
                "optimizer.schedule.start",
                f"got {schedule.start}; allowed: integer below the end ({end})",
            )


def _executions(recipe):
    """What happens every n steps happens at the end of an execution."""
    together = recipe.train.steps_per_execution
    if together == 1:
        return
    if recipe.strategy != "none" or recipe.optimizer.schedule is not None:
        yield (
            "train.steps_per_execution",
            f"got {together}; allowed with a strategy or a schedule of the "
            "learning rate: 1",
        )
    counts = {
        "train.steps": recipe.train.steps,
        "train.log_every": recipe.train.log_every,
        "checkpoint.every": recipe.checkpoint.every,
    }
    for name in ("samples", "gradients", "evaluate"):
        if getattr(recipe, name) is not None:
            counts[f"{name}.every"] = getattr(recipe, name).every
    for path, count in counts.items():
        if count % together:
            yield (
                path,
                f"got {count}; allowed: multiples of "
                f"train.steps_per_execution ({together})",
            )


def _evaluation(recipe):
    section, source = recipe.evaluate, recipe.data.source
    if section is None:
        return
    allowed = [*METRICS]
    if source in POINT_SOURCES:
        allowed = list(POINT_METRICS)
    elif not source.startswith("stacked_digits"):
        allowed.remove("modes")
    if "intra_class" in allowed and not recipe.generator.conditional:
        allowed.remove("intra_class")
    for index, metric in enumerate(section.metrics):
        if metric not in allowed:
            kind = "conditional " * recipe.generator.conditional
            yield (
                f"evaluate.metrics.{index}",
                f"got {metric!r} for a {kind}generator of {source!r}; "
                f"allowed: {', '.join(allowed)}",
            )
    if section.watch is not None:
        try:
            check_watch(section.watch, section.metrics)
        except ValueError as error:
            message = str(error).replace("Unknown", "unknown", 1)
            yield "evaluate.watch", message
