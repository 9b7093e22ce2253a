"""The pages hold the numbers of the data, and say what is missing."""

import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from tools import results_pages
from tools.results import (
    building,
    figures,
    landscape,
    leaks,
    methods,
    mixtures,
)
from tools.results.collect import without_paths
from tools.results.landscape_pictures import draw_planes
from tools.results.places import ROOT, Places

DOCS = Places().docs


def build(runs, places):
    """Builds all pages; returns their texts by name."""
    results_pages.main([f"--collect={runs.path}", f"--docs={places.docs}"])
    pages = [*places.results.glob("*.md"), *places.docs.glob("choosing.md")]
    return {path.name: path.read_text() for path in pages}


def row_of(text, heading, first):
    """Cells of the line of a table below a heading that begins so."""
    part = text.partition(heading)[2]
    line = re.search(rf"(?m)^\| {re.escape(first)} \|(.*)\|$", part)
    return [cell.strip() for cell in line.group(1).split("|")]


def test_modes_are_told_as_they_are(runs, places):
    runs.modes()
    pages = build(runs, places)
    text = pages["modes.md"]
    cells = json.loads((runs.path / "modes_ring/sweep.json").read_text())
    quality = {
        arm: np.array(
            [
                100 * cell["scores"]["high_quality"]
                for cell in cells["cells"]
                if cell["arm"] == arm
            ]
        )
        for arm in ("plain", "GDPP")
    }
    found = row_of(text, "### At the last step", "GDPP")
    own, change = quality["GDPP"], quality["GDPP"] - quality["plain"]
    assert found[0] == "3"
    assert found[4] == f"{own.mean():.4g} ± {own.std(ddof=1):.2g}"
    assert found[5].startswith(f"**{change.mean():+.3g} [")
    # Curves go straight from 10 to the last score: of ten scorings the last
    # two are averaged.
    ends = np.array([c["scores"]["modes"] for c in cells["cells"][3:6]])
    late = row_of(text, "### Over the last fifth", "GDPP")[1]
    assert late.startswith(f"{(ends + (10 - ends) / 18).mean():.4g} ±")
    assert "- modes: better: GDPP; worse: AdaptiveMix." in text
    assert "**Compute**: 9.0 core-hours, start" in text
    assert "reliminary" not in text
    assert "the same for all arms: `train.steps=1000`." in text
    assert "Not comparable: other networks" in text
    for name in ("curves", "samples"):
        with Image.open(places.images / f"modes_ring_{name}.png") as image:
            assert image.width > 600
        assert f"images/modes_ring_{name}.png" in text
    # The grid is to come.
    assert "**holds here** (preliminary)" in row_of(
        pages["README.md"],
        "claims",
        "GDPP finds more modes and more samples of high quality.",
    )
    assert "modes better, quality better, evenness better" in row_of(
        pages["choosing.md"], "costs", "[GDPP](methods/mode_seeking_gdpp.md)"
    )
    # The data alone make the same.
    shutil.rmtree(runs.path)
    building.write(places)
    assert (places.results / "modes.md").read_text() == text


def test_pages_of_what_is_half_done_say_so(runs, places, undrawn):
    runs.modes(left=[("GDPP", 1), ("GDPP", 2)])
    pages = build(runs, places)
    assert pages.keys() == {"modes.md", "README.md", "choosing.md"}
    assert "**Preliminary: 7 of 9 runs.**" in pages["modes.md"]
    assert "Grid of 25" not in pages["modes.md"]
    assert "Stacked garments" not in pages["modes.md"]
    assert "7 of 9, preliminary" in row_of(
        pages["README.md"], "What was run", "`modes_ring`"
    )
    verdict = row_of(
        pages["README.md"],
        "claims",
        "GDPP finds more modes and more samples of high quality.",
    )[-1]
    assert verdict == "**undecided** (preliminary)"
    assert "one seed" in pages["README.md"]
    # No link to a page that is not there.
    assert "planned: 6,000 garments" in pages["README.md"]
    assert "fashion_mnist.md" not in pages["choosing.md"]
    # One word for what is to come, not two.
    assert "| [DAG](methods/dag.md) | a head" in pages["choosing.md"]


def test_links_to_headings_that_are_not_there_lead_to_the_page(
    runs, places, undrawn
):
    runs.tuning()
    told = build(runs, places)["README.md"]
    assert "planned: [time](fashion_mnist.md) |" in told
    runs.fashion()
    told = build(runs, places)["README.md"]
    assert "[time](fashion_mnist.md#how-long-until-plains-final-score)" in told
    assert "[layers](fashion_mnist.md#low-level-and-high-level)" in told


