"""Hashes of weights and files, which protocols name."""

import hashlib

import numpy as np


def hash_arrays(arrays):
    """SHA-256 over shapes, dtypes and bytes of arrays, in hexadecimal."""
    digest = hashlib.sha256()
    for array in arrays:
        array = np.ascontiguousarray(array)
        digest.update(f"{array.shape} {array.dtype.str};".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def hash_file(path):
    """SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_hash(got, expected, what):
    """Refuses weights that are not those that were meant.

    Raises:
        ValueError: `got` does not begin with `expected`.
    """
    if expected is not None and (
        len(expected) < 8 or not got.startswith(expected.lower())
    ):
        raise ValueError(
            f"{what}: the hash of the weights is {got[:16]}..., but "
            f"{expected[:16]}... is expected; the file is damaged or another "
            "one, and its scores could not be compared. Get it again, or "
            "leave the expected hash out."
        )
