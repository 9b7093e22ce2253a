"""What a regularizer costs, read from the table in `performance.md`."""

import re

#: From the table's names to the regularizers' or arms'.
_PLAIN = "plain"


def read(path, network="dcgan"):
    """Dict from a regularizer's name to the ratio of its step to plain's.

    Args:
        path: `performance.md`.
        network: the heading whose table is read.

    Raises:
        ValueError: if there is no such table.
    """
    text = path.read_text(encoding="utf-8")
    text = text.partition("## The cost of each regularizer")[2]
    part = re.search(rf"(?ms)^### {network}\b.*?(?=^##|\Z)", text)
    if part is None:
        raise ValueError(f"{path}: no costs of {network} found")
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in part.group().splitlines()
        if line.startswith("|")
    ]
    heads, _, *rows = lines
    ratio, passes = heads.index("ratio"), heads.index("trunk passes")
    return {
        row[0]: {"ratio": row[ratio], "passes": row[passes]}
        for row in rows
        if row[0] != _PLAIN
    }
