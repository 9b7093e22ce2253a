"""Files with a JSON object per line and step."""

import json
import os

from keras_ganmix.utils.files import write_text


def append(path, line):
    """Appends a dictionary, which has a `step`, as a line.

    Raises:
        FileNotFoundError: if there is no such folder; one that was removed
            while training is not made again.
    """
    with path.open("ab+") as file:
        _cut_half_line(file)
        file.write(json.dumps(line).encode() + b"\n")


def _cut_half_line(file):
    """Removes what a process that was killed had begun to write."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 1))
    if size and file.read() != b"\n":
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)


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