def test_garments(runs, places, undrawn):
    runs.fashion()
    runs.tuning()
    text = build(runs, places)["fashion_mnist.md"]
    assert (
        "- Frechet distance: better: Mixup, slow; worse: CutMix; extractors "
        "disagree in sign: SRMix." in text
    )
    assert re.search(r"(?m)^- \*\*Mixup\*\*: worse in .*recall.*; better", text)
    assert "- **CutMix**: worse in Frechet distance (both ext" in text
    slow = re.search(r"(?m)^- \*\*slow\*\*: worse in .*$", text).group()
    assert "at equal seconds (one extractor), precision" in slow
    # It takes twice as long: its curve from 10 to 4 is at 500 of 1,000 steps.
    assert row_of(text, "## Equal seconds", "slow") == ["2.00", "10", "500"]
    after = text.partition("## Equal seconds")[2].partition("at step")[2]
    shown = row_of(after, "| arm | seeds |", "slow")
    assert shown[1].startswith("7.333 ±")
    # From 10 to 4, 5 is reached after 5 of 6 parts of 900 steps.
    assert row_of(text, "How long", "Mixup")[0] == "850, 850, 850"
    assert row_of(text, "How long", "CutMix")[1] == "3 of 3"
    assert row_of(text, "## Tuning", "plain")[1] != "plain-a"
    assert "| plain | a: 3.001, b: 2.002 | plain-b |" in text
    assert "The choice was made by scores against the test set" in text
    assert "**Compute**: 18.0 core-hours" in text


def test_all_garments_beside_few(runs, places, undrawn):
    runs.fashion()
    runs.fashion("fashion_60000", ["plain", "Mixup", "CutMix"], seeds=(10, 11))
    pages = build(runs, places)
    text = pages["fashion_mnist.md"].partition("## All 60,000 images")[2]
    assert "--seeds 10,11" in text and "slow" not in text
    for heading in ("Equal seconds", "How long until", "Low level", "Leaks"):
        assert f"\n### {heading}" in text
    assert "images/fashion_60000_curves.png" in text
    assert row_of(text, "### How long", "Mixup")[0] == "850, 850"
    few, all_of_them = row_of(text, "Differences to plain", "Mixup")[1:]
    for change in (few, all_of_them):
        assert float(change.partition(" ")[0]) == pytest.approx(-1, abs=0.01)
    assert few != all_of_them
    came_out = row_of(
        pages["README.md"],
        "claims",
        "Mixup improves the Frechet distance in most cases.",
    )[1]
    assert "60,000 garments" in came_out and "6,000 garments" in came_out
    # SRMix was not among the best.
    came_out = row_of(
        pages["README.md"],
        "claims",
        "SRMix improves the Frechet distance in most cases.",
    )[1]
    assert "60,000" not in came_out


def test_more_modes_than_plain_may_be_no_more_than_scatter(
    runs, places, undrawn, monkeypatch
):
    monkeypatch.setattr(
        mixtures, "scatter", lambda recipe: dict.fromkeys(mixtures.SCORES, 9.0)
    )
    runs.modes()
    told = "modes better (not shown to beat scattered points), quality better"
    assert told in build(runs, places)["choosing.md"]


def test_stacked_pictures_are_told_of_everywhere(runs, places, undrawn):
    page = places.docs / "methods" / "diversity_penalty.md"
    page.parent.mkdir()
    page.write_text("\n".join(methods.marks("our runs")))
    arms = {
        "plain": {"modes": 700.0, "mode_kl": 1.0},
        "DiversityPenalty": {"modes": 650.0, "mode_kl": 2.0},
    }
    runs.sweep("stacked_dcgan", arms, "quickstart")
    pages = build(runs, places)
    text = pages["modes.md"].partition("## Stacked garments")[2]
    assert row_of(text, "changes", "DiversityPenalty")
    assert "- modes: worse: DiversityPenalty." in text
    assert "- KL: worse: DiversityPenalty." in text
    found = row_of(page.read_text(), "### In our runs", "stacked garments")
    assert found[1] == "modes worse, KL worse"
    told = row_of(
        pages["choosing.md"],
        "## What each costs",
        "[DiversityPenalty](methods/diversity_penalty.md)",
    )
    assert "modes worse, KL worse" in told
    name = "DiversityPenalty](methods/diversity_penalty.md) (**worse here**)"
    assert name in pages["choosing.md"]
    verdict = row_of(
        pages["README.md"],
        "claims",
        "The diversity penalty alleviates mode collapse.",
    )[-1]
    assert verdict == "**does not hold here** (preliminary)"


