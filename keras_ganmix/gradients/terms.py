"""The terms of both losses of a GAN, one by one, on fixed batches."""

import contextlib

import keras
import numpy as np
import tensorflow as tf

from keras_ganmix.gradients.names import ADVERSARIAL, TOTAL
from keras_ganmix.networks.spectral_norm import SpectralNormalization
from keras_ganmix.ops.random import Draws

# Power iterations after the weights were moved: the vectors that training has
# left fit the weights that it has left.
_ITERATIONS = 20
# By how much the scale of gradients that overflow is lowered.
_LESS = 16.0


class Terms:
    """The terms of a GAN on fixed images, latents and random numbers.

    Networks run as in training, with the statistics of the batch: running
    ones fit one point in the space of weights only. Nothing that training
    would change is changed: statistics, vectors of spectral norms, seeds.
    Terms of every few steps are computed at each, and a batch is judged whole,
    also where training works through it in parts.

    Args:
        gan: compiled `GAN`, of one replica.
        dataset: `tf.data.Dataset` of batches, as for `fit`; the first update
            of the discriminator in each batch is taken.
        batches: how many batches.
        seed: of latents and all random numbers of the terms.

    Raises:
        ValueError: if the dataset has fewer batches.
    """

    def __init__(self, gan, dataset, batches=8, seed=0):
        self.gan = gan
        self._batches = [gan.deal(x)[0][:2] for x in dataset.take(batches)]
        if len(self._batches) < batches:
            raise ValueError(
                f"Terms.batches: {batches} are asked for, but the dataset has "
                f"{len(self._batches)}. Ask for no more than it has, or make "
                "it endless with `dataset.repeat()`."
            )
        self._seed = seed
        self._fakes = None
        self._state = state_of(gan)
        self._spectral = _spectral_layers(gan)
        self._evaluate = tf.function(self._values, autograph=False)
        self._differentiate = tf.function(self._gradients, autograph=False)

    def __len__(self):
        return len(self._batches)

    def weights(self, side):
        """Weights at the GAN's step by name, the adversarial term's 1 first.

        That of a term of every few steps is its mean over the steps.
        """
        weights = {ADVERSARIAL: 1.0}
        for regularizer in _active(self.gan, side):
            weight = getattr(regularizer, f"{side}_weight")
            now = float(weight.at(self.gan.step.value))
            weights[regularizer.name] = now / weight.every
        return weights

    def generate(self):
        """Makes the fakes of the discriminator's terms.

        To be called when the generator's weights have changed.
        """
        self._fakes = []
        for number, (images, labels) in enumerate(self._batches):
            with unchanged(self._state):
                latents = self._latents("discriminator", number, images)
                self._fakes.append(self.gan.fakes(latents, labels))

    def values(self, side):
        """Dictionary from a term to its values, one for each batch.

        Terms are without their weights; `total` is the weighted sum.
        """
        found = []
        for number, (images, labels) in enumerate(self._batches):
            fakes = None
            if side == "discriminator":
                if self._fakes is None:
                    self.generate()
                fakes = self._fakes[number]
            number = tf.constant(number, tf.int64)
            terms = self._evaluate(side, number, images, labels, fakes)
            found.append({name: float(term) for name, term in terms.items()})
        weights = self.weights(side)
        values = {n: [terms[n] for terms in found] for n in weights}
        values[TOTAL] = [
            sum(weights[name] * terms[name] for name in weights)
            for terms in found
        ]
        return values

    def gradients(self, side):
        """Yields, for each batch, a dictionary from a term to its gradients.

        Those of terms without weights at the variables of the side's network,
        `None` where a term does not depend on a variable. Further heads are
        left out.
        """
        optimizer = getattr(self.gan, f"{side}_optimizer")
        # Half-precision gradients vanish unless they are scaled.
        scale = float(optimizer.scale_loss(tf.constant(1.0)))
        for number, (images, labels) in enumerate(self._batches):
            batch = tf.constant(number, tf.int64), images, labels
            found = self._differentiate(side, tf.constant(scale), *batch)
            while scale > 1 and not _all_finite(found):
                scale = max(1.0, scale / _LESS)
                found = self._differentiate(side, tf.constant(scale), *batch)
            yield {
                name: [None if g is None else g.numpy() for g in gradients]
                for name, gradients in found.items()
            }

    def _values(self, side, number, images, labels, fakes):
        with unchanged(self._state):
            self._find_norms()
            return self._terms(side, number, images, labels, fakes)

    def _find_norms(self):
        """Iterates what spectral norms are computed from."""
        if not self._spectral:
            return

        def iterate(i):
            for layer in self._spectral:
                _iterate(layer)
            return i + 1

        tf.while_loop(lambda i: i < _ITERATIONS, iterate, [0])

    def _gradients(self, side, scale, number, images, labels):
        variables = getattr(self.gan, side).trainable_variables
        with unchanged(self._state):
            with tf.GradientTape(persistent=True) as tape:
                terms = self._terms(side, number, images, labels)
                terms = {name: scale * term for name, term in terms.items()}
            return {
                name: [
                    None if g is None else tf.convert_to_tensor(g) / scale
                    for g in tape.gradient(term, variables)
                ]
                for name, term in terms.items()
            }

    def _terms(self, side, number, images, labels, fakes=None):
        """What `GAN` would add up in an update of that side."""
        gan = self.gan
        draws = self._draws(side, number)
        latents = self._latents(side, number, images)
        if fakes is None:
            fakes = gan.fakes(latents, labels)
        real = gan.samples("real", images, labels, None, draws)
        fake = gan.samples("fake", fakes, labels, latents, draws)
        context = gan.context(real, fake, draws)
        judging = gan._judging
        adversarial = getattr(judging, f"{side}_adversarial")
        terms = {ADVERSARIAL: adversarial(context.of(judging.name))}
        for regularizer in _active(gan, side):
            function = getattr(regularizer, f"{side}_loss")
            term = function(context.of(regularizer.name))
            terms[regularizer.name] = tf.ensure_shape(term, ())
        return terms

    def _draws(self, side, number):
        return Draws(self._seed, number).scope(side)

    def _latents(self, side, number, images):
        return self.gan.draw_latents(images, self._draws(side, number))


