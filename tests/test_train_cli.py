"""The train command, as a user meets it."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_ganmix import recipes, run_folder, train
from keras_ganmix.utils import cli

ROOT = Path(train.__file__).resolve().parents[1]
TINY = [
    "--recipe=ring",
    "--set=data.max_images=200",
    "--set=data.batch_size=16",
    "--set=generator.hidden=8",
    "--set=generator.latent_dim=4",
    "--set=generator.ema_momentum=0.9",
    "--set=discriminator.hidden=8",
    "--set=train.log_every=2",
    "--set=samples.every=4",
    "--set=samples.count=9",
    "--set=checkpoint.every=4",
    "--set=evaluate.every=5",
    "--set=evaluate.num_fake=50",
    "--set=evaluate.max_share=null",
]


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments):
    return train.main(["train", *arguments])


def start(*arguments, **kwargs):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "keras_ganmix.train", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        **kwargs,
    )


def lines(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


@pytest.mark.parametrize(
    "arguments, code, words",
    [
        (["--help"], 0, "--resume auto|never|must"),
        (["--list_recipes"], 0, "quickstart"),
        (["--recipe=quikstart"], 2, "Did you mean 'quickstart'"),
        (["--recipe=ring", "--set=data.batch=1"], 2, "'batch_size'"),
        (["--recipe=ring", "--steps=0"], 2, "not a positive integer"),
        (["--recpe=ring"], 2, "Did you mean 'recipe'"),
        (["--recipe=ring", "extra"], 2, "unexpected argument 'extra'"),
        ([], 2, "--recipe: missing"),
    ],
)
def test_help_and_mistakes_are_answered_without_tensorflow(
    arguments, code, words, in_empty_folder
):
    # Seconds of computing: the machine may be busy with other things.
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = start(*arguments)
    out, err = process.communicate()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime - before.ru_utime
    seconds += after.ru_stime - before.ru_stime
    assert process.returncode == code
    assert words in (err if code else out)
    assert (out if code else err) == ""
    assert seconds < 1.5
    assert list(in_empty_folder.iterdir()) == []


def test_help_shows_our_flags_and_no_others(capsys):
    assert run("--help") == 0
    text = capsys.readouterr().out
    for flag in ("recipe", "set", "run_dir", "resume", "init_from", "steps"):
        assert f"  --{flag} " in text
    assert "verbosity" not in text
    assert "repeat this option" not in text
    assert max(len(line) for line in text.splitlines()) <= 80


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of 10 steps without interruption."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    assert run(*TINY, "--steps=10", f"--run_dir={folder}", "--quiet") == 0
    return folder


def test_a_run_leaves_the_promised_folder(finished):
    recipe = recipes.load(finished)
    assert recipe.train.steps == 10
    assert recipe.generator.hidden == 8
    logged = lines(finished / "metrics.jsonl")
    assert [line["step"] for line in logged] == [2, 4, 6, 8, 10]
    assert np.isfinite([line["generator_loss"] for line in logged]).all()
    pictures = sorted(p.name for p in (finished / "samples").iterdir())
    assert pictures == [f"step-{n:07d}.png" for n in (0, 4, 8)]
    with Image.open(finished / "progress.gif") as movie:
        assert movie.n_frames == 3
    scores = lines(finished / "scores.jsonl")
    assert [line["step"] for line in scores] == [5, 10]
    assert set(scores[0]) == {
        "step",
        "modes",
        "high_quality",
        "reverse_kl",
        "diversity",
    }
    assert (finished / "scores_protocol.json").is_file()
    assert list((finished / "tensorboard").iterdir())
    kept = sorted(p.stem for p in (finished / "checkpoints").glob("*.index"))
    assert kept == ["ckpt-10", "ckpt-8"]
    summary = json.loads((finished / "summary.json").read_text())
    assert summary["status"] == "done"
    assert summary["step"] == 10
    assert summary["last_log"] == logged[-1]


def test_quiet_prints_nothing(in_empty_folder, capfd):
    assert run(*TINY, "--steps=2", "--quiet") == 0
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_progress_tells_speed_time_and_losses(in_empty_folder):
    process = start(*TINY, "--steps=6")
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert err == ""
    *_, last, end = out.splitlines()
    for word in ("step 6/6", "steps/s", "images/s", "ETA", "generator_loss"):
        assert word in last
    assert "runs/ring/samples" in end


def test_a_run_in_two_parts_is_the_run_in_one(finished, capsys):
    assert run(*TINY, "--steps=6") == 0
    assert run(*TINY, "--steps=10") == 0
    assert "steps 7 to 10" in capsys.readouterr().out
    assert lines("runs/ring/metrics.jsonl") == lines(finished / "metrics.jsonl")
    assert lines("runs/ring/scores.jsonl") == lines(finished / "scores.jsonl")
    for picture in (finished / "samples").iterdir():
        other = Path("runs/ring/samples") / picture.name
        assert other.read_bytes() == picture.read_bytes()
    # The same command again has nothing to do.
    assert run(*TINY, "--steps=10") == 0
    assert "done already" in capsys.readouterr().out


def test_patience_ends_a_run_for_good(capsys):
    still = "{type: sgd, learning_rate: 1.0e-30}"
    arguments = [
        f"--set=optimizer.generator={still}",
        f"--set=optimizer.discriminator={still}",
        "--steps=20",
    ]
    assert run(*TINY, *arguments, "--set=evaluate.patience=1") == 0
    ended = "at step 10: no better score in 1 evaluations"
    assert f"run: ended {ended}" in capsys.readouterr().out
    summary = json.loads(Path("runs/ring/summary.json").read_text())
    assert (summary["status"], summary["step"]) == ("done", 10)
    assert summary["ended"] in ended
    assert run(*TINY, *arguments, "--set=evaluate.patience=1") == 0
    assert f"done already, {ended}" in capsys.readouterr().out
    assert run(*TINY, *arguments, "--set=evaluate.patience=9") == 0
    assert [x["step"] for x in lines("runs/ring/scores.jsonl")] == [
        *(5, 10, 15, 20)
    ]


def test_a_run_can_be_repeated_from_its_own_folder(finished):
    assert run(f"--recipe={finished}", "--run_dir=again", "--quiet") == 0
    assert lines("again/metrics.jsonl") == lines(finished / "metrics.jsonl")


@pytest.mark.slow
@pytest.mark.parametrize(
    "number, code",
    [
        (signal.SIGTERM, 143),
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.long),
    ],
)
def test_a_signal_saves_and_the_run_goes_on(number, code):
    process = start(*TINY, "--steps=100000")
    for line in process.stdout:
        if line.startswith("step"):
            break
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    summary = json.loads(Path("runs/ring/summary.json").read_text())
    assert summary["status"] == "interrupted"
    step = summary["step"]
    assert Path(f"runs/ring/checkpoints/ckpt-{step}.index").exists()
    assert run(*TINY, f"--steps={step + 2}", "--quiet") == 0
    summary = json.loads(Path("runs/ring/summary.json").read_text())
    assert (summary["resumed_at"], summary["step"]) == (step, step + 2)


@pytest.mark.slow
@pytest.mark.long
def test_a_killed_run_with_regularizers_ends_as_one_that_was_not():
    """Bytes of logs, scores and pictures, over three processes."""
    arguments = [
        *TINY,
        "--steps=400",
        "--set=train.log_every=10",
        "--set=evaluate.every=100",
        "--set=samples.every=100",
        "--set=checkpoint.every=50",
        "--set=regularizers=[LeCam, DiversityPenalty, "
        "{type: R1, weight: {value: 1, every: 4, warmup: 100}}]",
    ]
    assert start(*arguments, "--run_dir=whole").wait() == cli.DONE
    killed = start(*arguments, "--run_dir=parts")
    for line in killed.stdout:
        if line.startswith("step") and "120/" in line:
            break
    killed.kill()
    killed.wait()
    assert len(lines("parts/metrics.jsonl")) < 40
    assert start(*arguments, "--run_dir=parts").wait() == cli.DONE
    for name in ("metrics.jsonl", "scores.jsonl", "samples/step-0000400.png"):
        whole, parts = Path("whole") / name, Path("parts") / name
        assert whole.read_bytes() == parts.read_bytes(), name


def test_another_recipe_does_not_go_on_with_a_run(finished, capsys):
    before = (finished / "recipe.yaml").read_bytes()
    arguments = [*TINY, "--steps=12", f"--run_dir={finished}"]
    assert run(*arguments, "--set=data.batch_size=8") == 2
    message = capsys.readouterr().err
    assert "data.batch_size: 16 there, 8 now" in message
    assert (finished / "recipe.yaml").read_bytes() == before


def test_never_leaves_an_old_run_alone(finished, capsys):
    arguments = [*TINY, "--resume=never", "--steps=2", "--quiet"]
    assert run(*arguments, f"--run_dir={finished}") == 2
    assert "holds a run already" in capsys.readouterr().err
    assert run(*arguments) == 0
    assert run(*arguments) == 0
    assert sorted(os.listdir("runs")) == ["ring", "ring-2"]


def test_must_wants_a_checkpoint(capsys, in_empty_folder):
    assert run(*TINY, "--resume=must") == 2
    assert "no checkpoint in runs/ring/checkpoints" in capsys.readouterr().err
    assert list(in_empty_folder.iterdir()) == []


def test_two_processes_do_not_share_a_folder(finished, capsys):
    holder = run_folder.RunFolder(finished)
    holder.make(recipes.load(finished))
    assert run(*TINY, "--steps=12", f"--run_dir={finished}") == 2
    assert "another process trains in it" in capsys.readouterr().err


def test_fine_tuning_starts_from_another_run_s_weights(finished, capsys):
    arguments = [*TINY, "--steps=2", "--set=train.discriminator_steps=2"]
    assert run(*arguments, f"--init_from={finished}", "--quiet") == 0
    assert run(*arguments, "--run_dir=plain", "--quiet") == 0
    note = json.loads(Path("runs/ring/origin.json").read_text())
    assert note == {
        "run": str(finished),
        "step": 10,
        "recipe": recipes.load(finished).to_dict(),
        "origin": None,
    }
    assert not Path("plain/origin.json").exists()
    folder = finished.parent / "more"
    more = [*TINY, "--steps=10", "--set=samples.every=10", "--quiet"]
    assert run(*more, f"--run_dir={folder}") == 0
    # The picture after 10 steps there is the picture before the first here.
    there = folder / "samples" / "step-0000010.png"
    here, plain = (
        Path(name) / "samples" / "step-0000000.png"
        for name in ("runs/ring", "plain")
    )
    titled = slice(40, None)  # the step is written above the points
    pixels = [np.asarray(Image.open(p))[titled] for p in (there, here, plain)]
    np.testing.assert_array_equal(pixels[0], pixels[1])
    assert (pixels[1] != pixels[2]).any()
    # A run that goes on has its own weights.
    capsys.readouterr()
    assert run(*arguments, "--init_from=nowhere") == 0
    told = "init_from: runs/ring goes on from its own checkpoint"
    assert told in capsys.readouterr().out


def test_a_score_that_is_not_made_cannot_be_watched(capsys):
    changes = ["evaluate.metrics=[sliced_wasserstein]", "evaluate.watch=swd"]
    sets = [f"--set={change}" for change in changes]
    assert run("--recipe=quickstart", *sets) == 2
    # Known by its name, but there are as many as levels of the pyramid.
    sets[1] = "--set=evaluate.watch=sliced_wasserstein"
    assert run("--recipe=quickstart", *sets) == 2
    told = "evaluate.watch: Unknown score 'sliced_wasserstein'. Did you mean"
    assert told in capsys.readouterr().err
    assert not Path("runs").exists()


def test_what_a_run_began_with_is_known_while_it_goes_on(tmp_path):
    folder, recipe = (
        run_folder.RunFolder(tmp_path / "run"),
        recipes.load("ring"),
    )
    origin = {"run": "x", "step": 5, "recipe": None, "origin": None}

    def begin(*arguments):
        folder.make(recipe, *arguments)
        folder.leave()
        return folder.read_origin()

    assert begin(origin) == origin
    assert begin() is None  # it had made no checkpoint
    assert begin(origin) == origin
    folder.checkpoints.mkdir()
    (folder.checkpoints / "ckpt-7.index").touch()
    assert begin() == origin


def test_fine_tuning_refuses_other_networks(finished, capsys, in_empty_folder):
    arguments = [*TINY, f"--init_from={finished}"]
    assert run(*arguments, "--set=generator.hidden=9") == 2
    told = f"--init_from {finished}: its generator has other weights"
    assert told in capsys.readouterr().err
    assert run(*TINY, "--init_from=nowhere") == 2
    told = "--init_from nowhere: holds no checkpoint"
    assert told in capsys.readouterr().err
    assert list(in_empty_folder.iterdir()) == []


def test_fine_tuning_passes_over_torn_checkpoints(finished, capsys):
    torn = Path(shutil.copytree(finished, "torn"))
    arguments = [*TINY, f"--init_from={torn}", "--steps=1", "--quiet"]

    def tear(step):
        """Leaves the note, which comes first, and some tensors."""
        (data,) = (torn / "checkpoints").glob(f"ckpt-{step}.data-*")
        data.write_bytes(data.read_bytes()[: data.stat().st_size // 6])

    tear(10)
    assert run(*arguments) == 0
    assert json.loads(Path("runs/ring/origin.json").read_text())["step"] == 8
    tear(8)
    capsys.readouterr()
    assert run(*arguments, "--run_dir=other") == 2
    (line,) = capsys.readouterr().err.splitlines()
    place = torn / "checkpoints" / "ckpt-10"
    told = f"error: --init_from {torn}: The checkpoint {place} cannot be read"
    assert line.startswith(told)
    assert not Path("other").exists()


def images(folder, shape=(20, 16, 16, 3), **arrays):
    pixels = np.random.RandomState(0).randint(0, 256, shape).astype(np.uint8)
    np.savez(folder / "images.npz", **{"images": pixels, **arrays})
    return [
        "--recipe=emoji_dcgan",
        f"--set=data.source=npz:{folder}/images.npz",
        "--set=data.image_size=16",
        "--set=data.batch_size=4",
        "--set=generator.width=2",
        "--set=discriminator.width=2",
        "--set=regularizers=[]",
        "--run_dir=run",
    ]


@pytest.mark.parametrize(
    "changes, words",
    [
        (["data.source=folder:nowhere"], ["data.source", "nowhere"]),
        (["data.batch_size=21"], ["data.batch_size: 21", "more than the 20"]),
        (
            ["data.batch_size=8", "train.discriminator_steps=3"],
            ["data.batch_size: 8 x train.discriminator_steps 3", "20"],
        ),
        (["generator.conditional=true"], ["labels", "none"]),
        (["discriminator.feature_layer=nothing"], ["feature_layer", "Layers:"]),
        (["data.split=test"], ["data.source", "split 'test'"]),
        (
            ["evaluate={every: 5, metrics: [spectra]}"],
            ["evaluate.source", "split 'test'"],
        ),
        (["data.image_size=null", "data.max_images=3"], ["batch_size"]),
    ],
)
def test_data_that_do_not_fit_are_refused_and_leave_nothing(
    changes, words, capsys, tmp_path_factory, in_empty_folder
):
    arguments = images(tmp_path_factory.mktemp("data"))
    assert run(*arguments, *[f"--set={c}" for c in changes]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    for word in words:
        assert word in line
    assert list(in_empty_folder.iterdir()) == []


def test_parts_that_do_not_fit_at_the_first_step_leave_nothing(
    capsys, in_empty_folder
):
    # One point has no other of its batch to be mixed with.
    arguments = ["--set=data.batch_size=1", "--set=regularizers=[AdaptiveMix]"]
    assert run(*TINY, *arguments, "--quiet") == 2
    assert "AdaptiveMix" in capsys.readouterr().err
    assert not Path("runs/ring").exists()


def test_not_a_number_in_data_is_refused(
    capsys, tmp_path_factory, in_empty_folder
):
    pixels = np.zeros((20, 16, 16, 1), np.float32)
    pixels[3, 4, 5] = np.nan
    arguments = images(tmp_path_factory.mktemp("data"), images=pixels)
    assert run(*arguments, "--set=data.channels=1") == 2
    assert "NaN" in capsys.readouterr().err
    assert list(in_empty_folder.iterdir()) == []


def test_a_folder_with_other_things_is_not_touched(capsys, in_empty_folder):
    (in_empty_folder / "mine").mkdir()
    (in_empty_folder / "mine" / "thesis.txt").write_text("")
    assert run(*TINY, "--run_dir=mine") == 2
    assert "'thesis.txt'" in capsys.readouterr().err
    assert run(*TINY, "--run_dir=mine/thesis.txt") == 2
    assert "is not a folder" in capsys.readouterr().err
    assert run(*TINY, "--run_dir=mine/thesis.txt/run") == 2
    assert os.listdir("mine") == ["thesis.txt"]


def test_a_run_that_diverges_fails_with_its_own_code(capsys):
    wild = "{type: sgd, learning_rate: 1.0e+30}"
    arguments = [
        f"--set=optimizer.generator={wild}",
        f"--set=optimizer.discriminator={wild}",
        "--set=generator.activation=relu",
        "--set=discriminator.activation=relu",
    ]
    assert run(*TINY, *arguments, "--steps=50", "--quiet") == 3
    assert "NaN or infinite" in capsys.readouterr().err
    summary = json.loads(Path("runs/ring/summary.json").read_text())
    assert summary["status"] == "failed"


def test_a_dry_run_prints_a_recipe_and_what_it_costs(capsys, in_empty_folder):
    arguments = [
        *TINY,
        "--set=train.discriminator_steps=3",
        "--set=data.max_images=null",
    ]
    assert run(*arguments, "--dry_run") == 0
    text = capsys.readouterr().out
    (in_empty_folder / "kept.yaml").write_text(text)
    options = train._flags()
    cli.parse(options, ["train", *arguments])
    assert recipes.load("kept.yaml") == train._load_recipe(options)
    # 4 x 8 + 8 and 8 x 8 + 8 and 8 x 2 + 2; 2 x 8 + 8, the same, 8 + 1.
    assert "# generator: 130 parameters" in text
    assert "# discriminator: 105 parameters" in text
    # Each discriminator update: one batch of fakes, judged beside the real.
    # Then the generator's own: one batch, judged.
    assert "# passes per step: 4 of the generator, 7 of the disc" in text
    for word in ("# time: ", "# memory: ", "# disk: "):
        assert word in text
    assert os.listdir(in_empty_folder) == ["kept.yaml"]
