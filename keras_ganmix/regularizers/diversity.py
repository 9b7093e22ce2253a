"""The base of terms that keep what the generator makes diverse."""

from keras import ops

from keras_ganmix.regularizers.base import Regularizer, Weight

FEATURES = ("flattened", "pooled")


class Diversity(Regularizer):
    """A term of the generator alone that couples the samples of its batch.

    It uses the batch that the generator has made and the discriminator has
    judged anyway. Under a distribution strategy each replica compares its own
    samples only. A subclass gives `penalty`.

    Args:
        weight: weight of the generator's term.
        name: name of the term.
    """

    def __init__(self, weight, name=None):
        weight = Weight.get(weight, f"{type(self).__name__}.weight")
        super().__init__(generator_weight=weight, name=name)

    @property
    def weight(self):
        return self.generator_weight

    def penalty(self, context):
        """The term without its weight, a float32 scalar."""
        raise NotImplementedError

    def generator_loss(self, context):
        if context.fake.images.shape[0] == 1:
            raise ValueError(
                f"{type(self).__name__} compares the samples of a batch; a "
                "batch of 1 is too small, give at least 2 to each replica."
            )
        return self.penalty(context)


def select_features(features, which):
    """Trunk features in the form that is compared, float32.

    Args:
        features: `(batch, ...)`.
        which: `"flattened"`, as they are, or `"pooled"`, averaged over
            positions; vectors are left as they are.
    """
    features = ops.cast(features, "float32")
    if which == "pooled" and len(features.shape) > 2:
        axes = tuple(range(1, len(features.shape) - 1))
        features = ops.mean(features, axis=axes)
    return features
