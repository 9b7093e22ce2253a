"""What a classifier's run will cost, measured on a few of its steps."""

from keras_ganmix.classifying import building
from keras_ganmix.classifying.sources import total_steps
from keras_ganmix.state import state_bytes
from keras_ganmix.stepping import Steps
from keras_ganmix.utils.times import duration

_STEPS = 8


def report(recipe, sources):
    """Lines about the size, the steps and the time of a run.

    Args:
        recipe: the `ClassifierRecipe`.
        sources: its `Sources`.
    """
    classifier = building.build_classifier(recipe, sources.train)
    total = total_steps(recipe, sources.train)
    dataset = building.build_dataset(recipe, sources.train, 0)
    steps = Steps(classifier, dataset)
    first, step = steps.time(1), steps.time(_STEPS)
    images = sum(map(len, sources.foreign.values()))
    if sources.test is not None:
        images += len(sources.test)
    weights = classifier.network.trainable_variables
    trained = sum(int(v.value.shape.num_elements()) for v in weights)
    return [
        f"data: {len(sources.train):,} of {sources.train.image_shape}",
        f"network: {classifier.network.name}, "
        f"{classifier.network.count_params():,} parameters, {trained:,} of "
        "them trained",
        f"step: {1000 * step:.0f} ms, {classifier.method.passes} trunk passes; "
        f"the first {first:.1f} s",
        f"training: {total:,} steps, {duration(first + total * step)}",
        f"test: {images:,} images",
        f"checkpoint: {state_bytes(classifier) / 1e6:.1f} MB",
    ]
