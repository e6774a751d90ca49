"""Copies of SQLite files, to which every connection of SQLAlchemy's leads: the files themselves stay as they are."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import closing
from contextlib import contextmanager
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote
from urllib.parse import urlsplit

from sqlalchemy import Dialect
from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.pool import Pool

from ..errors import ConfigError

#: Under which a connection remembers for which copies it was opened, and whether it leads to one.
_KEY = "flask_pooled_rehearsal_copies"

#: What waited for its wallet code in the real inbox is not to be done twice. On a copy that has no inbox, nothing.
_SET_ASIDE = "UPDATE pooled_event SET state = 'held', due_at = NULL WHERE state = 'pending'"


class Copies:
    """A folder of copies, each made when its file is first opened.

    :param folder: takes them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        #: Whether to refuse whatever leads elsewhere, rather than to note it.
        self.strict = False
        #: How often a connection to a copy, or to a database in memory, was used.
        self.used = 0
        #: What was opened and cannot be copied.
        self.elsewhere: list[str] = []
        self._lock = threading.Lock()
        self._copies: dict[str, Path] = {}
        self._opened: list[ConnectionPoolEntry] = []

    def redirect(
        self,
        dialect: Dialect,
        entry: ConnectionPoolEntry | None,
        args: list[Any],
        options: dict[str, Any],
    ) -> None:
        """Put a copy in the place of the file that the app is about to open."""
        if dialect.name != "sqlite" or dialect.driver != "pysqlite":
            self._note(entry, f"a {dialect.name} database")
            return
        path = _file_of(args, options)
        if path is not None:
            options.pop("uri", None)
            options.pop("database", None)
            args[:] = [str(self._copy_of(path))]
            if entry is not None:
                self._opened.append(entry)
        self._remember(entry, leads_to_copy=True)

    def look_at_new(self, driver: Any, entry: ConnectionPoolEntry) -> None:
        """Find out about a connection that was not opened by :meth:`redirect`."""
        if self._knows(entry):
            return
        if _is_in_memory(driver):
            self._remember(entry, leads_to_copy=True)
        else:
            self._note(entry, "a connection that the app makes by itself")

    def look_at_used(self, driver: Any, entry: ConnectionPoolEntry, proxy: object) -> None:
        """Let no connection be used that leads to a real file.

        :raises DisconnectionError: it was opened before. The pool then opens another one.
        """
        if not self._knows(entry):
            if not _is_in_memory(driver):
                raise DisconnectionError
            self._remember(entry, leads_to_copy=True)
        if entry.info[_KEY][1]:
            self.used += 1
            if any(Path(file).parent != self.folder for file in _files(driver)):
                self._note(entry, "a database that the app attaches")
        elif self.strict:
            self._refuse()

    def forget(self) -> None:
        """Close what was opened: whoever goes on with it must come to the real file."""
        for entry in self._opened:
            # Not at once: another thread may be at work on it.
            entry.invalidate(soft=True)

    def _knows(self, entry: ConnectionPoolEntry) -> bool:
        return _KEY in entry.info and entry.info[_KEY][0] is self

    def _remember(self, entry: ConnectionPoolEntry | None, *, leads_to_copy: bool) -> None:
        if entry is not None:
            entry.info[_KEY] = (self, leads_to_copy)

    def _note(self, entry: ConnectionPoolEntry | None, what: str) -> None:
        self._remember(entry, leads_to_copy=False)
        if what not in self.elsewhere:
            self.elsewhere.append(what)
        if self.strict:
            self._refuse()

    def _refuse(self) -> None:
        raise ConfigError(
            f"the app used {self.elsewhere[-1]}, of which a rehearsal makes no copy: rehearse with --in-place, on "
            "databases that are copies already"
        )

    def _copy_of(self, path: str) -> Path:
        with self._lock:
            if path not in self._copies:
                copy = self.folder / f"{len(self._copies)}-{Path(path).name}"
                if os.path.exists(path):
                    _copy(path, copy)
                self._copies[path] = copy
            return self._copies[path]


@contextmanager
def on_copies() -> Iterator[Copies]:
    """Lead every connection of this process to a copy, as far as it can be, for the length of the block."""
    with TemporaryDirectory(prefix="pooled-rehearsal-", ignore_cleanup_errors=True) as folder:
        copies = Copies(Path(folder).resolve())
        listeners = (
            (Engine, "do_connect", copies.redirect),
            (Pool, "connect", copies.look_at_new),
            (Pool, "checkout", copies.look_at_used),
        )
        for listener in listeners:
            event.listen(*listener)
        try:
            yield copies
        finally:
            for listener in listeners:
                event.remove(*listener)
            copies.forget()


def _copy(path: str, copy: Path) -> None:
    with (
        closing(sqlite3.connect(f"{Path(path).as_uri()}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        # Also what is still in its write-ahead log, and as of one moment.
        source.backup(target)
        with suppress(sqlite3.OperationalError), target:
            target.execute(_SET_ASIDE)


def _file_of(args: Sequence[Any], options: Mapping[str, Any]) -> str | None:
    """The file that :func:`sqlite3.connect` would open; ``None``: it would be in memory."""
    name = os.fspath(args[0] if args else options.get("database", ""))
    if options.get("uri"):
        parts = urlsplit(name)
        if "mode=memory" in parts.query.split("&"):
            return None
        name = unquote(parts.path)
    return None if name in ("", ":memory:") else os.path.realpath(name)


def _is_in_memory(driver: Any) -> bool:
    return isinstance(driver, sqlite3.Connection) and not any(_files(driver))


def _files(driver: sqlite3.Connection) -> list[str]:
    """The files that a connection has open."""
    rows = driver.execute("PRAGMA database_list").fetchall()
    return [os.path.realpath(file) for _, _, file in rows if file]
