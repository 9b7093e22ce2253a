"""Training steps outside of `fit`, to be timed."""

import time

import tensorflow as tf


class Steps:
    """Makes training steps with the function that `fit` would use.

    Neither the start of `fit` nor callbacks take part. Changes the GAN.

    Args:
        gan: compiled `GAN`.
        dataset: endless `tf.data.Dataset`, as for `fit`.
        function: a function of what the dataset gives that takes the place of
            the whole step and returns tensors by name; by default it is
            `gan.train_step`, traced once for this and for `fit`.
    """

    def __init__(self, gan, dataset, function=None):
        strategy = gan.distribute_strategy
        self._batches = iter(strategy.experimental_distribute_dataset(dataset))
        self._function = _train_function(gan, function)
        self._at_once = gan.steps_per_execution

    def time(self, steps):
        """Seconds per step, over so many."""
        calls = -(-steps // self._at_once)
        begin = time.perf_counter()
        for _ in range(calls):
            results = self._function(self._batches)
        for value in results.values():
            value.numpy()  # waits for the device
        return (time.perf_counter() - begin) / (calls * self._at_once)


class Batches:
    """Takes batches from a pipeline, and does nothing with them.

    Args:
        dataset: endless `tf.data.Dataset`.
    """

    def __init__(self, dataset):
        self._batches = iter(dataset)

    def time(self, batches):
        """Seconds per batch, over so many."""
        begin = time.perf_counter()
        for _ in range(batches):
            tf.nest.flatten(next(self._batches))[0].numpy()
        return (time.perf_counter() - begin) / batches


def discriminator_only(gan):
    """The part of `GAN.train_step` that updates the discriminator."""

    def step(data):
        with gan.faults.watch(gan.step.value + 1, gan._replicas):
            for i, batch in enumerate(gan.deal(data)):
                draws = gan.draws(f"discriminator.{i}")
                gan._discriminator_step(batch, draws)
        return _counted(gan, "discriminator_loss")

    return step


def generator_only(gan):
    """The part of `GAN.train_step` that updates the generator."""

    def step(data):
        with gan.faults.watch(gan.step.value + 1, gan._replicas):
            gan._generator_step(gan.deal(data)[-1], gan.draws("generator"))
        return _counted(gan, "generator_loss")

    return step


def _counted(gan, name):
    # Terms that are used every few steps look at this number.
    gan.step.assign_add(1)
    return {name: gan._terms[name].result()}


def _train_function(gan, step):
    """Keras' own train function, perhaps made of another step."""
    if step is None:
        gan.make_train_function()
        return gan.train_function
    before = gan.train_function
    # Past Keras' bookkeeping of attributes.
    object.__setattr__(gan, "train_step", step)
    try:
        gan.make_train_function(force=True)
        return gan.train_function
    finally:
        object.__delattr__(gan, "train_step")
        gan.train_function = before
