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


_LINK = re.compile(r"\[([^][]+)\]\(([^():#]+\.md)(?:#[^()]*)?\)")


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


def without_dead_links(text, path, places, names):
    """The text; links to pages of results that are not made lose the link.

    Args:
        text: of a page.
        path: of the page.
        places: `Places`.
        names: of the pages that are made.
    """
    missing = {
        (places.docs / name).resolve() for name in PAGES if name not in names
    }

    def kept(match):
        target = (path.parent / match.group(2)).resolve()
        return match.group(1) if target in missing else match.group()

    return _LINK.sub(kept, text)
