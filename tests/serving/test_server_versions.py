"""New, broken and removed versions, and what requests notice of them."""

import os
import shutil
import threading
import time

import numpy as np
import pytest
import tensorflow as tf

from keras_ganmix.serving import Client, ServingError
from keras_ganmix.serving.server import Server
from keras_ganmix.serving.server.model import WARMUP, Model
from keras_ganmix.serving.server.status import StatusError, clean
from keras_ganmix.serving.server.versions import Versions


@pytest.fixture
def versions(own_toy):
    lines = []
    found = Versions("toy", own_toy, lines.append)
    found.lines = lines
    yield found
    found.close()


def states(versions):
    return {v.number: v.state for v in versions.statuses()}


def add(versions, toy_versions, number):
    """Puts a version into the folder in one step, as exports do."""
    temporary = versions.folder / ".tmp-copy"
    shutil.copytree(toy_versions / str(number), temporary)
    os.replace(temporary, versions.folder / str(number))


def drawn(model):
    inputs = {
        "num_samples": np.int32(1),
        "seed": np.int64(1),
    }
    arrays = {name: np.asarray(value) for name, value in inputs.items()}
    return model.signature("sample")(arrays)["png_bytes"][0]


def test_a_new_version_takes_the_place_of_the_old(versions, toy_versions):
    versions.poll(settled=False)
    assert states(versions) == {1: "AVAILABLE"}
    with versions.hold() as old:
        before = drawn(old)
        add(versions, toy_versions, 2)
        versions.poll(settled=False)
        assert states(versions) == {2: "AVAILABLE", 1: "UNLOADING"}
        assert drawn(old) == before, "a request in flight keeps its version"
        with versions.hold() as new:
            assert new.version == 2
            assert drawn(new) != before
        with pytest.raises(StatusError, match=r"Specific\(toy, 1\)"):
            versions.hold(1).__enter__()
    assert states(versions) == {2: "AVAILABLE", 1: "END"}
    assert old.closed
    with pytest.raises(Exception, match="closed"):
        drawn(old)


def test_a_broken_version_is_reported_and_the_old_one_stays(
    versions, toy_versions
):
    versions.poll(settled=False)
    add(versions, toy_versions, 2)
    (versions.folder / "2" / "saved_model.pb").write_bytes(b"\x0abroken")
    versions.poll(settled=False)
    found = {v.number: v for v in versions.statuses()}
    assert found[1].state == "AVAILABLE"
    assert found[2].state == "END"
    assert found[2].code != "OK"
    assert found[2].message
    assert "\n" not in found[2].message
    lines = len(versions.lines)
    versions.poll(settled=False)
    assert len(versions.lines) == lines, "not tried again in vain"
    shutil.copy(
        toy_versions / "2" / "saved_model.pb",
        versions.folder / "2" / "saved_model.pb",
    )
    versions.poll(settled=False)
    assert states(versions) == {2: "AVAILABLE", 1: "END"}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: shutil.rmtree(path / "variables"),
        lambda path: (path / "saved_model.pb").unlink(),
        lambda path: (path / "saved_model.pb").write_bytes(b""),
        lambda path: (path / WARMUP).write_bytes(b"no records" * 9),
        lambda path: _write_warmup(path, "nope"),
        lambda path: _write_warmup(path, "slow"),
    ],
    ids=["variables", "graph", "empty", "records", "signature", "inputs"],
)
def test_what_cannot_be_loaded_or_warmed_up_is_not_served(spoil, versions):
    spoil(versions.folder / "1")
    versions.poll(settled=False)
    assert versions.available is None
    (version,) = versions.statuses()
    assert version.state == "END"
    assert version.code != "OK"
    with pytest.raises(StatusError) as caught:
        versions.hold().__enter__()
    assert caught.value.code == "NOT_FOUND"


def _write_warmup(path, signature):
    from tensorflow_serving.apis import prediction_log_pb2

    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.model_spec.signature_name = signature
    with tf.io.TFRecordWriter(str(path / WARMUP)) as writer:
        writer.write(log.SerializeToString())


def test_the_warmup_requests_are_made_before_the_first_request(toy_export):
    """The signature's callable exists because a request has been made."""
    model = Model(toy_export / "1", "toy", 1)
    try:
        assert model.signatures["sample"]._calls
        assert not model.signatures["png"]._calls
    finally:
        model.retire()


def test_a_folder_that_is_being_copied_is_left_alone(versions, toy_versions):
    versions.poll(settled=False)
    shutil.copytree(toy_versions / "2", versions.folder / "2")
    versions.poll()
    assert states(versions) == {1: "AVAILABLE"}
    with open(versions.folder / "2" / "more", "w") as file:
        file.write("still copying")
    versions.poll()
    assert states(versions) == {1: "AVAILABLE"}
    versions.poll()
    assert states(versions) == {2: "AVAILABLE", 1: "END"}