def test_methods_that_were_worse_are_not_praised(runs, places, undrawn):
    runs.fashion()
    runs.modes()
    text = build(runs, places)["choosing.md"]
    assert "CutMix](methods/sample_mixing.md) (**worse here**)" in text
    assert "DAG](methods/dag.md) (not tried here)" in text
    assert "GDPP](methods/mode_seeking_gdpp.md)," in text
    assert "high-level ones; garments: **worse** in Frechet dist" in text


def test_pages_of_methods_tell_of_our_runs(runs, places, undrawn):
    page = places.docs / "methods" / "sample_mixing.md"
    page.parent.mkdir()
    marks = "\nyesterday\n".join(methods.marks("our runs"))
    page.write_text(f"# Mixing\n\n{marks}\n\n## Use\n")
    runs.modes()
    build(runs, places)
    assert "On images: not run yet." in page.read_text()
    runs.fashion()
    build(runs, places)
    text = page.read_text()
    assert text.startswith("# Mixing\n") and text.endswith("\n\n## Use\n")
    assert "yesterday" not in text
    found = row_of(text, "### In our runs", "6,000 garments")
    assert found[0] == "`x=Mixup`" and found[1].startswith("better (-")
    runs.tuning()
    build(runs, places)
    lines = [x for x in page.read_text().splitlines() if "| tuning:" in x]
    best = [x for x in lines if "best of 2" in x]
    assert len(lines) == 2 and len(best) == 1 and "`x=Mixup-a`" in best[0]
    page.write_text("# Mixing\n")
    with pytest.raises(ValueError, match="has 0 places for our runs"):
        building.write(places)


def test_classifiers_with_samples_are_told_of_the_penalty(
    runs, places, undrawn
):
    page = places.docs / "methods" / "diversity_penalty.md"
    page.parent.mkdir()
    page.write_text("\n".join(methods.marks("our runs")))
    runs.augmentation()
    build(runs, places)
    title = "classifiers of 1,000 images, samples of a WGAN-GP"
    found = row_of(page.read_text(), "### In our runs", title)
    # 0.812 against the 0.81 of the same GAN without it, not the 0.8 of plain.
    assert "(+0." in found[1] and "so far" in found[1]


def test_the_page_of_dag_tells_where_its_runs_ended(runs, places, undrawn):
    page = places.docs / "methods" / "dag.md"
    page.parent.mkdir()
    names = ("our runs", "the leak")
    marked = ["\nyesterday\n".join(methods.marks(name)) for name in names]
    page.write_text("# DAG\n\n" + "\n\nbetween\n\n".join(marked) + "\nend\n")
    runs.fashion()
    (places.docs / "images" / "dag_leak.json").unlink()
    build(runs, places)
    text = page.read_text()
    assert text.count("Not run yet.") == 1 and "yesterday" not in text
    assert "\nbetween\n" in text and text.endswith("-->\nend\n")
    verdicts = {"at the data": 1, "elsewhere": 2, "at all four": 4}
    run = {"seconds": 1.0, "shares": [[1, 0, 0, 0]]}
    found = {n: run | {"verdicts": {"at the data": 9}} for n in leaks.RUNS}
    found["shared"] = run | {"verdicts": verdicts}
    path = places.data / "dag_leak.json"
    path.write_text(json.dumps({"steps": 2000} | found))
    building.write(places)
    lines = [s for s in page.read_text().splitlines() if "| both, one" in s]
    counts = "| 7 | 1 | 2 | 0 | 4 |"
    assert lines[0].startswith("| 3 |") and lines[0].endswith(counts)
    assert lines[1].startswith("| 0.2 |") and "| 9 | 9 | 0 |" in lines[1]
    page.write_text(page.read_text().replace(methods.marks("the leak")[1], ""))
    with pytest.raises(ValueError, match="has 0 places for the leak"):
        building.write(places)


