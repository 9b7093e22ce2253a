"""The data doctor finds what was put into a folder, and nothing else."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_ganmix import data, doctor
from keras_ganmix.data.doctor import examine
from keras_ganmix.data.findings import KINDS
from keras_ganmix.data.images import ImageError, read_image
from keras_ganmix.data.looks import difference_hash
from keras_ganmix.data.twins import equal, near
from tests.bad_files import BAD, ODD, encode

COUNT = 60


def noise(seed, shape=(40, 40, 3)):
    random = np.random.RandomState(1000 + seed)
    return random.randint(0, 256, shape).astype(np.uint8)


@pytest.fixture
def clean(tmp_path):
    """Two classes of 30 colour pictures that have nothing in common."""
    folder = tmp_path / "clean"
    for i in range(COUNT):
        path = folder / "ab"[i % 2] / f"{i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(i)).save(path)
    return folder


def found(report):
    return {x.kind: dict(x.items) for x in report.findings}


def test_a_clean_folder_is_clean(clean):
    report = examine(f"folder:{clean}")
    assert report.findings == [] and report.faults == []
    assert report.refused is None
    assert report.num_readable == report.num_images == COUNT
    assert report.classes == {"a": 30, "b": 30}
    assert report.formats == {"PNG": COUNT} and report.modes == {"RGB": COUNT}
    assert report.sizes["usual"] == (40, 40)
    assert report.image_shape == (40, 40, 3)
    sizes = [p.stat().st_size for p in clean.rglob("*.png")]
    assert report.num_bytes == sum(sizes)
    assert "nothing to worry about" in report.text()


@pytest.mark.parametrize("kind", ODD)
def test_each_oddity_is_found_by_name_and_nothing_else(clean, kind):
    for name, content in ODD[kind].items():
        (clean / "b" / name).write_bytes(content)
    size = 40 if kind == "upscaled" else None
    report = examine(f"folder:{clean}", image_size=size)
    assert set(found(report)[kind]) == {f"b/{name}" for name in ODD[kind]}
    implied = {
        "upscaled": {"off_size"},
        "aspect": {"off_size"},
        "sixteen_bit": {"grey"},
        "animated": {"palette"},  # the GIF
        "constant": {"palette"},
    }
    assert set(found(report)) == {kind} | implied.get(kind, set())
    assert report.faults == [
        x for x in KINDS if x in found(report) and KINDS[x].fault
    ] or (kind == "upscaled")
    assert (report.refused is None) == (kind not in ("off_size", "aspect"))


def test_every_bad_file_is_found_by_name(clean):
    for name, content in BAD.items():
        (clean / "b" / f"{name}.png").write_bytes(content)
    os.mkfifo(clean / "b" / "pipe.png")
    report = examine(f"folder:{clean}")
    kinds = ("damaged", "not_a_picture", "too_large", "unreadable")
    names = [name for kind in kinds for name in found(report).get(kind, {})]
    expected = {f"b/{name}.png" for name in [*BAD, "pipe"]}
    assert len(names) == len(expected) and set(names) == expected
    assert found(report)["unreadable"] == {"b/pipe.png": "not a regular file"}
    assert "b/empty.png" in found(report)["damaged"]
    assert "b/html.png" in found(report)["not_a_picture"]
    assert "b/png_bomb.png" in found(report)["too_large"]
    # For the reasons that reading them gives.
    for finding in report.findings:
        for name, detail in finding.items:
            if finding.kind in kinds:
                with pytest.raises(ImageError) as caught:
                    read_image(clean / name)
                assert caught.value.reason == detail
    assert f"{len(expected)} of {COUNT + len(expected)}" in report.refused
    assert report.fingerprint is None
    with pytest.raises(ValueError, match="more than the 1%"):
        data.load(f"folder:{clean}")


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"image_size": 24},
        {"image_size": (20, 30), "resize": "pad", "channels": 1},
        {"max_images": 17, "seed": 3},
    ],
)
def test_numbers_and_fingerprint_are_those_of_the_loaded_data(clean, arguments):
    (clean / "b" / "grey.png").write_bytes(encode(noise(99, (40, 40))))
    spec = f"folder:{clean}"
    report, source = examine(spec, **arguments), data.load(spec, **arguments)
    assert report.fingerprint == source.fingerprint()
    assert report.image_shape == source.image_shape
    images = source.images.astype(np.float64)
    assert np.allclose(report.mean, images.mean(axis=(0, 1, 2)))
    assert np.allclose(report.stddev, images.std(axis=(0, 1, 2)))
    counts = np.bincount(source.labels, minlength=2)
    assert list(report.classes.values()) == counts.tolist()


def test_a_skipped_file_is_not_in_the_fingerprint(tmp_path):
    for i in range(150):
        Image.fromarray(noise(i, (6, 6, 3))).save(tmp_path / f"{i:03}.png")
    whole = examine(f"folder:{tmp_path}").fingerprint
    (tmp_path / "150.png").write_bytes(b"no picture")
    report = examine(f"folder:{tmp_path}")
    assert report.fingerprint == whole and report.refused is None
    assert data.load(f"folder:{tmp_path}").fingerprint() == whole


def test_duplicates_by_pixels_not_by_bytes(clean):
    pixels = noise(0)
    (clean / "a" / "copy.bmp").write_bytes(encode(pixels, "BMP"))
    (clean / "b" / "other.webp").write_bytes(
        encode(pixels, "WEBP", lossless=True)
    )
    report = examine(f"folder:{clean}")
    assert found(report) == {
        "duplicate": {"a/copy.bmp": "as a/00.png"},
        "conflict": {"b/other.webp": "as a/00.png"},
    }


def test_near_duplicates_survive_jpeg_resizing_and_brightness(clean):
    smooth = Image.fromarray(noise(5, (6, 6, 3))).resize((90, 80), 3)
    (clean / "a" / "smooth.png").write_bytes(encode(smooth))
    (clean / "b" / "x.jpg").write_bytes(encode(smooth, "JPEG", quality=70))
    (clean / "b" / "y.png").write_bytes(encode(smooth.resize((60, 53), 3)))
    (clean / "b" / "z.png").write_bytes(encode(smooth.point(lambda v: v + 1)))
    report = examine(f"folder:{clean}", image_size=40)
    first = {f"b/{n}": "as a/smooth.png" for n in ("x.jpg", "y.png", "z.png")}
    assert found(report)["near_duplicate"] == first


def test_near_equals_a_search_of_all_pairs():
    random = np.random.RandomState(0)
    hashes = random.randint(0, 2**63, 300, np.uint64)
    thumbnails = random.randint(0, 200, (300, 4)).astype(np.uint8)
    for i in range(100):  # near ones, of every distance around the limits
        flips = random.choice(64, i % 6, replace=False)
        other = int(hashes[i]) ^ sum(1 << int(bit) for bit in flips)
        hashes[200 + i] = np.uint64(other)
        thumbnails[200 + i] = thumbnails[i] + i % 4
    expected = {}
    for j in range(300):
        for i in range(j):
            bits = bin(int(hashes[i]) ^ int(hashes[j])).count("1")
            gap = np.abs(thumbnails[i].astype(int) - thumbnails[j]).mean()
            if bits <= 3 and gap <= 2:
                expected.setdefault(j, i)
    assert len(expected) > 40
    assert near(hashes, thumbnails) == (expected, True)


def test_equal_names_the_first():
    assert equal([b"a", b"b", b"a", b"c", b"b", b"a"]) == {2: 0, 4: 1, 5: 0}


def test_difference_hash_equals_a_slow_one():
    picture = noise(3, (16, 18))
    means = picture.reshape(8, 2, 9, 2).mean(axis=(1, 3)).round()
    bits = "".join(
        str(int(means[y, x + 1] > means[y, x]))
        for y in range(8)
        for x in range(8)
    )
    got = difference_hash(Image.fromarray(picture))
    assert bin(got ^ int(bits, 2)).count("1") <= 1  # ties of rounding


def test_what_lies_beside_the_pictures(clean, tmp_path):
    (clean / "a" / "notes.txt").write_text("x")
    (clean / ".hidden.png").write_bytes(b"x")
    (clean / "empty").mkdir()
    (clean / "words").mkdir()
    (clean / "words" / "a.txt").write_text("x")
    (clean / "broken").mkdir()
    (clean / "broken" / "x.png").write_bytes(b"x")
    Image.fromarray(noise(1)).save(tmp_path / "secret.png")
    os.symlink(tmp_path / "secret.png", clean / "a" / "link.png")
    os.symlink(tmp_path, clean / "out")
    got = found(examine(f"folder:{clean}"))
    assert set(got["ignored"]) == {
        ".hidden.png",
        "a/notes.txt",
        "words/a.txt",
    }
    assert set(got["link"]) == {"a/link.png", "out"}
    assert got["empty_class"] == {
        "broken": "a class of nothing",
        "empty": "not a class",
        "words": "not a class",
    }
    assert set(got) == {"ignored", "link", "empty_class", "not_a_picture"}


def test_imbalance(clean):
    for path in sorted((clean / "b").iterdir())[2:]:
        path.unlink()
    assert found(examine(f"folder:{clean}")) == {
        "imbalance": {"b": "2, a has 30"}
    }


def test_mostly_grey_and_mostly_small(tmp_path):
    for i in range(5):
        Image.fromarray(noise(i, (20, 20))).save(tmp_path / f"{i}.png")
    Image.fromarray(noise(9, (50, 50, 3))).save(tmp_path / "colour.png")
    report = examine(f"folder:{tmp_path}", image_size=32)
    assert set(found(report)) == {"colour", "upscaled", "off_size"}
    assert report.faults == ["colour"]  # the small ones are the usual ones


@pytest.mark.parametrize("form", ["uint8", "float32"])
def test_arrays(form):
    images = np.stack([noise(i, (8, 8, 1)) for i in range(20)])
    images[7], images[9] = 13, images[2]
    labels = np.arange(20) % 2
    if form == "float32":
        images = images.astype(np.float32) / 127.5 - 1
    report = examine((images, labels))
    assert found(report) == {
        "constant": {"[7]": "standard deviation 0.0 of 255"},
        "conflict": {"[9]": "as [2]"},
    }
    assert report.fingerprint == data.load((images, labels)).fingerprint()


@pytest.mark.parametrize("spec", ["ring", "fashion_mnist_10k"])
def test_sources_without_files(spec):
    report = examine(spec, max_images=300)
    source = data.load(spec, max_images=300)
    assert report.fingerprint == source.fingerprint()
    assert sum(report.classes.values()) == 300
    assert report.faults == []


@pytest.mark.parametrize("channels", [None, 3])
def test_stacked_pictures_have_three_channels(channels):
    report = examine("stacked_digits:fashion_mnist_10k", channels=channels)
    assert len(report.mean) == len(report.stddev) == 3
    grey = data.load("fashion_mnist_10k").images
    assert report.mean == pytest.approx([grey.mean()] * 3, rel=1e-3)


def test_reports_are_the_same_each_time_and_hold_every_name(clean):
    for i in range(30):
        (clean / "a" / f"flat{i}.png").write_bytes(
            encode(np.full((40, 40, 3), (8 * i, 0, 90), np.uint8))
        )
    first, second = (examine(f"folder:{clean}") for _ in range(2))
    assert first.text() == second.text()
    assert first.to_dict() == second.to_dict()
    values = json.loads(json.dumps(first.to_dict()))
    names = [x["name"] for x in values["findings"]["constant"]["items"]]
    assert names == sorted(f"a/flat{i}.png" for i in range(30))
    text = first.text()
    assert "... and 10 more" in text and text.count("a/flat") == 20
    assert text.index("verdict") < text.index("a/flat")


def run(*arguments):
    return doctor.main(["doctor", *arguments])


def test_exit_codes(clean, capsys):
    spec = f"--data=folder:{clean}"
    assert run(spec) == 0
    (clean / "a" / "x.txt").write_text("x")
    assert run(spec) == 0
    assert run(spec, "--fail_on=all") == 1
    (clean / "a" / "copy.png").write_bytes(encode(noise(0)))
    assert run(spec) == 1
    assert run(spec, "--fail_on=none") == 0
    assert run(spec, "--fail_on=constant, ignored") == 1
    assert run(spec, "--fail_on=constant") == 0
    assert run(spec, "--max=2") == 0
    capsys.readouterr()
    assert run(spec, "--quiet") == 1
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "arguments, words",
    [
        ([], "--data: missing"),
        (["--data=folder:/nowhere/at/all"], "does not exist"),
        (["--data=fashion_mnist_10"], "Did you mean 'fashion_mnist_10k'"),
        (["--data=ring", "--split=val"], "allowed: train, test"),
        (["--data=ring", "--fail_on=duplicates"], "Did you mean 'duplicate'"),
        (["--data=ring", "--image_size=8"], "holds points"),
        (["--data=ring", "--image_size=0"], "image_size"),
        (["--data=ring", "--channels=2"], "channels"),
        (["--dta=ring"], "Did you mean 'data'"),
        (["--data=ring", "--json=/dev/null/x.json"], "--json"),
        (["--data=folder:\x1b[2Jx"], r"\x1b[2Jx does not exist"),
    ],
)
def test_bad_input_is_one_line(arguments, words, capsys):
    assert run(*arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and words in line


def test_the_command_writes_report_and_pictures(clean, tmp_path):
    for kind in ("constant", "grey", "aspect"):
        for name, content in ODD[kind].items():
            (clean / "a" / name).write_bytes(content)
    # A name that would command the terminal, and one that is no text.
    evil = "evil\x1b[2J\nname.png"
    (clean / "a" / evil).write_bytes(b"no")
    (clean / "a" / os.fsdecode(b"latin\xe9.png")).write_bytes(b"no")
    code = (
        "import sys; from keras_ganmix import doctor; code = doctor.main(); "
        "assert 'tensorflow' not in sys.modules; sys.exit(code)"
    )
    root = Path(doctor.__file__).parents[1]
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            code,
            f"--data=folder:{clean}",
            "--image_size=32",
            f"--json={tmp_path}/report.json",
            f"--pictures={tmp_path}/odd.png",
        ],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr == b""
    text = done.stdout.decode("utf-8")
    assert "\x1b" not in text
    assert r"'a/evil\x1b[2J\nname.png': not a picture" in text
    assert r"'a/latin\udce9.png'" in text
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert report["num_images"] == report["num_readable"] + 2
    assert report["findings"]["constant"]["count"] == 2
    with Image.open(io.BytesIO((tmp_path / "odd.png").read_bytes())) as page:
        assert page.width > 600 and page.height > 300
        # A row of the flat green pictures.
        colours = page.convert("RGB").getcolors(2**20)
    assert any(
        np.abs(np.subtract(c, (10, 200, 30))).max() <= 1 for _, c in colours
    )
