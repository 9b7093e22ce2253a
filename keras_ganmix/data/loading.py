"""`load`: from the name of a source to pictures of one size."""

import math

import numpy as np
from absl import logging

from keras_ganmix.data import sources
from keras_ganmix.data.images import RESIZE_MODES, ImageError, resize_image
from keras_ganmix.data.lazy import LazyStore
from keras_ganmix.data.records import (
    ArrayRecords,
    PointRecords,
    StackedRecords,
)
from keras_ganmix.data.source import ArrayStore, Source, StackedStore
from keras_ganmix.data.sources.arrays import open_arrays
from keras_ganmix.data.threads import map_in_order
from keras_ganmix.utils.names import unknown

MEMORY_LIMIT = 2 * 1024**3
MAX_IMAGE_SIZE = 4096
MAX_SKIPPED_SHARE = 0.01
CACHE_MODES = ("auto", "memory", "none")


def load(
    source,
    split="train",
    *,
    image_size=None,
    channels=None,
    resize="crop",
    background=None,
    max_images=None,
    max_per_class=None,
    labels="auto",
    on_error="skip",
    cache="auto",
    seed=0,
):
    """Loads a data set and brings its pictures to one size.

    Every picture is decoded and resized once, also when it is not kept, so
    that damaged files are known before a training starts. Prepared ones, which
    fit already, are read only if they are kept.

    Args:
        source: a spec (`"fashion_mnist_10k"`, `"fashion_mnist"`,
            `"tfds:NAME"`, `"folder:PATH"`, `"idx:PATH"`, `"npz:PATH"`,
            `"tfrecord:PATH"`, `"emoji"`, `"ring"`, `"grid"`,
            `"stacked_digits"`), an array of images, or a pair (images,
            labels). Arrays are uint8 (N, h, w) or (N, h, w, c) in [0, 255],
            floats of these shapes in [-1, 1], or float points (N, d).
        split: `"train"`, `"test"` or what else the source offers.
        image_size: int or (height, width); None keeps the size, which is
            refused if the pictures differ in it. Toy data have none.
        channels: 1 or 3; None keeps 1 if every picture is grey.
        resize: for another aspect ratio: `"crop"` the longer side around the
            centre, `"pad"` the shorter, or `"squeeze"`. All use Pillow's
            antialiased bicubic filter.
        background: 0 to 255, the grey of the padding; None: white for
            folders and emoji, otherwise black.
        max_images: keep at most so many, drawn by `seed`, in their order; a
            smaller number gives a subset of a larger one.
        max_per_class: keep the first so many of each class.
        labels: `"auto"` keeps labels that exist, True requires, False drops.
        on_error: `"skip"` leaves damaged files out, with a warning, up to 1 %
            of all; `"raise"` refuses the first.
        cache: `"memory"` keeps the pictures decoded, `"none"` decodes
            whenever one is drawn, `"auto"` keeps them up to 2 GiB.
        seed: of `max_images` and of drawn sources (toys, stacked digits).

    Returns:
        A `Source`.

    Raises:
        ValueError: if an argument or the data are not usable; `ImageError`
            (a `ValueError`) for a damaged file with `on_error="raise"`.
    """
    fit = Fit(image_size, channels, resize, background)
    check_fit(fit)
    _check_choice("on_error", on_error, ("skip", "raise"))
    _check_choice("cache", cache, CACHE_MODES)
    if labels not in ("auto", True, False):
        raise ValueError(f"labels: {labels!r}; allowed: 'auto', True, False.")
    _check_integer("max_images", max_images, optional=True)
    _check_integer("max_per_class", max_per_class, optional=True)
    _check_integer("seed", seed, low=0, high=2**63 - 1)

    records = open_any(source, split, seed)
    if labels is True and records.labels is None:
        raise ValueError(
            f"labels: {records.name!r} has none; in a folder the sub-folders "
            "are the classes. Use labels=False."
        )
    keep = select(records, max_images, max_per_class, seed)
    make = {
        PointRecords: _load_points,
        StackedRecords: _load_stacked,
    }.get(type(records), _load_images)
    store, keep, skipped = make(records, keep, fit, on_error, cache)
    return Source(
        records.name,
        split,
        store,
        None
        if labels is False or records.labels is None
        else records.labels[keep],
        records.class_names,
        records.num_classes,
        skipped,
    )


