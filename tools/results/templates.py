"""Pages whose words are written by hand, with numbers put in by name."""

import pathlib
import re

FOLDER = pathlib.Path(__file__).with_name("templates")
_PLACE = re.compile(r"\{\{ *([^{}]+?) *\}\}")


def fill(name, makers):
    """The text of a template with all its places filled.

    Args:
        name: of the file. A place is `{{name argument ...}}`.
        makers: dict from a name to a function of the arguments, texts.

    Raises:
        KeyError: if the template names something that is not there.
    """

    def made(match):
        name, *arguments = match.group(1).split()
        return makers[name](*arguments)

    text = (FOLDER / name).read_text(encoding="utf-8")
    text = _PLACE.sub(made, text)
    return re.sub(r"\n{3,}", "\n\n", text)