def test_runs_that_were_scored_otherwise_are_only_told_of(
    runs, places, undrawn
):
    runs.tuning()
    runs.modes()
    path = runs.path / "modes_ring" / "sweep.json"
    found = json.loads(path.read_text())
    (cell,) = (
        c for c in found["cells"] if (c["arm"], c["seed"]) == ("GDPP", 1)
    )
    cell["otherwise"] = "num_fake: 2500 there, 100 here"
    path.write_text(json.dumps(found))
    text = build(runs, places)["modes.md"]
    assert "- GDPP, seed 1: scored otherwise: num_fake: 2500 there" in text
    assert row_of(text, "### At the last step", "GDPP")[0] == "2"


def test_one_extractor_is_named_as_such(runs, places, undrawn):
    page = places.docs / "methods" / "rotation.md"
    page.parent.mkdir()
    page.write_text("\n".join(methods.marks("our runs")))
    score = "frechet[fashion]"
    runs.sweep(
        "landscape", {"plain": {score: 5.0}, "Rotation": {score: 4.0}}, "ring"
    )
    build(runs, places)
    found = row_of(
        page.read_text(), "### In our runs", "6,000 garments, 1,500 steps"
    )[-1]
    assert re.fullmatch(r"better \(-.*\]; one extractor, 3 seeds\)", found)


def test_runs_without_class_coverage_are_told_to_be_scored_again(
    runs, places, undrawn
):
    scores = {"frechet[fashion]": 5.0, "frechet[squeezenet]": 5.0}
    runs.sweep("fashion_6000", {"plain": scores, "DAG": scores}, "quickstart")
    text = build(runs, places)["fashion_mnist.md"]
    assert "scored without `class_coverage`" in text
    assert "- Frechet distance: none." in text


def test_classifiers_that_were_collected_are_not_lost(runs, places, undrawn):
    runs.classify()
    build(runs, places)
    kept = (places.data / "classify.json").read_text()
    path = runs.path / "classify" / "classify.json"
    found = json.loads(path.read_text())
    lost = found["runs"].pop()
    path.write_text(json.dumps(found))
    with pytest.raises(SystemExit):
        build(runs, places)
    assert (places.data / "classify.json").read_text() == kept
    found["runs"] += [lost, lost | {"seed": 99}]
    path.write_text(json.dumps(found))
    build(runs, places)
    assert "99" in (places.data / "classify.json").read_text()


def test_augmentation_classifiers_and_landscapes(runs, places, undrawn):
    runs.augmentation()
    runs.classify()
    runs.landscape()
    pages = build(runs, places)
    text = pages["augmentation.md"]
    assert "**Preliminary: 12 of 24 runs.**" in text
    assert "**Compute**: 1.0 core-hours" in text
    assert row_of(text, "## 1,000", "classical")[1].startswith("81.")
    choosing = pages["choosing.md"]
    assert "WGAN-GP: 1,000 images better (+" in choosing
    assert "6,000 images not run yet; with the penalty" in choosing
    text = pages["classify.md"]
    assert "WRN-10-1 (78,042 parameters)" in text
    assert "**Compute**: 1.5 core-hours" in text
    told = "- accuracy %: better: adaptive_mix, plain_orthogonal."
    assert told in text
    same_head = text.partition("## The head, or the mixing?")[2]
    assert "- accuracy %: worse: adaptive_mix." in same_head
    assert "| FPR95 of foreign, digits" in text
    drawn = {path.stem for path in places.images.glob("*.png")}
    names = {f"landscape_{n}" for n in ("lines", "planes", "gradients")}
    assert drawn == {*names, "classify_fgsm"}


@pytest.mark.filterwarnings("error")
def test_landscapes(runs, places, undrawn):
    runs.landscape()
    text = build(runs, places)["landscape.md"]
    assert str(runs.path) not in (places.data / "landscapes.json").read_text()
    lines = text.partition("## Lines")[2].partition("## Planes")[0]
    lines = " ".join(lines.split())
    assert "took 3.0 core-hours" in lines
    assert "directions: 3," in lines and "21 points from -1 to 1" in lines
    assert "mean over 4 batches" in lines and "seed 6 of directions" in lines
    # The second seed has lines at an earlier step only.
    assert "at the last step of which a run has lines, 4 and 9" in lines
    assert "- Deshuffle, seed 1, step 7: x is NaN" in lines
    assert "| D: adversarial | plain | 9 |" in lines
    assert "| D: Deshuffle | Deshuffle | 4, 9 | 2.5 ± 0 |" in lines
    planes = " ".join(text.partition("## Planes")[2].split())
    assert "The adversarial term alone, at 3 x 3 points" in planes
    assert "seed 0, step 9. Each panel has its own scale" in planes
    # Steps 5 and 10, which both seeds have.
    cells = " | ".join(["0.25 ± 0"] * 3)
    assert f"| D: Deshuffle | Deshuffle | {cells} |" in text
    assert "| G: Deshuffle | Deshuffle | - | - | - |" in text
    assert "Shaded is the range from the lowest to the highest" in planes


