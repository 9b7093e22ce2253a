"""Files with a JSON object per line and step."""

import json

from keras_ganmix.utils.files import write_text


def append(path, line):
    """Appends a dictionary, which has a `step`, as a line.

    Raises:
        FileNotFoundError: if there is no such folder; one that was removed
            while training is not made again.
    """
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def read(path):
    """The lines of a file as dictionaries; of a missing one, none.

    Half a line, left by a process that was killed, is passed over.
    """
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def forget_after(path, step):
    """Removes the lines of later steps, which will be made again."""
    if path.exists():
        kept = [line for line in read(path) if line["step"] <= step]
        write_text(path, "".join(json.dumps(line) + "\n" for line in kept))