def test_removed_versions_go(versions, toy_versions):
    add(versions, toy_versions, 2)
    versions.poll(settled=False)
    assert states(versions) == {2: "AVAILABLE"}
    shutil.rmtree(versions.folder / "2")
    versions.poll(settled=False)
    assert states(versions) == {1: "AVAILABLE", 2: "END"}
    shutil.rmtree(versions.folder / "1")
    versions.poll()
    assert states(versions) == {1: "END", 2: "END"}
    with pytest.raises(StatusError, match=r"Latest\(toy\)"):
        versions.hold().__enter__()


def test_an_unreadable_folder_changes_nothing(versions, tmp_path):
    versions.poll(settled=False)
    versions.folder.rename(tmp_path / "away")
    lines = len(versions.lines)
    for _ in range(3):
        versions.poll()
    assert versions.available == 1
    (line,) = versions.lines[lines:]
    assert "cannot read" in line


def test_a_look_that_fails_is_not_the_last(own_toy, monkeypatch, caplog):
    server = Server(
        {"toy": own_toy},
        port=0,
        rest_api_port=0,
        poll_seconds=0.02,
        report=lambda line: None,
    )
    (versions,) = server.versions
    find, failures = versions._find, iter(range(3))

    def fail_at_first():
        if next(failures, None) is not None:
            raise RuntimeError("no way to know")
        return find()

    with server:
        monkeypatch.setattr(versions, "_find", fail_at_first)
        shutil.rmtree(own_toy / "1")
        end = time.monotonic() + 10
        while versions.available and time.monotonic() < end:
            time.sleep(0.01)
        assert versions.available is None
    assert "no way to know" in caplog.text


def test_other_names_in_the_folder_are_no_versions(versions):
    for name in ("latest", "-3", "2.5", "1e3", "٣", ".tmp-4", "9" * 30):
        (versions.folder / name).mkdir()
    (versions.folder / "7").write_text("a file")
    versions.poll(settled=False)
    assert states(versions) == {1: "AVAILABLE"}


def test_a_link_to_a_folder_is_a_version(versions, toy_versions):
    (versions.folder / "5").symlink_to(toy_versions / "3")
    versions.poll(settled=False)
    assert states(versions) == {5: "AVAILABLE"}


def test_many_versions_leave_no_memory_behind(versions, toy_versions, memory):
    """Loads 6 versions, one after the other; the first 3 do not count.

    A version that stayed would take 7 MiB.
    """
    used = []
    for number in range(2, 8):
        add_as(versions, toy_versions / "2", number)
        versions.poll(settled=False)
        assert versions.available == number
        shutil.rmtree(versions.folder / str(number - 1))
        used.append(memory())
    assert used[-1] - used[2] < 10, used


def test_versions_that_are_gone_are_forgotten(versions):
    for number in range(2, 32):
        (versions.folder / str(number)).mkdir()
        versions.poll(settled=False)
        (versions.folder / str(number)).rmdir()
    versions.poll()
    assert versions.available == 1
    assert [v.number for v in versions.statuses()] == [*range(31, 23, -1), 1]
    assert not versions._broken


def add_as(versions, source, number):
    shutil.copytree(source, versions.folder / ".tmp")
    os.replace(versions.folder / ".tmp", versions.folder / str(number))


def test_clients_notice_nothing_of_a_swap(own_toy, toy_versions):
    """Requests over both protocols while versions change four times."""
    server = Server(
        {"toy": own_toy},
        port=0,
        rest_api_port=0,
        poll_seconds=0.02,
        report=lambda line: None,
    )
    errors, seen, done = [], set(), threading.Event()

    def ask(address):
        with Client(address, "toy", retries=0) as client:
            while not done.is_set():
                try:
                    client.generate(2, seed=1)
                except ServingError as error:
                    errors.append(error)

    with server:
        versions = server.versions[0]
        threads = [
            threading.Thread(target=ask, args=(address,))
            for address in (server.grpc_address, server.rest_address) * 2
        ]
        for thread in threads:
            thread.start()
        for number in range(2, 6):
            add_as(versions, toy_versions / str(2 + number % 2), number)
            end = time.monotonic() + 10
            while versions.available != number and time.monotonic() < end:
                time.sleep(0.01)
            seen.add(versions.available)
        done.set()
        for thread in threads:
            thread.join()
    assert seen == set(range(2, 6))
    assert not errors, errors[0]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (
            "Graph execution error:\n\nassertion failed: [too many] "
            "[Condition x < y did not hold element-wise:] [x = ] [200]\n"
            "\t [[{{node assert_less/Assert/Assert}}]]",
            "too many",
        ),
        (
            "{{function_node __inference_f_12}} assertion failed: "
            "[seed: must be positive, got] [-1]\n\t [[{{node Assert}}]]",
            "seed: must be positive, got -1",
        ),
        (
            "2 root error(s) found.\n  (0) INVALID_ARGUMENT: no such thing\n"
            "\t [[{{node a}}]]\n  (1) INVALID_ARGUMENT: another",
            "no such thing",
        ),
        (
            "Restoring from checkpoint failed. Have you altered it? Original "
            "error:\n\nChecksum does not match",
            "Checksum does not match",
        ),
        ("plain words", "plain words"),
        ("", "no message"),
    ],
)
def test_messages_of_graphs_are_cleaned(message, expected):
    assert clean(message) == expected
