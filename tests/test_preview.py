"""Pictures of what regularizers do, and the command that draws them."""

import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import keras_ganmix
from keras_ganmix import building, preview, previews, recipes, regularizers
from keras_ganmix.recipes.regularizers import REGULARIZERS
from keras_ganmix.recipes.source import open_source
from keras_ganmix.run_folder import RunFolder
from keras_ganmix.scene import restore
from keras_ganmix.state import RunState
from keras_ganmix.utils.panels import COLUMNS, Panel, Strip, draw

ROOT = Path(keras_ganmix.__file__).resolve().parents[1]
TINY = [
    "data.image_size=16",
    "data.max_images=64",
    "data.batch_size=12",
    "generator.width=4",
    "generator.latent_dim=4",
    "discriminator.width=4",
]
ALL = [
    *("AdaptiveAugment", "AdaptiveMix", "Consistency", "Deshuffle"),
    *("DiversityPenalty", "GDPP", "GradientPenalty", "LeCam", "ModeSeeking"),
    *("DAG", "R1", "R2", "Rotation", "SampleMixing"),
]


def load(*sections, base="quickstart", changes=()):
    changes = [*TINY, *changes]
    changes += [f"regularizers.{i}={s}" for i, s in enumerate(sections)]
    return recipes.load(base, changes)


def panels_of(*sections, run=None, **kwargs):
    recipe = load(*sections, **kwargs)
    panels = previews.panels(recipe, open_source(recipe), run)
    return {panel.title: panel for panel in panels}


def images(panel):
    """The images of each strip, by the first line of its label."""
    strips = [row for row in panel.rows if isinstance(row, Strip)]
    return {strip.label.split("\n")[0]: strip.images for strip in strips}


def gan_of(recipe):
    gan = building.build_gan(recipe, open_source(recipe))
    return gan, building.build_dataset(recipe, open_source(recipe), gan)


@pytest.fixture(scope="module")
def everything():
    """The panels of a recipe with all regularizers but DiffAugment."""
    return panels_of(*ALL)


def test_each_regularizer_has_a_panel_in_the_order_of_the_recipe(everything):
    assert list(everything) == ALL
    shown = {title for title, panel in everything.items() if panel.rows}
    assert shown == set(ALL) - {"LeCam"}
    assert {kind.__name__ for kind in previews.PANELS} == set(
        REGULARIZERS.models
    )


def test_titles_say_parameters_and_what_stands_for_fakes(everything):
    panel = everything["SampleMixing"]
    assert "mask=srmix" in panel.details
    assert "generator_weight=0" in panel.details
    assert "Stand-ins for fakes: other real images" in panel.note
    assert "untrained generator" in everything["GDPP"].note


def test_mixtures_are_those_of_the_mask_shown(everything):
    shown = images(everything["SampleMixing"])
    mask, mixed = shown["mask M"], shown["mixture"]
    expected = mask * shown["real"] + (1 - mask) * shown["stand-in"]
    np.testing.assert_allclose(mixed, expected, atol=1e-5)
    captions = everything["SampleMixing"].rows[-1].captions
    shares = [f"λ = {share:.2f}" for share in mask.mean(axis=(1, 2, 3))]
    assert list(captions) == shares


def test_folded_mixtures_show_the_folded_mask():
    panel = panels_of("{type: SampleMixing, mode: as_fake}")["SampleMixing"]
    mask = images(panel)["mask M"].mean(axis=(1, 2, 3))
    assert mask.max() <= 0.5
    assert list(panel.rows[-1].captions) == [f"λ = {m:.2f}" for m in mask]


def test_pairs_give_the_mixtures_of_adaptive_mix(everything):
    panel = everything["AdaptiveMix"]
    a, b, mixed = (row.images for row in panel.rows)
    ratio = float(panel.rows[-1].captions[0].removeprefix("λ = "))
    np.testing.assert_allclose(mixed, ratio * a + (1 - ratio) * b, atol=0.02)


def test_heads_are_shown_with_their_transform(everything):
    real = everything["DAG"].rows[0]
    turned = [np.rot90(real.images[0], k) for k in range(4)]
    np.testing.assert_array_equal(real.images, turned)
    names = [header.replace("\n", " ") for header in real.headers]
    assert names == [
        "intact",
        "head 0: rotate_90",
        "head 1: rotate_180",
        "head 2: rotate_270",
    ]


