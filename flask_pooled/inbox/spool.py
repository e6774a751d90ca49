"""The spool: a local file that takes verified webhooks while the inbox's database cannot.

It is an SQLite file of its own, on a local disk, synced before the webhook is acknowledged. Each body carries the
receipt that it was given before its first write attempt, so that it makes no difference if the inbox has it already:
a commit whose answer got lost, or a drain that was killed before it could tidy up.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from itertools import islice
from pathlib import Path

from ..errors import InboxError
from .credits import hour_of
from .delivery import accept
from .delivery import Delivery
from .disk import disk_of
from .queuelock import QueueLock

#: The most that the spool takes, bytes on disk. A million entries of a large pool.
LIMIT = 512 * 1024 * 1024

#: How long to wait for others who use it, seconds. A webhook has ten.
_WAIT = 5.0

#: How many rows are read, and forgotten, at once when it is drained.
_BATCH = 100

#: How many are handed over at once.
_TOGETHER = 20

_Row = tuple[int, Delivery]

_SCHEMA = (
    """
    CREATE TABLE IF NOT EXISTS spool (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        receipt TEXT NOT NULL UNIQUE,
        received_at INTEGER NOT NULL,
        body BLOB NOT NULL,
        -- Why the inbox refused it; such a row is set aside.
        refused TEXT
    )
    """,
    # Counting must not read all the bodies, during which nobody could write.
    "CREATE INDEX IF NOT EXISTS spool_refused ON spool (number) WHERE refused IS NOT NULL",
)

_FIRST_WAITING = "SELECT received_at FROM spool WHERE refused IS NULL ORDER BY number LIMIT 1"

# One statement, so that it is all of one moment.
_HOW_IT_STANDS = f"""
SELECT
    (SELECT count(*) FROM spool),
    (SELECT count(*) FROM spool WHERE refused IS NOT NULL),
    ({_FIRST_WAITING})
