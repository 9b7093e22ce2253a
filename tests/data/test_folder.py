"""`folder:PATH` and what `load` does with pictures of every kind."""

import os

import numpy as np
import pytest
from absl import logging
from PIL import Image, ImageOps

from keras_ganmix.data import ImageError, load, loading, require_labels


def save(path, seed=0, size=(12, 10), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.RandomState(seed)
    shape = size if mode == "L" else (*size, len(mode))
    array = random.randint(0, 256, shape).astype(np.uint8)
    kwargs = {"lossless": True} if path.suffix == ".webp" else {}
    Image.fromarray(array).save(path, **kwargs)
    return array


@pytest.fixture
def classes(tmp_path):
    """Three classes of four pictures, in several formats."""
    ends = (".png", ".bmp", ".webp", ".PNG")
    for c, name in enumerate(("zebra", "ant", "cat")):
        for i, end in enumerate(ends):
            save(tmp_path / name / f"{i}{end}", seed=10 * c + i)
    return tmp_path


def test_sub_folders_are_classes_in_sorted_order(classes):
    source = load(f"folder:{classes}")
    assert source.class_names == ["ant", "cat", "zebra"]
    assert source.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert source.image_shape == (12, 10, 3)
    expected = np.asarray(Image.open(classes / "ant" / "2.webp"))
    assert np.array_equal(source.images[2], expected)
    assert require_labels(source) == 3


def test_flat_folder_has_no_labels(tmp_path):
    save(tmp_path / "b.png", 1)
    save(tmp_path / "a.png", 2)
    (tmp_path / "notes.txt").write_text("not a picture")
    save(tmp_path / ".hidden.png", 3)
    save(tmp_path / ".cache" / "x.png", 4)
    source = load(f"folder:{tmp_path}")
    assert len(source) == 2 and source.labels is None
    assert np.array_equal(
        source.images[0], np.asarray(Image.open(tmp_path / "a.png"))
    )
    with pytest.raises(ValueError, match="has no labels, but a conditional"):
        require_labels(source)
    with pytest.raises(ValueError, match="sub-folders are the classes"):
        load(f"folder:{tmp_path}", labels=True)


def test_pictures_beside_class_folders_are_ambiguous(classes):
    save(classes / "stray.png")
    with pytest.raises(ValueError, match=r"both directly \(stray\.png\)"):
        load(f"folder:{classes}")


def test_train_and_test_folders_are_splits(tmp_path):
    for split, count in (("train", 3), ("test", 2)):
        for i in range(count):
            save(tmp_path / split / "cat" / f"{i}.png", i)
    assert len(load(f"folder:{tmp_path}")) == 3
    assert len(load(f"folder:{tmp_path}", "test")) == 2
    with pytest.raises(ValueError, match="allowed: train, test"):
        load(f"folder:{tmp_path}", "val")


def test_missing_and_empty_folders(tmp_path):
    with pytest.raises(ValueError, match="does not exist"):
        load(f"folder:{tmp_path}/nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="is not a folder"):
        load(f"folder:{tmp_path}/file")
    with pytest.raises(ValueError, match="has no pictures"):
        load(f"folder:{tmp_path}")
    with pytest.raises(ValueError, match="no sub-folders 'train' and 'test'"):
        load(f"folder:{tmp_path}", "test")


def test_links_that_leave_the_folder_are_not_followed(tmp_path):
    save(tmp_path / "outside" / "secret.png", 9)
    inside = tmp_path / "inside"
    save(inside / "a.png", 1)
    os.symlink(tmp_path / "outside" / "secret.png", inside / "b.png")
    os.symlink(tmp_path / "outside", inside / "folder")
    os.symlink(inside / "missing.png", inside / "c.png")
    os.symlink(inside / "loop.png", inside / "loop.png")
    os.symlink("a.png", inside / "d.png")
    source = load(f"folder:{inside}")
    assert len(source) == 2
    assert np.array_equal(source.images[0], source.images[1])
    os.symlink(inside, tmp_path / "root")
    assert len(load(f"folder:{tmp_path}/root")) == 2
    only = tmp_path / "only"
    only.mkdir()
    os.symlink(inside / "a.png", only / "a.png")
    with pytest.raises(ValueError, match="1 links are not followed"):
        load(f"folder:{only}")


def test_uneven_sizes_need_an_image_size(tmp_path):
    save(tmp_path / "a.png", size=(10, 10))
    save(tmp_path / "b.png", size=(10, 14))
    with pytest.raises(ValueError, match=r"10x10 and .*b\.png has 14x10"):
        load(f"folder:{tmp_path}")
    assert load(f"folder:{tmp_path}", image_size=8).image_shape == (8, 8, 3)
    shape = load(f"folder:{tmp_path}", image_size=(8, 6)).image_shape
    assert shape == (8, 6, 3)


def test_crop_is_the_default_and_equals_pillows_fit(tmp_path):
    array = save(tmp_path / "a.png", size=(40, 25))
    expected = ImageOps.fit(
        Image.fromarray(array), (16, 16), Image.Resampling.BICUBIC
    )
    source = load(f"folder:{tmp_path}", image_size=16)
    assert np.array_equal(source.images[0], np.asarray(expected))


def test_padding_of_folders_is_white_or_chosen(tmp_path):
    save(tmp_path / "a.png", size=(20, 10))
    spec, kwargs = f"folder:{tmp_path}", {"image_size": 8, "resize": "pad"}
    assert (load(spec, **kwargs).images[0, :, :2] == 255).all()
    assert (load(spec, background=7, **kwargs).images[0, :, :2] == 7).all()


def test_channels_follow_the_most_colourful_picture(tmp_path):
    grey = save(tmp_path / "a.png", 1, mode="L")
    assert load(f"folder:{tmp_path}").image_shape == (12, 10, 1)
    save(tmp_path / "b.png", 2)
    source = load(f"folder:{tmp_path}")
    assert source.image_shape == (12, 10, 3)
    assert np.array_equal(source.images[0], np.stack([grey] * 3, -1))
    assert load(f"folder:{tmp_path}", channels=1).image_shape == (12, 10, 1)


def test_grey_from_files_and_arrays_is_the_same(classes):
    spec = f"folder:{classes}"
    array = load(spec).images
    files = load(spec, channels=1).images
    assert np.array_equal(load(array, channels=1).images, files)


@pytest.fixture
def hundred(tmp_path):
    for i in range(200):
        save(tmp_path / f"{i:03}.png", i, size=(6, 6))
    return tmp_path


def truncate(path):
    path.write_bytes(path.read_bytes()[:-30])


@pytest.mark.parametrize("cache", ["memory", "none"])
def test_one_percent_is_skipped_counted_and_named(hundred, cache, monkeypatch):
    said = []
    monkeypatch.setattr(
        logging, "warning", lambda *a: said.append(a[0] % a[1:])
    )
    truncate(hundred / "003.png")
    (hundred / "150.png").write_bytes(b"")
    source = load(f"folder:{hundred}", cache=cache)
    assert len(source) == 198
    assert [os.path.basename(e.path) for e in source.skipped] == [
        "003.png",
        "150.png",
    ]
    assert "2 of 200" in said[0] and "003.png" in said[0]
    fourth = np.asarray(Image.open(hundred / "004.png"))
    assert np.array_equal(source.take([3])[0], fourth)


@pytest.mark.parametrize("cache", ["memory", "none"])
def test_more_than_one_percent_is_refused(hundred, cache):
    for i in (0, 60, 199):
        truncate(hundred / f"{i:03}.png")
    with pytest.raises(ValueError, match=r"3 of 200 .*000\.png.*199\.png"):
        load(f"folder:{hundred}", cache=cache)


def test_on_error_raise_refuses_the_first(hundred):
    truncate(hundred / "060.png")
    truncate(hundred / "070.png")
    with pytest.raises(ImageError, match=r"060\.png"):
        load(f"folder:{hundred}", on_error="raise")


def test_folder_of_nothing_but_damage(tmp_path):
    for i in range(3):
        (tmp_path / f"{i}.png").write_bytes(b"no")
    with pytest.raises(ValueError, match="none of the 3 pictures"):
        load(f"folder:{tmp_path}")


@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"image_size": 8},
        {"image_size": (7, 9), "resize": "pad", "channels": 1},
        {"max_images": 5, "seed": 3},
        {"max_per_class": 2, "resize": "squeeze", "image_size": 8},
    ],
)
def test_cache_changes_neither_pixels_nor_fingerprint(classes, kwargs):
    memory = load(f"folder:{classes}", cache="memory", **kwargs)
    lazy = load(f"folder:{classes}", cache="none", **kwargs)
    assert memory.in_memory and not lazy.in_memory
    assert np.array_equal(memory.images, lazy.images)
    assert np.array_equal(memory.labels, lazy.labels)
    assert memory.fingerprint() == lazy.fingerprint()


