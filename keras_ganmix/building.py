"""From a recipe to the objects of a run: small functions, one for each."""

import contextlib
import functools

import keras
import tensorflow as tf

from keras_ganmix import data, networks, recipes, regularizers
from keras_ganmix.callbacks import (
    Evaluate,
    GradientAngles,
    LinearDecay,
    Samples,
)
from keras_ganmix.data.source import require_labels
from keras_ganmix.gan import GAN
from keras_ganmix.held_out import held_out_arguments, open_held_out
from keras_ganmix.metrics import Evaluator
from keras_ganmix.recipes.networks import builder_arguments
from keras_ganmix.state import (
    CheckpointError,
    OtherWeightsError,
    averaged_part,
    read_newest,
    read_parts,
    variables_of,
)

# Real points drawn below those of a generator.
_REFERENCE = 2000

# Seeds between the order of a run's data and that of its next retry.
_RETRY = 2**40

_OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": keras.optimizers.SGD,
}


def start_devices():
    """Lets TensorFlow look for devices now, with all that it says then."""
    tf.config.list_logical_devices()


def set_up(recipe):
    """Sets what holds for the whole process: seeds and determinism.

    Initial weights come from Keras' global seed; everything drawn later
    depends on the seed of the GAN and of the data set alone.
    """
    keras.utils.set_random_seed(recipe.train.seed)
    if recipe.train.deterministic:
        tf.config.experimental.enable_op_determinism()


def build_strategy(recipe):
    """Returns the `tf.distribute.Strategy` of a recipe.

    That of several workers must be made before TensorFlow looks for devices,
    and waits until all are there.

    Raises:
        ValueError: if the replicas cannot share the batch evenly.
    """
    if recipe.strategy == "none":
        return tf.distribute.get_strategy()
    if recipe.strategy == "multi_worker":
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    else:
        # The default way to sum over replicas wants GPUs.
        ops = None
        if not tf.config.list_physical_devices("GPU"):
            ops = tf.distribute.ReductionToOneDevice()
        strategy = tf.distribute.MirroredStrategy(cross_device_ops=ops)
    replicas = strategy.num_replicas_in_sync
    shares = replicas * recipe.train.accumulate
    if recipe.data.batch_size % shares:
        parts = f" in {recipe.train.accumulate} parts each (train.accumulate)"
        raise ValueError(
            f"data.batch_size: {recipe.data.batch_size} cannot be shared by "
            f"{replicas} replicas{parts * (shares > replicas)}; use a multiple "
            f"of {shares}."
        )
    return strategy


def build_dataset(recipe, source, gan):
    """Returns the endless `tf.data.Dataset` that a run trains on.

    It begins with the batch of the GAN's step. A batch holds the images of
    all discriminator updates of one step.
    """
    step, retry = int(gan.step.numpy()), int(gan.retry.numpy())
    dataset = data.dataset(
        source,
        batch_size=recipe.data.batch_size * recipe.train.discriminator_steps,
        seed=recipe.train.seed + retry * _RETRY,
        start_step=step,
        flip=recipe.data.flip,
        labels=recipe.generator.conditional,
    )
    return gan.prepare(dataset, step)


def build_networks(recipe, image_shape, num_classes=None):
    """Returns the generator and the discriminator, untrained."""
    return [
        build_network(recipe, kind, image_shape, num_classes)
        for kind in ("generator", "discriminator")
    ]


def build_network(recipe, kind, image_shape, num_classes=None):
    """Returns the `"generator"` or the `"discriminator"`, untrained."""
    section = getattr(recipe, kind)
    arguments = builder_arguments(section)
    if "synchronized" in networks.arguments(kind, section.network):
        synchronized = recipe.train.synchronized_batch_norm
        arguments["synchronized"] = synchronized
    return networks.build(
        kind,
        section.network,
        image_shape=image_shape,
        num_classes=num_classes,
        **arguments,
    )


def build_regularizers(recipe):
    """Returns the list of regularizers."""
    return [
        getattr(regularizers, section.type)(
            **section.model_dump(exclude={"type"})
        )
        for section in recipe.regularizers
    ]


def build_optimizers(recipe):
    """Returns the optimizers of the generator and of the discriminator."""
    return [
        _OPTIMIZERS[section.type](**section.model_dump(exclude={"type"}))
        for section in (
            recipe.optimizer.generator,
            recipe.optimizer.discriminator,
        )
    ]


def set_learning_rates(recipe, gan):
    """Sets the rates of a recipe, where a checkpoint has brought its own."""
    sections = recipe.optimizer.generator, recipe.optimizer.discriminator
    for optimizer, section in zip(gan.inner_optimizers, sections, strict=True):
        optimizer.learning_rate = section.learning_rate


