"""Random directions in the space of weights, normalised for each filter."""

import zlib

import keras
import numpy as np

# Normalisation and biases stay as they are.
_STILL = ("gamma", "beta", "bias")
_TRANSPOSED = (
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
)
_DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)


class Weights:
    """What one side of a GAN trains, to be moved about and put back.

    Args:
        gan: `GAN`.
        side: `"discriminator"`, further heads included, or `"generator"`.

    Attributes:
        variables: list of these variables.
        values: their values when this object was made.
    """

    def __init__(self, gan, side):
        parts = [(side, getattr(gan, side))]
        if side == "discriminator":
            parts += [(r.name, r) for r in gan.regularizers if not r.is_inert]
        self.variables, self._names, self._axes = [], [], []
        for name, part in parts:
            variables = part.trainable_variables
            self.variables += variables
            self._names += [f"{name}/{i}" for i in range(len(variables))]
            self._axes += filter_axes(part)
        self.values = [v.numpy() for v in self.variables]

    def direction(self, seed, number, other=None):
        """A random direction, as a list of arrays like `values`.

        Normal numbers, for each filter scaled to the length of the filter's
        weights (Li et al. 2018, section 4). Those of a variable depend on the
        seed, the number and the variable's place in its network: GANs of the
        same networks get the same ones before they are scaled, whatever
        regularizers they have.

        Args:
            seed: non-negative integer.
            number: which direction, a non-negative integer.
            other: a direction to which this one shall be orthogonal, filter
                by filter, and so as a whole.
        """
        arrays = []
        for i, (name, axes) in enumerate(
            zip(self._names, self._axes, strict=True)
        ):
            value = self.values[i]
            if axes is None:
                arrays.append(np.zeros_like(value))
                continue
            key = zlib.crc32(name.encode())
            numbers = np.random.default_rng([seed, number, key])
            array = numbers.standard_normal(value.shape)
            if other is not None:
                array = _orthogonal(array, other[i].astype(float), axes)
            array *= _quotient(_norm(value, axes), _norm(array, axes))
            arrays.append(array.astype(value.dtype))
        return arrays

    def move(self, *steps):
        """Sets the weights to the values plus multiples of directions.

        Args:
            *steps: pairs of a number and a direction.
        """
        for i, variable in enumerate(self.variables):
            moved = self.values[i]
            for length, direction in steps:
                moved = moved + np.float32(length) * direction[i]
            variable.assign(moved)

    def put_back(self):
        """Sets the weights to `values`, bit for bit."""
        for variable, value in zip(self.variables, self.values, strict=True):
            variable.assign(value)


def filter_axes(part):
    """The axes of each trainable variable that count filters.

    The last one of kernels of convolutions and dense layers; the one before
    it of transposed convolutions, both of depthwise ones, the first of
    embeddings, whose filters are the vectors of classes.

    Args:
        part: Keras layer or model.

    Returns:
        List, for each trainable variable, of a tuple of axes; `None` for
        biases and parameters of normalisation.
    """
    special = {}
    for layer in part._flatten_layers():
        if isinstance(layer, _TRANSPOSED):
            special[id(layer.kernel)] = (-2,)
        elif isinstance(layer, _DEPTHWISE):
            special[id(layer.kernel)] = (-2, -1)
        elif isinstance(layer, keras.layers.Embedding):
            special[id(layer.embeddings)] = (0,)
    axes = []
    for variable in part.trainable_variables:
        rank = len(variable.shape)
        if rank < 2 or variable.name in _STILL:
            axes.append(None)
        else:
            default = (0,) if variable.name == "class_embedding" else (-1,)
            own = special.get(id(variable), default)
            axes.append(tuple(a % rank for a in own))
    return axes


def _norm(array, axes):
    return np.sqrt(_sum(np.square(array, dtype=float), axes))


def _sum(array, axes):
    """Over each filter."""
    others = tuple(a for a in range(array.ndim) if a not in axes)
    return array.sum(axis=others, keepdims=True)


def _orthogonal(array, other, axes):
    along = _quotient(_sum(array * other, axes), _sum(other * other, axes))
    return array - along * other


def _quotient(a, b):
    """a / b, and 0 where b is 0."""
    return np.divide(a, b, out=np.zeros_like(a), where=b != 0)