def test_auto_cache_goes_by_the_limit(classes, monkeypatch):
    spec, size = f"folder:{classes}", 12 * 12 * 10 * 3
    monkeypatch.setattr(loading, "MEMORY_LIMIT", size)
    assert load(spec).in_memory
    monkeypatch.setattr(loading, "MEMORY_LIMIT", size - 1)
    assert not load(spec).in_memory
    assert load(spec, cache="memory").in_memory


def test_fingerprint_sees_pixels_and_labels_but_not_order():
    random = np.random.RandomState(0)
    images = random.randint(0, 256, (20, 4, 4, 1)).astype(np.uint8)
    labels = np.arange(20) % 2
    base = load((images, labels)).fingerprint()
    order = random.permutation(20)
    assert load((images[order], labels[order])).fingerprint() == base
    assert load((images, labels[::-1])).fingerprint() != base
    assert load(images).fingerprint() != base
    changed = images.copy()
    changed[7, 1, 1, 0] ^= 1
    assert load((changed, labels)).fingerprint() != base
    assert load((images.reshape(20, 2, 8, 1), labels)).fingerprint() != base


def test_fingerprint_of_the_embedded_pictures_is_stable():
    got = load("fashion_mnist_10k").fingerprint()
    assert got == FINGERPRINT


FINGERPRINT = "c30b1d9d35f1bfdaaacbe221fbf9fd53fb71ba9c008da11161368ddbb547dd0e"


