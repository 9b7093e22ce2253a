"""The signatures of an exported generator: names, types, default values."""

import tensorflow as tf

from keras_ganmix.serving.graphs import ANY_LABEL, NO_TRUNCATION, Graphs

_PNG_CHANNELS = (1, 3, 4)


def signature_names(generator):
    """Names of the signatures that a `TrainedGenerator` gets.

    Points have `serving_default` only, and images that are neither grey nor
    coloured no PNG files.
    """
    names = ["serving_default"]
    if generator.makes_images:
        names.append("uint8")
        if generator.image_shape[-1] in _PNG_CHANNELS:
            names += ["png", "sample", "sample_by_string", "interpolate"]
    return names


def build_signatures(generator, max_samples):
    """Returns a dict from name to `tf.function`.

    Args:
        generator: `TrainedGenerator`.
        max_samples: most pictures of one request that does not send latents.
    """
    make = _Conditional if generator.has_labels else _Unconditional
    functions = make(Graphs(generator, max_samples))
    return {
        name: getattr(functions, name)() for name in signature_names(generator)
    }


class _Unconditional:
    """Gives graphs the signatures of a generator without classes.

    The default values are tensors, since those alone are written into the
    SavedModel.
    """

    def __init__(self, graphs):
        self.graphs = graphs

    def _of_latents(self, graph):
        @self._function(_latents(self.graphs))
        def function(latents):
            return graph(latents)

        return function

    def serving_default(self):
        return self._of_latents(self.graphs.serving_default)

    def uint8(self):
        return self._of_latents(self.graphs.uint8)

    def png(self):
        return self._of_latents(self.graphs.png)

    def sample(self):
        none = tf.constant(NO_TRUNCATION)

        @self._function(
            _scalar("num_samples", tf.int32),
            _scalar("seed", tf.int64),
            _scalar("truncation", tf.float32),
        )
        def sample(num_samples, seed, truncation=none):
            return self.graphs.sample(num_samples, seed, truncation)

        return sample

    def sample_by_string(self):
        none = tf.constant(NO_TRUNCATION)

        @self._function(_STRINGS, _scalar("truncation", tf.float32))
        def sample_by_string(strings, truncation=none):
            return self.graphs.sample_by_string(strings, truncation)

        return sample_by_string

    def interpolate(self):
        @self._function(
            *_ends(self.graphs),
            _scalar("steps", tf.int32),
        )
        def interpolate(start, end, steps):
            return self.graphs.interpolate(start, end, steps)

        return interpolate

    @staticmethod
    def _function(*specs):
        return tf.function(input_signature=specs, autograph=False)


class _Conditional(_Unconditional):
    """The same for a generator with classes."""

    def _of_latents(self, graph):
        @self._function(
            _latents(self.graphs), tf.TensorSpec((None,), tf.int32, "labels")
        )
        def function(latents, labels):
            return graph(latents, labels)

        return function

    def sample(self):
        none, any_label = tf.constant(NO_TRUNCATION), tf.constant(ANY_LABEL)

        @self._function(
            _scalar("num_samples", tf.int32),
            _scalar("seed", tf.int64),
            _scalar("truncation", tf.float32),
            _scalar("label", tf.int32),
        )
        def sample(
            num_samples,
            seed,
            truncation=none,
            label=any_label,
        ):
            return self.graphs.sample(num_samples, seed, truncation, label)

        return sample

    def sample_by_string(self):
        none, any_label = tf.constant(NO_TRUNCATION), tf.constant(ANY_LABEL)

        @self._function(
            _STRINGS,
            _scalar("truncation", tf.float32),
            _scalar("label", tf.int32),
        )
        def sample_by_string(
            strings,
            truncation=none,
            label=any_label,
        ):
            return self.graphs.sample_by_string(strings, truncation, label)

        return sample_by_string

    def interpolate(self):
        first = tf.constant(0)

        @self._function(
            *_ends(self.graphs),
            _scalar("steps", tf.int32),
            _scalar("label", tf.int32),
        )
        def interpolate(start, end, steps, label=first):
            return self.graphs.interpolate(start, end, steps, label)

        return interpolate


_STRINGS = tf.TensorSpec((None,), tf.string, "strings")


def _scalar(name, dtype):
    return tf.TensorSpec((), dtype, name)


def _latents(graphs):
    return tf.TensorSpec((None, graphs.dimension), tf.float32, "latents")


def _ends(graphs):
    return [
        tf.TensorSpec((graphs.dimension,), tf.float32, name)
        for name in ("start", "end")
    ]
