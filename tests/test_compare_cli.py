"""The compare command on folders as runs leave them."""

import base64
import dataclasses
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from keras_ganmix import compare, recipes
from keras_ganmix.metrics.protocol import Protocol
from keras_ganmix.metrics.report import Evaluation

ROOT = Path(compare.__file__).resolve().parents[1]
PROTOCOL = Protocol(
    "fashion_mnist",
    "test",
    "cd" * 32,
    [32, 32, 1],
    10_000,
    2048,
    extractor="fashion",
    extractor_hash="ab" * 32,
    ema=True,
)


@pytest.fixture(autouse=True)
def own_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def make(path, seed, level, changes=(), steps=(100, 200, 300), **protocol):
    """A run's folder; the last score is `level` plus that of the seed."""
    folder = Path(path)
    (folder / "samples").mkdir(parents=True)
    changes = [f"train.seed={seed}", *changes]
    recipes.save(recipes.load("quickstart", changes), folder / "recipe.yaml")
    rng = np.random.default_rng(seed)
    own = rng.normal(0, 0.3)
    with (folder / "scores.jsonl").open("w") as file:
        for step in steps:
            score = level + own + 40 * (1 - step / steps[-1])
            line = {"frechet[fashion]": score, "diversity": 0.9}
            file.write(json.dumps({"step": step, **line}) + "\n")
    with (folder / "metrics.jsonl").open("w") as file:
        for step in range(10, steps[-1] + 1, 10):
            losses = dict(
                zip(
                    ("generator_loss", "discriminator_loss"),
                    rng.normal([1, 0.6], 0.1),
                    strict=True,
                )
            )
            file.write(json.dumps({"step": step, **losses}) + "\n")
    about = dataclasses.replace(PROTOCOL, seed=seed, **protocol)
    content = {
        "protocol": about.to_dict(),
        "floor": {"frechet[fashion]": 0.5},
        "floor_protocol": {},
    }
    (folder / "scores_protocol.json").write_text(json.dumps(content))
    pixels = rng.integers(0, 255, (60, 60, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(folder / "samples" / "step-0000300.png")
    return folder


R1 = ["regularizers.0=R1", "name=with_r1"]


@pytest.fixture
def arms():
    """Two arms of three seeds, 2 apart."""
    for seed in (0, 1, 2):
        make(f"plain-{seed}", seed, 12.0)
        make(f"r1-{seed}", seed, 10.0 + 0.1 * seed, R1)
    return sorted(p.name for p in Path().iterdir())


def run(*arguments):
    return compare.main(["compare", *map(str, arguments)])


def last(folder, name="frechet[fashion]"):
    line = (Path(folder) / "scores.jsonl").read_text().splitlines()[-1]
    return json.loads(line)[name]


def test_arms_means_and_differences(arms, capsys):
    assert run(*arms) == 0
    text = capsys.readouterr().out
    assert "quickstart (baseline): seeds 0, 1, 2" in text
    assert "with_r1: seeds 0, 1, 2\n    regularizers: none → R1\n" in text
    plain, own = (
        np.array([last(f"{name}-{s}") for s in range(3)])
        for name in ("plain", "r1")
    )
    test = stats.ttest_rel(own, plain).confidence_interval(0.95)
    row = next(x for x in text.splitlines() if "with_r1" in x and "±" in x)
    mean, spread = own.mean(), own.std(ddof=1)
    assert f"{mean:.4g} ± {spread:.2g}" in row
    difference = (own - plain).mean()
    assert f"{difference:+.3g} [{test.low:+.3g}, {test.high:+.3g}]" in row
    assert row.endswith("better")
    assert "frechet[fashion] ↓" in text
    assert "(real images)" in text
    assert "2048 fakes against 10000 of fashion_mnist, test" in text


def test_the_baseline_can_be_chosen(arms, capsys):
    assert run(*arms, "--baseline=r1-1") == 0
    text = capsys.readouterr().out
    assert "with_r1 (baseline)" in text
    assert "regularizers: R1 → none" in text
    (row,) = (x for x in text.splitlines() if x.endswith("worse"))
    assert row.split()[0] == "quickstart"


def test_only_seeds_are_one_arm(capsys):
    make("a", 0, 5.0, ["name=a", "samples.every=9", "train.log_every=7"])
    make("b", 1, 6.0, ["name=b"])
    make("c", 1, 6.0, ["name=c", "regularizers=[{type: R1, weight: 3}]"])
    make("d", 1, 6.5, ["name=d", "regularizers=[{type: R1, weight: 4}]"])
    assert run("a", "b") == 0
    assert "a (baseline): seeds 0, 1" in capsys.readouterr().out
    assert run("c", "d") == 0
    text = capsys.readouterr().out
    assert "    regularizers.0.weight: 3.0 → 4.0\n" in text
    assert "one seed" in text
    assert run("a", "d") == 0
    assert "no common seed" in capsys.readouterr().out


def tune(folder, changes=(), step=9, origin=None):
    """Tells of a run that it began with another one's weights."""
    recipe = recipes.load("ring", ["name=cats", *changes]).to_dict()
    note = {"run": "x", "step": step, "recipe": recipe, "origin": origin}
    (folder / "origin.json").write_text(json.dumps(note))
    return note


def test_fine_tuned_runs_are_an_arm_of_their_own(capsys):
    for seed in (0, 1):
        make(f"new-{seed}", seed, 5.0)
        folder = make(f"tuned-{seed}", seed, 4.0)
        tune(folder, [f"train.seed={seed + 7}", f"name=cats-{seed}"])
    assert run("new-0", "new-1", "tuned-0", "tuned-1") == 0
    text = capsys.readouterr().out
    assert "new-0 (baseline): seeds 0, 1" in text
    told = "tuned-0: seeds 0, 1\n    init_from: none → cats-0 at step 9\n"
    assert told in text


def test_runs_that_began_with_different_runs_are_different_arms(capsys):
    tuned = tune(make("a", 0, 5.0))
    tune(make("b", 0, 4.0), ["regularizers.0=R1"])
    tune(make("c", 0, 4.0), origin=tuned)
    tune(make("d", 0, 4.0), step=10)
    assert run("a", "b", "c", "d") == 0
    text = capsys.readouterr().out
    assert "    init_from.recipe.regularizers: none → R1\n" in text
    assert "    init_from.step: 9 → 10\n" in text
    note = json.loads(Path("d/origin.json").read_text())
    Path("d/origin.json").write_text(json.dumps({**note, "recipe": None}))
    assert run("a", "d") == 0
    capsys.readouterr()
    for damaged in ("{", "{}", "[]"):
        Path("a/origin.json").write_text(damaged)
        assert run("a", "b") == 2
        assert "a/origin.json: is damaged" in capsys.readouterr().err


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"num_fake": 10_000}, "num_fake: 2048 there, 10000 here"),
        ({"extractor_hash": "00" * 32}, "extractor_hash: abababababababab..."),
        ({"ema": False, "num_real": 9}, "num_real: 10000 there, 9 here; ema"),
    ],
)
def test_other_protocols_are_not_ranked(changes, words, capsys):
    make("a", 0, 5.0)
    make("b", 1, 6.0, **changes)
    assert run("a", "b", "--out=page.html") == 2
    shown = capsys.readouterr()
    assert "cannot be ranked" in shown.err
    assert "b: another protocol than a" in shown.err
    assert words in shown.err
    assert shown.out == ""
    assert not Path("page.html").exists()


