"""The result of an evaluation: scores, floor and protocol."""

import dataclasses
import json
import os
import pathlib

from keras_ganmix.metrics.files import atomic_write
from keras_ganmix.metrics.protocol import Protocol, higher_is_better
from keras_ganmix.utils.tables import columns, number

# In names of numbers of which neither more nor less is better.
_NEITHER = ("error", "stddev", "detected", "diversity")

# What other files than those of scores raise; the last, brackets in brackets.
_DAMAGE = (AttributeError, KeyError, TypeError, ValueError, RecursionError)


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Scores, the floor beside them, and their protocol.

    Attributes:
        scores: dict from name to number, for example `frechet[fashion]`.
        floor: the same scores of real images in the place of the fakes, or an
            empty dict.
        floor_protocol: where these came from: a dict with `source`, `split`,
            `num_real` and `num_fake`, or with `unavailable`, the reason.
        protocol: `Protocol` of the scores.
        seconds: wall time of scoring the fakes.
        step: of the run that they come from; `None` if that is not known.
    """

    scores: dict
    floor: dict
    floor_protocol: dict
    protocol: Protocol
    seconds: float
    step: int | None = None

    def to_dict(self):
        """Plain values, as JSON takes them."""
        return dataclasses.asdict(self)

    def save(self, path):
        """Writes JSON, atomically."""
        with atomic_write(path) as file:
            json.dump(self.to_dict(), file, indent=2, allow_nan=False)
            file.write("\n")

    @classmethod
    def load(cls, path):
        """Reads what `save` wrote.

        Raises:
            ValueError: not such a file, or of another version.
        """
        with open(path, encoding="utf-8") as file:
            try:
                values = json.load(file)
                protocol = values.pop("protocol")
                return cls(protocol=Protocol.from_dict(protocol), **values)
            except _DAMAGE as error:
                raise ValueError(
                    f"{os.fspath(path)}: not a file of scores ({error})."
                ) from error

    def table(self):
        """Lines of text: each score, its floor, and which way is better."""
        rows = [("score", "fakes", "floor", "better")]
        for name, value in self.scores.items():
            floor = self.floor.get(name)
            rows.append(
                (
                    name,
                    number(value),
                    "-" if floor is None else number(floor),
                    direction(name),
                )
            )
        p = self.protocol
        against = f"{p.num_fake} fakes against {p.num_real} of {p.source}"
        lines = columns(rows, right=(1, 2))
        return "\n".join([*lines, f"({against}, {p.split}, seed {p.seed})"])


def protocol_path(path):
    """Where the protocol is kept of a file with a line of scores per step."""
    path = pathlib.Path(path)
    return path.with_name(f"{path.stem}_protocol.json")


def read_protocol(path):
    """Reads the protocol of a file with a line of scores per step.

    Args:
        path: what `protocol_path` returned.

    Returns:
        `(protocol, floor)`, see `Evaluation`.

    Raises:
        ValueError: if it is not such a file, or of another version.
    """
    try:
        values = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
        return Protocol.from_dict(values["protocol"]), values["floor"]
    except _DAMAGE as error:
        raise ValueError(
            f"{path}: not the protocol of scores ({error})."
        ) from error


def direction(name):
    """Which way a score is better: `"higher"`, `"lower"`, or `""`."""
    if any(word in name for word in _NEITHER):
        return ""
    return "higher" if higher_is_better(name) else "lower"