@contextlib.contextmanager
def unchanged(variables):
    """Gives variables the values back that they had before the block.

    Also within a graph, where it is a part of what the graph does.
    """
    before = [tf.identity(tf.convert_to_tensor(v.value)) for v in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)


def state_of(gan):
    """The variables of networks and regularizers that their calls change."""
    # Not `weights`: the seeds of dropout are variables, but no weights.
    still = [v for x in _parts(gan) for v in x.variables if not v.trainable]
    # Keras' layer puts the normalised kernel in the place of the trained one.
    return still + [
        layer.kernel
        for layer in _spectral_layers(gan)
        if isinstance(layer, keras.layers.SpectralNormalization)
    ]


def _all_finite(gradients):
    parts = [g for own in gradients.values() for g in own if g is not None]
    return all(np.isfinite(g).all() for g in parts)


def _active(gan, side):
    """The regularizers that have a term on that side."""
    return [r for r in gan._active if not getattr(r, f"{side}_weight").is_zero]


def _spectral_layers(gan):
    kinds = SpectralNormalization, keras.layers.SpectralNormalization
    layers = [x for part in _parts(gan) for x in part._flatten_layers()]
    return [x for x in layers if isinstance(x, kinds)]


def _iterate(layer):
    """One power iteration, the kernel left as it is."""
    if isinstance(layer, SpectralNormalization):
        layer.sigma(training=True)
    else:
        vector, _ = layer.normalized_weights()
        layer.vector_u.assign(vector)


def _parts(gan):
    return [gan.generator, gan.discriminator, *gan.regularizers]
