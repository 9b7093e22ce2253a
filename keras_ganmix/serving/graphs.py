"""What an exported generator computes, as TensorFlow graphs.

They contain standard operations only: neither this package nor Keras is
needed to run them. Inputs are checked within the graph, so that every server
answers what is wrong with a request.
"""

import tensorflow as tf

from keras_ganmix.ops.pixels import to_uint8
from keras_ganmix.sampling import latents_between, latents_of_seed

#: The truncation that means none, and the label that leaves the classes open.
NO_TRUNCATION = -1.0
ANY_LABEL = -1
#: Latents beyond this are a mistake, and might overflow.
LATENT_LIMIT = 1e6
#: Seeds of strings lie below: JavaScript has no larger exact integers.
STRING_SEEDS = 2**53

#: Name of the output of PNG files. TensorFlow Serving's REST interface sends
#: bytes as they are only where the name ends like this.
PICTURES = "png_bytes"


class Graphs:
    """What the signatures compute, dicts of tensors.

    Labels and a label are `None` without classes.

    Args:
        generator: `TrainedGenerator`.
        max_samples: most pictures of one request that does not send latents.
    """

    def __init__(self, generator, max_samples):
        self.generator = generator
        self.dimension = generator.latent_dim
        self.max_samples = max_samples

    def serving_default(self, latents, labels=None):
        return {"images": self._checked_images(latents, labels)}

    def uint8(self, latents, labels=None):
        return {"images": to_uint8(self._checked_images(latents, labels))}

    def png(self, latents, labels=None):
        return {PICTURES: _encode(self._checked_images(latents, labels))}

    def sample(self, num_samples, seed, truncation, label=None):
        num_samples = self._check_count("num_samples", num_samples)
        truncation = _check_truncation(truncation)
        labels = None
        if label is not None:
            label = self._check_label(label, ANY_LABEL)
            in_turn = tf.range(num_samples) % self.generator.num_classes
            labels = tf.where(label == ANY_LABEL, in_turn, label)
        latents = tf.cond(
            truncation == NO_TRUNCATION,
            lambda: latents_of_seed(self.generator, num_samples, seed),
            lambda: latents_of_seed(
                self.generator, num_samples, seed, truncation
            ),
        )
        return self._pictures(latents, labels)

    def sample_by_string(self, strings, truncation, label=None):
        strings = _require(
            tf.size(strings) <= self.max_samples,
            f"strings: must be at most {self.max_samples}, got",
            strings,
            tf.size(strings),
        )
        truncation = _check_truncation(truncation)
        seeds = tf.strings.to_hash_bucket_fast(strings, STRING_SEEDS)
        labels = None
        if label is not None:
            label = self._check_label(label, ANY_LABEL)
            own = tf.cast(seeds % self.generator.num_classes, tf.int32)
            labels = tf.where(label == ANY_LABEL, own, label)

        def first_of_seeds(cut=None):
            return tf.map_fn(
                lambda seed: latents_of_seed(self.generator, 1, seed, cut)[0],
                seeds,
                fn_output_signature=tf.TensorSpec(
                    (self.dimension,), tf.float32
                ),
            )

        latents = tf.cond(
            truncation == NO_TRUNCATION,
            first_of_seeds,
            lambda: first_of_seeds(truncation),
        )
        return {"seeds": seeds, **self._pictures(latents, labels)}

    def interpolate(self, start, end, steps, label=None):
        start = _check_latents("start", start)
        end = _check_latents("end", end)
        steps = self._check_count("steps", steps)
        t = tf.linspace(0.0, 1.0, steps)[:, None]
        latents = latents_between(self.generator, start, end, t)
        labels = None
        if label is not None:
            labels = tf.fill([steps], self._check_label(label, 0))
        return self._pictures(latents, labels)

    def _pictures(self, latents, labels):
        latents.set_shape((None, self.dimension))
        pictures = {
            PICTURES: _encode(self._images(latents, labels)),
            "latents": latents,
        }
        if labels is not None:
            pictures["labels"] = labels
        return pictures

    def _checked_images(self, latents, labels):
        latents = _check_latents("latents", latents)
        if labels is not None:
            labels = self._check_labels(labels, tf.shape(latents)[0])
        return self._images(latents, labels)

    def _images(self, latents, labels):
        inputs = latents if labels is None else [latents, labels]
        images = self.generator.model(inputs, training=False)
        images = tf.ensure_shape(images, (None, *self.generator.image_shape))
        images = tf.cast(images, tf.float32)
        if self.generator.makes_images:
            images = tf.clip_by_value(images, -1.0, 1.0)
        return images

    def _check_count(self, name, count):
        return _require(
            (count >= 1) & (count <= self.max_samples),
            f"{name}: must be from 1 to {self.max_samples}, got",
            count,
        )

    def _check_label(self, label, least):
        last = self.generator.num_classes - 1
        return _require(
            (label >= least) & (label <= last),
            f"label: must be from {least} to {last}, got",
            label,
        )

    def _check_labels(self, labels, count):
        labels = _require(
            tf.size(labels) == count,
            "labels: there must be as many as latents, got",
            labels,
            tf.size(labels),
        )
        last = self.generator.num_classes - 1
        return _require(
            tf.reduce_all((labels >= 0) & (labels <= last)),
            f"labels: must be from 0 to {last}, got",
            labels,
        )


def _check_latents(name, latents):
    # Also false for NaN.
    return _require(
        tf.reduce_all(tf.abs(latents) <= LATENT_LIMIT),
        f"{name}: must be finite numbers from {-LATENT_LIMIT:.0f} to "
        f"{LATENT_LIMIT:.0f}, got",
        latents,
    )


def _check_truncation(truncation):
    positive = (truncation > 0) & tf.math.is_finite(truncation)
    return _require(
        positive | (truncation == NO_TRUNCATION),
        "truncation: must be above 0, in standard deviations, or "
        f"{NO_TRUNCATION:.0f} for none, got",
        truncation,
    )


def _require(condition, message, tensor, shown=None):
    """Returns `tensor`, which nothing is computed from if it is wrong."""
    shown = tensor if shown is None else shown
    check = tf.debugging.Assert(condition, [message, shown])
    with tf.control_dependencies([check]):
        return tf.identity(tensor)


def _encode(images):
    """PNG files, string `(n,)`, of floats `(n, H, W, C)` in [-1, 1]."""
    return tf.map_fn(
        tf.io.encode_png, to_uint8(images), fn_output_signature=tf.string
    )
