"""What can be said against pictures, and what a training does about it."""

import collections
import dataclasses
import os
from typing import NamedTuple

import numpy as np

from keras_ganmix.data import twins
from keras_ganmix.data.images import (
    CorruptImageError,
    ImageTooLargeError,
    UnreadableImageError,
    UnsupportedImageError,
)
from keras_ganmix.utils.names import shown

FLAT = 2.0
ODD_ASPECT = 2.0
IMBALANCE = 10.0


class Kind(NamedTuple):
    """A kind of finding.

    Attributes:
        what: is found.
        effect: what a training does with it.
        fault: whether it is worth looking at; otherwise it is a note.
    """

    what: str
    effect: str
    fault: bool = True


_LEFT_OUT = "left out; more than 1 % of such files are refused"

KINDS = {
    "damaged": Kind("truncated or damaged", _LEFT_OUT),
    "not_a_picture": Kind("named like a picture, but none", _LEFT_OUT),
    "unreadable": Kind("cannot be opened", _LEFT_OUT),
    "too_large": Kind("of an absurd size", _LEFT_OUT),
    "link": Kind(
        "links that lead out of the folder, or to nothing", "not followed"
    ),
    "conflict": Kind(
        "the same pixels in another class", "used with both labels"
    ),
    "duplicate": Kind("the same pixels as another", "used each time"),
    "constant": Kind("almost of one colour", "used as they are"),
    "off_size": Kind(
        "of another size than most", "refused; give an image size"
    ),
    "upscaled": Kind("smaller than the image size", "enlarged: blurred"),
    "aspect": Kind(
        "of another aspect ratio", "more than half is cut off, padding or warp"
    ),
    "grey": Kind("grey among colour pictures", "three equal channels"),
    "colour": Kind(
        "colour among grey pictures",
        "make all pictures RGB, unless channels is 1",
    ),
    "cmyk": Kind(
        "CMYK", "converted to RGB without its profile: colours may be off"
    ),
    "alpha": Kind("transparent, unlike most", "laid over white"),
    "animated": Kind("animated", "the first frame alone is used"),
    "empty_class": Kind("folders without a picture that can be read", "a gap"),
    "imbalance": Kind(
        f"the largest class has over {IMBALANCE:g} times as many as the "
        "smallest",
        "drawn as often as they are there",
    ),
    "near_duplicate": Kind("nearly the same as another", "used", False),
    "sixteen_bit": Kind("16 bits a channel", "scaled to 8 bits", False),
    "palette": Kind("with a palette", "converted to RGB", False),
    "rotated": Kind(
        "rotated by EXIF orientation", "turned upright first", False
    ),
    "profile": Kind(
        "with a colour profile other than sRGB", "not applied", False
    ),
    "ignored": Kind("files that are not pictures", "passed over", False),
}

_ERRORS = {
    CorruptImageError: "damaged",
    UnsupportedImageError: "not_a_picture",
    UnreadableImageError: "unreadable",
    ImageTooLargeError: "too_large",
}


@dataclasses.dataclass
class Finding:
    """What was found, by name.

    Attributes:
        kind: a key of `KINDS`.
        items: list of `(name, detail)`; the detail may be empty.
        pictures: for each item the indices of pictures that show it.
        effect: what a training does about it.
        fault: whether it is worth looking at.
    """

    kind: str
    items: list = dataclasses.field(default_factory=list)
    pictures: list = dataclasses.field(default_factory=list)
    effect: str = ""
    fault: bool = True

    def __post_init__(self):
        self.effect = KINDS[self.kind].effect
        self.fault = KINDS[self.kind].fault

    @property
    def what(self):
        return KINDS[self.kind].what

    def is_usual(self, total):
        """Whether more than half of all pictures are like this."""
        return not self.fault and 2 * len(self.items) > total

    def add(self, name, detail="", pictures=()):
        self.items.append((shown(str(name)), detail))
        self.pictures.append(pictures)


def usual_size(sizes):
    """Returns the most frequent size, the smaller in a tie, and its count."""
    return collections.Counter(sorted(sizes)).most_common(1)[0]


