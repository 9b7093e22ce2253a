"""Pictures that are decoded whenever they are drawn, from files that may go."""

import threading

import numpy as np
from absl import logging

from keras_ganmix.data.images import ImageError

_MOST_NAMED = 10


class DataError(OSError):
    """Data that could be read when a run began cannot be read any more."""


class LazyStore:
    """Pictures that are decoded whenever they are asked for.

    A file that disappears or is damaged after it was loaded is replaced, from
    then on, by the next one that can be read: of the same class where there
    are labels. So the order of all others stays what it was.

    Args:
        read: function of an index that returns one picture; raises
            `ImageError` where it cannot.
        indices: the indices that exist, an array (N,).
        shape: (h, w, c) of every picture.
        dtype: of the pictures.
        labels: int array (N,) or None.
        on_error: `"skip"` replaces what is lost, `"raise"` refuses it.
        name: of the source, for messages.

    Attributes:
        lost: dict from the position of a lost picture to its `ImageError`.
        error: the `DataError` that `take` has raised, or None. `tf.data` hands
            on no exception but only its text, so it is kept here.
    """

    in_memory = False

    def __init__(
        self,
        read,
        indices,
        shape,
        dtype=np.uint8,
        labels=None,
        on_error="skip",
        name="data",
    ):
        self.read = read
        self.indices = indices
        self.shape = tuple(shape)
        self.dtype = np.dtype(dtype)
        self.labels = labels
        self.on_error = on_error
        self.name = name
        self.lost = {}
        self.error = None
        self._lock = threading.Lock()

    def __len__(self):
        return len(self.indices)

    def take(self, indices):
        """Returns the pictures at positions (n,), as (n, h, w, c).

        Raises:
            DataError: if one cannot be read, nor replaced.
        """
        out = np.empty((len(indices), *self.shape), self.dtype)
        try:
            for row, position in zip(out, indices, strict=True):
                row[...] = self._take_one(int(position))
        except DataError as error:
            self.error = error
            raise
        return out

    def _take_one(self, position):
        for candidate in self._candidates(position):
            if candidate in self.lost:
                continue
            try:
                return self._read(candidate)
            except ImageError as error:
                self._lose(candidate, error)
        what = f"the {len(self)} pictures"
        if self.labels is not None:
            what = f"the pictures of class {self.labels[position]}"
        raise DataError(
            f"{self.name}: none of {what} can be read any more; the last is "
            f"{self.lost[position]}"
        )

    def _candidates(self, position):
        """This position, then the others that may replace it, in order."""
        yield position
        if self.labels is None:
            yield from range(position + 1, len(self))
            yield from range(position)
        else:
            same = np.flatnonzero(self.labels == self.labels[position])
            yield from same[same > position].tolist()
            yield from same[same < position].tolist()

    def _read(self, position):
        image = self.read(self.indices[position])
        if image.shape != self.shape:
            height, width, _ = image.shape
            raise ImageError(
                f"{self.name}[{self.indices[position]}]",
                f"has {width}x{height} pixels now, had "
                f"{self.shape[1]}x{self.shape[0]} before; give image_size",
            )
        return image

    def _lose(self, position, error):
        if self.on_error == "raise":
            raise DataError(
                f"{error}; it could be read when the data were loaded"
            ) from error
        with self._lock:
            if position in self.lost:
                return
            self.lost[position] = error
            count = len(self.lost)
        if count <= _MOST_NAMED:
            logging.warning(
                "%s; it could be read when the data were loaded. The next "
                "picture takes its place.",
                error,
            )
        elif count == _MOST_NAMED + 1:
            logging.warning("More pictures are lost, and only counted.")
