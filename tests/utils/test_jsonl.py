"""Files of lines that a kill can tear."""

import pytest

from keras_ganmix.utils import jsonl


@pytest.mark.parametrize("whole", [0, 1, 2])
@pytest.mark.parametrize("half", [b"", b"{", b'{"step": 3, "na'])
def test_half_a_line_is_passed_over_and_replaced(tmp_path, whole, half):
    path = tmp_path / "lines.jsonl"
    lines = [{"step": i, "name": "ü"} for i in range(3)]
    for line in lines[:whole]:
        jsonl.append(path, line)
    with path.open("ab") as file:
        file.write(half)
    assert jsonl.read(path) == lines[:whole]
    jsonl.append(path, lines[whole])
    assert jsonl.read(path) == lines[: whole + 1]
    assert path.read_bytes().count(b"\n") == whole + 1


def test_later_lines_are_forgotten(tmp_path):
    path = tmp_path / "lines.jsonl"
    for step in (2, 4, 6):
        jsonl.append(path, {"step": step})
    jsonl.forget_after(path, 4)
    assert jsonl.read(path) == [{"step": 2}, {"step": 4}]


def test_a_removed_folder_is_not_made_again(tmp_path):
    with pytest.raises(FileNotFoundError):
        jsonl.append(tmp_path / "gone" / "lines.jsonl", {"step": 1})