class Findings:
    """Collects findings; `in_order` gives those that were made."""

    def __init__(self, records, looks):
        """Args:
        records: `records.Records`.
        looks: dict from an index to its `Look`, sorted.
        """
        self.records, self.looks = records, looks
        self.good = {i: x for i, x in looks.items() if x.error is None}
        self.found = {kind: Finding(kind) for kind in KINDS}

    @property
    def in_order(self):
        """The findings with items, those worth looking at first."""
        found = [x for x in self.found.values() if x.items]
        return sorted(found, key=lambda x: not x.fault)

    def add(self, kind, index, detail=""):
        self.found[kind].add(self.records.label(index), detail, (index,))

    def add_twin(self, kind, index, first):
        self.found[kind].add(
            self.records.label(index),
            f"as {shown(self.records.label(first))}",
            (first, index),
        )

    def unreadable(self):
        for index, seen in self.looks.items():
            if seen.error is not None:
                kind = _ERRORS[type(seen.error)]
                name = self.records.label(index)
                self.found[kind].add(name, seen.error.reason)

    def stored(self):
        """How pixels are stored: unlike most, or worth a note."""
        good = self.good
        grey = sum(x.grey for x in good.values())
        mostly_grey = 2 * grey > len(good)
        clear = sum(x.transparent for x in good.values())
        mostly_clear = 2 * clear > len(good)
        for index, seen in good.items():
            mode = seen.mode or ""
            if mostly_grey and not (seen.grey or seen.colourless):
                self.add("colour", index)
            if not mostly_grey and (seen.grey or seen.colourless):
                self.add("grey", index, "" if seen.grey else "stored as colour")
            if seen.transparent and not mostly_clear:
                self.add("alpha", index)
            if mode == "CMYK":
                self.add("cmyk", index)
            if mode.startswith("I"):
                self.add("sixteen_bit", index)
            if mode in ("P", "PA"):
                self.add("palette", index)
            for kind in ("animated", "rotated", "profile"):
                if getattr(seen, kind):
                    self.add(kind, index)

    def contents(self):
        for index, seen in self.good.items():
            if seen.contrast < FLAT:
                detail = f"standard deviation {seen.contrast:.1f} of 255"
                self.add("constant", index, detail)

    def sizes(self, fit):
        """Sizes and aspect ratios, against the image size or the others."""
        if not self.good:
            return
        usual, count = usual_size(x.size for x in self.good.values())
        target = usual if fit.size is None else (fit.size[1], fit.size[0])
        aspect = target[0] / target[1]
        for index, seen in self.good.items():
            size = f"{seen.size[0]}x{seen.size[1]}"
            ratio = seen.size[0] / seen.size[1] / aspect
            if max(ratio, 1 / ratio) > ODD_ASPECT:
                self.add("aspect", index, size)
            small = seen.size[0] < target[0] or seen.size[1] < target[1]
            if small and fit.size is not None:
                self.add("upscaled", index, size)
            if seen.size != usual:
                self.add("off_size", index, size)
        self._judge_sizes(fit, count)

    def _judge_sizes(self, fit, usual_count):
        count = len(self.good)
        off_size, upscaled = self.found["off_size"], self.found["upscaled"]
        if fit.size is not None:
            off_size.effect, off_size.fault = "resized", False
            if 2 * usual_count <= count:
                # There is no usual size that they could differ from.
                self.found["off_size"] = Finding("off_size")
        if 2 * len(upscaled.items) > count:
            upscaled.fault = False
        effects = {
            "crop": "cropped: more than half is cut off",
            "pad": "padded: more than half is padding",
            "squeeze": "squeezed: warped more than twofold",
        }
        self.found["aspect"].effect = effects[fit.mode]

    def same(self):
        """Duplicates; returns whether all near-duplicates were looked for."""
        labels = self.records.labels
        order = list(self.good)
        looks = list(self.good.values())
        exact = twins.equal([x.pixels for x in looks])
        for later, earlier in exact.items():
            index, first = order[later], order[earlier]
            other = labels is not None and labels[index] != labels[first]
            kind = "conflict" if other else "duplicate"
            self.add_twin(kind, index, first)
        unique = [
            at
            for at, seen in enumerate(looks)
            if at not in exact and seen.contrast >= FLAT
        ]
        if not unique:
            return True
        hashes = np.array([looks[at].gradients for at in unique], np.uint64)
        thumbnails = np.stack([looks[at].thumbnail for at in unique])
        near, whole = twins.near(hashes, thumbnails)
        for later in sorted(near):
            first = order[unique[near[later]]]
            self.add_twin("near_duplicate", order[unique[later]], first)
        return whole

    def folder(self, listing):
        """What a folder holds beside pictures."""
        for kind, paths in (
            ("link", listing.links),
            ("ignored", listing.ignored),
        ):
            for path in paths:
                self.found[kind].add(path.as_posix())

    def classes(self, counts, listing=None):
        """Args:
        counts: dict from the name of a class to its readable pictures.
        listing: of a folder, or None.
        """
        empty = [name for name, count in counts.items() if not count]
        if listing is not None and any(counts.values()):
            have = {path.parts[0] for path in listing.pictures}
            empty += [
                os.fspath(path)
                for path in listing.folders
                if path.parts[0] not in have
            ]
        for name in sorted(empty):
            gap = name in counts
            detail = "a class of nothing" if gap else "not a class"
            self.found["empty_class"].add(name, detail)
        full = {name: count for name, count in counts.items() if count}
        if len(full) > 1:
            least, most = min(full, key=full.get), max(full, key=full.get)
            if full[most] > IMBALANCE * full[least]:
                detail = f"{full[least]:,}, {shown(most)} has {full[most]:,}"
                self.found["imbalance"].add(least, detail)
