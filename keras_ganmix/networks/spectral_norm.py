"""Spectral normalisation of a layer's weights."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_ganmix")
class SpectralNormalization(keras.layers.Wrapper):
    """Divides a layer's kernel by its largest singular value.

    The kernel W, as a matrix of shape (inputs, outputs), is used as
    W / sigma, with sigma = v^T W u. The vectors u and v are found by power
    iteration and are constants for the gradient, but sigma is not: the
    gradient is that of W / sigma(W), which is orthogonal to W (eq. 12 of the
    paper). `keras.layers.SpectralNormalization` instead overwrites the
    kernel in each call and leaves sigma out of the gradient.

    Each call with `training=True` runs `power_iterations` steps from the
    stored u and stores the result, so a discriminator that judges reals and
    fakes in two calls makes two steps per update. A call with
    `training=False` uses the stored u and changes nothing. The kernel itself
    is never written. Sigma is computed in float32 under mixed precision.

    References:

    - [Miyato et al. 2018, Spectral Normalization for Generative Adversarial
      Networks](https://arxiv.org/abs/1802.05957), algorithm 1

    Args:
        layer: a `Dense`, `Conv1D`, `Conv2D`, `Conv3D` or `Embedding` layer
            (or a subclass of these).
        power_iterations: steps per training call, at least 1.
        epsilon: added to norms, so that a zero kernel gives zeros.
        **kwargs: `name`. The dtype policy is the layer's.

    Raises:
        ValueError: for any other layer, `channels_first` data, or
            `power_iterations` < 1.

    Example:

    >>> layer = SpectralNormalization(keras.layers.Dense(8))
    >>> layer(keras.ops.ones((2, 4)), training=True).shape
    TensorShape([2, 8])
    """

    def __init__(self, layer, power_iterations=1, epsilon=1e-12, **kwargs):
        if not isinstance(layer, _SUPPORTED):
            names = ", ".join(cls.__name__ for cls in _SUPPORTED)
            raise ValueError(
                f"layer: {type(layer).__name__} cannot be spectrally "
                f"normalised; allowed are {names}"
            )
        if getattr(layer, "data_format", None) == "channels_first":
            raise ValueError(
                "layer: data_format 'channels_first' is not supported; use "
                "'channels_last'"
            )
        if power_iterations < 1:
            raise ValueError(
                f"power_iterations: {power_iterations} is less than 1"
            )
        # The layer keeps its own dtype policy. The wrapper's must not cast:
        # sigma needs the float32 kernel.
        kwargs["dtype"] = layer.variable_dtype
        super().__init__(layer, **kwargs)
        self.autocast = False
        self.power_iterations = power_iterations
        self.epsilon = epsilon

    def build(self, input_shape):
        super().build(input_shape)
        self.u = self.add_weight(
            name="u",
            shape=(self.kernel.shape[-1],),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
            trainable=False,
            dtype="float32",
            # Replicas need not agree on it by talking, which a conditional
            # branch would not allow: it depends on the kernel alone.
            aggregation="none",
        )

    @property
    def kernel(self):
        """The wrapped layer's trainable kernel, before normalisation."""
        if isinstance(self.layer, keras.layers.Embedding):
            return self.layer.embeddings
        return self.layer.kernel

    def sigma(self, training=False):
        """The estimate of the kernel's largest singular value.

        Args:
            training: whether to step u and store it.

        Returns:
            float32 scalar.
        """
        kernel = ops.cast(self.kernel, "float32")
        matrix = ops.reshape(kernel, (-1, kernel.shape[-1]))
        constant = ops.stop_gradient(matrix)
        u = ops.convert_to_tensor(self.u)
        v = self._unit(ops.matmul(constant, u))
        if training:
            u = self._unit(ops.matmul(v, constant))
            for _ in range(self.power_iterations - 1):
                v = self._unit(ops.matmul(constant, u))
                u = self._unit(ops.matmul(v, constant))
            self.u.assign(u)
        return ops.sum(v * ops.matmul(matrix, u))

    def call(self, inputs, training=False):
        layer, dtype = self.layer, self.layer.compute_dtype
        sigma = ops.maximum(self.sigma(training), self.epsilon)
        kernel = ops.cast(self.kernel / sigma, dtype)
        if isinstance(layer, keras.layers.Embedding):
            classes = ops.one_hot(inputs, layer.input_dim, dtype=dtype)
            return ops.matmul(classes, kernel)
        inputs = ops.cast(inputs, dtype)
        if isinstance(layer, keras.layers.Dense):
            outputs = ops.matmul(inputs, kernel)
        else:
            outputs = layer.convolution_op(inputs, kernel)
        if layer.use_bias:
            outputs = outputs + ops.cast(layer.bias, dtype)
        if layer.activation is not None:
            outputs = layer.activation(outputs)
        return outputs

    def get_config(self):
        config = super().get_config()
        # Or loading would build the layer alone, with other weight paths.
        config["layer"].pop("build_config", None)
        return {
            **config,
            "power_iterations": self.power_iterations,
            "epsilon": self.epsilon,
        }

    def _unit(self, vector):
        return vector / (ops.norm(vector) + self.epsilon)


_SUPPORTED = (
    keras.layers.Dense,
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.Embedding,
)
