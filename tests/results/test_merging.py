"""Sweeps that were made in pieces, put together again."""

import json
import shutil

import pytest
from PIL import Image

from tools import results_pages
from tools.results import merging


def build(runs, places):
    """Collects the runs, and builds all pages."""
    results_pages.main([f"--collect={runs.path}", f"--docs={places.docs}"])


def test_sweeps_can_be_made_in_pieces(runs, places, tmp_path, undrawn):
    def collect(**changes):
        path = tmp_path / str(len(list(tmp_path.iterdir())))
        type(runs)(path).modes(**changes)
        picture = path / "modes_ring" / "GDPP" / "seed-1" / "samples"
        if picture.exists():
            Image.new("RGB", (80, 80), "white").save(
                picture / "step-0000000.png"
            )
        results_pages.main([f"--collect={path}", f"--docs={places.docs}"])
        return json.loads((places.data / "modes_ring.json").read_text())

    whole = collect(seeds=(0, 1, 2))
    picture = places.data / "samples" / "modes_ring" / "GDPP.png"
    before = picture.read_bytes()
    (places.data / "modes_ring.json").unlink()

    first = collect(seeds=(1, 2), left=[("GDPP", 2)])
    assert picture.read_bytes() != before
    assert first["logs"].keys() == {"plain", "GDPP", "AdaptiveMix"}
    left = [("plain", 0), ("AdaptiveMix", 0), ("plain", 1)]
    second = collect(seeds=(0, 1, 2), left=left)
    assert picture.read_bytes() == before
    status = {(c["arm"], c["seed"]): c["status"] for c in second["cells"]}
    assert [cell for cell, now in status.items() if now == "left"] == left[:2]
    third = collect(seeds=(0,))
    pieces = {(c["arm"], c["seed"]): c.pop("piece") for c in third["cells"]}
    both = [sorted(x["cells"], key=str) for x in (third, whole)]
    assert both[0] == both[1]
    # The numbers are made up, and those of a run always the same.
    assert set(pieces.values()) == {0}
    assert third["seeds"] == [0, 1, 2]
    assert picture.read_bytes() == before


@pytest.mark.parametrize(
    "path, value, told",
    [
        ("arms.plain.recipe.train.batch", None, None),
        ("arms.plain.recipe.train.steps", 77, "plain.train.steps was 1000 and"),
        ("arms.plain.recipe.description", "other", None),
        ("arms.GDPP.changes", ["x=9"], "arm GDPP was ['x=GDPP'] and is"),
        ("score", [{"metrics": ["kernel"]}], "score was"),
        ("protocols.0.source", "grid", "protocols.0.source was 'ring' and is"),
        ("protocols.0.packages", {"keras": "9"}, None),
    ],
)
def test_pieces_of_other_sweeps_are_refused(
    path, value, told, runs, places, undrawn, capsys
):
    runs.modes(seeds=(0, 1), left=[("GDPP", 1)])
    build(runs, places)
    before = (places.data / "modes_ring.json").read_text()
    shutil.rmtree(runs.path)
    runs.modes(seeds=(1, 2))
    file = runs.path / "modes_ring" / "sweep.json"
    found = json.loads(file.read_text())
    *outer, last = path.split(".")
    inner = found
    for name in outer:
        inner = inner[int(name) if name.isdigit() else name]
    if value is None:
        del found["arms"]["plain"]["recipe"]["train"]["accumulate"]
    else:
        inner[last] = value
    file.write_text(json.dumps(found))
    if told is None:
        build(runs, places)
        after = (places.data / "modes_ring.json").read_text()
        assert json.loads(after)["seeds"] == [0, 1, 2]
        return
    with pytest.raises(SystemExit):
        build(runs, places)
    assert told in capsys.readouterr().err
    assert (places.data / "modes_ring.json").read_text() == before


def test_a_sweep_with_all_runs_takes_the_place_of_the_old_one(
    runs, places, undrawn
):
    runs.modes(left=[("GDPP", 1)])
    build(runs, places)
    shutil.rmtree(runs.path)
    runs.modes()
    path = runs.path / "modes_ring" / "sweep.json"
    found = json.loads(path.read_text())
    found["score"] = [{"metrics": ["modes"], "split": "test"}]
    path.write_text(json.dumps(found))
    build(runs, places)
    stored = json.loads((places.data / "modes_ring.json").read_text())
    assert stored["score"] == found["score"]
    assert not any("piece" in cell for cell in stored["cells"])


def test_runs_know_the_piece_that_they_are_of(runs, places, undrawn):
    runs.modes(seeds=(0, 1))
    build(runs, places)
    file = runs.path / "modes_ring" / "sweep.json"
    for seeds, seconds in ((1, 2), 7.0), ((1, 2, 3), 7.0), ((4,), 8.0):
        shutil.rmtree(runs.path)
        runs.modes(seeds=seeds)
        found = json.loads(file.read_text())
        for cell in found["cells"]:
            cell["cpu_seconds"] = seconds
        file.write_text(json.dumps(found))
        build(runs, places)
    stored = json.loads((places.data / "modes_ring.json").read_text())
    pieces = {cell["seed"]: cell["piece"] for cell in stored["cells"]}
    assert pieces == {0: 0, 1: 1, 2: 1, 3: 1, 4: 2}


def test_costs_are_those_of_runs_of_one_machine():
    def cell(arm, seed, seconds, piece):
        about = {"arm": arm, "seed": seed, "piece": piece}
        return about | {"cpu_seconds_per_step": seconds}

    cells = [
        cell("plain", 0, 1.0, 0),
        cell("plain", 1, 10.0, 1),
        cell("plain", 2, 12.0, 1),
        cell("GDPP", 0, 3.0, 0),
        cell("GDPP", 1, 22.0, 1),
        cell("GDPP", 2, None, 1),
        cell("GDPP", 3, 5.0, 2),
    ]
    assert merging.ratios(cells, "GDPP", "plain") == [3.0, 2.0]
