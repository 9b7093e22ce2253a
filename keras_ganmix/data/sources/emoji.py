"""`emoji`: the colour bitmaps of the Noto emoji font.

The pictures are the PNG bitmaps in the font's CBDT table (OpenType), read
with fonttools; the labels are the groups of Unicode's `emoji-test.txt`
(UTS #51).
"""

import pathlib

import numpy as np

from keras_ganmix.data.records import EncodedRecords
from keras_ganmix.data.sources import check_split

FONT = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
GROUPS = "/usr/share/unicode/emoji/emoji-test.txt"
_OTHER = "Other"
_VARIATION_SELECTOR = 0xFE0F


def open_records(name, split, seed):
    """Opens the bitmaps in the order of the font's glyphs.

    Labels need Debian's `unicode-data`; without it there are none. The only
    split is `train`; `seed` is not used.
    """
    check_split(name, split, ("train",))
    if not pathlib.Path(FONT).is_file():
        raise ValueError(
            f"source: 'emoji' needs {FONT}; install Debian's "
            "'fonts-noto-color-emoji'."
        )
    try:
        from fontTools.ttLib import TTFont
    except ImportError as error:
        raise ValueError(
            "source: 'emoji' needs the package 'fonttools'; run "
            "`pip install fonttools`."
        ) from error
    with TTFont(FONT, lazy=True) as font:
        if "CBDT" not in font:
            raise ValueError(
                f"source: {FONT} has no bitmaps (no CBDT table); install "
                "Debian's 'fonts-noto-color-emoji'."
            )
        strike = font["CBDT"].strikeData[0]
        glyphs = sorted(strike, key=font.getGlyphID)
        blobs = [strike[glyph].imageData for glyph in glyphs]
        labels, groups = _label(font, glyphs)
    return EncodedRecords(name, blobs, labels, groups, background=255)


def _label(font, glyphs):
    if not pathlib.Path(GROUPS).is_file():
        return None, None
    cmap, ligatures = font.getBestCmap(), _ligatures(font)
    groups, group_of = [], {}
    for group, sequence in _sequences():
        if group not in groups:
            groups.append(group)
        parts = tuple(cmap.get(c) for c in sequence if c in cmap)
        glyph = parts[0] if len(parts) == 1 else ligatures.get(parts)
        group_of.setdefault(glyph, group)
    # The font knows sequences that are newer than the file, or not
    # recommended for interchange: they belong where their first part does.
    # It lists them backwards too, for right-to-left text; then arrows and
    # gender signs come first, so symbols count only if there is no other.
    firsts = {}
    for parts, glyph in ligatures.items():
        firsts.setdefault(glyph, []).append(group_of.get(parts[0], _OTHER))
    for glyph, found in firsts.items():
        found.sort(key=lambda group: group in ("Symbols", _OTHER))
        group_of.setdefault(glyph, found[0])
    groups.append(_OTHER)
    labels = [groups.index(group_of.get(glyph, _OTHER)) for glyph in glyphs]
    return np.array(labels, np.int32), groups


def _sequences():
    """Yields (group, code points without variation selectors)."""
    group = _OTHER
    with open(GROUPS, encoding="utf-8") as file:
        for line in file:
            if line.startswith("# group:"):
                group = line.partition(":")[2].strip()
            points = line.partition("#")[0].partition(";")[0].split()
            if points:
                sequence = [int(point, 16) for point in points]
                yield (
                    group,
                    [c for c in sequence if c != _VARIATION_SELECTOR],
                )


def _ligatures(font):
    """Maps tuples of glyph names to the glyph that replaces them."""
    found = {}
    for lookup in font["GSUB"].table.LookupList.Lookup:
        if lookup.LookupType != 4:
            continue
        for table in lookup.SubTable:
            for first, ligatures in table.ligatures.items():
                for ligature in ligatures:
                    parts = (first, *ligature.Component)
                    found.setdefault(parts, ligature.LigGlyph)
    return found
