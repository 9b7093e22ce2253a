"""Where generators of rotated points end, of `tools/dag_leak.py`."""

from keras_ganmix.utils.tables import markdown_table

#: Run to its line: weight, what is rotated and judged how, how to have it so.
RUNS = {
    "real_only": (
        "3",
        "only the reals rotated",
        '`heads="shared", real_only=True`',
    ),
    "shared": ("3", "both, one head for all", '`heads="shared"`'),
    "dag": ("3", "both, a head for each", "DAG"),
    "shared_light": ("0.2", "both, one head for all", '`heads="shared"`'),
    "dag_light": ("0.2", "both, a head for each", "DAG"),
}
#: Verdict of a run to the head of its column.
ENDS = {
    "at the data": "at the data",
    "elsewhere": "at another angle",
    "partly at the data": "between two",
    "at all four": "at all four",
}


def runs(store):
    """Dict from the names of `RUNS` to what came out, or `None`."""
    found = store.others.get("dag_leak")
    return None if found is None else {name: found[name] for name in RUNS}


def ended(about):
    """How many runs ended at the data, and of how many."""
    verdicts = about["verdicts"]
    return verdicts.get("at the data", 0), sum(verdicts.values())


def table(store):
    """The table of the page of DAG."""
    found = runs(store)
    if found is None:
        return "Not run yet."
    lines = []
    for name, about in RUNS.items():
        verdicts = found[name]["verdicts"]
        counts = [verdicts.get(verdict, 0) for verdict in ENDS]
        lines.append((*about, ended(found[name])[1], *counts))
    heads = ("weight", "rotated, judged by", "argument", "runs")
    return markdown_table((*heads, *ENDS.values()), lines)