def test_the_last_common_step_counts(capsys):
    make("a", 0, 5.0, steps=(100, 200, 300))
    make("b", 0, 6.0, R1, steps=(100, 200))
    assert run("a", "b") == 0
    text = capsys.readouterr().out
    line = (Path("a") / "scores.jsonl").read_text().splitlines()[1]
    assert f"{json.loads(line)['frechet[fashion]']:.4g}" in text
    assert "at step 200" in text
    assert "note: scored at step 200, trained to step 300: a\n" in text
    make("c", 0, 6.0, ["loss=hinge"], steps=(150,))
    assert run("a", "c") == 2
    assert "never scored at the same step" in capsys.readouterr().err


def test_scores_of_evaluate_go_before_those_of_training(arms, capsys):
    for i, name in enumerate(arms):
        scores = {"kernel[fashion]": 0.1 * i, "frechet[fashion]": 3.0}
        protocol = dataclasses.replace(PROTOCOL, num_fake=10_000)
        evaluation = Evaluation(scores, {}, {}, protocol, 1.0, step=300)
        evaluation.save(Path(name) / "scores.json")
    assert run(*arms) == 0
    text = capsys.readouterr().out
    assert "10000 fakes" in text
    assert "kernel[fashion]" in text
    assert "not told apart" in text  # all the same Frechet distance
    (Path(arms[0]) / "scores.json").unlink()
    assert run(*arms) == 0
    assert "2048 fakes" in capsys.readouterr().out


