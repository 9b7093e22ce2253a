"""Files that are there whole or not at all, and where caches are."""

import contextlib
import os
import pathlib

from keras_ganmix.utils.files import atomic_path


@contextlib.contextmanager
def atomic_write(path, mode="w"):
    """Opens a temporary file that takes the name `path` when all went well.

    Args:
        path: where the file shall be; missing folders are made.
        mode: `"w"` (UTF-8) or `"wb"`.

    Yields:
        The open file. On an error nothing is left behind, and a file that was
        at `path` before stays.
    """
    encoding = None if "b" in mode else "utf-8"
    with (
        atomic_path(path) as temporary,
        open(temporary, mode, encoding=encoding) as file,
    ):
        yield file
        file.flush()
        os.fsync(file.fileno())


def cache_folder():
    """Where downloads and features are kept.

    `KERAS_GANMIX_CACHE`, or `~/.cache/keras_ganmix`.
    """
    cache = os.environ.get("KERAS_GANMIX_CACHE", "~/.cache/keras_ganmix")
    return pathlib.Path(cache).expanduser()
