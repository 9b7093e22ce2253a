"""What extractors made of images, kept on disk between evaluations."""

import contextlib
import hashlib
import zipfile

import numpy as np

from keras_ganmix.metrics.files import atomic_write, cache_folder

#: Of one set of images no more than so many bytes are kept.
MOST_BYTES = 2**28
_FORMAT = 1


class Key:
    """Gathers everything that the outputs of an extractor depend on.

    What it makes of a picture of noise stands for what its description does
    not tell: two networks may have the same weights and other layers.

    Args:
        extractor: `Extractor`.
        needs: what of its outputs is kept, names.
    """

    def __init__(self, extractor, needs):
        self._digest = hashlib.sha256()
        about = sorted(extractor.describe().items())
        self._digest.update(repr((_FORMAT, about, sorted(needs))).encode())
        rng = np.random.default_rng(0)
        noise = rng.integers(256, size=(1, *extractor.input_shape))
        for _, layer in sorted(extractor.outputs(noise.astype("u1")).items()):
            self.update(layer)

    def update(self, images, labels=None):
        """Adds images, and their labels where these matter. Returns self."""
        for array in (images, labels):
            if array is not None:
                array = np.ascontiguousarray(array)
                about = f"{array.shape} {array.dtype.str};"
                self._digest.update(about.encode())
                self._digest.update(array)
        return self

    @property
    def path(self):
        """Where what belongs to the key is kept."""
        name = f"{self._digest.hexdigest()[:32]}.npz"
        return cache_folder() / "features" / name


def read(key):
    """Dict from name to array, or `None` where nothing can be read."""
    try:
        with np.load(key.path, allow_pickle=False) as file:
            return dict(file)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None


def write(key, arrays):
    """Keeps arrays, unless they are large or cannot be written."""
    if sum(array.nbytes for array in arrays.values()) > MOST_BYTES:
        return
    with contextlib.suppress(OSError), atomic_write(key.path, "wb") as file:
        np.savez(file, **arrays)
