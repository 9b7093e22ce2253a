"""From a classifier's recipe to the objects of a run."""

import keras

from keras_ganmix import data
from keras_ganmix.classifying import methods
from keras_ganmix.classifying.classifier import Classifier
from keras_ganmix.classifying.sources import total_steps
from keras_ganmix.networks import wide_resnet


def build_classifier(recipe, source):
    """Returns the compiled `Classifier`.

    Initial weights, those of a frozen head too, come from Keras' global seed,
    which is set to that of the recipe: whatever the method, runs of one seed
    and network start alike.

    Args:
        recipe: the `ClassifierRecipe`.
        source: the `data.Source` to train on.

    Raises:
        ValueError: if the network does not fit to the data.
    """
    keras.utils.set_random_seed(recipe.train.seed)
    try:
        network = wide_resnet.classifier(
            source.image_shape,
            source.num_classes,
            **recipe.network.model_dump(),
        )
    except ValueError as error:
        raise ValueError(f"network.{error}") from error
    classifier = Classifier(
        network,
        methods.build(recipe.method),
        recipe.train.seed,
        recipe.optimizer.weight_decay,
    )
    classifier.compile(build_optimizer(recipe, total_steps(recipe, source)))
    return classifier


def build_optimizer(recipe, steps):
    """Returns the optimizer, its schedule made for so many steps."""
    section = recipe.optimizer
    return keras.optimizers.SGD(
        _schedule(section, steps),
        momentum=section.momentum,
        nesterov=section.nesterov,
    )


def _schedule(section, steps):
    rate, schedule = section.learning_rate, section.schedule
    if schedule is None:
        return rate
    if schedule.type == "cosine":
        return keras.optimizers.schedules.CosineDecay(rate, steps)
    rates = [rate * schedule.factor**i for i in range(len(schedule.at) + 1)]
    # The rate changes after the boundary; here it is the first step's number.
    boundaries = [round(share * steps) - 1 for share in schedule.at]
    return keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, rates)


def build_dataset(recipe, source, step):
    """Returns the endless `tf.data.Dataset` that begins with a step's batch."""
    return data.dataset(
        source,
        batch_size=recipe.data.batch_size,
        seed=recipe.train.seed,
        start_step=step,
        flip=recipe.data.flip,
        labels=True,
    )