class Fit:
    """How a picture is brought to its size."""

    def __init__(self, size, channels, mode, background):
        self.size = size
        self.channels = channels
        self.mode = mode
        self.background = background

    def read(self, records, index):
        image = records.read(index, self.channels)
        return self.apply(image, records.background)

    def apply(self, image, background):
        """Brings a picture (h, w, c) to its size; see `load`."""
        if self.size is None:
            return image
        grey = background if self.background is None else self.background
        if image.dtype != np.uint8:
            grey = grey / 127.5 - 1
        return resize_image(image, self.size, mode=self.mode, background=grey)


def open_any(source, split, seed):
    """Returns the `Records` of a spec or of arrays; see `load`."""
    if isinstance(source, str):
        return sources.open_records(source, split, seed)
    if isinstance(source, Source):
        raise ValueError("source: already loaded; pass it on as it is.")
    pair = isinstance(source, (tuple, list)) and len(source) == 2
    if pair:
        return open_arrays("arrays", *source)
    if not hasattr(source, "__array__"):
        raise ValueError(
            f"source: expected a string, an array or a pair (images, labels), "
            f"got {type(source).__name__}. Sources: "
            f"{', '.join(sources.names())}."
        )
    return open_arrays("arrays", source)


def select(records, max_images, max_per_class, seed):
    """Returns the indices of the pictures to keep; see `load`."""
    keep = np.arange(len(records))
    if max_per_class is not None:
        if records.labels is None:
            raise ValueError(
                f"max_per_class: {records.name!r} has no labels; use "
                "max_images."
            )
        order = np.argsort(records.labels, kind="stable")
        ordered = records.labels[order]
        first = np.searchsorted(ordered, ordered)
        keep = np.sort(order[np.arange(len(order)) - first < max_per_class])
    if max_images is not None and max_images < len(keep):
        random = np.random.RandomState([seed & 0xFFFFFFFF, seed >> 32])
        keep = np.sort(random.permutation(keep)[:max_images])
    return keep


def check_fit(fit):
    """Refuses a `Fit` with wrong arguments; makes its size a pair."""
    fit.size = _check_image_size(fit.size)
    _check_choice("resize", fit.mode, RESIZE_MODES)
    if fit.channels not in (None, 1, 3):
        raise ValueError(f"channels: {fit.channels!r}; allowed: 1, 3, None.")
    _check_integer("background", fit.background, 0, 255, optional=True)


def _load_points(records, keep, fit, on_error, cache):
    if fit.size is not None or fit.channels is not None:
        raise ValueError(
            f"image_size: {records.name!r} holds points of "
            f"{records.points.shape[1]} numbers, which have no image_size and "
            "no channels; leave both out."
        )
    return ArrayStore(records.points[keep]), keep, ()


def _load_stacked(records, keep, fit, on_error, cache):
    if fit.channels not in (None, 3):
        raise ValueError(
            f"channels: {records.name!r} is RGB by construction, got "
            f"{fit.channels}; leave it out."
        )
    fit.channels = 1
    base = records.base
    store, _, _ = _load_images(
        base, np.arange(len(base)), fit, "raise", "memory"
    )
    return StackedStore(store.array, records.triples[keep]), keep, ()


def _load_images(records, keep, fit, on_error, cache):
    if fit.channels is None:
        fit.channels = records.channels()
    known = records.image_shape
    fits = (
        known is not None
        and fit.size in (None, known[:2])
        and fit.channels == known[-1]
    )
    if fits and isinstance(records, ArrayRecords):
        # Nothing to convert; a whole array needs no copy either.
        whole = len(keep) == len(records)
        array = records.array if whole else records.array[keep]
        return ArrayStore(array), keep, ()

    reader = Reader(records, fit, on_error, len(keep))
    first = reader.first(keep)
    shape, dtype = first.shape, first.dtype
    size = math.prod((len(keep), *shape)) * dtype.itemsize
    in_memory = cache == "memory" or (cache == "auto" and size <= MEMORY_LIMIT)
    array = _allocate(records.name, (len(keep), *shape), dtype, in_memory)
    good = np.ones(len(keep), bool)
    # Those that fit have all been read before, when they were prepared.
    read = keep if in_memory or not fits else []
    for position, image in enumerate(reader.read_all(read)):
        if image is None:
            good[position] = False
            continue
        if image.shape != shape:
            raise ValueError(
                f"image_size: the pictures of {records.name!r} differ in size: "
                f"{records.title(keep[good.argmax()])} has "
                f"{shape[1]}x{shape[0]} and {records.title(keep[position])} "
                f"has {image.shape[1]}x{image.shape[0]} pixels; give "
                "image_size, for example image_size=64."
            )
        if in_memory:
            array[position] = image
    reader.report()
    keep = keep[good]
    if in_memory:
        array = array if good.all() else array[good]
        return ArrayStore(array), keep, reader.errors
    logging.info("%s: decoded on the fly.", records.name)
    store = LazyStore(
        lambda i: fit.read(records, i),
        keep,
        shape,
        dtype,
        None if records.labels is None else records.labels[keep],
        on_error,
        records.name,
    )
    return store, keep, reader.errors


