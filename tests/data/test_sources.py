"""Each family of sources, against files made here by other means."""

import gzip
import io
import os
import pickle
import struct
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest
from PIL import Image

from keras_ganmix.data import load, sources
from keras_ganmix.data.sources import emoji, toys


def write_idx(path, array, opener=open):
    header = struct.pack(">BBBB", 0, 0, 8, array.ndim)
    header += struct.pack(f">{array.ndim}I", *array.shape)
    with opener(path, "wb") as file:
        file.write(header + array.astype(np.uint8).tobytes())


@pytest.fixture
def pictures():
    random = np.random.RandomState(0)
    images = random.randint(0, 256, (12, 6, 5)).astype(np.uint8)
    return images, np.arange(12) % 3


# Specs


@pytest.mark.parametrize(
    "spec,message",
    [
        ("fashon_mnist", "Did you mean 'fashion_mnist'"),
        ("", "Unknown source ''"),
        ("folder", "lacks its argument; write 'folder:PATH'"),
        ("folder:", "lacks its argument"),
        ("ring:3", "takes no argument"),
        ("stacked_digits:", "ends after the colon"),
        (3, "got int"),
        (None, "got NoneType"),
    ],
)
def test_bad_specs_say_what_is_allowed(spec, message):
    with pytest.raises(ValueError, match=message):
        load(spec)


@pytest.mark.parametrize("spec", ["fashion_mnist_10k", "ring", "emoji"])
def test_unknown_splits_list_the_known(spec):
    with pytest.raises(ValueError, match=r"no split 'valid'; allowed: train"):
        load(spec, "valid")


def test_a_bare_path_gets_the_form_to_write(tmp_path):
    with pytest.raises(ValueError, match=f"write 'folder:{tmp_path}'"):
        load(str(tmp_path))
    (tmp_path / "x.npz").touch()
    with pytest.raises(ValueError, match=r"write 'npz:.*x\.npz'"):
        load(str(tmp_path / "x.npz"))


