"""A process and all that come from it."""

from __future__ import annotations

from pathlib import Path


def family(pid: int) -> list[int]:
    """The process and its children, and theirs, that live at this moment; Linux only."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(each for child in children for each in family(int(child)))]
