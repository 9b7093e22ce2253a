"""All pages."""

import re

from keras_ganmix.utils.files import write_text
from tools.results import (
    augmentation,
    choosing,
    classify,
    fashion,
    landscape,
    methods,
    modes,
    readme,
)
from tools.results.store import Store

#: From file, below the documentation, to the module that makes it.
PAGES = {
    "results/modes.md": modes,
    "results/fashion_mnist.md": fashion,
    "results/augmentation.md": augmentation,
    "results/classify.md": classify,
    "results/landscape.md": landscape,
    "results/README.md": readme,
    "choosing.md": choosing,
}


_LINK = re.compile(r"\[([^][]+)\]\(([^():#]+\.md)(?:#([^()]*))?\)")
_HEADING = re.compile(r"(?m)^#+ +(.+?) *$")


def write(places):
    """Writes the pages that there are data for; returns their paths."""
    store = Store(places)
    texts = {name: module.build(store) for name, module in PAGES.items()}
    texts = {name: text for name, text in texts.items() if text is not None}
    texts |= methods.build(store)
    for name, text in texts.items():
        path = places.docs / name
        write_text(path, without_dead_links(text, path, places, texts))
    return [places.docs / name for name in texts]


def without_dead_links(text, path, places, texts):
    """The text without links into what is not made.

    A link to a page of results that is not made loses the link; one to a
    heading that a page does not have leads to the page.

    Args:
        text: of a page.
        path: of the page.
        places: `Places`.
        texts: dict from the name to the text of the pages that are made.
    """
    missing = {
        (places.docs / name).resolve() for name in PAGES if name not in texts
    }
    headings = {
        (places.docs / name).resolve(): anchors(own)
        for name, own in texts.items()
    }

    def kept(match):
        words, page, anchor = match.groups()
        target = (path.parent / page).resolve()
        if target in missing:
            return words
        if anchor is not None and anchor not in headings.get(target, {anchor}):
            return f"[{words}]({page})"
        return match.group()

    return _LINK.sub(kept, text)


def anchors(text):
    """The set of anchors of a page's headings, as GitHub makes them."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in _HEADING.findall(text)
    }