def test_listing_the_sources_needs_no_tensorflow():
    code = (
        "import sys; from keras_ganmix import data;"
        "data.sources.parse('folder:x'); data.load('ring', max_images=9);"
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# IDX


@pytest.mark.parametrize("opener,end", [(open, ""), (gzip.open, ".gz")])
def test_idx_folder_and_file(tmp_path, pictures, opener, end):
    images, labels = pictures
    for split, part in (("train", slice(0, 8)), ("t10k", slice(8, 12))):
        name = tmp_path / f"{split}-images-idx3-ubyte{end}"
        write_idx(name, images[part], opener)
        name = tmp_path / f"{split}-labels-idx1-ubyte{end}"
        write_idx(name, labels[part], opener)
    source = load(f"idx:{tmp_path}")
    assert np.array_equal(source.images[..., 0], images[:8])
    assert np.array_equal(source.labels, labels[:8])
    test = load(f"idx:{tmp_path}", "test")
    assert np.array_equal(test.images[..., 0], images[8:])
    alone = load(f"idx:{tmp_path}/t10k-images-idx3-ubyte{end}")
    assert alone.fingerprint() == test.fingerprint()


def test_idx_without_labels(tmp_path, pictures):
    write_idx(tmp_path / "my-images-idx3-ubyte", pictures[0])
    assert load(f"idx:{tmp_path}/my-images-idx3-ubyte").labels is None


def idx_bytes(array):
    header = struct.pack(">BBBB", 0, 0, 8, array.ndim)
    return header + struct.pack(">3I", *array.shape) + array.tobytes()


@pytest.mark.parametrize(
    "change,message",
    [
        (lambda d: d[:-1], "truncated"),
        (lambda d: d[:10], "truncated"),
        (lambda d: d[:2], "not an IDX file"),
        (lambda d: d + b"x", "longer than it says"),
        (lambda d: b"P5" + d, "not an IDX file"),
        (lambda d: d[:2] + b"\x0d" + d[3:], "type 0x0d"),
        (lambda d: d[:3] + b"\x01" + d[4:], "1 dimensions"),
        (lambda d: d[:4] + b"\xff" * 12 + d[16:], "claims the shape"),
        (lambda d: d[:4] + b"\0" * 12 + d[16:], "claims the shape"),
        (lambda d: gzip.compress(d)[:-20], "truncated"),
        (lambda d: gzip.compress(d)[:30] + b"\xff" * 40, "damaged"),
        (lambda d: gzip.compress(d[:16] + b"\0" * 2**24), "longer"),
        (lambda d: b"", "not an IDX file"),
    ],
)
def test_damaged_idx_files_are_refused(tmp_path, pictures, change, message):
    path = tmp_path / "images-idx3-ubyte"
    path.write_bytes(change(idx_bytes(pictures[0])))
    with pytest.raises(ValueError, match=message) as caught:
        load(f"idx:{path}")
    assert str(path) in str(caught.value)


def test_idx_labels_must_fit(tmp_path, pictures):
    write_idx(tmp_path / "train-images-idx3-ubyte", pictures[0])
    write_idx(tmp_path / "train-labels-idx1-ubyte", pictures[1][:5])
    with pytest.raises(ValueError, match="5 labels for 12 pictures"):
        load(f"idx:{tmp_path}")


def test_idx_folder_without_files(tmp_path):
    with pytest.raises(ValueError, match="has no files named like"):
        load(f"idx:{tmp_path}")
    with pytest.raises(ValueError, match="does not exist"):
        load(f"idx:{tmp_path}/nothing")


# NPZ


@pytest.mark.parametrize(
    "keys",
    [
        ("images", "labels"),
        ("x_train", "y_train"),
        ("train_images", "train_labels"),
        ("arr_0", "arr_1"),
    ],
)
def test_npz_keys(tmp_path, pictures, keys):
    images, labels = pictures
    # MedMNIST's labels have a second axis.
    arrays = {keys[0]: images, keys[1]: labels[:, None]}
    np.savez_compressed(tmp_path / "data.npz", **arrays)
    source = load(f"npz:{tmp_path}/data.npz")
    assert np.array_equal(source.images[..., 0], images)
    assert np.array_equal(source.labels, labels)


class Bomb:
    def __reduce__(self):
        return (os.mkdir, ("never_made",))


def test_npz_never_unpickles(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    array = np.array([Bomb()], dtype=object)
    np.savez("evil.npz", images=array)
    with pytest.raises(ValueError, match="Python objects"):
        load("npz:evil.npz")
    with open("pickle.npz", "wb") as file:
        pickle.dump(Bomb(), file)
    with pytest.raises(ValueError, match=r"not a readable \.npz"):
        load("npz:pickle.npz")
    assert not os.path.exists("never_made")


def npy_header(shape):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": "|u1", "fortran_order": False, "shape": shape}
    )
    return buffer.getvalue()


@pytest.mark.parametrize(
    "members,message",
    [
        ({"images.npy": npy_header((10**6, 10**4, 10**4))}, "claims"),
        ({"images.npy": b"\x93NUMPY\x01\x00\x10\x00junk"}, "damaged header"),
        ({"images.npy": b""}, "damaged header"),
        ({"images.npy": npy_header((9, 9, 9))}, "header tells of 857"),
        ({"images.npy": npy_header((-9, 9))}, "header tells of"),
        ({"pixels.npy": npy_header((1, 1)) + b"x"}, "has the arrays pixels"),
        ({"readme.txt": b"x"}, "has the arrays none"),
        ({}, "has the arrays none"),
    ],
)
def test_damaged_npz_files_are_refused(tmp_path, members, message):
    path = tmp_path / "bad.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(ValueError, match=message) as caught:
        load(f"npz:{path}")
    assert str(path) in str(caught.value)


def test_truncated_npz(tmp_path, pictures):
    path = tmp_path / "data.npz"
    np.savez(path, images=pictures[0])
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ValueError, match="not a readable"):
        load(f"npz:{path}")


# Arrays


def test_arrays_keep_their_values(pictures):
    images, labels = pictures
    source = load((images, labels))
    assert np.array_equal(source.images[..., 0], images)
    assert source.num_classes == 3
    floats = (images / 127.5 - 1).astype(np.float64)
    assert load(floats).images.dtype == np.float32
    assert np.allclose(load(floats).images[..., 0], floats)


IMAGES = np.random.RandomState(0).uniform(-1, 1, (4, 8, 8, 3))


@pytest.mark.parametrize(
    "array,message",
    [
        (np.where(IMAGES > 0.9, np.nan, IMAGES), "NaN or infinity"),
        (np.where(IMAGES > 0.9, np.inf, IMAGES), "NaN or infinity"),
        (IMAGES * 127.5 + 127.5, r"astype\('uint8'\)"),
        ((IMAGES + 1) / 2, r"images \* 2 - 1"),
        (IMAGES * 3, "scale them"),
        ((IMAGES * 100).astype(np.int64), "int64"),
        (IMAGES.astype(np.complex64), "complex64"),
        (np.moveaxis(IMAGES, -1, 1), "channels come last"),
        (IMAGES[..., :2], "2 channels"),
        (np.concatenate([IMAGES, IMAGES], -1)[..., :4], "alpha"),
        (IMAGES[:0], "shape"),
        (IMAGES[0, 0, 0], "shape"),
        (IMAGES[None], "shape"),
        (np.array([None, "x"]), "do not form one array"),
        (np.array([[np.nan, 1.0]]), "NaN"),
    ],
)
def test_bad_arrays_are_refused(array, message):
    with pytest.raises(ValueError, match=message):
        load(array)


