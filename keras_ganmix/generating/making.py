"""From a plan to files: pictures, grids, paths between seeds, points."""

import itertools
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_ganmix import recipes
from keras_ganmix.generating import neighbours
from keras_ganmix.generating.plan import file_name
from keras_ganmix.recipes.source import open_source
from keras_ganmix.sampling import latents_between, latents_of_seed
from keras_ganmix.utils.files import write_text
from keras_ganmix.utils.pictures import (
    image_grid,
    scatter,
    write_gif,
    write_png,
)

_BATCH = 64
_FRAME_SECONDS = 0.08
_STRIP = 9
_BLOCKS, _BLOCK_GAP = 4, 8


def batches(generator, pictures, truncation=None):
    """Yields `(pictures, images)` of a plan, a batch at a time.

    Args:
        generator: `TrainedGenerator`, `SavedGenerator` or `GAN`.
        pictures: list of `Picture`; those of one seed begin with the first.
        truncation: in standard deviations, or `None`.
    """
    latents = _latents(generator, pictures, truncation)
    for i in range(0, len(pictures), _BATCH):
        batch = pictures[i : i + _BATCH]
        labels = [picture.label for picture in batch]
        yield batch, _images(generator, latents[i : i + _BATCH], labels)


def _latents(generator, pictures, truncation):
    if pictures[-1].index:  # all of one seed
        seed = pictures[0].seed
        return latents_of_seed(generator, len(pictures), seed, truncation)
    firsts = {}
    for seed, _, _ in pictures:
        if seed not in firsts:
            firsts[seed] = latents_of_seed(generator, 1, seed, truncation)[0]
    return tf.stack([firsts[picture.seed] for picture in pictures])


def _images(generator, latents, labels):
    if not generator.has_labels:
        return generator.sample_function(latents).numpy()
    labels = tf.constant(labels, tf.int32)
    return generator.sample_function([latents, labels]).numpy()


def write_files(folder, made, manifest):
    """Writes each picture to a file; returns how many.

    Args:
        folder: where.
        made: iterator of `batches`.
        manifest: `Manifest`.
    """
    count = 0
    for pictures, images in made:
        for picture, image in zip(pictures, images, strict=True):
            name = file_name(picture)
            write_png(Path(folder) / name, _plain(image))
            manifest.add_picture(picture, image, name)
        count += len(pictures)
    return count


def _plain(image):
    return image[..., 0] if image.shape[-1] == 1 else image


def write_grid(folder, made, manifest):
    """Writes `grid.png`."""
    images = _note_all(made, manifest)
    _write(folder, "grid.png", image_grid(images), manifest)


def _note_all(made, manifest):
    parts = []
    for pictures, images in made:
        for picture, image in zip(pictures, images, strict=True):
            manifest.add_picture(picture, image)
        parts.append(images)
    return np.concatenate(parts)


def _write(folder, name, pixels, manifest):
    write_png(Path(folder) / name, pixels)
    manifest.add_file(name, pixels)


def write_points(folder, made, manifest):
    """Writes `points.csv` and `points.png`."""
    points = _note_all(made, manifest)
    lines = "".join(f"{x!r},{y!r}\n" for x, y in points.tolist())
    write_text(Path(folder) / "points.csv", "x,y\n" + lines)
    manifest.add_file("points.csv", points)
    _write(folder, "points.png", scatter(points), manifest)


def write_interpolation(folder, generator, pictures, steps, cut, manifest):
    """Writes `interpolation.gif` and `strip.png`, a row from seed to seed.

    Args:
        folder: where.
        generator: as for `batches`.
        pictures: the ends, at least two, of one class.
        steps: frames from one to the next.
        cut: truncation of the ends, or `None`.
        manifest: `Manifest`.
    """
    ends = _latents(generator, pictures, cut)
    t = np.linspace(0, 1, steps + 1, dtype=np.float32)[:, None]
    frames, rows = [], []
    for start, end in itertools.pairwise(ends):
        latents = latents_between(generator, start, end, t).numpy()
        cuts = range(_BATCH, steps + 1, _BATCH)
        images = np.concatenate(
            [
                _images(generator, part, [pictures[0].label] * len(part))
                for part in np.split(latents, cuts)
            ]
        )
        frames += list(images[bool(frames) :])  # an end is shown once
        shown = np.linspace(0, steps, min(_STRIP, steps + 1)).round()
        rows.append(images[shown.astype(int)])
    for picture, row in zip(pictures, [*rows, rows[-1][::-1]], strict=True):
        manifest.add_picture(picture, row[0])
    strip = image_grid(np.concatenate(rows), columns=len(rows[0]))
    _write(folder, "strip.png", strip, manifest)
    grids = [image_grid(frame[None], gap=0) for frame in frames]
    write_gif(Path(folder) / "interpolation.gif", grids, _FRAME_SECONDS, 1.0)
    manifest.add_file("interpolation.gif", np.stack(grids))


def write_neighbours(folder, made, recipe, source, extractor, manifest):
    """Writes `neighbours.png`: pictures, each before its nearest.

    Args:
        folder: where.
        made: iterator of `batches`.
        recipe: the `Recipe` of the training, or its file.
        source: what to compare with instead of its `data.source`, or `None`.
        extractor: see `nearest_images`.
        manifest: `Manifest`.
    """
    changes = [] if source is None else [f"data.source={source}"]
    try:
        data = open_source(recipes.load(recipe, changes))
    except ValueError as error:
        if source is not None:
            raise ValueError(f"--data {source}: {error}") from error
        raise ValueError(
            f"--neighbours: {error} Name the training images with --data."
        ) from error
    images = _note_all(made, manifest)
    indices, distances, nearest = neighbours.nearest_images(
        images, data, extractor
    )
    manifest.add(
        "neighbours",
        {
            "data": data.name,
            "fingerprint": data.fingerprint(),
            "indices": indices.tolist(),
            "distances": distances.round(4).tolist(),
        },
    )
    together = neighbours.beside(images, nearest)
    columns = min(_BLOCKS, len(images))
    picture = image_grid(together, columns=columns, gap=_BLOCK_GAP)
    _write(folder, "neighbours.png", picture, manifest)
