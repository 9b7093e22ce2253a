"""Random numbers as a pure function of (seed, step, purpose).

No state is kept: what a draw gives depends on the run's seed, on the step
counter and on the name of its purpose, and on nothing else. So a run is
reproducible, a resumed run continues the same stream, and adding a purpose
leaves the draws of all others as they were. Every draw is made for the global
batch and each replica takes its slice, so that replicas differ and their
number changes nothing.
"""

import copy
import hashlib

import tensorflow as tf

from keras_ganmix.ops.beta import beta_from_uniform
from keras_ganmix.ops.latents import truncated_normal_from_uniform

LATENT_DISTRIBUTIONS = ("normal", "uniform", "truncated")


def _purpose_key(purpose):
    digest = hashlib.sha256(purpose.encode()).digest()
    return int.from_bytes(digest[:8], "little", signed=True)


def _replica():
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return 0, 1
    return context.replica_id_in_sync_group, context.num_replicas_in_sync


class Draws:
    """Named random numbers of one step.

    Args:
        seed: integer or int64 scalar tensor, the seed of the run.
        step: integer or int64 scalar tensor, the step counter.
        scope: name under which this object's draws are made.

    Attributes:
        parts: into how many parts the batch is divided; 1 if it is whole.

    In every method `name` is the purpose of the draw, unique within its scope,
    and `shape[0]` is the size of the local batch (an integer or a scalar
    tensor). A draw of shape `()` is the same on all replicas.

    Example:

    >>> draws = Draws(seed=0, step=7)
    >>> latents = draws.normal("latents", (64, 128))
    >>> lam = draws.scope("AdaptiveMix").uniform("lambda", (64, 1, 1, 1))
    """

    def __init__(self, seed, step, scope=""):
        self._seed = tf.cast(seed, tf.int64)
        self._step = tf.cast(step, tf.int64)
        self._scope = scope
        self._part, self.parts = 0, 1

    def scope(self, name):
        """Returns draws whose purposes lie below `name`."""
        below = copy.copy(self)
        below._scope = f"{self._scope}{name}/"
        return below

    def part(self, part, parts):
        """Returns draws for one of the equal parts of a batch.

        In them `shape[0]` is the number of its samples, which get what they
        would get if the batch was not divided.
        """
        divided = copy.copy(self)
        divided._part, divided.parts = part, parts
        return divided

    def _draw(self, name, shape, sample):
        key = tf.constant(_purpose_key(self._scope + name), tf.int64)
        seed = tf.stack([self._seed + key, self._step])
        index, count = _replica()
        if count * self.parts == 1 or len(shape) == 0:
            return sample(shape, seed)
        local = shape[0]
        everyone = sample((local * self.parts * count, *shape[1:]), seed)
        place = index * self.parts + self._part
        return everyone[place * local : (place + 1) * local]

    def normal(self, name, shape):
        """Standard normal numbers, float32, of `shape`."""
        return self._draw(name, shape, tf.random.stateless_normal)

    def uniform(self, name, shape, minval=0.0, maxval=1.0):
        """Uniform numbers in [minval, maxval), float32, of `shape`."""
        return self._draw(
            name,
            shape,
            lambda s, seed: tf.random.stateless_uniform(
                s, seed, minval, maxval
            ),
        )

    def integers(self, name, shape, maxval):
        """Uniform integers in [0, maxval), int32, of `shape`."""
        return self._draw(
            name,
            shape,
            lambda s, seed: tf.random.stateless_uniform(
                s, seed, 0, maxval, dtype=tf.int32
            ),
        )

    def beta(self, name, shape, alpha):
        """Beta(alpha, alpha) numbers in [0, 1], float32, of `shape`."""
        return beta_from_uniform(self.uniform(name, shape), alpha)

    def permutation(self, name, n):
        """A random order of `range(n)`, int32.

        Each replica, and each part of a batch, has its own.
        """
        return tf.argsort(self.uniform(name, (n,)), stable=True)

    def latents(self, name, shape, distribution="normal", truncation=None):
        """Latents for a generator, float32, of `shape`.

        Args:
            name: purpose of the draw.
            shape: `(batch, latent_dim)`.
            distribution: `"normal"`, `"uniform"` in [-1, 1), or
                `"truncated"`, a normal cut at two standard deviations.
            truncation: cut the normal at this many standard deviations
                instead (the truncation trick, Brock et al. 2019, section
                3.1); scales a uniform distribution.
        """
        if distribution == "uniform":
            bound = 1.0 if truncation is None else truncation
            return self.uniform(name, shape, -bound, bound)
        if distribution == "truncated" and truncation is None:
            truncation = 2.0
        if truncation is None:
            return self.normal(name, shape)
        return truncated_normal_from_uniform(
            self.uniform(name, shape), truncation
        )