@pytest.mark.parametrize(
    "labels,message",
    [
        (np.eye(4, dtype=int), "not one-hot"),
        (np.arange(3), "for 4 pictures"),
        (np.array([0.5, 1, 2, 3]), "integers"),
        (np.array([-1, 1, 2, 3]), "smallest -1"),
        (np.array([2**40, 1, 2, 3]), "a label is"),
    ],
)
def test_bad_labels_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        load((IMAGES, labels))


def test_float_points_are_not_rescaled():
    points = np.array([[5.0, -9.0], [1e3, 0.0]])
    source = load(points)
    assert source.image_shape == (2,) and source.is_points
    assert np.array_equal(source.images, points.astype(np.float32))


# Toys


@pytest.mark.parametrize(
    "name,modes,std", [("ring", 8, 0.01), ("grid", 25, 0.05)]
)
def test_mixtures_are_the_published_ones(name, modes, std):
    source = load(name)
    assert source.num_images == 100_000
    assert source.image_shape == (2,) and source.images.dtype == np.float32
    assert source.num_classes == modes
    if name == "ring":
        angles = [2 * np.pi * i / 8 for i in range(8)]
        centres = [(np.cos(a), np.sin(a)) for a in angles]
    else:
        axis = (-4, -2, 0, 2, 4)
        centres = [(x, y) for x in axis for y in axis]
    offsets = source.images - np.array(centres)[source.labels]
    assert np.abs(offsets.mean(0)).max() < 5 * std / np.sqrt(100_000)
    assert np.abs(offsets.std(0) / std - 1).max() < 0.02
    # Share within 3 standard deviations of a plane: 1 - exp(-9/2).
    near = (np.hypot(*offsets.T) < 3 * std).mean()
    assert abs(near - (1 - np.exp(-4.5))) < 0.002
    counts = np.bincount(source.labels, minlength=modes)
    expected = 100_000 / modes
    chi = ((counts - expected) ** 2 / expected).sum()
    assert chi < modes + 5 * np.sqrt(2 * modes)


def test_toys_depend_on_seed_and_split_only():
    first = load("ring", seed=3, max_images=100)
    assert (
        first.fingerprint()
        == load("ring", seed=3, max_images=100).fingerprint()
    )
    assert (
        first.fingerprint()
        != load("ring", seed=4, max_images=100).fingerprint()
    )
    test = load("ring", "test", seed=3, max_images=100)
    assert first.fingerprint() != test.fingerprint()
    assert len(toys.MIXTURES["ring"][0]) == 8


def test_toys_have_no_image_size():
    with pytest.raises(ValueError, match="no image_size"):
        load("ring", image_size=32)


# Stacked digits