def _allocate(name, shape, dtype, in_memory):
    if not in_memory:
        return None
    try:
        return np.empty(shape, dtype)
    except MemoryError as error:
        raise ValueError(
            f"cache: {name!r} needs {math.prod(shape) / 2**30:.1f} GiB, which "
            "cannot be had; use cache='none', a smaller image_size or "
            "max_images."
        ) from error


class Reader:
    """Reads all pictures in threads and keeps count of the damaged.

    Args:
        records: the `Records`.
        fit: the `Fit` that is applied to each picture.
        on_error: as for `load`.
        total: the number of pictures, of which few may be damaged.
        workers: number of threads; by default that of the processor's cores.

    Attributes:
        errors: the `ImageError`s so far.
    """

    def __init__(self, records, fit, on_error, total, workers=None):
        self.records = records
        self.fit = fit
        self.limit = 0 if on_error == "raise" else MAX_SKIPPED_SHARE * total
        self.on_error = on_error
        self.total = total
        self.workers = workers
        self.errors = []

    def first(self, keep):
        """The first picture that can be read, which sets the shape."""
        error = None
        for index in keep:
            try:
                return self.fit.read(self.records, index)
            except ImageError as caught:
                error = caught
                if self.on_error == "raise":
                    raise
        raise ValueError(
            f"source: none of the {self.total} pictures of "
            f"{self.records.name!r} can be read; the last is {error}"
        )

    def read_all(self, keep):
        """Yields the pictures in order, None for a damaged one."""
        if isinstance(self.records, ArrayRecords):
            # Resizing small arrays is too short to gain from threads.
            for index in keep:
                yield self.fit.read(self.records, index)
            return
        pairs = map_in_order(self._try_read, keep, self.workers)
        for image, error in pairs:
            if error is not None:
                self._count(error)
            yield image

    def _try_read(self, index):
        try:
            return self.fit.read(self.records, index), None
        except ImageError as error:
            return None, error

    def _count(self, error):
        if self.on_error == "raise":
            raise error
        self.errors.append(error)
        if len(self.errors) > self.limit:
            more = "" if len(self.errors) == 1 else " at least"
            raise ValueError(
                f"source: {self.records.name!r}:{more} {len(self.errors)} of "
                f"{self.total} pictures cannot be read, more than the "
                f"{MAX_SKIPPED_SHARE:.0%} that may be skipped; remove or "
                "repair: " + "; ".join(str(e) for e in self.errors[:5])
            )

    def report(self):
        if self.errors:
            shown = "; ".join(str(e) for e in self.errors[:5])
            more = len(self.errors) - 5
            logging.warning(
                "%s: %d of %d pictures are skipped: %s%s",
                self.records.name,
                len(self.errors),
                self.total,
                shown,
                f"; and {more} more" if more > 0 else "",
            )


def _check_image_size(size):
    if size is None:
        return None
    pair = (size, size) if isinstance(size, (int, np.integer)) else size
    if (
        isinstance(size, bool)
        or not isinstance(pair, (tuple, list))
        or len(pair) != 2
        or not all(
            isinstance(n, (int, np.integer))
            and not isinstance(n, bool)
            and 1 <= n <= MAX_IMAGE_SIZE
            for n in pair
        )
    ):
        raise ValueError(
            f"image_size: {size!r}; expected an integer or (height, width), "
            f"each from 1 to {MAX_IMAGE_SIZE}."
        )
    return (int(pair[0]), int(pair[1]))


def _check_choice(name, got, allowed):
    if got not in allowed:
        raise ValueError(f"{name}: {unknown(name, got, allowed)}")


def _check_integer(name, got, low=1, high=2**31 - 1, optional=False):
    if got is None and optional:
        return
    if (
        not isinstance(got, (int, np.integer))
        or isinstance(got, bool)
        or not low <= got <= high
    ):
        raise ValueError(
            f"{name}: {got!r}; expected an integer from {low} to {high}"
            f"{' or None' if optional else ''}."
        )
