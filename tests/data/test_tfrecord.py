"""Prepared pictures: what is written, read back, and refused."""

import json
import os
import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_ganmix import data, recipes
from keras_ganmix.data import shards
from keras_ganmix.data.lazy import DataError
from keras_ganmix.data.preparing import prepare
from keras_ganmix.data.verifying import verify

SIZE = 8


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """102 pictures of two classes, of different sizes, one damaged."""
    root = tmp_path_factory.mktemp("photos")
    numbers = np.random.RandomState(0)
    for i in range(102):
        folder = root / ("cat" if i % 3 else "dog")
        folder.mkdir(exist_ok=True)
        pixels = numbers.randint(0, 256, (9 + i % 4, 10, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"é{i:03}.png")
    damaged = root / "dog" / "é003.png"
    damaged.write_bytes(damaged.read_bytes()[:150])
    return root


def write(photos, out, **kwargs):
    kwargs = {"image_size": SIZE, "shard_mb": 0.01, **kwargs}
    return prepare(f"folder:{photos}", out, **kwargs)


@pytest.fixture(scope="session")
def whole(photos, tmp_path_factory):
    """A folder that was written without a stop."""
    out = tmp_path_factory.mktemp("prepared") / "photos"
    write(photos, out)
    return out


@pytest.fixture
def copy(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "copy")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def original(photos, **kwargs):
    return data.load(f"folder:{photos}", image_size=SIZE, **kwargs)


@pytest.mark.parametrize("cache", ["memory", "none"])
def test_source_equals_the_original(photos, whole, cache):
    made = data.load(f"tfrecord:{whole}", cache=cache)
    source = original(photos)
    assert made.in_memory == (cache == "memory")
    np.testing.assert_array_equal(made.images, source.images)
    np.testing.assert_array_equal(made.labels, source.labels)
    assert made.class_names == source.class_names == ["cat", "dog"]
    assert made.fingerprint() == source.fingerprint()
    manifest = json.loads((whole / "manifest.json").read_text())
    assert manifest["fingerprint"] == source.fingerprint()
    assert manifest["count"] == 101 and len(manifest["shards"]) > 3
    (skipped,) = manifest["skipped"]
    assert skipped["name"] == "dog/é003.png"
    assert skipped["reason"] == source.skipped[0].reason


def test_stream_equals_that_of_the_original(photos, whole):
    kwargs = {"batch_size": 16, "seed": 3, "start_step": 4, "flip": True}
    lazy = data.load(f"tfrecord:{whole}", cache="none")
    streams = [data.dataset(s, **kwargs) for s in (original(photos), lazy)]
    for (x, y), (a, b) in zip(streams[0].take(8), streams[1].take(8)):  # noqa: B905
        np.testing.assert_array_equal(x, a)
        np.testing.assert_array_equal(y, b)


def test_any_tensorflow_program_reads_the_shards(photos, whole):
    source = original(photos)
    features = {
        "image": tf.io.FixedLenFeature([], tf.string),
        "label": tf.io.FixedLenFeature([], tf.int64),
        "name": tf.io.FixedLenFeature([], tf.string),
        "shape": tf.io.FixedLenFeature([3], tf.int64),
    }
    files = sorted(map(str, whole.glob("*.tfrecord")))
    read = [
        tf.io.parse_single_example(record, features)
        for record in tf.data.TFRecordDataset(files)
    ]
    images = [
        tf.reshape(tf.io.decode_raw(x["image"], tf.uint8), x["shape"])
        for x in read
    ]
    np.testing.assert_array_equal(np.stack(images), source.images)
    np.testing.assert_array_equal([x["label"] for x in read], source.labels)
    assert read[0]["name"].numpy().decode() == "cat/é001.png"


@pytest.mark.parametrize("length", [1, 127, 128, 20000])
@pytest.mark.parametrize("label", [None, 0, 300, 2**31 - 1])
def test_examples_are_tensorflows_own(length, label):
    pixels = bytes(np.random.RandomState(0).bytes(length))
    record, start = shards.encode(pixels, label, "näme", (length, 1, 1))
    assert record[start : start + length] == pixels
    example = tf.train.Example.FromString(record)
    assert example.SerializeToString(deterministic=True) == record
    feature = example.features.feature
    assert feature["image"].bytes_list.value[0] == pixels
    assert feature["name"].bytes_list.value[0].decode() == "näme"
    found = list(feature["label"].int64_list.value)
    assert found == ([] if label is None else [label])


def test_bytes_do_not_depend_on_workers_or_place(photos, whole, tmp_path):
    write(photos, tmp_path / "other", workers=5)
    assert contents(tmp_path / "other") == contents(whole)


def _killed_early(folder):
    for path in folder.iterdir():
        path.unlink()
    (folder / ".tmp-x.tfrecord").write_bytes(b"part")


def _killed_after_a_shard(folder):
    for path in folder.glob("shard-*"):
        if path.name > "shard-00001.tfrecord":
            path.unlink()
    (folder / "manifest.json").unlink()
    (folder / ".tmp-x.tfrecord").write_bytes(b"part")


def _killed_before_an_index(folder):
    _killed_after_a_shard(folder)
    (folder / "shard-00001.json").unlink()


def _killed_before_the_manifest(folder):
    (folder / "manifest.json").unlink()


def _killed_at_the_end(folder):
    """Between the manifest and the removal of the plan."""


def _damaged_when_killed(folder):
    _killed_before_the_manifest(folder)
    shard = folder / "shard-00002.tfrecord"
    shard.write_bytes(bytes(1) + shard.read_bytes()[1:])


@pytest.mark.parametrize(
    "kill",
    [
        _killed_early,
        _killed_after_a_shard,
        _killed_before_an_index,
        _killed_before_the_manifest,
        _killed_at_the_end,
        _damaged_when_killed,
    ],
)
def test_goes_on_after_a_kill(photos, whole, copy, plan, kill):
    kill(copy)
    (copy / "plan.json").write_text(plan)
    before = {p: p.stat().st_mtime_ns for p in copy.glob("shard-*")}
    intact = {
        p
        for p in before
        if p.with_suffix(".json").exists()
        and p.with_suffix(".tfrecord").read_bytes()
        == (whole / p.name).with_suffix(".tfrecord").read_bytes()
    }
    write(photos, copy)
    assert contents(copy) == contents(whole)
    assert {p for p in before if p.stat().st_mtime_ns == before[p]} == intact


@pytest.fixture(scope="session")
def plan(photos, tmp_path_factory):
    """The plan that is there while pictures are being written."""
    out = tmp_path_factory.mktemp("begun")
    texts = []

    def keep(done, total):
        texts.append((out / "plan.json").read_text())

    write(photos, out, progress=keep)
    return texts[0]


def test_refuses_to_mix_two_preparations(photos, copy, plan):
    before = contents(copy)
    with pytest.raises(ValueError, match="another image_size"):
        write(photos, copy, image_size=4)
    assert contents(copy) == before
    _killed_after_a_shard(copy)
    (copy / "plan.json").write_text(plan)
    with pytest.raises(ValueError, match=r"begun with another .*resize"):
        write(photos, copy, resize="pad")
    changed = json.loads(plan) | {"stamps": "0" * 64}
    (copy / "plan.json").write_text(json.dumps(changed))
    with pytest.raises(ValueError, match="before its pictures were changed"):
        write(photos, copy)


def test_a_start_that_fails_leaves_nothing(photos, tmp_path):
    out = tmp_path / "new"
    with pytest.raises(ValueError, match=r"differ in size.*give image_size"):
        write(photos, out, image_size=None)
    assert not out.exists()
    few = tmp_path / "few"
    shutil.copytree(photos / "dog", few, ignore=lambda _, names: names[5:])
    (few / "bad.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match="pictures cannot be read"):
        write(few, out)
    assert not out.exists()
    shutil.rmtree(few)
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(ValueError, match=r"holds 'mine\.txt'"):
        write(photos, tmp_path)
    assert os.listdir(tmp_path) == ["mine.txt"]


@pytest.mark.parametrize(
    "source, match",
    [
        ("ring", "nothing to prepare"),
        (np.zeros((3, 8, 8), np.float32), "only uint8"),
    ],
)
def test_refuses_what_are_no_pictures_of_bytes(source, match, tmp_path):
    with pytest.raises(ValueError, match=match):
        prepare(source, tmp_path / "out")


def test_arrays_without_labels(tmp_path):
    images = np.random.RandomState(0).randint(0, 256, (30, 5, 7), np.uint8)
    prepare(images, tmp_path / "out")
    made = data.load(f"tfrecord:{tmp_path / 'out'}", cache="none")
    np.testing.assert_array_equal(made.images, images[..., None])
    assert made.labels is None and made.num_classes is None
    assert made.fingerprint() == data.load(images).fingerprint()


def test_prepared_pictures_are_resized_like_others(photos, whole):
    made = data.load(f"tfrecord:{whole}", image_size=4, channels=1)
    again = data.load(original(photos).images, image_size=4, channels=1)
    np.testing.assert_array_equal(made.images, again.images)


def test_number_of_classes_is_that_of_the_original(tmp_path):
    images = np.zeros((9, 4, 4), np.uint8)
    labels = np.array([0] * 8 + [5])
    prepare((images, labels), tmp_path / "out", max_images=2)
    assert data.load(f"tfrecord:{tmp_path / 'out'}").num_classes == 6


def test_splits(photos, whole, tmp_path):
    shutil.copytree(whole, tmp_path / "p" / "train")
    assert len(data.load(f"tfrecord:{tmp_path / 'p'}")) == 101
    with pytest.raises(ValueError, match="'test'; allowed: train"):
        data.load(f"tfrecord:{tmp_path / 'p'}", "test")
    with pytest.raises(ValueError, match="allowed: train"):
        data.load(f"tfrecord:{whole}", "test")


def _truncate(folder):
    path = folder / "shard-00001.tfrecord"
    path.write_bytes(path.read_bytes()[:-200])


def _remove(folder):
    (folder / "shard-00001.tfrecord").unlink()


def _remove_index(folder):
    (folder / "shard-00001.json").unlink()


def _link(folder):
    path = folder / "shard-00001.tfrecord"
    path.rename(folder / "elsewhere")
    path.symlink_to(folder / "elsewhere")


def _pipe(folder):
    path = folder / "shard-00001.tfrecord"
    path.unlink()
    os.mkfifo(path)


def _foreign_records(folder):
    """Another TFRecord file that has, by chance, the same size."""
    path = folder / "shard-00001.tfrecord"
    size = path.stat().st_size
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(bytes(size - 16))
    assert path.stat().st_size == size


def _other_index(folder):
    shutil.copy(folder / "shard-00002.json", folder / "shard-00001.json")


def _edit(name, **changes):
    def edit(folder):
        path = folder / name
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    edit.__name__ = "_".join(changes)
    return edit


@pytest.mark.parametrize(
    "damage, match",
    [
        (_truncate, r"shard-00001\.tfrecord: has \d+ bytes, the manifest"),
        (_remove, r"shard-00001\.tfrecord: no such file"),
        (_remove_index, r"shard-00001\.json: no such file"),
        (_link, r"shard-00001\.tfrecord"),
        (_pipe, r"shard-00001\.tfrecord: not a regular file"),
        (_foreign_records, "the file holds other records"),
        (_other_index, r"shard-00001\.tfrecord: does not fit its index"),
        (_edit("manifest.json", schema=2), "schema 2; this version"),
        (_edit("manifest.json", count=7), "count 7, but its shards hold 101"),
        (_edit("manifest.json", image_shape=[16, 16, 3]), "lie outside"),
        (_edit("manifest.json", image_shape=[8, 8, 2]), r"image_shape\.2"),
        (_edit("manifest.json", dtype="int8"), "dtype"),
        (_edit("manifest.json", class_names=["a"]), "1 class_names for"),
        (
            _edit("manifest.json", num_classes=1, class_names=["a"]),
            "label 1 of 1 classes",
        ),
        (_edit("manifest.json", shards=[{"file": "../x"}]), r"shards\.0\.file"),
        (_edit("shard-00001.json", offsets=[0]), "differ in length"),
        (_edit("shard-00001.json", labels=None), "labels are missing"),
    ],
)
def test_damage_is_named(copy, damage, match):
    damage(copy)
    with pytest.raises(DataError, match=match) as caught:
        data.load(f"tfrecord:{copy}")
    assert isinstance(caught.value, ValueError)
    assert "\n" not in str(caught.value)


def test_checksums_find_what_sizes_do_not(copy):
    assert verify(copy)[1] == []
    path = copy / "shard-00001.tfrecord"
    content = bytearray(path.read_bytes())
    content[500] ^= 1
    path.write_bytes(content)
    _remove_index(copy)
    problems = verify(copy)[1]
    assert [p.split(": ")[0] for p in problems] == [
        str(path),
        str(path.with_suffix(".json")),
    ]


@pytest.mark.parametrize("damage", [_truncate, _remove])
def test_a_shard_that_goes_during_a_run_is_named(copy, damage):
    source = data.load(f"tfrecord:{copy}", cache="none")
    damage(copy)
    stream = data.dataset(source, batch_size=101, shuffle=False)
    with pytest.raises(tf.errors.OpError):
        next(iter(stream))
    with pytest.raises(DataError, match=r"shard-00001\.tfrecord"):
        source.check()


def test_other_tfrecord_files_are_refused_in_a_line(tmp_path):
    path = tmp_path / "mine.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(b"anything")
    with pytest.raises(ValueError, match=r"only folders that .*prepare"):
        data.load(f"tfrecord:{tmp_path}")
    with pytest.raises(ValueError, match="is a file; give the folder"):
        data.load(f"tfrecord:{path}")
    with pytest.raises(ValueError, match="does not exist"):
        data.load(f"tfrecord:{tmp_path / 'nowhere'}")
    (tmp_path / "plan.json").write_text("{}")
    with pytest.raises(ValueError, match="is not finished"):
        data.load(f"tfrecord:{tmp_path}")


def test_recipes_keep_an_absolute_path(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    recipe = recipes.load("quickstart", ["data.source=tfrecord:my/photos"])
    assert recipe.data.source == f"tfrecord:{tmp_path / 'my' / 'photos'}"


def test_more_shards_than_may_stay_open(whole, monkeypatch):
    from keras_ganmix.data.sources import tfrecord

    monkeypatch.setattr(tfrecord, "_MOST_OPEN", 1)
    source = data.load(f"tfrecord:{whole}", cache="none")
    before = len(os.listdir("/proc/self/fd"))
    assert len(source.images) == 101
    assert len(os.listdir("/proc/self/fd")) - before <= 1