def test_stacked_channels_are_pictures_of_the_base():
    source = load("stacked_digits:fashion_mnist_10k", max_images=300)
    base = load("fashion_mnist_10k")
    label_of = {}
    for image, label in zip(base.images, base.labels, strict=True):
        label_of.setdefault(image.tobytes(), set()).add(int(label))
    for image, label in zip(source.images, source.labels, strict=True):
        digits = (label // 100, label // 10 % 10, label % 10)
        for channel, digit in zip(range(3), digits, strict=True):
            found = label_of[image[..., channel].tobytes()]
            assert digit in found
    assert source.num_classes == 1000


def test_stacked_digits_is_lazy_and_named(monkeypatch, tmp_path):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    source = load("stacked_digits", image_size=32)
    assert source.name == "stacked_digits:fashion_mnist_10k"
    assert source.num_images == 128_000
    assert source.image_shape == (32, 32, 3)
    assert source.store.array.nbytes < 11e6
    assert len(np.unique(source.labels)) == 1000
    other = load("stacked_digits", image_size=32, seed=1)
    assert not np.array_equal(source.labels, other.labels)


@pytest.mark.parametrize(
    "spec,message",
    [
        ("stacked_digits:ring", "cannot stack"),
        ("stacked_digits:stacked_digits", "cannot stack"),
        ("stacked_digits:emoji", "needs grey pictures"),
        ("stacked_digits:nothing", "Unknown source"),
    ],
)
def test_stacked_digits_refuses_other_bases(spec, message):
    if spec.endswith("emoji") and not os.path.exists(emoji.FONT):
        pytest.skip("Debian's fonts-noto-color-emoji is not installed")
    with pytest.raises(ValueError, match=message):
        load(spec)


# Emoji


@pytest.mark.skipif(
    not os.path.exists(emoji.FONT),
    reason="Debian's fonts-noto-color-emoji is not installed",
)
def test_emoji_are_colourful_and_on_white():
    assert len(sources.open_records("emoji", "train", 0)) > 3000
    source = load("emoji", image_size=32, resize="pad", max_images=300)
    assert source.image_shape == (32, 32, 3)
    corners = source.images[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert (np.median(corners, axis=0) == 255).all()
    spread = np.ptp(source.images.astype(int), axis=-1).max(axis=(1, 2))
    assert (spread > 60).mean() > 0.9


@pytest.mark.skipif(
    not (os.path.exists(emoji.FONT) and os.path.exists(emoji.GROUPS)),
    reason="Debian's fonts-noto-color-emoji or unicode-data is not installed",
)
def test_emoji_groups():
    source = sources.open_records("emoji", "train", 0)
    sizes = dict(
        zip(source.class_names, np.bincount(source.labels), strict=True)
    )
    assert sizes["People & Body"] > 2000 and sizes["Flags"] > 250
    assert sizes["Other"] < 50
    # Independent look-up of some pictures by their code points.
    from fontTools.ttLib import TTFont

    with TTFont(emoji.FONT, lazy=True) as font:
        strike = font["CBDT"].strikeData[0]
        glyphs = sorted(strike, key=font.getGlyphID)
        names = font.getBestCmap()
    for code, group in (
        (0x1F600, "Smileys & Emotion"),
        (0x1F44B, "People & Body"),
        (0x1F436, "Animals & Nature"),
        (0x1F34E, "Food & Drink"),
        (0x1F697, "Travel & Places"),
        (0x26BD, "Activities"),
        (0x1F4A1, "Objects"),
        (0x2764, "Smileys & Emotion"),
        (0x1F3C1, "Flags"),
        (0x2648, "Symbols"),
    ):
        label = source.labels[glyphs.index(names[code])]
        assert source.class_names[label] == group
    index = glyphs.index(names[0x1F34E])
    red = Image.open(io.BytesIO(strike[glyphs[index]].imageData))
    assert source.read(index).shape[:2] == red.size[::-1]


def test_missing_font_is_refused(monkeypatch):
    monkeypatch.setattr(emoji, "FONT", "/nonexistent/font.ttf")
    with pytest.raises(ValueError, match="fonts-noto-color-emoji"):
        load("emoji")


# tensorflow-datasets


def test_unprepared_tfds_is_refused_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    began = time.perf_counter()
    with pytest.raises(ValueError, match="download_and_prepare") as caught:
        load("tfds:cifar10")
    assert time.perf_counter() - began < 0.5
    assert "cifar10" in str(caught.value)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A data set that tensorflow-datasets itself has written."""
    import tensorflow as tf

    tfds = pytest.importorskip("tensorflow_datasets")
    folder = tmp_path_factory.mktemp("tfds")
    random = np.random.RandomState(0)
    images = random.randint(0, 256, (24, 8, 8, 1)).astype(np.uint8)
    labels = np.arange(24) % 10

    def part(rows):
        return tf.data.Dataset.from_tensor_slices(
            {"image": images[rows], "label": labels[rows]}
        )

    tfds.dataset_builders.store_as_tfds_dataset(
        name="tiny_digits",
        version="1.0.0",
        features=tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(shape=(8, 8, 1)),
                "label": tfds.features.ClassLabel(num_classes=10),
            }
        ),
        split_datasets={
            "train": part(slice(0, 20)),
            "test": part([20, 21, 22]),
        },
        data_dir=folder,
    )
    return folder, images, labels


def test_prepared_tfds_is_read(prepared, monkeypatch):
    folder, images, labels = prepared
    monkeypatch.setenv("TFDS_DATA_DIR", str(folder))
    source = load("tfds:tiny_digits")
    # The order is that of the files; the contents are what was stored.
    got = {
        i.tobytes(): int(y)
        for i, y in zip(source.images, source.labels, strict=True)
    }
    assert got == {
        i.tobytes(): int(y)
        for i, y in zip(images[:20], labels[:20], strict=True)
    }
    assert source.num_classes == 10
    assert len(load("tfds:tiny_digits", "test")) == 3
    assert len(load("tfds:tiny_digits:1.0.0", "train[:50%]")) == 10
    with pytest.raises(ValueError, match=r"no split 'rest'; allowed"):
        load("tfds:tiny_digits", "rest")
    again = load("tfds:tiny_digits")
    assert np.array_equal(again.images, source.images)


def test_stacking_a_prepared_data_set(prepared, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(prepared[0]))
    source = load("stacked_digits:tfds:tiny_digits")
    assert source.image_shape == (8, 8, 3)
    assert source.num_images == 128_000
