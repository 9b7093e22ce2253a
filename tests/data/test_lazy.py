"""Files that go bad after they were loaded, with nothing cached."""

import os

import numpy as np
import pytest
import tensorflow as tf
from absl import logging
from PIL import Image

from keras_ganmix import data
from keras_ganmix.data.images import ImageError, UnreadableImageError


@pytest.fixture
def folder(tmp_path):
    """Two classes of four pictures; each has one value, its number."""
    for i in range(8):
        path = tmp_path / "ab"[i // 4] / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((6, 5), 10 * i, np.uint8)).save(path)
    return tmp_path


@pytest.fixture
def said(monkeypatch):
    lines = []
    monkeypatch.setattr(
        logging, "warning", lambda *a: lines.append(a[0] % a[1:])
    )
    return lines


def load(folder, **kwargs):
    kwargs.setdefault("cache", "none")
    return data.load(f"folder:{folder}", **kwargs)


def values(images):
    return (np.asarray(images)[:, 0, 0, 0] // 10).tolist()


def spoil(path, how):
    if how == "missing":
        path.unlink()
    elif how == "truncated":
        path.write_bytes(path.read_bytes()[:-30])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "other content":
        path.write_bytes(b"<!DOCTYPE html>")
    elif how == "pipe":
        path.unlink()
        os.mkfifo(path)
    elif how == "folder":
        path.unlink()
        path.mkdir()


@pytest.mark.parametrize(
    "how",
    ["missing", "truncated", "empty", "other content", "pipe", "folder"],
)
def test_the_next_of_its_class_takes_its_place(folder, said, how):
    source = load(folder)
    spoil(folder / "a" / "3.png", how)
    spoil(folder / "b" / "5.png", how)
    for _ in range(2):
        got = values(source.take(np.arange(8)))
        assert got == [0, 1, 2, 0, 4, 6, 6, 7]
    # Each is said once.
    assert len(said) == 2
    assert "3.png: " in said[0] and "5.png: " in said[1]
    assert [os.path.basename(e.path) for e in source.lost] == ["3.png", "5.png"]
    assert source.skipped == ()
    source.check()


def test_without_classes_any_picture_follows(folder, said):
    source = load(folder / "a")
    (folder / "a" / "1.png").unlink()
    (folder / "a" / "2.png").unlink()
    (folder / "a" / "3.png").unlink()
    assert values(source.take(np.arange(4))) == [0, 0, 0, 0]


def test_what_is_lost_depends_on_the_files_and_not_on_the_order(folder, said):
    first, second = load(folder), load(folder)
    for name in ("a/0", "a/1", "b/7"):
        (folder / f"{name}.png").unlink()
    order = np.random.RandomState(0).permutation(8)
    got = np.empty(8)
    got[order] = values(first.take(order))
    assert got.tolist() == values(second.take(np.arange(8)))


def test_a_file_of_another_size_is_resized_or_lost(folder, said):
    resized, exact = load(folder, image_size=4), load(folder)
    Image.fromarray(np.full((20, 30), 77, np.uint8)).save(folder / "a/1.png")
    assert values(resized.take([1])) == [7]
    assert resized.lost == ()
    assert values(exact.take([1])) == [2]
    (error,) = exact.lost
    assert "has 30x20 pixels now, had 5x6 before" in str(error)


def test_colour_that_comes_later_is_made_grey(folder):
    source = load(folder)
    Image.new("RGB", (5, 6), (90, 90, 90)).save(folder / "a/1.png")
    assert values(source.take([1])) == [9]


def test_a_class_of_which_nothing_is_left_is_an_error(folder, said):
    source = load(folder)
    for path in (folder / "a").iterdir():
        path.unlink()
    with pytest.raises(data.DataError) as caught:
        source.take(np.arange(8))
    message = str(caught.value)
    assert "none of the pictures of class 0 can be read" in message
    assert "\n" not in message
    assert isinstance(caught.value, OSError)
    with pytest.raises(data.DataError):
        source.check()
    assert values(source.take(np.arange(4, 8))) == [4, 5, 6, 7]


def test_on_error_raise_names_the_file(folder):
    source = load(folder, on_error="raise")
    (folder / "b" / "6.png").unlink()
    with pytest.raises(data.DataError, match=r"6\.png: not found; it could"):
        source.take(np.arange(8))


def test_many_lost_files_are_counted_and_not_all_named(tmp_path, said):
    for i in range(30):
        Image.fromarray(np.full((6, 5), i, np.uint8)).save(
            tmp_path / f"{i:02}.png"
        )
    source = load(tmp_path)
    for i in range(25):
        (tmp_path / f"{i:02}.png").unlink()
    source.take(np.arange(30))
    assert len(source.lost) == 25
    assert len(said) == 11
    assert said[-1] == "More pictures are lost, and only counted."


def test_through_a_stream(folder, said):
    """The stream goes on with the same order of all others."""
    whole = load(folder, cache="memory")
    source = load(folder)
    (folder / "a" / "3.png").unlink()

    def numbers(source):
        stream = data.dataset(source, batch_size=4, seed=5)
        images = np.concatenate([x for x, _ in stream.take(6)])
        return np.round((images[:, 0, 0, 0] + 1) * 12.75).astype(int)

    expected, got = numbers(whole), numbers(source)
    assert (expected == 3).sum() == 3
    assert got.tolist() == [0 if n == 3 else n for n in expected]


def test_the_reason_can_be_had_after_a_stream_has_failed(folder):
    source = load(folder, on_error="raise")
    (folder / "b" / "6.png").unlink()
    stream = data.dataset(source, batch_size=8, seed=0)
    with pytest.raises(tf.errors.OpError, match=r"6\.png"):
        next(iter(stream))
    with pytest.raises(data.DataError, match=r"6\.png: not found") as caught:
        source.check()
    assert isinstance(caught.value.__cause__, UnreadableImageError)
    assert isinstance(caught.value.__cause__, ImageError)


def test_labels_outside_of_the_classes_are_refused():
    store = data.load(np.zeros((4, 2, 2), np.uint8)).store
    for labels in ([0, 1, 2, 3], [0, -1, 1, 1]):
        with pytest.raises(ValueError, match=r"1 of 4 labels .* 3 classes"):
            data.Source("mine", "train", store, labels, ["a", "b", "c"])
