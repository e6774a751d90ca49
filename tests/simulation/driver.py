"""SQLite's driver, with a wire between it and whoever uses it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any
from typing import Protocol
from typing import TypeVar
from weakref import ref

_T = TypeVar("_T")


class Killed(BaseException):
    """This process is gone. Nothing in the package may stop it, or do anything after it."""


class Wire(Protocol):
    """What carries the statements."""

    def transmit(self, connection: WiredConnection, title: str, call: Callable[[], _T]) -> _T:
        """Send a statement, or have it fail."""

    def closed(self, connection: WiredConnection) -> None:
        """A connection was closed by whoever had it."""

    def life(self, process: str) -> int:
        """The number of the process's present life, which changes when it is ended."""


class _Cursor(sqlite3.Cursor):
    def execute(self, statement: str, parameters: Any = ()) -> _Cursor:
        connection: Any = self.connection
        title = _title(statement)
        connection.wire.transmit(
            connection, title, lambda: super(_Cursor, self).execute(statement, parameters)
        )
        return self

    def executemany(self, statement: str, parameters: Any) -> _Cursor:
        connection: Any = self.connection
        connection.wire.transmit(
            connection,
            _title(statement),
            lambda: super(_Cursor, self).executemany(statement, parameters),
        )
        return self


class WiredConnection(sqlite3.Connection):
    """A connection of one process, to one file, for as long as that process lives."""

    wire: Wire
    process: str
    #: What is in the file.
    place: str
    path: str

    _life: int
    _cursors: list[ref[_Cursor]]

    def join(self, wire: Wire, process: str, place: str, path: str) -> None:
        """Begin to send over the wire."""
        self.wire, self.process, self.place, self.path = wire, process, place, path
        self._life = wire.life(process)
        self._cursors = []

    @property
    def is_dead(self) -> bool:
        """Whether its process has ended since."""
        return self._life != self.wire.life(self.process)

    def cursor(self, factory: Any = _Cursor) -> Any:
        cursor = super().cursor(factory)
        self._cursors.append(ref(cursor))
        return cursor

    def execute(self, statement: str, parameters: Any = ()) -> _Cursor:
        cursor: _Cursor = self.cursor()
        return cursor.execute(statement, parameters)

    def commit(self) -> None:
        if self.is_dead:
            raise Killed
        if self.in_transaction:
            self.wire.transmit(self, "COMMIT", super().commit)

    def rollback(self) -> None:
        # Nothing can go wrong with it: who cannot roll back is rolled back.
        if not self.is_dead:
            super().rollback()

    def close(self) -> None:
        if not self.is_dead:
            self.wire.closed(self)
            super().close()

    def drop(self) -> None:
        """Close it as the system closes the files of a process that is no more."""
        for cursor in self._cursors:
            opened = cursor()
            if opened is not None:
                # SQLite keeps a connection and its locks for as long as a statement is not done.
                opened.close()
        super().rollback()
        super().close()

    def forget(self) -> None:
        """Roll back, as SQLite does by itself at some errors."""
        super().rollback()

    def is_synced(self) -> bool:
        """Whether a commit is on the disk when it returns."""
        level = super().cursor().execute("PRAGMA synchronous").fetchone()[0]
        return bool(level >= 2)


def _title(statement: str) -> str:
    words = statement.split(None, 3)
    if words[0] == "WITH" and "INSERT INTO" in statement:
        # A transaction of its own, with its commit.
        return "COMMIT"
    if words[0] == "INSERT":
        return f"INSERT {statement.split('INTO ', 1)[1].split(None, 1)[0]}"
    if words[0] == "UPDATE":
        return f"UPDATE {words[1]}"
    return words[0]
