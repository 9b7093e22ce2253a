"""`ring` and `grid`: mixtures of Gaussians in the plane.

The definitions are those of PacGAN (arXiv 1712.04086, section 4) and VEEGAN:
ring: 8 modes on the unit circle, standard deviation 0.01; grid: 25 modes on
{-4, -2, 0, 2, 4}^2, standard deviation 0.05; 100,000 points each.
"""

import zlib

import numpy as np

from keras_ganmix.data.records import PointRecords
from keras_ganmix.data.sources import check_split

NUM_POINTS = 100_000
_ANGLES = 2 * np.pi * np.arange(8) / 8
_AXIS = np.array([-4.0, -2.0, 0.0, 2.0, 4.0])
# name: (centres (modes, 2), standard deviation per axis)
MIXTURES = {
    "ring": (np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1), 0.01),
    "grid": (np.array([(x, y) for x in _AXIS for y in _AXIS]), 0.05),
}


def open_records(name, split, seed):
    """Draws the points; the label of a point is its mode.

    `train` and `test` are independent draws. `RandomState` is used because
    numpy promises that its numbers never change.
    """
    check_split(name, split, ("train", "test"))
    centres, std = MIXTURES[name]
    key = zlib.crc32(f"{name}/{split}".encode())
    random = np.random.RandomState([seed & 0xFFFFFFFF, seed >> 32, key])
    labels = random.randint(len(centres), size=NUM_POINTS)
    points = centres[labels] + std * random.standard_normal((NUM_POINTS, 2))
    return PointRecords(name, points.astype(np.float32), labels)
