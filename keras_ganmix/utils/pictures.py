"""Pictures of samples: grids, scatter plots, animations."""

import io
import math

import numpy as np
from PIL import Image

from keras_ganmix.utils.files import atomic_path


def image_grid(images, columns=None, scale=None, gap=2):
    """Lays images out in a grid, row by row.

    Args:
        images: uint8 array `(n, height, width, channels)`, 1 or 3 channels.
        columns: number of columns; by default as square as possible.
        scale: integer by which each pixel is enlarged; by default such that
            an image is at least 48 pixels high.
        gap: white pixels between images.

    Returns:
        uint8 array `(H, W, 3)`.
    """
    n, height, width, channels = images.shape
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    scale = scale or max(1, math.ceil(48 / height))
    images = np.repeat(np.repeat(images, scale, axis=1), scale, axis=2)
    if channels == 1:
        images = np.repeat(images, 3, axis=3)
    height, width = height * scale, width * scale
    grid = np.full(
        (rows * (height + gap) + gap, columns * (width + gap) + gap, 3),
        255,
        np.uint8,
    )
    for i, image in enumerate(images):
        y = gap + (i // columns) * (height + gap)
        x = gap + (i % columns) * (width + gap)
        grid[y : y + height, x : x + width] = image
    return grid


def scatter(points, reference=None, title=None, limit=None):
    """Draws 2-D samples over a reference.

    Args:
        points: float array `(n, 2)`.
        reference: float array `(m, 2)` of real points, or `None`.
        title: text above the picture.
        limit: half the side of the square that is shown.

    Returns:
        uint8 array `(H, W, 3)`.
    """
    # Not pyplot: it keeps global state and wants a display on some machines.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4, 4), dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots()
    if reference is not None:
        axes.scatter(*reference.T, s=4, color="0.75", label="real")
        limit = limit or 1.3 * float(np.abs(reference).max())
    axes.scatter(*points.T, s=3, color="tab:blue", alpha=0.5, label="generated")
    if limit:
        axes.set(xlim=(-limit, limit), ylim=(-limit, limit))
    axes.set_aspect("equal")
    axes.legend(loc="upper right", fontsize=7)
    if title:
        axes.set_title(title, fontsize=9)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def write_png(path, picture):
    """Writes a uint8 array `(H, W[, 3])` as a PNG file, atomically."""
    with atomic_path(path) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG")


def png_bytes(picture):
    """A uint8 array `(H, W, 3)` as the bytes of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG")
    return buffer.getvalue()


def write_gif(path, frames, seconds=0.2, last_seconds=2.0):
    """Writes an animation, atomically.

    Args:
        path: the GIF file to write.
        frames: pictures in order: paths, or uint8 arrays `(H, W, 3)`.
        seconds: how long each is shown.
        last_seconds: how long the last is shown.
    """
    pictures = []
    for frame in frames:
        is_array = isinstance(frame, np.ndarray)
        with (
            Image.fromarray(frame) if is_array else Image.open(frame) as opened
        ):
            pictures.append(opened.convert("P", palette=Image.ADAPTIVE))
    durations = [int(1000 * seconds)] * len(pictures)
    durations[-1] = int(1000 * last_seconds)
    with atomic_path(path) as temporary:
        pictures[0].save(
            temporary,
            format="GIF",
            save_all=True,
            append_images=pictures[1:],
            duration=durations,
            loop=0,
        )