def test_angles_are_taken_at_the_steps_of_all_seeds():
    def run(**cosines):
        lines = [
            {"step": int(step[1:])}
            | {f"generator/R/{key}": value for key in ("cosine", "ratio")}
            for step, value in cosines.items()
        ]
        return {"arm": "R", "gradients": lines}

    found = [run(s0=0.0, s5=0.5, s10=0.7), run(s5=0.1, s10=None, s20=0.9)]
    ((key, (steps, cosines, _)),) = landscape.angle_series(
        {"runs": [*found, {"arm": "R", "gradients": []}]}
    ).items()
    assert key == ("R", "generator/R") and steps == [5, 10]
    np.testing.assert_array_equal(cosines, [[0.5, 0.7], [0.1, np.nan]])


def test_planes_are_told_of_where_there_are_some(runs, places, undrawn):
    runs.landscape()
    shutil.rmtree(runs.path / "landscape" / "planes")
    places.images.mkdir(parents=True)
    (places.images / "landscape_planes.png").touch()  # of other data
    text = build(runs, places)["landscape.md"]
    assert "Planes" not in text and "landscape_planes" not in text


def test_axes_of_planes_are_named(monkeypatch):
    drawn = []
    monkeypatch.setattr(
        figures, "save", lambda chart, path: drawn.append(chart)
    )
    surface = np.eye(3).tolist()
    sides = ("discriminator", "generator")
    plane = {"arm": "R", "planes": {s: {"adversarial": surface} for s in sides}}
    draw_planes([plane], [-1, 0, 1], None)
    panels = [axes for axes in drawn[0].axes if axes.get_title()]
    names = [(a.get_title(), a.get_xlabel(), a.get_ylabel()) for a in panels]
    assert names == [(f"R: {side}", "alpha", "beta") for side in sides]


def test_landscapes_of_no_finite_losses(runs, places, undrawn):
    runs.landscape()
    path = runs.path / "landscape" / "lines" / "landscape.json"
    found = json.loads(path.read_text())
    for run in found["runs"]:
        for checkpoint in run["checkpoints"]:
            if checkpoint.pop("lines", None):
                checkpoint["failure"] = "x is NaN"
    path.write_text(json.dumps(found))
    text = build(runs, places)["landscape.md"]
    assert "- plain, seed 0, step 9: x is NaN" in text
    assert "landscape_lines" not in text and "sharpness" not in text


def test_the_commands_of_the_landscapes_are_those_of_their_file():
    head = (ROOT / "benchmarks/evidence/landscape.yaml").read_text()
    comments = [
        line.removeprefix("#").strip()
        for line in head.splitlines()
        if line.startswith("#")
    ]
    told = " ".join(line.removesuffix("\\") for line in comments)
    told = " ".join(told.split())
    for command in (landscape.LINES, landscape.PLANES):
        words = command.replace("\\\n", " ").split()
        # What `collect` reads, below the folder that it is given.
        which = words[words.index("--out") + 1].removeprefix("evidence/")
        assert which in ("landscape/lines", "landscape/planes")
        assert " ".join(words).replace("evidence/", "sweeps/") in told


def test_paths_of_the_machine_are_cut():
    found = {
        "message": "lost /home/me/evidence/plain/seed-0, https://x.org/a/b"
    }
    assert without_paths(found) == {"message": "lost seed-0, https://x.org/a/b"}


def test_the_committed_pages_are_those_of_the_committed_data(tmp_path, undrawn):
    docs = tmp_path / "docs"
    shutil.copytree(DOCS / "results", docs / "results")
    shutil.copytree(DOCS / "methods", docs / "methods")
    shutil.copy(DOCS / "performance.md", docs)
    for path in building.write(Places(docs)):
        committed = DOCS / path.relative_to(docs)
        assert path.read_text() == committed.read_text(), (
            f"{committed} is out of date: run tools/results_pages.py"
        )


def test_the_data_are_small_and_name_no_folder_of_a_machine():
    data = [p for p in Places().data.rglob("*") if p.is_file()]
    assert sum(path.stat().st_size for path in data) < 3e6
    for path in data:
        if path.suffix == ".json":
            assert not re.search(r'"/\w+/', path.read_text()), path