@pytest.mark.parametrize(
    "prepare, arguments, words",
    [
        (lambda: None, [], "no runs"),
        (lambda: None, ["nowhere"], "nowhere: holds no run"),
        (lambda: Path("c").mkdir(), ["a", "c"], "c: holds no run"),
        (lambda: make("b", 0, 1.0), ["a", "b"], "the same seed 0"),
        (
            lambda: Path("a/scores.jsonl").unlink(),
            ["a"],
            "a: holds no scores",
        ),
        (
            lambda: Path("a/scores_protocol.json").write_text("[]"),
            ["a"],
            "not the protocol of scores",
        ),
        (
            lambda: Path("a/scores.jsonl").write_text("nonsense\n"),
            ["a"],
            "scores.jsonl: not lines with a step",
        ),
        (
            lambda: Path("a/recipe.yaml").write_text("schema: 9"),
            ["a"],
            "reads schema: 1",
        ),
    ],
)
def test_folders_that_cannot_be_compared(prepare, arguments, words, capsys):
    make("a", 0, 5.0)
    prepare()
    assert run(*arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert words in err


def test_a_run_named_twice_is_one(capsys):
    folder = make("a", 0, 5.0)
    assert run("a", "a/", folder.resolve(), "--baseline=./a") == 0
    assert "seeds 0\n" in capsys.readouterr().out


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open, self.sources, self.links, self.text = [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag not in ("meta", "br", "img"):
            self.open.append(tag)
        values = dict(attributes)
        self.sources += [values[k] for k in ("src", "srcset") if k in values]
        self.links += [values[k] for k in ("href", "action") if k in values]

    def handle_endtag(self, tag):
        while self.open and self.open[-1] != tag:
            assert self.open.pop() in ("td", "th", "tr"), tag
        self.open.pop()

    def handle_data(self, data):
        self.text += data


def test_the_page_needs_nothing_outside(arms):
    assert run(*arms, "--out=page.html") == 0
    text = Path("page.html").read_text()
    page = Page(text)
    assert page.open == []
    assert page.links == []
    assert "<script" not in text
    assert "@import" not in text and "url(" not in text
    assert all(source.startswith("data:image/") for source in page.sources)
    kinds = [source.split(";")[0] for source in page.sources]
    assert kinds.count("data:image/png") == 2
    # A chart for each of two scores, their curves, and two losses.
    assert kinds.count("data:image/svg+xml") == 6
    picture = Path("plain-0/samples/step-0000300.png").read_bytes()
    assert base64.b64encode(picture).decode() in text
    for source in page.sources:
        if "svg" in source:
            svg = base64.b64decode(source.split(",")[1]).decode()
            links = re.findall(r'(?:href|src)="([^"]*)"', svg)
            assert all(link.startswith("#") for link in links)
    assert "regularizers: none → R1" in page.text
    assert "better" in page.text


def test_names_cannot_smuggle_markup_into_the_page():
    make("<b>x", 0, 5.0)
    make("<script>alert(1)", 0, 6.0, ["loss=hinge"])
    names = [p.name for p in Path().iterdir()]
    assert run(*names, "--out=page.html") == 0
    text = Path("page.html").read_text()
    assert "<script" not in text and "<b>" not in text
    assert "&lt;script&gt;" in text


def test_it_needs_no_tensorflow(arms):
    code = (
        "import sys; from keras_ganmix import compare; "
        f"assert compare.main(['compare', *{arms!r}, '--out=p.html']) == 0; "
        "print([m for m in ('tensorflow', 'keras') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
