"""A page of the pictures that the data doctor found odd."""

import numpy as np

from keras_ganmix.data.images import ImageError, convert_channels, resize_image
from keras_ganmix.utils.panels import COLUMNS, Panel, Strip

_SIDE = 96
_MOST_ROWS = 2


def panels(report):
    """Returns a `Panel` for each finding of a `doctor.Report` with pictures.

    Each shows at most 16 pictures; of twins, both.
    """
    found = []
    for finding in report.findings:
        if finding.is_usual(report.num_readable):
            continue
        shown = _pictures(report.records, finding)
        if shown:
            found.append(
                Panel(
                    f"{finding.kind}: {len(finding.items):,} {finding.what}",
                    f"in training: {finding.effect}",
                    rows=[
                        _strip(shown[i : i + COLUMNS])
                        for i in range(0, len(shown), COLUMNS)
                    ],
                )
            )
    return found


def _pictures(records, finding):
    """List of `(name, picture)`; what has gone since is left out."""
    shown = {}
    for index in dict.fromkeys(i for twins in finding.pictures for i in twins):
        if len(shown) == _MOST_ROWS * COLUMNS:
            break
        try:
            shown[records.label(index)] = _fit(records.read(index, 3))
        except ImageError:
            continue
    return list(shown.items())


def _fit(picture):
    if picture.dtype == np.uint8:
        picture = picture.astype(np.float32) / 127.5 - 1
    picture = convert_channels(picture.astype(np.float32), 3)
    small = max(picture.shape[:2]) < _SIDE
    if small:
        times = _SIDE // max(picture.shape[:2])
        picture = picture.repeat(times, axis=0).repeat(times, axis=1)
    return resize_image(picture, (_SIDE, _SIDE), mode="pad", background=0.8)


def _strip(shown):
    names, pictures = zip(*shown, strict=True)
    return Strip("", np.stack(pictures), captions=[_short(n) for n in names])


def _short(name):
    name = name if name.isprintable() else ascii(name)
    return name if len(name) <= 18 else f"...{name[-15:]}"
