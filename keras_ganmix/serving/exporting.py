"""`export`: from a trained generator to a folder that TF Serving takes."""

import contextlib
import dataclasses
import datetime
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_ganmix.metrics.hashes import hash_arrays
from keras_ganmix.metrics.protocol import package_versions
from keras_ganmix.sampling import latents_of_seed
from keras_ganmix.serving import self_check as checker
from keras_ganmix.serving.card import model_card
from keras_ganmix.serving.signatures import build_signatures, signature_names
from keras_ganmix.serving.warmup import write_warmup
from keras_ganmix.trained import TrainedGenerator
from keras_ganmix.utils.models import copy_of_model

SCHEMA = 1

_REFERENCES = 16
_REFERENCE_BYTES = 2**18
_REFERENCE_SEED = 0
_HIDDEN = ".exporting-"
_LEFTOVER_SECONDS = 24 * 3600


class ExportError(RuntimeError):
    """An export failed, or its self-check; nothing is left of it."""


def export(
    gan,
    path,
    *,
    which="ema",
    class_names=None,
    max_samples=256,
    about=None,
    self_check=True,
):
    """Writes a generator as a SavedModel that TF Serving takes as it is.

    The folder appears whole or not at all: it is written to a hidden one
    beside it, checked by a process that has only TensorFlow, and renamed.

    Args:
        gan: a `GAN` or a `trained.TrainedGenerator`.
        path: `NAME`, for the next version number in it, or `NAME/VERSION`.
        which: of a `GAN`: `"ema"` for the averaged weights, `"last"` for the
            weights that are trained.
        class_names: of a `GAN`: list of names of its classes.
        max_samples: most pictures that a request may ask for that does not
            send the latents itself.
        about: `about.About`, what the model card tells beside the generator.
        self_check: whether to check the export; takes seconds.

    Returns:
        `Path` of the folder `NAME/VERSION`.

    Raises:
        ValueError: if an argument is out of its range, or the version exists.
        ExportError: if the self-check fails.
    """
    if not isinstance(max_samples, int) or max_samples < 1:
        raise ValueError(
            f"max_samples: {max_samples!r} is not allowed; give an integer of "
            "at least 1."
        )
    generator = gan
    if not isinstance(gan, TrainedGenerator):
        generator = TrainedGenerator.of_gan(gan, which, class_names)
    parent, version = split_path(path)
    references = make_references(generator)
    with _hidden_folder(parent) as folder:
        write_saved_model(generator, folder, max_samples)
        write_references(folder, references)
        write_warmup(folder, parent.name, generator, max_samples)
        if about is not None:
            about.write_recipe(folder)
        facts = _facts(generator, parent.name, max_samples)
        _write_json(folder, facts)
        if self_check:
            check_in_clean_process(folder)
        return _publish(folder, parent, version, facts, about, references)


def split_path(path):
    """Splits `NAME` or `NAME/VERSION` into a folder and a number or `None`.

    Raises:
        ValueError: if the version exists, or a file is in the way.
    """
    path = Path(os.path.abspath(path))
    version = None
    if path.name.isdecimal():
        path, version = path.parent, int(path.name)
        if version < 1:
            raise ValueError(
                f"path: version {version} of {path} is not allowed; versions "
                "begin at 1."
            )
        if (path / str(version)).exists():
            raise _exists(path, version)
    if path.exists() and not path.is_dir():
        raise ValueError(f"path: {path} is a file, not a folder.")
    return path, version


def _exists(parent, version):
    return ValueError(
        f"path: {parent / str(version)} exists; name another version, or "
        f"leave the number out for the next ({_next_version(parent)})."
    )


def _next_version(parent):
    numbers = [int(p.name) for p in parent.iterdir() if p.name.isdecimal()]
    return max(numbers, default=0) + 1


@contextlib.contextmanager
def _hidden_folder(parent):
    """A folder beside the versions that no server looks at, removed after."""
    made = [p for p in (parent, *parent.parents) if not p.exists()]
    parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(parent)
    folder = Path(tempfile.mkdtemp(prefix=_HIDDEN, dir=parent))
    mask = os.umask(0)
    os.umask(mask)
    folder.chmod(0o777 & ~mask)  # a server may be another user
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):  # not empty: something is exported
            for empty in made:
                empty.rmdir()


