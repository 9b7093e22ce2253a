"""What extractors make of images, kept on disk between evaluations."""

import contextlib
import hashlib
import os
import zipfile

import numpy as np

from keras_ganmix.metrics.files import atomic_write, cache_folder

#: What is kept of one set of images, and of all.
MOST_BYTES, MOST_BYTES_IN_ALL = 2**29, 2**32
_FORMAT = 1
_PROBE = "probe/"


def fits(extractor, count):
    """Whether the outputs for so many images are small enough to be kept."""
    numbers = count * sum(extractor.dimensions.values())
    return numbers * np.dtype(np.float32).itemsize <= MOST_BYTES


def cached_outputs(extractor, batches, make):
    """All outputs of an extractor for a set of images.

    They are known by the images and by what the extractor says of itself.
    What it makes of a picture of noise must be what it was, too: two networks
    may have the same weights and other layers.

    Args:
        extractor: `Extractor`.
        batches: iterable of arrays of images, all of one shape, one or more.
        make: function without arguments to the outputs, a dict from layer to
            float32 array, called if they are not known.

    Returns:
        The outputs. A cache that cannot be read or written is passed over.
    """
    about = repr((_FORMAT, sorted(extractor.describe().items())))
    digest, shape = hashlib.sha256(about.encode()), None
    for images in batches:
        shape = images.shape[1:]
        digest.update(f"{images.shape} {images.dtype.str};".encode())
        digest.update(np.ascontiguousarray(images))
    noise = np.random.default_rng(0).integers(256, size=(1, *shape))
    probe = extractor.outputs(noise.astype(np.uint8))
    try:
        folder = cache_folder() / "features"
    except RuntimeError:  # there is no home
        return make()
    path = folder / f"{digest.hexdigest()[:32]}.npz"
    found = _read(path, probe)
    if found is None:
        found = make()
        kept = {f"{_PROBE}{name}": values for name, values in probe.items()}
        with contextlib.suppress(OSError):
            with atomic_write(path, "wb") as file:
                np.savez(file, **found, **kept)
            _make_room(folder)
    return found


def _read(path, probe):
    try:
        with np.load(path, allow_pickle=False) as file:
            found = dict(file)
        os.utime(path)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None
    before = {
        name.removeprefix(_PROBE): found.pop(name)
        for name in list(found)
        if name.startswith(_PROBE)
    }
    # Sums depend on the device and on the number of threads.
    same = before.keys() == probe.keys() == found.keys() and all(
        before[name].shape == values.shape
        and np.allclose(before[name], values, 1e-3, 1e-3 * np.abs(values).max())
        for name, values in probe.items()
    )
    return found if same else None


def _make_room(folder):
    """Removes what was not used for longest if there is too much."""
    files = [(f.stat().st_mtime, f.stat().st_size, f) for f in folder.iterdir()]
    total = 0
    for _, size, file in sorted(files, reverse=True):
        total += size
        if total > MOST_BYTES_IN_ALL:
            file.unlink(missing_ok=True)
