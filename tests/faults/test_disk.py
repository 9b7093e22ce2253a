"""Full disks and lost folders: a clear line, and nothing saved is lost."""

import os
import shutil
import subprocess

import pytest
from harness import differences, existing

from keras_ganmix import costs, recipes
from keras_ganmix.state import state_bytes

NO_SPACE, READ_ONLY = 28, 30


def check_it_goes_on(go, whole, folder):
    code, _ = go(folder)
    assert code == 0
    assert differences(whole, folder) == []


@pytest.mark.long
def test_no_room_for_the_best_checkpoint(go, whole, tmp_path):
    """None is saved after it, or the best would be lost."""
    run = tmp_path / "run"
    save = "checkpoints/best/ckpt-*_temp/*"
    code, (error,) = go(aim=(str(run), "write", save, 1, f"fail {NO_SPACE}"))
    assert code == 3
    assert error.startswith("error: ") and "could not be saved" in error
    check_it_goes_on(go, whole, run)


@pytest.mark.long
@pytest.mark.parametrize(
    "operation, path, number, words",
    [
        ("write", "checkpoints/ckpt-*_temp/*.data*", 2, "could not be saved"),
        ("write", "checkpoints/ckpt-*.index", 9, "could not be saved"),
        ("open", "checkpoints/checkpoint.tmp*", 3, "could not be saved"),
        ("write", "metrics.jsonl", 3, "No space left"),
        ("write", "samples/.tmp-*", 4, "No space left"),
        ("write", ".tmp-*.gif", 1, "No space left"),
    ],
)
def test_no_room_while_something_is_written(
    go, whole, tmp_path, operation, path, number, words
):
    run = tmp_path / "run"
    aim = (str(run), operation, path, number, f"fail {NO_SPACE}")
    code, errors = go(aim=aim)
    assert code == 3
    assert len(errors) == 1
    assert errors[0].startswith("error: ") and words in errors[0]
    check_it_goes_on(go, whole, run)


@pytest.mark.long
def test_no_room_for_tensorboard_harms_nothing(go, whole, tmp_path):
    run = tmp_path / "run"
    aim = (str(run), "write", "tensorboard/*", 30, f"fail {NO_SPACE}")
    assert go(aim=aim) == (0, [])
    assert differences(whole, run) == []


@pytest.mark.long
def test_all_is_read_only_at_once(go, whole, tmp_path):
    run = tmp_path / "run"
    writing = "@(open|write|rename|unlink|rmdir|mkdir)"
    anywhere = "@(*|*/*|*/*/*|*/*/*/*)"
    aim = (str(run), writing, anywhere, 150, f"fail {READ_ONLY}")
    code, errors = go(aim=aim)
    assert code == 3
    assert "Read-only file system" in errors[0]
    assert existing(run / "checkpoints")
    check_it_goes_on(go, whole, run)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 3 MB; a run's checkpoint asks for 1 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)]
    try:
        done = subprocess.run(command, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs `mount`")
    if done.returncode:
        pytest.skip("needs the right to mount a small disk")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_full_disk(go, whole, small_disk):
    run, ballast = small_disk / "run", small_disk / "ballast"
    code, errors = go(run, hook=["fill", 6, str(ballast)])
    assert code == 3
    assert errors[0].startswith("error: ")
    assert existing(run / "checkpoints")
    # Before anything is begun again.
    kept = {p: p.stat().st_mtime_ns for p in run.rglob("*")}
    code, errors = go(run)
    assert (code, len(errors)) == (2, 1)
    assert "MB free, and two checkpoints take" in errors[0]
    assert {p: p.stat().st_mtime_ns for p in run.rglob("*")} == kept
    ballast.unlink()
    check_it_goes_on(go, whole, run)


@pytest.mark.long
def test_a_disk_that_is_read_only_from_the_start(go, whole, small_disk):
    run = small_disk / "run"
    mount = ["mount", "-o", "remount"]
    assert go(run, aim=(str(run), "rename", "summary.json", 1, "kill"))[0] == -9
    subprocess.run([*mount, "-o", "ro", str(small_disk)], check=True)
    code, errors = go(run)
    assert (code, len(errors)) == (2, 1)
    assert "Read-only file system" in errors[0]
    subprocess.run([*mount, "-o", "rw", str(small_disk)], check=True)
    check_it_goes_on(go, whole, run)


def test_what_a_run_takes_already_counts_as_free(tiny, tmp_path, monkeypatch):
    """A run that fitted the disk when it began can go on."""
    gan, recipe = tiny.gan(), recipes.load("ring")
    state = state_bytes(gan)
    monkeypatch.setattr(costs, "free_bytes", lambda _: int(1.5 * state))
    with pytest.raises(ValueError, match="two checkpoints take"):
        costs.check_room(recipe, gan, tmp_path)
    (tmp_path / "ckpt-5.data-00000-of-00001").write_bytes(bytes(state))
    with pytest.warns(UserWarning, match="the run may take"):
        costs.check_room(recipe, gan, tmp_path)


@pytest.mark.long
def test_files_that_may_not_grow(go, whole, tmp_path):
    code, errors = go(hook=["limit_files", 6000])
    assert code == 3
    assert len(errors) == 1 and "File too large" in errors[0]
    check_it_goes_on(go, whole, tmp_path / "run")


@pytest.mark.long
def test_a_folder_that_is_removed(go, tmp_path):
    run = tmp_path / "run"
    code, errors = go(hook=["remove", 6, str(run)])
    assert code == 3
    assert len(errors) == 1 and "was removed" in errors[0]


@pytest.mark.long
def test_a_folder_that_is_moved(go, whole, tmp_path):
    run, moved = tmp_path / "run", tmp_path / "moved"
    code, errors = go(hook=["move", 10, str(run), str(moved)])
    assert code == 3
    assert len(errors) == 1 and "moved" in errors[0]
    shutil.rmtree(run, ignore_errors=True)  # what was being written just then
    check_it_goes_on(go, whole, moved)


@pytest.mark.long
def test_a_folder_of_another_user(go, tmp_path):
    if os.geteuid() == 0:
        pytest.skip("nothing is forbidden to root")
    run = tmp_path / "run"
    run.mkdir(mode=0o500)
    code, errors = go()
    assert code == 2 and len(errors) == 1
