"""What turns images into features, with all that a protocol must name."""

import keras
import numpy as np

from keras_ganmix.metrics.images import check_images
from keras_ganmix.utils.names import unknown


class Extractor:
    """A fixed network with its input, its layers and the hash of its weights.

    Args:
        name: as it appears in a score, `frechet[name]`.
        function: from float32 images (B, H, W, C) in [-1, 1] of the input
            shape to a dict of tensors (B, D) with at least `"features"`, and
            optionally `"early"` (a layer near the images) and `"logits"`.
        input_shape: (H, W, C).
        weight_hash: SHA-256 of the weights, in hexadecimal.
        preprocessing: what `function` does to the images first, in words.
        batch_size: images that go through the network at once.

    Images of another size are resized with the antialiased bicubic filter.
    Grey images are repeated for a network that takes three channels; colour
    images are refused by one that takes grey.

    Example:

    ```python
    extractor = keras_ganmix.metrics.get_extractor("fashion")
    features = extractor(images)  # uint8, or float in [-1, 1]
    ```
    """

    resize = "bicubic, antialiased"

    def __init__(
        self,
        name,
        function,
        input_shape,
        weight_hash,
        preprocessing="none",
        batch_size=256,
    ):
        self.name = name
        self.function = function
        self.input_shape = tuple(input_shape)
        self.weight_hash = weight_hash
        self.preprocessing = preprocessing
        self.batch_size = batch_size
        self._dimensions = None

    @property
    def dimensions(self):
        """Dict from each layer's name to its dimension."""
        if self._dimensions is None:
            blank = np.zeros((1, *self.input_shape), np.float32)
            self._dimensions = {
                name: values.shape[1] for name, values in self._run(blank)
            }
        return dict(self._dimensions)

    @property
    def dimension(self):
        """Dimension of the features."""
        return self.dimensions["features"]

    def outputs(self, images, value_range=None):
        """All layers of images.

        Args:
            images: array (N, H, W, C); see `check_images`.
            value_range: range of float images, see `check_images`.

        Returns:
            Dict from layer to float32 array (N, D).

        Raises:
            ValueError: bad images, colour for a grey extractor, or NaN from
                the network.
        """
        images = self._fit(check_images(images, value_range=value_range))
        parts = {name: [] for name in self.dimensions}
        for start in range(0, len(images), self.batch_size):
            batch = images[start : start + self.batch_size]
            for name, values in self._run(self._resize(batch)):
                parts[name].append(values)
        return {
            name: np.concatenate(values)
            if values
            else np.zeros((0, self.dimensions[name]), np.float32)
            for name, values in parts.items()
        }

    def __call__(self, images, layer="features", value_range=None):
        """One layer of images, float32 (N, D); see `outputs`."""
        if layer not in self.dimensions:
            raise ValueError(
                unknown(f"layer of {self.name}", layer, self.dimensions)
            )
        return self.outputs(images, value_range)[layer]

    def describe(self):
        """What a protocol says of the extractor, a dict of plain values."""
        return {
            "name": self.name,
            "weight_hash": self.weight_hash,
            "input_shape": list(self.input_shape),
            "resize": self.resize,
            "preprocessing": self.preprocessing,
            "dimension": self.dimension,
        }

    def _fit(self, images):
        channels = self.input_shape[2]
        if images.shape[3] == channels:
            return images
        if images.shape[3] == 1:
            return np.repeat(images, channels, axis=3)
        raise ValueError(
            f"images: {images.shape[3]} channels, but the extractor "
            f"{self.name!r} takes {channels}; use another extractor."
        )

    def _resize(self, images):
        if images.shape[1:3] == self.input_shape[:2]:
            return images
        resized = keras.ops.image.resize(
            images,
            self.input_shape[:2],
            interpolation="bicubic",
            antialias=True,
            data_format="channels_last",
        )
        # Bicubic filters overshoot.
        return keras.ops.clip(resized, -1.0, 1.0)

    def _run(self, images):
        outputs = self.function(images)
        for name in sorted(outputs):
            yield name, keras.ops.convert_to_numpy(outputs[name])
