"""What was found, kept as JSON: the rounds themselves, so that everyone may calculate with them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any

from benchmarks.figures import Comparison
from benchmarks.figures import Failure
from benchmarks.figures import Goal
from benchmarks.figures import Row
from benchmarks.figures import Shown

_KINDS: Mapping[str, type[Row]] = {"comparison": Comparison, "shown": Shown, "failure": Failure}


@dataclass(frozen=True, slots=True)
class Measured:
    """The rows of one group.

    :param plan: its name, of the run in which they were measured.
    :param seconds: that it took.
    """

    plan: str
    seconds: float
    rows: Sequence[Row]


@dataclass(slots=True)
class Record:
    """All that was found, and on which machine."""

    machine: dict[str, str] = field(default_factory=dict)
    groups: dict[str, Measured] = field(default_factory=dict)

    def rows(self) -> list[Row]:
        """The rows of all groups in the order of their numbers."""
        rows = [row for group in self.groups.values() for row in group.rows]
        return sorted(rows, key=lambda row: int(row.number.split()[0]))


def save(record: Record, path: Path) -> None:
    """Write it."""
    content = {
        "machine": record.machine,
        "groups": {
            name: {
                "plan": group.plan,
                "seconds": round(group.seconds, 1),
                "rows": [_plain(row) for row in group.rows],
            }
            for name, group in record.groups.items()
        },
    }
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def load(path: Path) -> Record:
    """Read what :func:`save` wrote; nothing, if there is no such file."""
    if not path.exists():
        return Record()
    content = json.loads(path.read_text())
    groups = {
        name: Measured(group["plan"], group["seconds"], [_row(row) for row in group["rows"]])
        for name, group in content["groups"].items()
    }
    return Record(content["machine"], groups)


def _plain(row: Row) -> dict[str, Any]:
    [kind] = (name for name, of_kind in _KINDS.items() if isinstance(row, of_kind))
    fields = asdict(row)
    for side in ("ours", "theirs"):
        if side in fields:
            fields[side] = [float(f"{figure:.4g}") for figure in fields[side]]
    return {"row": kind} | fields


def _row(plain: dict[str, Any]) -> Row:
    fields = dict(plain)
    kind = _KINDS[fields.pop("row")]
    if fields.get("goal") is not None:
        fields["goal"] = Goal(**fields["goal"])
    return kind(**fields)
