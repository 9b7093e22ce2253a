"""Images that are none of the data's, by name. Needs no TensorFlow.

They are the same for every run, whatever its seed.
"""

import numpy as np

from keras_ganmix import data
from keras_ganmix.data.images import resize_image
from keras_ganmix.recipes.classifier import OUTLIERS
from keras_ganmix.utils.names import unknown


def load(name, image_shape, noise_images=2000):
    """Loads foreign images of one shape.

    - `"digits"`: the 1,797 handwritten digits of scikit-learn, 8 x 8 and
      white on black, resized.
    - `"uniform"`: every level of every pixel is equally likely.
    - `"gaussian"`: pixels from N(0.5, 1), cut to [0, 1] (Liang et al. 2018,
      https://arxiv.org/abs/1706.02690).
    - `"emoji"`: the Noto emoji on white.

    Args:
        name: one of these.
        image_shape: (height, width, channels), 1 or 3 channels.
        noise_images: number of images of noise.

    Returns:
        uint8 array (N, height, width, channels).

    Raises:
        ValueError: for an unknown name, or what is not installed.
    """
    height, width, channels = image_shape
    if name == "digits":
        return _digits(height, width, channels)
    if name == "emoji":
        source = data.load(
            "emoji",
            image_size=(height, width),
            channels=channels,
            resize="pad",
            labels=False,
        )
        return source.images
    shape = (noise_images, *image_shape)
    numbers = np.random.default_rng(0)
    if name == "uniform":
        return numbers.integers(0, 256, shape, dtype=np.uint8)
    if name == "gaussian":
        levels = np.clip(numbers.normal(0.5, 1.0, shape), 0.0, 1.0)
        return np.round(255 * levels).astype(np.uint8)
    raise ValueError(unknown("foreign images", name, OUTLIERS))


def _digits(height, width, channels):
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ValueError(
            "'digits' needs scikit-learn; run `pip install scikit-learn`, or "
            "leave them out"
        ) from error
    # Levels are 0 to 16.
    levels = np.round(load_digits().images * (255 / 16)).astype(np.uint8)
    resized = [
        resize_image(image[..., None], (height, width), mode="squeeze")
        for image in levels
    ]
    return np.repeat(np.stack(resized), channels, axis=-1)