"""  # noqa: S608  # no value is put in


class SpoolError(InboxError):
    """The spool cannot be written or read. What was to go into it must not be acknowledged."""


@dataclass(frozen=True, slots=True)
class SpoolFacts:
    """How the spool stands."""

    path: str
    #: Deliveries that wait for the database.
    waiting: int
    #: Deliveries that the inbox refused, set aside for a person.
    refused: int
    #: When the oldest that waits arrived, which is since when it is in use; milliseconds since the epoch.
    oldest: int | None
    #: What it takes on disk, and the most that it may take; bytes.
    size: int
    limit: int
    #: Where its disk is mounted, the kind of file system (``None``: unknown), and the bytes that are free there.
    disk: str
    filesystem: str | None
    free: int


class Spool:
    """A spool in a file, shared by the processes of one host. The file is made when it is first needed."""

    def __init__(self, path: str | Path, *, limit: int = LIMIT) -> None:
        self.path = Path(path)
        self._limit = limit
        # SQLite lets writers in in no order.
        self._turn = QueueLock(self.path.with_name(f"{self.path.name}.lock"))

    def put(self, delivery: Delivery) -> None:
        """Take a delivery; it is on the disk when this returns.

        :raises SpoolError: the spool is full, or its file cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._writing() as connection:
                if _size(connection) >= self._limit:
                    raise SpoolError(
                        f"the spool {self.path} is full: bring the database back, so that it can be drained"
                    )
                connection.execute(
                    "INSERT OR IGNORE INTO spool (receipt, received_at, body) VALUES (?, ?, ?)",
                    (delivery.receipt, delivery.received_at, delivery.body),
                )
        except (OSError, sqlite3.Error) as error:
            raise SpoolError(
                f"the spool {self.path} cannot be written ({error}): see to its disk and permissions, or set "
                "POOLED_SPOOL to a file that can be"
            ) from error

    def drain(
        self,
        record: Callable[[Sequence[Delivery]], None],
        is_refusal: Callable[[Exception], bool],
    ) -> int:
        """Hand over what waits, oldest first, and forget it.

        What was handed over and could not be forgotten is handed over again the next time, under the same receipt.

        :param record: commits deliveries of one hour to the inbox, all of them or none. If it fails, they are handed
            over one by one.
        :param is_refusal: whether what it raised is about that one delivery.
        :returns: how many were handed over.
        :raises Exception: what *record* raised about one delivery, if it is no refusal; the rest waits.
        """
        drained = 0
        while rows := self._next_waiting():
            handed_over: list[int] = []
            try:
                for together in _together(rows):
                    for number in self._hand_over(together, record, is_refusal):
                        handed_over.append(number)
            finally:
                if handed_over:
                    self._forget(handed_over)
            drained += len(handed_over)
        return drained

    def is_there(self) -> bool:
        """Whether anything was ever put in.

        :raises OSError: nobody may look.
        """
        # Path.exists() takes a folder that nobody may look into for an empty one, or not, by Python's version.
        with suppress(FileNotFoundError, NotADirectoryError):
            self.path.stat()
            return True
        return False

    def is_empty(self) -> bool:
        """Whether nothing waits to be drained.

        :raises SpoolError: the file cannot be read.
        """
        with self._reading() as connection:
            return connection is None or connection.execute(_FIRST_WAITING).fetchone() is None

    def oldest(self) -> int | None:
        """When the oldest delivery arrived that is in here, waiting or set aside; milliseconds since the epoch.

        :raises SpoolError: the file cannot be read.
        """
        with self._reading() as connection:
            if connection is None:
                return None
            # Not the first in the file: a clock may have been set back since.
            oldest: int | None = connection.execute(
                "SELECT min(received_at) FROM spool"
            ).fetchone()[0]
            return oldest

    def facts(self) -> SpoolFacts:
        """How it stands.

        :raises SpoolError: the file cannot be read.
        """
        total, refused, oldest, size = 0, 0, None, 0
        with self._reading() as connection:
            if connection is not None:
                total, refused, oldest = connection.execute(_HOW_IT_STANDS).fetchone()
                size = _size(connection)
            disk = disk_of(self.path)
        return SpoolFacts(
            str(self.path),
            total - refused,
            refused,
            oldest,
            size,
            self._limit,
            disk=disk.mount,
            filesystem=disk.kind,
            free=disk.free,
        )

    def _hand_over(
        self,
        rows: Sequence[_Row],
        record: Callable[[Sequence[Delivery]], None],
        is_refusal: Callable[[Exception], bool],
    ) -> Iterator[int]:
        """Yield the numbers of those that are in the inbox, as soon as they are."""
        try:
            record([delivery for _, delivery in rows])
        except Exception as error:
            if len(rows) > 1:
                # One is refused, or together they take longer than the inbox waits for.
                for row in rows:
                    yield from self._hand_over([row], record, is_refusal)
            elif is_refusal(error):
                self._set_aside(rows[0][0], error)
            else:
                raise
        else:
            yield from (number for number, _ in rows)

    def _next_waiting(self) -> list[_Row]:
        with self._reading() as connection:
            if connection is None:
                return []
            rows = connection.execute(
                "SELECT number, receipt, received_at, body FROM spool WHERE refused IS NULL ORDER BY number LIMIT ?",
                (_BATCH,),
            ).fetchall()
        return [(number, accept(body, at, receipt)) for number, receipt, at, body in rows]

    def _forget(self, numbers: Iterable[int]) -> None:
        with self._writing() as connection:
            for number in numbers:
                connection.execute("DELETE FROM spool WHERE number = ?", (number,))

    def _set_aside(self, number: int, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"
        with self._writing() as connection:
            connection.execute("UPDATE spool SET refused = ? WHERE number = ?", (reason, number))

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        until = time.monotonic() + _WAIT
        with self._turn.hold(_WAIT), self._connect(until - time.monotonic()) as connection:
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            # Where it fails, closing the connection rolls back.
            connection.commit()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        """A connection, or ``None`` if nothing was ever put in. Writes nothing, where there may be no room to."""
        try:
            if not self.is_there():
                yield None
                return
            with self._connect(_WAIT) as connection:
                made = connection.execute(
                    "SELECT 1 FROM sqlite_schema WHERE name = 'spool'"
                ).fetchone()
                yield connection if made else None
        except (OSError, sqlite3.Error) as error:
            raise SpoolError(
                f"the spool {self.path} cannot be read ({error}): see to its disk and permissions"
            ) from error

    @contextmanager
    def _connect(self, wait: float) -> Iterator[sqlite3.Connection]:
        # Opened anew each time: it is rarely used, by any thread, and across forks.
        connection = sqlite3.connect(self.path, timeout=max(wait, 0))
        try:
            # FULL leaves it to the disk's own time that the journal is gone: a power cut may bring it back, and with it
            # take back what was committed.
            connection.execute("PRAGMA synchronous = EXTRA")
            yield connection
        finally:
            connection.close()


def _together(rows: Iterable[_Row]) -> Iterator[Sequence[_Row]]:
    """Rows in a row that one transaction can record: it counts what it credits in one hour."""
    for _, of_one_hour in groupby(rows, lambda row: hour_of(row[1].received_at)):
        while together := list(islice(of_one_hour, _TOGETHER)):
            yield together


def _size(connection: sqlite3.Connection) -> int:
    """What the rows take on disk; pages that were freed can be used again."""
    pages, free, page = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * page
