"""`inception`: the 2015 Inception network, whose Frechet distance is the FID.

It is the network of the paper's released code, as tensorflow-gan publishes it
on TF-Hub: images (B, 299, 299, 3) in [-1, 1] to `pool_3` (2,048) and `logits`.

References:
    - Szegedy et al., "Rethinking the Inception Architecture", CVPR 2016,
      https://arxiv.org/abs/1512.00567
    - tensorflow-gan, `eval/inception_metrics.py` (the handle).
"""

import hashlib
import os
import pathlib
import tarfile
import tempfile
import urllib.request
import zlib

import tensorflow as tf

from keras_ganmix.metrics.extractors.base import Extractor
from keras_ganmix.metrics.files import atomic_write, cache_folder
from keras_ganmix.metrics.hashes import (
    check_hash,
    hash_file,
)

HANDLE = "https://tfhub.dev/tensorflow/tfgan/eval/inception/1"
_QUERY = "?tf-hub-format=compressed"
INPUT_SHAPE = (299, 299, 3)
DIMENSION = 2048


def load(path=None, expected_hash=None):
    """The extractor `inception`.

    Args:
        path: folder of the SavedModel; `None` takes it from the cache
            (`KERAS_GANMIX_CACHE`, or tensorflow_hub's `TFHUB_CACHE_DIR`), or
            downloads it.
        expected_hash: SHA-256 of the SavedModel's files, or its first digits
            (eight at least). Without it, the first download's hash is written
            beside the cache and later loads must match it.

    Returns:
        `Extractor` with the layers `features` (pool_3) and `logits`.

    Raises:
        ValueError: offline, no SavedModel there, another signature, or a
            wrong hash.
    """
    folder = pathlib.Path(path) if path else _download()
    if not (folder / "saved_model.pb").is_file():
        raise ValueError(
            f"inception: {folder} is not a SavedModel (no saved_model.pb in "
            f"it); give the folder that {HANDLE} unpacks to."
        )
    weight_hash = hash_saved_model(folder)
    check_hash(weight_hash, expected_hash, f"inception: {folder}")
    if path is None:
        _check_first_download(weight_hash)
    try:
        module = tf.saved_model.load(str(folder))
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise ValueError(
            f"inception: {folder} cannot be loaded ({error})."
        ) from error
    call = module if callable(module) else _signature(module, folder)

    @tf.function(input_signature=[tf.TensorSpec((None, *INPUT_SHAPE))])
    def function(images):
        outputs = call(images)
        count = tf.shape(images)[0]
        return {
            "features": tf.reshape(outputs["pool_3"], (count, -1)),
            "logits": tf.reshape(outputs["logits"], (count, -1)),
        }

    try:
        extractor = Extractor(
            "inception",
            function,
            INPUT_SHAPE,
            weight_hash=weight_hash,
            batch_size=32,
        )
        dimension = extractor.dimension
    except (KeyError, TypeError, ValueError, tf.errors.OpError) as error:
        raise ValueError(
            f"inception: {folder} does not map images {INPUT_SHAPE} to pool_3 "
            f"and logits ({error}); give tensorflow-gan's own network."
        ) from error
    if dimension != DIMENSION:
        raise ValueError(
            f"inception: pool_3 of {folder} has {dimension} dimensions, not "
            f"{DIMENSION}; this is not the network of the FID."
        )
    return extractor


def hash_saved_model(folder):
    """SHA-256 over the graph and variables of a SavedModel, in hexadecimal."""
    folder = pathlib.Path(folder)
    files = [folder / "saved_model.pb"]
    for part in ("variables", "assets"):
        files += sorted(f for f in (folder / part).rglob("*") if f.is_file())
    digest = hashlib.sha256()
    for file in files:
        name = file.relative_to(folder).as_posix()
        digest.update(f"{name} {hash_file(file)};".encode())
    return digest.hexdigest()


def _signature(module, folder):
    if "serving_default" not in module.signatures:
        raise ValueError(
            f"inception: {folder} has no function to call and no signature "
            "serving_default; give tensorflow-gan's own network."
        )
    signature = module.signatures["serving_default"]
    (argument,) = signature.structured_input_signature[1]

    def call(images, owner=module):
        # A signature alone does not keep the variables alive.
        del owner
        return signature(**{argument: images})

    return call


def _download():
    """Folder of the SavedModel in a cache, downloaded when it is in none."""
    # tensorflow_hub names its folders by the SHA-1 of the handle.
    name = hashlib.sha1(HANDLE.encode()).hexdigest()
    hub = os.environ.get("TFHUB_CACHE_DIR")
    if hub and (pathlib.Path(hub) / name / "saved_model.pb").is_file():
        return pathlib.Path(hub) / name
    target = cache_folder() / name
    if target.is_dir():
        return target
    if not hasattr(tarfile, "data_filter"):
        raise ValueError(
            "extractor: 'inception' is unpacked by Python 3.11.4 and later; "
            "take one of these, or unpack it by hand and give its folder "
            "(--extractor_path)."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with (
            tempfile.TemporaryDirectory(dir=target.parent) as folder,
            urllib.request.urlopen(HANDLE + _QUERY, timeout=20) as answer,
            tarfile.open(fileobj=answer, mode="r|gz") as archive,
        ):
            unpacked = pathlib.Path(folder) / name
            archive.extractall(unpacked, filter="data")
            os.replace(unpacked, target)
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise ValueError(
            f"inception: {HANDLE} is not in the cache and cannot be "
            f"downloaded ({error}). Unpack it on a machine with a network and "
            "pass its folder (--extractor_path), or use the extractor "
            "'fashion' or 'squeezenet', which need no network."
        ) from error
    return target


def _check_first_download(weight_hash):
    """Holds later loads, and later downloads, to the hash of the first."""
    note = cache_folder() / "inception.sha256"
    if note.is_file():
        check_hash(weight_hash, note.read_text().strip(), f"inception: {note}")
        return
    with atomic_write(note) as file:
        file.write(weight_hash + "\n")
