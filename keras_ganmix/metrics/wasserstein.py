"""Sliced Wasserstein distance of points and of image patches.

References:
    - Rabin et al., "Wasserstein Barycenter and Its Application to Texture
      Mixing", SSVM 2011.
    - Karras et al., "Progressive Growing of GANs", ICLR 2018 (section 5),
      https://arxiv.org/abs/1710.10196
"""

import numpy as np

from keras_ganmix.metrics.checks import check_count, check_features
from keras_ganmix.metrics.images import check_images

_BINOMIAL = np.array([1, 4, 6, 4, 1], np.float32) / 16


def sliced_wasserstein(points1, points2, projections=128, seed=0):
    """Mean over random directions of the 1-Wasserstein distance.

    Args:
        points1, points2: arrays (N, D) and (M, D). Of the larger set a random
            part of the size of the smaller one is used.
        projections: number of directions, uniform on the sphere.
        seed: seed of directions and of that part.

    Returns:
        A float in the unit of the points.

    Raises:
        ValueError: no points, dimensions that do not fit, NaN.
    """
    points1 = check_features(points1, "points1")
    points2 = check_features(points2, "points2", points1.shape[1])
    for name, points in (("points1", points1), ("points2", points2)):
        check_count(len(points), name, minimum=1, advise=False)
    if projections < 1:
        raise ValueError(f"projections: {projections} is too few; use 1.")
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(points1.shape[1], projections))
    directions /= np.linalg.norm(directions, axis=0)
    count = min(len(points1), len(points2))
    points1, points2 = (
        points
        if len(points) == count
        else points[rng.choice(len(points), count, replace=False)]
        for points in (points1, points2)
    )
    total = 0.0
    for start in range(0, projections, 16):
        part = directions[:, start : start + 16]
        one = np.sort((points1 @ part).T, axis=1)
        two = np.sort((points2 @ part).T, axis=1)
        total += np.abs(one - two).mean(axis=1).sum()
    return float(total / projections)


def patch_sliced_wasserstein(
    images1,
    images2,
    smallest=16,
    patch_size=7,
    patches_per_image=32,
    projections=128,
    seed=0,
    value_range=None,
):
    """Sliced Wasserstein distance of patches on a Laplacian pyramid.

    Each level of the pyramid holds one band of frequencies, so that its
    distance tells at which scale two sets of images differ. Patches are
    normalised by the mean and stddev of each channel over all patches of
    their set. The paper takes 8,192 images, 128 patches of each and 512
    projections, and multiplies by 1,000; the defaults here are for speed.

    Args:
        images1, images2: arrays (N, H, W, C); see `check_images`.
        smallest: levels are halved down to this side at the least.
        patch_size: odd side of a patch.
        patches_per_image: patches of each image and level.
        projections: random directions.
        seed: seed of positions and directions.
        value_range: range of float images, see `check_images`.

    Returns:
        Dict from the level's height in pixels to its distance, finest first.

    Raises:
        ValueError: images of different sizes, or smaller than a patch.
    """
    images1 = check_images(images1, "images1", value_range=value_range)
    images2 = check_images(
        images2, "images2", shape=images1.shape[1:], value_range=value_range
    )
    if patch_size % 2 == 0 or patch_size > min(images1.shape[1:3]):
        raise ValueError(
            f"patch_size: {patch_size} must be odd and at most the images' "
            f"side {min(images1.shape[1:3])}."
        )
    smallest = max(smallest, patch_size)
    heights, distances = pyramid_heights(images1.shape[1:3], smallest), {}
    levels = zip(
        laplacian_pyramid(images1, smallest),
        laplacian_pyramid(images2, smallest),
        strict=True,
    )
    for level, (one, two) in enumerate(levels):
        rng = np.random.default_rng([seed, level])
        one = _descriptors(one, patch_size, patches_per_image, rng)
        two = _descriptors(two, patch_size, patches_per_image, rng)
        distances[heights[level]] = sliced_wasserstein(
            one, two, projections, seed=rng.integers(2**31)
        )
    return distances


def pyramid_heights(size, smallest=16):
    """Heights of the levels of `laplacian_pyramid`, finest first.

    Args:
        size: height and width of the images.
        smallest: see `laplacian_pyramid`.
    """
    height, width = size
    heights = [height]
    while min(height, width) >= 2 * smallest:
        height, width = -(-height // 2), -(-width // 2)
        heights.append(height)
    return heights


def laplacian_pyramid(images, smallest=16):
    """Bands of images (N, H, W, C) from fine to coarse, a list.

    Band k is a level minus the level below it, enlarged again; the last one
    is the coarsest level itself. Borders reflect.
    """
    level = np.asarray(images, np.float32)
    pyramid = []
    while min(level.shape[1:3]) >= 2 * smallest:
        lower = _blur(level)[:, ::2, ::2]
        spread = np.zeros_like(level)
        spread[:, ::2, ::2] = lower
        pyramid.append(level - 4.0 * _blur(spread))
        level = lower
    pyramid.append(level)
    return pyramid


def _blur(images):
    for axis in (1, 2):
        width = [(0, 0)] * 4
        width[axis] = (2, 2)
        padded = np.pad(images, width, mode="reflect")
        size = images.shape[axis]
        images = sum(
            weight * np.take(padded, range(i, i + size), axis=axis)
            for i, weight in enumerate(_BINOMIAL)
        )
    return images


def _descriptors(images, patch_size, patches_per_image, rng):
    """Normalised random patches, (N * patches_per_image, D)."""
    windows = np.lib.stride_tricks.sliding_window_view(
        images, (patch_size, patch_size), axis=(1, 2)
    )
    count = len(images) * patches_per_image
    index = np.repeat(np.arange(len(images)), patches_per_image)
    rows = rng.integers(windows.shape[1], size=count)
    columns = rng.integers(windows.shape[2], size=count)
    patches = windows[index, rows, columns].astype(np.float64)
    patches -= patches.mean(axis=(0, 2, 3), keepdims=True)
    stddev = patches.std(axis=(0, 2, 3), keepdims=True)
    patches /= np.maximum(stddev, 1e-12)
    return patches.reshape(count, -1)