def _remove_leftovers(parent):
    """Removes what exports have left that were killed."""
    for leftover in parent.glob(f"{_HIDDEN}*"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - leftover.stat().st_mtime > _LEFTOVER_SECONDS:
                shutil.rmtree(leftover, ignore_errors=True)


def write_saved_model(generator, folder, max_samples):
    """Writes the SavedModel: the weights of the generator and the graphs."""
    generator = _on_one_device(generator)
    module = tf.Module()
    # The bare variables: no trace of Keras gets into the file.
    module.generator_variables = [v.value for v in generator.model.variables]
    signatures = build_signatures(generator, max_samples)
    try:
        tf.saved_model.save(module, str(folder), signatures=signatures)
    except tf.errors.OpError as error:  # a full disk, for one
        reason = str(error).splitlines()[0]
        raise ExportError(
            f"{folder.parent}: the export cannot be written: {reason}"
        ) from error


def _on_one_device(generator):
    """The same generator without the strategy that it was trained under."""
    model = generator.model
    values = [v.value for v in model.variables]
    if not any(isinstance(v, tf.distribute.DistributedValues) for v in values):
        return generator
    latents = tf.zeros((1, generator.latent_dim))
    labels = tf.zeros((1,), tf.int32)
    example = [latents, labels] if generator.has_labels else latents
    return dataclasses.replace(generator, model=copy_of_model(model, example))


def make_references(generator):
    """Pictures that an export must reproduce: those of `sample` with seed 0.

    Returns:
        Dict of arrays: `latents`, `labels` where there are classes, and
        `images`, uint8, or floats for points.
    """
    size = int(np.prod(generator.image_shape))
    count = int(np.clip(_REFERENCE_BYTES // size, 2, _REFERENCES))
    generator = dataclasses.replace(generator)  # keeps its own graphs
    # The check runs on the processor, since a GPU rounds in another way, and
    # this process may have taken its memory.
    with tf.device("CPU:0"):
        latents = latents_of_seed(generator, count, _REFERENCE_SEED).numpy()
        references = {
            "latents": latents,
            "images": generator.generate(count, seed=_REFERENCE_SEED),
        }
    if generator.has_labels:
        labels = np.arange(count) % generator.num_classes
        references["labels"] = labels.astype(np.int32)
    return references


def write_references(folder, references):
    """Writes `assets.extra/reference.npz`."""
    extra = folder / "assets.extra"
    extra.mkdir(exist_ok=True)
    np.savez_compressed(extra / "reference.npz", **references)


def _facts(generator, name, max_samples):
    return {
        "schema": SCHEMA,
        "name": name,
        "version": None,
        "image_shape": list(generator.image_shape),
        "latent_dim": generator.latent_dim,
        "latent_distribution": generator.latent_distribution,
        "num_classes": generator.num_classes,
        "class_names": generator.class_names,
        "max_samples": max_samples,
        "signatures": signature_names(generator),
        "step": generator.step,
        "which": generator.which,
        "averaged": generator.averaged,
        "weights_sha256": hash_arrays(generator.model.get_weights()),
        "created": datetime.datetime.now(datetime.UTC).isoformat(
            timespec="seconds"
        ),
        "versions": package_versions(),
    }


def _write_json(folder, facts):
    text = json.dumps(facts, indent=2) + "\n"
    path = folder / "assets.extra" / "generator.json"
    path.write_text(text, encoding="utf-8")


def _publish(folder, parent, version, facts, about, references):
    """Gives the hidden folder its number; another export may be as fast."""
    while True:
        number = version or _next_version(parent)
        facts["version"] = number
        _write_json(folder, facts)
        card = model_card(facts, references, about)
        (folder / "model_card.md").write_text(card, encoding="utf-8")
        try:
            return folder.rename(parent / str(number))
        except OSError:
            if not (parent / str(number)).exists():
                raise
            if version is not None:
                raise _exists(parent, version) from None


def check_in_clean_process(folder):
    """Loads an export where there is TensorFlow only, and compares pictures.

    Args:
        folder: `NAME/VERSION`.

    Raises:
        ExportError: if anything is not as it should be; says what.
    """
    environment = {
        **os.environ,
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    # Isolated: neither this folder nor PYTHONPATH, so that the package of a
    # checkout cannot be found; an installed one is kept out by the script.
    done = subprocess.run(
        [sys.executable, "-I", checker.__file__, os.path.abspath(folder)],
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        said = done.stdout.strip() or done.stderr.strip()[-2000:]
        raise ExportError(
            f"The self-check of the export failed: {said or 'no reason given'}"
        )
