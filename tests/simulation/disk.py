"""The disk: files that begin the same in each history, and what a power cut leaves of them."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

#: Where a file in memory is to be had; elsewhere a sync takes its time.
_MEMORY = Path("/dev/shm")

#: A database is all of these; the fourth, ``-shm``, is made anew.
_SUFFIXES = ("", "-wal", "-journal")


class Disk:
    """A folder with a few SQLite files in it."""

    def __init__(self) -> None:
        memory = str(_MEMORY) if os.access(_MEMORY, os.W_OK) else None
        self.folder = Path(tempfile.mkdtemp(prefix="pooled-simulation-", dir=memory))
        # What was on the disk before the first commit that nobody synced.
        self._unsynced: dict[str, dict[str, bytes]] = {}
        self._kept_open: list[int] = []

    def close(self) -> None:
        """Remove it all."""
        shutil.rmtree(self.folder)

    def read(self) -> dict[str, bytes]:
        """Every file's content, by its path within the folder. Nobody may have one open."""
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in files}

    def lay(self, files: dict[str, bytes]) -> None:
        """Have these files and no others. Nobody may have one open."""
        self._unsynced.clear()
        while self._kept_open:
            os.close(self._kept_open.pop())
        for path in self.folder.rglob("*"):
            if path.is_file():
                path.unlink()
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def committing(self, path: str, synced: bool) -> None:
        """Somebody is about to commit to a file."""
        if synced:
            # A sync takes along whatever was written before.
            self._unsynced.pop(path, None)
        elif path not in self._unsynced:
            self._unsynced[path] = {
                path + suffix: self._peek(path + suffix)
                for suffix in _SUFFIXES
                if Path(path + suffix).exists()
            }

    def cut(self) -> None:
        """Lose what was never synced. Nobody may have a file open."""
        for path, files in self._unsynced.items():
            for suffix in (*_SUFFIXES, "-shm"):
                Path(path + suffix).unlink(missing_ok=True)
            for name, content in files.items():
                Path(name).write_bytes(content)
        self._unsynced.clear()

    def _peek(self, path: str) -> bytes:
        # To close a file would free all locks that this program has on it, SQLite's among them.
        descriptor = os.open(path, os.O_RDONLY)
        self._kept_open.append(descriptor)
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0)
