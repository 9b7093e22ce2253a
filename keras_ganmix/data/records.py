"""Pictures of a source as they are stored, before they are resized."""

import hashlib

import numpy as np

from keras_ganmix.data.images import (
    ImageError,
    convert_channels,
    is_grey,
    read_image,
)


class Records:
    """What a source family hands to `load`: pictures one at a time.

    Args:
        name: the name of the source, for messages and protocols.
        labels: int32 array (N,) or None.
        class_names: names of the classes or None.
        background: grey value that padding continues, 0 to 255.
    """

    def __init__(self, name, labels=None, class_names=None, background=0):
        self.name = name
        self.labels = None if labels is None else np.asarray(labels, np.int32)
        self.class_names = class_names
        self.background = background

    def __len__(self):
        raise NotImplementedError

    @property
    def num_classes(self):
        """Number of classes, or None without labels."""
        if self.labels is None:
            return None
        return len(self.class_names or ()) or int(self.labels.max()) + 1

    #: (h, w, c) of every picture, where that is known without reading them.
    image_shape = None

    def read(self, index, channels=None):
        """Returns picture `index` as (height, width, channels)."""
        raise NotImplementedError

    def channels(self):
        """1 if every picture is grey, else 3."""
        raise NotImplementedError

    def title(self, index):
        """A name for picture `index` in messages."""
        return f"{self.name}[{index}]"

    def label(self, index):
        """A short name for picture `index`, within its source."""
        return f"[{index}]"

    def encoded(self, index):
        """The bytes of the picture's file, or None where it has none."""
        return None

    def stamp(self, index):
        """Text that is another one when the picture has changed.

        Far cheaper than to decode it, for sources where that takes long.
        """
        return hashlib.sha256(self.read(index)).hexdigest()


class ArrayRecords(Records):
    """Pictures of one size, in an array (N, h, w, c)."""

    def __init__(self, name, array, labels=None, class_names=None, **kwargs):
        super().__init__(name, labels, class_names, **kwargs)
        self.array = array
        self.image_shape = array.shape[1:]

    def __len__(self):
        return len(self.array)

    def read(self, index, channels=None):
        return convert_channels(self.array[index], channels)

    def channels(self):
        return self.array.shape[-1]


class EncodedRecords(Records):
    """Pictures as encoded bytes (PNG, JPEG ...) in memory."""

    def __init__(self, name, blobs, labels=None, class_names=None, **kwargs):
        super().__init__(name, labels, class_names, **kwargs)
        self.blobs = blobs
        self._channels = None

    def __len__(self):
        return len(self.blobs)

    def encoded(self, index):
        return self.blobs[index]

    def stamp(self, index):
        return hashlib.sha256(self.blobs[index]).hexdigest()

    def read(self, index, channels=None):
        return read_image(
            self.title(index), channels=channels, data=self.blobs[index]
        )

    def channels(self):
        if self._channels is None:
            grey = all(map(self._is_grey, range(len(self))))
            self._channels = 1 if grey else 3
        return self._channels

    def _is_grey(self, index):
        try:
            return is_grey(self.title(index), data=self.blobs[index])
        except ImageError:
            # Reported where the pixels are read.
            return True


class PointRecords(Records):
    """Points (N, d) as float32: toy data, which is never resized."""

    def __init__(self, name, points, labels=None, class_names=None):
        super().__init__(name, labels, class_names)
        self.points = points

    def __len__(self):
        return len(self.points)


class StackedRecords(Records):
    """Grey pictures of `base` stacked as the channels of RGB pictures.

    Args:
        base: grey `Records` with labels 0..9.
        triples: int array (N, 3), which pictures of `base` make the channels.
    """

    def __init__(self, name, base, triples):
        labels = base.labels[triples] @ np.array([100, 10, 1], np.int32)
        super().__init__(name, labels, background=base.background)
        self.base = base
        self.triples = triples

    def __len__(self):
        return len(self.triples)
