"""The data of a classifier's recipe."""

import numpy as np
import pytest
from PIL import Image

from keras_ganmix import recipes
from keras_ganmix.classifying.sources import open_sources


def pictures(root, split, classes):
    for name in classes:
        (root / split / name).mkdir(parents=True)
        for number in range(2):
            levels = np.full((8, 8), 20 * number, np.uint8)
            Image.fromarray(levels).save(root / split / name / f"{number}.png")


def opened(root):
    changes = [f"data.source=folder:{root}", "data.image_size=8"]
    changes += ["data.max_images=null", "data.batch_size=2", "evaluate.ood=[]"]
    changes += ["data.channels=1"]
    name = "fashion_mnist_wrn_plain"
    return open_sources(recipes.load(name, changes, kind="classifier"))


def test_foreign_images_need_images_of_every_class():
    changes = ["data.source=fashion_mnist_10k", "data.max_images=8"]
    changes += ["data.batch_size=4", "evaluate.ood=[uniform]"]
    name = "fashion_mnist_wrn_plain"
    recipe = recipes.load(name, changes, kind="classifier")
    with pytest.raises(ValueError, match=r"^evaluate\.ood: no image of class"):
        open_sources(recipe)


def test_test_images_are_numbered_as_those_trained(tmp_path):
    pictures(tmp_path, "train", "abc")
    pictures(tmp_path, "test", "ac")  # c would be taken for b
    with pytest.raises(ValueError, match=r"^evaluate\.split: .*'c' where 'b'"):
        opened(tmp_path)
    pictures(tmp_path, "test", "b")
    assert opened(tmp_path).test.num_classes == 3
