"""Pictures from an exported generator."""

import dataclasses

import tensorflow as tf

from keras_ganmix.generating.folders import read_facts
from keras_ganmix.sampling import sample


@dataclasses.dataclass(frozen=True)
class SavedGenerator:
    """An export that draws like the `GAN` that it came from.

    Attributes:
        facts: what its `generator.json` holds.
        model: the loaded SavedModel.
    """

    facts: dict
    model: object

    def __getattr__(self, name):
        try:
            return self.facts[name]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def has_labels(self):
        """Whether pictures have classes."""
        return self.facts["num_classes"] is not None

    @property
    def makes_images(self):
        """Whether it makes images; otherwise these are points."""
        return len(self.facts["image_shape"]) == 3

    def sample_function(self, inputs):
        """Images of latents or [latents, labels], uint8; or points."""
        inputs = inputs if self.has_labels else [inputs]
        name = "uint8" if self.makes_images else "serving_default"
        signature = self.model.signatures[name]
        keys = ("latents", "labels")
        named = dict(zip(keys, map(tf.convert_to_tensor, inputs), strict=False))
        return signature(**named)["images"]

    def generate(
        self, n, labels=None, seed=None, truncation=None, batch_size=64
    ):
        """Images; see `GAN.generate`."""
        return sample(self, n, labels, seed, truncation, batch_size)


def load_saved(folder):
    """Returns the `SavedGenerator` of the folder NAME/VERSION."""
    return SavedGenerator(read_facts(folder), tf.saved_model.load(str(folder)))
