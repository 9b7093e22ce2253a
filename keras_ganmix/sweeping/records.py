"""What became of a cell: `done`, `failed`, or not yet known."""

import json

from keras_ganmix.utils.files import write_json

DONE, FAILED = "done", "failed"


def read_record(folder, arm, seed):
    """Returns what was recorded of a cell, or `None`.

    Returns:
        Dict with `seconds` and `cpu_seconds` of all of its processes; after
        the end also `status`, `code`, `message` and `score`, the scorings
        that were made.
    """
    path = folder.record(arm, seed)
    if not path.exists():
        return None
    return json.loads(path.read_text(encoding="utf-8"))


def write_record(folder, arm, seed, process=None, **end):
    """Writes the record of a cell anew.

    Args:
        folder, arm, seed: of the cell.
        process: `workers.Worker` that has ended, whose time is added.
        **end: `status` and what goes with it, if the cell is at its end.

    Returns:
        The record.
    """
    before = read_record(folder, arm, seed) or {}
    record = {}
    for name in ("seconds", "cpu_seconds"):
        added = 0 if process is None else getattr(process, name)
        record[name] = round(before.get(name, 0) + added, 1)
    record.update(end)
    write_json(folder.record(arm, seed), record)
    return record


def is_left(folder, plan, arm, seed, retry_failed=False):
    """Whether a cell is still to be run or to be scored."""
    record = read_record(folder, arm, seed)
    if not record or "status" not in record:
        return True
    if record["status"] == FAILED:
        return retry_failed
    return record["score"] != [s.model_dump() for s in plan.scorings]
