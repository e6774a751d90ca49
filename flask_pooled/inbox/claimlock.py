"""A claim that dies with its holder where no database lock can be held: a lock on a file."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _lock(fd: int) -> None:
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


class ClaimLock:
    """Held by one thread of one process at a time; the system frees it when that process ends, however it ends."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)

    @contextmanager
    def attempt(self) -> Iterator[bool]:
        """Hold the lock for the block, if it is to be had; says whether it was."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Opened anew each time: a lock belongs to the open file, so threads keep each other out as well.
        with self._path.open("ab") as file:
            try:
                _lock(file.fileno())
            except OSError:
                yield False
            else:
                yield True
