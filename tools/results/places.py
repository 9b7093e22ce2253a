"""Where data, pages and pictures are, and how tests put them elsewhere."""

import dataclasses
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]


@dataclasses.dataclass(frozen=True)
class Places:
    """The files of a folder of documentation.

    Attributes:
        docs: the folder, with `performance.md`.
    """

    docs: pathlib.Path = ROOT / "docs"

    @property
    def results(self):
        return self.docs / "results"

    @property
    def data(self):
        return self.results / "data"

    @property
    def images(self):
        return self.results / "images"

    @property
    def performance(self):
        return self.docs / "performance.md"
