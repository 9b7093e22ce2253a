"""A loaded data set: pictures of one size, ready to be drawn from."""

import hashlib

import numpy as np

_CHUNK = 1024


def picture_digest(image, label=None):
    """SHA-256 of one picture (a contiguous array) and its label, as bytes."""
    digest = hashlib.sha256(image)
    if label is not None:
        digest.update(int(label).to_bytes(8, "little"))
    return digest.digest()


def combine_digests(digests, shape, dtype, labelled):
    """The fingerprint of pictures: see `Source.fingerprint`.

    Args:
        digests: of `picture_digest`, in any order.
        shape: of a picture.
        dtype: of its pixels.
        labelled: whether the digests know of labels.
    """
    head = f"{tuple(shape)} {np.dtype(dtype).str} {labelled}"
    total = hashlib.sha256(head.encode())
    for digest in sorted(digests):
        total.update(digest)
    return total.hexdigest()


class ArrayStore:
    """Pictures or points in memory, as one array."""

    in_memory = True

    def __init__(self, array):
        self.array = array
        self.tensor = None

    def __len__(self):
        return len(self.array)

    @property
    def shape(self):
        return tuple(self.array.shape[1:])

    @property
    def dtype(self):
        return self.array.dtype

    def take(self, indices):
        return self.array[indices]


class StackedStore:
    """RGB pictures whose channels are three grey pictures of an array.

    Args:
        array: uint8 (M, h, w, 1).
        triples: int32 (N, 3), the pictures that make the channels.
    """

    in_memory = True

    def __init__(self, array, triples):
        self.array = array
        self.triples = triples
        self.tensor = None

    def __len__(self):
        return len(self.triples)

    @property
    def shape(self):
        return (*self.array.shape[1:3], 3)

    @property
    def dtype(self):
        return self.array.dtype

    def take(self, indices):
        stacked = self.array[self.triples[indices]][..., 0]
        return np.ascontiguousarray(np.moveaxis(stacked, 1, -1))


class Source:
    """Pictures of one size with optional labels.

    Made by `keras_ganmix.data.load`.

    Args:
        name: what was loaded, for example `"fashion_mnist_10k"`.
        split: `"train"`, `"test"` ...
        store: an `ArrayStore`, `StackedStore` or `lazy.LazyStore`.
        labels: int32 array (N,) or None.
        class_names: list of names, or None.
        num_classes: number of classes; by default that of `class_names`, or
            the largest label + 1.
        skipped: `ImageError`s of the files that were left out.
    """

    def __init__(
        self,
        name,
        split,
        store,
        labels=None,
        class_names=None,
        num_classes=None,
        skipped=(),
    ):
        self.name = name
        self.split = split
        self.store = store
        self.labels = None if labels is None else np.asarray(labels, np.int32)
        self.class_names = None
        self.num_classes = None
        if self.labels is not None:
            self.class_names = list(class_names) if class_names else None
            self.num_classes = num_classes or (
                len(class_names) if class_names else int(self.labels.max()) + 1
            )
            _check_classes(name, self.labels, self.num_classes)
        self.skipped = tuple(skipped)
        self._fingerprint = None

    @property
    def num_images(self):
        """Number of pictures (or points)."""
        return len(self.store)

    def __len__(self):
        return len(self.store)

    @property
    def image_shape(self):
        """(h, w, c), or (2,) for 2-D toy data."""
        return self.store.shape

    @property
    def is_points(self):
        """Whether these are points, which are not scaled to [-1, 1]."""
        return len(self.image_shape) == 1

    @property
    def in_memory(self):
        """Whether the pictures are kept decoded."""
        return self.store.in_memory

    @property
    def lost(self):
        """`ImageError`s of the files that went bad after they were loaded."""
        lost = getattr(self.store, "lost", {})
        return tuple(lost[position] for position in sorted(lost))

    def check(self):
        """Raises the `DataError` that has ended a stream of it, if any.

        TensorFlow turns exceptions of a stream into its own; call this when
        a training has failed with one, to learn which file was the reason.
        """
        error = getattr(self.store, "error", None)
        if error is not None:
            raise error

    @property
    def images(self):
        """All pictures as one array; decodes and stacks when it must.

        uint8 in [0, 255], or float32 for points and for pictures that came
        as floats.
        """
        if isinstance(self.store, ArrayStore):
            return self.store.array
        return self.take(np.arange(len(self)))

    def take(self, indices):
        """Returns the pictures at `indices`, an int array (n,), as (n, ...)."""
        indices = np.asarray(indices)
        if indices.dtype.kind not in "iu" or indices.ndim != 1:
            raise ValueError(
                "indices: expected a one-dimensional array of integers, got "
                f"shape {indices.shape} of {indices.dtype}."
            )
        return self.store.take(indices)

    def fingerprint(self, most=None):
        """SHA-256 of the pictures and labels, as 64 hexadecimal digits.

        It depends on the pixels after resizing, on the shape and on the
        labels, not on the order, the file names or the cache: two machines
        that hold the same pictures agree, wherever they got them from. It is
        computed once; without a cache that decodes everything once more.

        Args:
            most: look at no more than so many pictures, spread evenly.
        """
        if most is not None and most < len(self):
            return self._digest(np.linspace(0, len(self) - 1, most).astype(int))
        if self._fingerprint is None:
            self._fingerprint = self._digest(np.arange(len(self)))
        return self._fingerprint

    def _digest(self, indices):
        digests = []
        for start in range(0, len(indices), _CHUNK):
            some = indices[start : start + _CHUNK]
            batch = np.ascontiguousarray(self.take(some))
            for index, image in zip(some, batch, strict=True):
                label = None if self.labels is None else self.labels[index]
                digests.append(picture_digest(image, label))
        labelled = self.labels is not None
        return combine_digests(
            digests, self.image_shape, self.store.dtype, labelled
        )

    def __repr__(self):
        labels = f"{self.num_classes} classes" if self.num_classes else "no"
        return (
            f"<Source {self.name} {self.split}: {self.num_images} of "
            f"{self.image_shape}, labels: {labels}>"
        )


def _check_classes(name, labels, num_classes):
    bad = (labels < 0) | (labels >= num_classes)
    if bad.any():
        raise ValueError(
            f"source: {name!r}: {bad.sum()} of {len(labels)} labels lie "
            f"outside of its {num_classes} classes, the first is "
            f"{labels[bad.argmax()]}; leave these pictures out, or use "
            "labels=False."
        )


def require_labels(source):
    """Returns the number of classes; refuses a source without labels.

    Raises:
        ValueError: if `source` has no labels.
    """
    if source.labels is None:
        raise ValueError(
            f"data.source: {source.name!r} has no labels, but a conditional "
            "model needs them; use a labelled source (in a folder, the "
            "sub-folders are the classes) or an unconditional model."
        )
    return source.num_classes
