"""The real images that fakes are scored against."""

from keras_ganmix import data

_GARMENTS = ("fashion_mnist", "fashion_mnist_10k")


def open_held_out(
    source, split, metrics, extractor="auto", num_real=None, **arguments
):
    """Opens the reference of scores.

    For the Frechet distance of garments, which the extractor `fashion` sees,
    it is the statistics of all 10,000 test images that come with the package;
    no image is needed.

    Args:
        source, split: as for `data.load`.
        metrics: list of names.
        extractor: a name, or the path of a `.keras` file.
        num_real: how many images are to be used; all by default. Statistics
            cannot be cut: for fewer than 10,000 the images are opened, of
            which `fashion_mnist_10k` has 2,000.
        **arguments: of `data.load`.

    Returns:
        `data.Source`, or `metrics.ReferenceStatistics`.

    Raises:
        ValueError: if there is no such split; data as for `data.load`.
    """
    side = _side(arguments.get("image_size"))
    if (
        source in _GARMENTS
        and split == "test"
        and list(metrics) == ["frechet"]
        and extractor in ("auto", "fashion")
        and arguments.get("channels") in (None, 1)
    ):
        from keras_ganmix.metrics.extractors import fashion

        if side in fashion.STATISTICS_SIZES:
            statistics = fashion.reference_statistics(side)
            if num_real is None or num_real >= len(statistics):
                return statistics
    return data.load(source, split, **arguments)


def _side(size):
    if isinstance(size, tuple | list):
        return size[0] if size[0] == size[1] else None
    return size or 28


def held_out_arguments(section, image_shape):
    """The arguments of `data.load` for images like those of a run.

    Args:
        section: the section `data` of its recipe.
        image_shape: that of its training images, or `(2,)` for points.

    Returns:
        Dict; all held-out images are used, whatever the run leaves out.
    """
    arguments = {
        "resize": section.resize,
        "background": section.background,
        "labels": False if section.labels == "none" else "auto",
        "seed": section.seed,
    }
    if len(image_shape) == 3:
        arguments["image_size"] = tuple(image_shape[:2])
        arguments["channels"] = image_shape[2]
    return arguments