def build_gan(recipe, source, strategy=None):
    """Returns the compiled `GAN` of a recipe.

    Args:
        recipe: the `Recipe`.
        source: the `data.Source`, which knows the shape of an image and the
            number of classes.
        strategy: the `tf.distribute.Strategy` to train under; by default one
            device, whatever the recipe says.

    Raises:
        ValueError: if models, regularizers, loss and data do not fit.
    """
    conditional = recipe.generator.conditional
    num_classes = require_labels(source) if conditional else None
    strategy = strategy or tf.distribute.get_strategy()
    with strategy.scope(), dtype_policy(recipe.train.dtype):
        generator, discriminator = build_networks(
            recipe, source.image_shape, num_classes
        )
        gan = GAN(
            generator,
            discriminator,
            build_regularizers(recipe),
            discriminator_steps=recipe.train.discriminator_steps,
            accumulate=recipe.train.accumulate,
            ema_momentum=recipe.generator.ema_momentum,
            latent_distribution=recipe.generator.latent_distribution,
            num_classes=num_classes,
            feature_layer=recipe.discriminator.feature_layer,
            seed=recipe.train.seed,
        )
        generator_optimizer, discriminator_optimizer = build_optimizers(recipe)
        gan.compile(
            loss=recipe.loss,
            generator_optimizer=generator_optimizer,
            discriminator_optimizer=discriminator_optimizer,
            jit_compile=recipe.train.jit_compile,
            steps_per_execution=recipe.train.steps_per_execution,
        )
    return gan


def build_schedule(recipe):
    """Returns the callbacks that change the learning rates, at most one."""
    section = recipe.optimizer.schedule
    if section is None:
        return []
    end = section.end or recipe.train.steps
    return [LinearDecay(section.start, end, section.final)]


def build_samples(recipe, source, folder, writer=None):
    """Returns the callbacks that draw pictures, at most one."""
    if recipe.samples is None:
        return []
    reference = source.images[:_REFERENCE] if source.is_points else None
    return [
        Samples(
            folder.samples,
            every=recipe.samples.every,
            count=recipe.samples.count,
            seed=recipe.train.seed,
            reference=reference,
            gif=folder.progress,
            writer=writer,
        )
    ]


def build_angles(recipe, source, folder):
    """Returns the callbacks that measure gradients, at most one.

    All runs are measured on the same images, whatever their seed.
    """
    section = recipe.gradients
    if section is None:
        return []
    dataset = data.dataset(
        source,
        batch_size=recipe.data.batch_size * recipe.train.discriminator_steps,
        flip=recipe.data.flip,
        labels=recipe.generator.conditional,
    )
    return [
        GradientAngles(
            folder.gradients, dataset, section.every, section.batches
        )
    ]


def build_scores(recipe, source, folder):
    """Returns the callbacks that score samples, at most one.

    Every run is scored with the same latents, whatever its seed.

    Raises:
        ValueError: if there are no held-out data, or the metrics do not fit.
    """
    section = recipe.evaluate
    if section is None:
        return []
    try:
        reference = open_held_out(
            recipe.data.source,
            section.split,
            section.metrics,
            section.extractor,
            **held_out_arguments(recipe.data, source.image_shape),
        )
        evaluator = Evaluator(
            reference,
            section.metrics,
            section.extractor,
            num_fake=section.num_fake,
            floor_source=None if section.split == source.split else source,
        )
        evaluate = Evaluate(
            evaluator,
            section.every,
            folder.scores,
            watch=section.watch,
            best=folder.best,
            patience=section.patience,
            max_share=section.max_share,
            on_collapse=section.on_collapse,
        )
    except ValueError as error:
        key = str(error).removeprefix("Evaluate.")
        raise ValueError(f"evaluate.{key}") from error
    return [evaluate]


def start_from(gan, folder):
    """Gives a GAN the weights of another run's networks.

    Those of the newest checkpoint that can be read; the run may still train.
    Neither the optimizers nor the steps are taken over.

    Args:
        gan: compiled `GAN`.
        folder: the other run's `RunFolder`.

    Returns:
        What is kept of it as `origin.json`: `run`, the folder as given, its
        `step`, its `recipe` as plain data (`None` if it cannot be read) and
        its own `origin`.

    Raises:
        ValueError: if there is no checkpoint, none can be read or its
            networks differ; the message begins with the folder.
    """
    read = functools.partial(_read_networks, gan)
    try:
        # The same one on all workers, also if the run makes a newer one.
        path, step = gan.workers.from_chief(
            lambda: read_newest(folder.checkpoints, read)
        )
        if path is not None and not gan.workers.is_chief:
            read(path)
    except OtherWeightsError as error:
        raise ValueError(
            f"{folder.path}: its {error.part} has other weights, or it has "
            "none; use a run of the same networks, image size and classes"
        ) from error
    except CheckpointError as error:
        raise ValueError(f"{folder.path}: {error}") from error
    if path is None:
        raise ValueError(f"{folder.path}: holds no checkpoint of a run")
    try:
        recipe = recipes.load(folder.recipe).to_dict()
    except recipes.RecipeError:
        recipe = None
    return {
        "run": str(folder.path),
        "step": step,
        "recipe": recipe,
        "origin": folder.read_origin(),
    }


def _read_networks(gan, path):
    """Reads the networks in a checkpoint; returns its step."""
    own = variables_of(gan)
    parts = [(name, own[name]) for name in ("generator", "discriminator")]
    if "averaged_generator" in own:
        parts.append((averaged_part(path), own["averaged_generator"]))
    return read_parts(path, parts)


@contextlib.contextmanager
def dtype_policy(name):
    """Sets Keras' policy of dtypes for a block."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
