"""The data of a recipe. Needs no TensorFlow, so that bad data show at once."""

from keras_ganmix import data


def open_source(recipe):
    """Returns the `data.Source` of a recipe; downloads nothing.

    Raises:
        ValueError: if the data are missing, damaged, have no labels where
            they are needed, or are fewer than one step takes.
    """
    section = recipe.data
    labels = False if section.labels == "none" else "auto"
    if recipe.generator.conditional:
        labels = True
    try:
        source = data.load(
            **section.model_dump(exclude={"batch_size", "flip", "labels"}),
            labels=labels,
        )
    except ValueError as error:
        raise ValueError(f"data.{error}") from error
    updates, batch_size = recipe.train.discriminator_steps, section.batch_size
    if updates * batch_size > len(source):
        product = f" x train.discriminator_steps {updates}" * (updates > 1)
        raise ValueError(
            f"data.batch_size: {batch_size}{product} is more than the "
            f"{len(source)} of {source.name!r}; use a smaller batch or more "
            "data."
        )
    return source