def test_smaller_subset_is_part_of_a_larger():
    small = load("fashion_mnist_10k", max_images=50, seed=1).images
    large = load("fashion_mnist_10k", max_images=80, seed=1).images
    other = load("fashion_mnist_10k", max_images=50, seed=2).images
    inside = {i.tobytes() for i in large}
    assert all(i.tobytes() in inside for i in small)
    assert not np.array_equal(small, other)
    assert len(load("fashion_mnist_10k", max_images=10**6)) == 10000


def test_max_per_class_takes_the_first_of_each():
    whole = load("fashion_mnist_10k")
    part = load("fashion_mnist_10k", max_per_class=7)
    assert np.bincount(part.labels).tolist() == [7] * 10
    for name in range(10):
        expected = whole.images[whole.labels == name][:7]
        assert np.array_equal(part.images[part.labels == name], expected)


def test_dropped_labels():
    source = load("fashion_mnist_10k", labels=False)
    assert source.labels is None and source.num_classes is None


@pytest.mark.parametrize(
    "kwargs,message",
    [
        ({"image_size": 0}, "image_size: 0"),
        ({"image_size": -3}, "image_size: -3"),
        ({"image_size": 32.0}, r"image_size: 32\.0"),
        ({"image_size": True}, "image_size: True"),
        ({"image_size": (32,)}, "image_size"),
        ({"image_size": "32"}, "image_size: '32'"),
        ({"image_size": 100_000}, "from 1 to 4096"),
        ({"channels": 4}, "channels: 4; allowed: 1, 3"),
        ({"resize": "crp"}, "Did you mean 'crop'"),
        ({"on_error": "ignore"}, "on_error"),
        ({"cache": "disk"}, "cache"),
        ({"labels": "yes"}, "labels: 'yes'"),
        ({"max_images": 0}, "max_images: 0"),
        ({"max_per_class": 1.5}, r"max_per_class: 1\.5"),
        ({"seed": -1}, "seed: -1"),
        ({"background": 256}, "background: 256"),
    ],
)
def test_bad_arguments_are_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        load("fashion_mnist_10k", **kwargs)