def test_shuffled_images_are_put_back_by_their_class(everything):
    panel = everything["Deshuffle"]
    shown = images(panel)
    assert not np.allclose(shown["shuffled"], shown["intact,"])
    np.testing.assert_array_equal(
        shown["put back by"], shown["intact,"][:, :15, :15]
    )
    table = regularizers.Deshuffle().table
    classes = [int(c.split()[1]) for c in panel.rows[1].captions]
    numbers = [[int(t) for *_, t in marks] for marks in panel.rows[1].marks]
    np.testing.assert_array_equal(numbers, table[classes])


def test_rotations_are_counter_clockwise_by_their_class(everything):
    intact, rotated = everything["Rotation"].rows
    for i, caption in enumerate(rotated.captions):
        k = int(caption.split()[1].rstrip(":"))
        assert caption == f"class {k}: {90 * k}°"
        np.testing.assert_array_equal(
            rotated.images[i], np.rot90(intact.images[i], k)
        )


def test_points_of_the_gradient_penalty_lie_between_its_images(everything):
    shown = images(everything["GradientPenalty"])
    real, fake, point = shown["real x"], shown["stand-in"], shown["x^"]
    low, high = np.minimum(real, fake), np.maximum(real, fake)
    assert (point >= low - 1e-5).all() and (point <= high + 1e-5).all()
    heat = shown["|grad D| there"].reshape(len(real), -1)
    norms = [f"norm {n:.2g}" for n in np.linalg.norm(heat, axis=1)]
    assert list(everything["GradientPenalty"].rows[-1].captions) == norms


def test_pairs_of_the_diversity_penalty_add_up_to_its_term(everything):
    recipe = "{type: DiversityPenalty, latent_weighting: threshold}"
    panel = panels_of(recipe, changes=["data.batch_size=8"])["DiversityPenalty"]
    *_, cost = panel.rows[-1]
    unlike = cost.values[np.nonzero(np.nan_to_num(cost.values))]
    term = float(panel.note.split()[-1].rstrip("."))
    assert unlike.mean() == pytest.approx(term, abs=5e-3)


def test_probabilities_are_tried_on_a_controller_that_stays(everything):
    shown = images(everything["AdaptiveAugment"])
    np.testing.assert_array_equal(shown["p = 0.00"], shown["before"])
    assert list(shown) == [
        *("before", "p = 0.00", "p = 0.25", "p = 0.50", "p = 1.00")
    ]
    # SampleMixing sees augmented images: with p = 0 those are the images.
    mixing = images(everything["SampleMixing"])
    np.testing.assert_array_equal(mixing["real"], shown["before"])


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A run that was saved before its first step."""
    folder = RunFolder(tmp_path_factory.mktemp("runs") / "mixing")
    building.set_up(load())
    gan, _ = gan_of(load("SampleMixing", "DiffAugment"))
    RunState(gan, folder.checkpoints).save()
    return folder


def record(monkeypatch, owner, method):
    """A list of what a method gives from now on."""
    function, results = getattr(owner, method), []

    def recording(*args, **kwargs):
        results.append(function(*args, **kwargs))
        return results[-1]

    monkeypatch.setattr(owner, method, recording)
    return results


def test_pictures_show_the_next_training_step(saved, monkeypatch):
    recipe = load("SampleMixing", "DiffAugment")
    panels = panels_of("SampleMixing", "DiffAugment", run=saved)
    assert "Fakes: generator, step 0." in panels["SampleMixing"].note

    mixtures = record(monkeypatch, regularizers.SampleMixing, "mix")
    augmented = record(monkeypatch, regularizers.DiffAugment, "augment")
    gan, dataset = gan_of(recipe)
    RunState(gan, saved.checkpoints).restore()
    gan.train_step(next(iter(dataset)))
    for shown, trained in (
        (images(panels["SampleMixing"])["mixture"], mixtures[0][0]),
        (images(panels["DiffAugment"])["draw 1"], augmented[0]),
    ):
        np.testing.assert_allclose(shown, trained[:COLUMNS], atol=1e-5)


def test_pictures_mix_the_fakes_of_the_next_training_step(saved, monkeypatch):
    section = "{type: AdaptiveMix, apply_to: [fake, generator]}"
    panel = panels_of(section, run=saved)["AdaptiveMix"]
    mixtures = record(monkeypatch, regularizers.AdaptiveMix, "mixture")
    gan, dataset = gan_of(load(section))
    restore(gan, saved)
    gan.train_step(next(iter(dataset)))
    shown, trained = panel.rows[-1].images, mixtures[0]["images"]
    np.testing.assert_allclose(shown, trained[:COLUMNS], atol=1e-5)


@pytest.mark.parametrize("sections", [["SampleMixing", "DiffAugment"], ["R1"]])
def test_the_step_is_that_of_the_weights(sections, tmp_path):
    folder = RunFolder(tmp_path)
    gan, _ = gan_of(load("SampleMixing", "DiffAugment"))
    state = RunState(gan, folder.checkpoints)
    for step in (5, 9):
        gan.step.assign(step)
        state.save()
    (data,) = folder.checkpoints.glob("ckpt-9.data-*")
    data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])
    assert restore(gan_of(load(*sections))[0], folder) == 5


def test_networks_of_a_run_serve_other_regularizers(saved):
    with_r2 = images(panels_of("R2", run=saved)["R2"])
    mixing = images(panels_of("GradientPenalty", run=saved)["GradientPenalty"])
    np.testing.assert_array_equal(with_r2["fake"], mixing["fake"])
    with pytest.raises(ValueError, match=r"mixing: its generator has other"):
        panels_of("R2", run=saved, changes=["generator.width=8"])


def test_labels_and_colours_work():
    sections = ["DAG", "ModeSeeking", "GradientPenalty", "AdaptiveMix"]
    panels = panels_of(
        *sections,
        base="fashion_mnist_conditional",
        changes=["data.channels=3", "generator.conditional=true"],
    )
    assert list(panels) == sections
    picture = draw(list(panels.values()))
    assert picture.dtype == np.uint8 and picture.shape[2] == 3


def test_pixels_arrive_on_the_page():
    red = np.full((2, 5, 5, 3), -1.0)
    red[..., 0] = 1.0
    page = draw([Panel("a", rows=[Strip("red", red)])])
    both = draw([Panel("a", rows=[Strip("red", red)])] * 2)
    count = (page == [255, 0, 0]).all(axis=-1).sum()
    assert count == pytest.approx(2 * 92 * 92, rel=0.03)
    assert (both == [255, 0, 0]).all(axis=-1).sum() == pytest.approx(
        2 * count, rel=0.03
    )


def start(*arguments, folder):
    return subprocess.run(
        [sys.executable, "-m", "keras_ganmix.preview", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.slow
def test_the_command_draws_points(tmp_path):
    sections = [
        *("{type: SampleMixing, mask: mixup}", "AdaptiveMix", "DAG", "R1"),
        *("GradientPenalty", "{type: Consistency, kind: zcr}", "GDPP"),
        *("DiversityPenalty", "ModeSeeking", "LeCam"),
    ]
    done = start(
        "--recipe=ring",
        "--set=data.max_images=64",
        "--set=data.batch_size=16",
        f"--set=regularizers=[{', '.join(sections)}]",
        "--out=new/ring.png",
        folder=tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count(",") == len(sections) - 1
    with Image.open(tmp_path / "new" / "ring.png") as picture:
        picture.load()
        assert picture.width < picture.height


@pytest.mark.parametrize(
    "arguments, code, words",
    [
        (["--help"], 0, "--run_dir RUN"),
        ([], 2, "--recipe: missing"),
        (["--recipe=quikstart"], 2, "Did you mean 'quickstart'"),
        (["--recipe=ring", "--out=a.jpg"], 2, "--out a.jpg: give the name"),
        (["--run_dir=nowhere"], 2, "--run_dir nowhere: holds no checkpoint"),
    ],
)
def test_help_and_mistakes_need_no_tensorflow(arguments, code, words, tmp_path):
    # Seconds of computing: the machine may be busy with other things.
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = start(*arguments, folder=tmp_path)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == code
    assert words in (done.stderr if code else done.stdout)
    assert len(done.stderr.splitlines()) == (code == 2)
    assert after.ru_utime + after.ru_stime < (
        before.ru_utime + before.ru_stime + 1.5
    )
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_fit_is_said_in_a_line(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = ["preview", "--recipe=ring", "--set=regularizers.0=Rotation"]
    assert preview.main(command) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: Rotation transforms images")


def test_pictures_of_the_documentation_exist_and_are_small():
    pages = (ROOT / "docs" / "methods").glob("*.md")
    names = {
        name
        for page in pages
        for name in re.findall(r"images/(preview_\w+\.png)", page.read_text())
    }
    folder = ROOT / "docs" / "images"
    assert names == {path.name for path in folder.glob("preview_*.png")}
    assert max((folder / name).stat().st_size for name in names) < 150_000
