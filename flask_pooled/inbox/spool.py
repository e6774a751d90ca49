"""The spool: a local file that takes verified webhooks while the inbox's database cannot.

It is an SQLite file of its own, on a local disk, synced before the webhook is acknowledged. Each body carries the
receipt that it was given before its first write attempt, so that it makes no difference if the inbox has it already:
a commit whose answer got lost, or a drain that was killed before it could tidy up.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import InboxError
from .delivery import accept
from .delivery import Delivery

#: The most that the spool takes, bytes on disk. A million entries of a large pool.
LIMIT = 512 * 1024 * 1024

#: How long to wait for others who write to it, seconds. SQLite lets writers wait in no order, so that one may wait for
#: long; a webhook has ten seconds.
_WAIT = 5.0

#: How many rows are read at once when it is drained.
_BATCH = 100

_SCHEMA = """
CREATE TABLE IF NOT EXISTS spool (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    receipt TEXT NOT NULL UNIQUE,
    received_at INTEGER NOT NULL,
    body BLOB NOT NULL,
    -- Why the inbox refused it; such a row is set aside.
    refused TEXT
)
"""


class SpoolError(InboxError):
    """The spool cannot take what the inbox could not take either: do not acknowledge it."""


@dataclass(frozen=True, slots=True)
class SpoolFacts:
    """How the spool stands."""

    path: str
    #: Deliveries that wait for the database.
    waiting: int
    #: Deliveries that the inbox refused, set aside for a person.
    refused: int
    #: When the oldest that waits arrived, milliseconds since the epoch.
    oldest: int | None
    #: Size on disk, and the most that it may have.
    size: int
    limit: int


class Spool:
    """A spool in a file, shared by the processes of one host. The file is made when it is first needed."""

    def __init__(self, path: str | Path, *, limit: int = LIMIT) -> None:
        self.path = Path(path)
        self._limit = limit
        # The threads of this process queue here, where waiting costs nothing.
        self._turn = threading.Lock()

    def put(self, delivery: Delivery) -> None:
        """Take a delivery; it is on the disk when this returns.

        :raises SpoolError: the spool is full, or its file cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._turn, self._connect() as connection:
                connection.execute("BEGIN IMMEDIATE")
                if _size(connection) >= self._limit:
                    raise SpoolError(
                        f"the spool {self.path} is full: bring the database back, so that it can be drained"
                    )
                connection.execute(
                    "INSERT OR IGNORE INTO spool (receipt, received_at, body) VALUES (?, ?, ?)",
                    (delivery.receipt, delivery.received_at, delivery.body),
                )
                connection.commit()
        except (OSError, sqlite3.Error) as error:
            raise SpoolError(
                f"the spool {self.path} cannot be written ({error}): see to its disk and permissions, or set "
                "POOLED_SPOOL to a file that can be"
            ) from error

    def drain(
        self, record: Callable[[Delivery], None], is_refusal: Callable[[Exception], bool]
    ) -> int:
        """Hand over what waits, oldest first, and forget it.

        :param record: commits a delivery to the inbox.
        :param is_refusal: whether what it raised is about that one delivery.
        :returns: how many were handed over.
        :raises Exception: what *record* raised, if it is no refusal; the rest waits.
        """
        if not self.path.exists():
            return 0
        drained = 0
        with self._connect() as connection:
            while rows := connection.execute(
                "SELECT number, receipt, received_at, body FROM spool WHERE refused IS NULL ORDER BY number LIMIT ?",
                (_BATCH,),
            ).fetchall():
                for number, receipt, received_at, body in rows:
                    try:
                        record(accept(body, received_at, receipt))
                    except Exception as error:
                        if not is_refusal(error):
                            raise
                        reason = f"{type(error).__name__}: {error}"
                        connection.execute(
                            "UPDATE spool SET refused = ? WHERE number = ?", (reason, number)
                        )
                    else:
                        connection.execute("DELETE FROM spool WHERE number = ?", (number,))
                        drained += 1
                    connection.commit()
        return drained

    def is_empty(self) -> bool:
        """Whether nothing waits to be drained."""
        if not self.path.exists():
            return True
        with self._connect() as connection:
            row = connection.execute("SELECT 1 FROM spool WHERE refused IS NULL LIMIT 1").fetchone()
            return row is None

    def facts(self) -> SpoolFacts:
        """How it stands."""
        if not self.path.exists():
            return SpoolFacts(str(self.path), 0, 0, None, 0, self._limit)
        with self._connect() as connection:
            waiting, refused, oldest = connection.execute(
                "SELECT count(*) FILTER (WHERE refused IS NULL), count(refused), "
                "min(received_at) FILTER (WHERE refused IS NULL) FROM spool"
            ).fetchone()
            size = _size(connection)
        return SpoolFacts(str(self.path), waiting, refused, oldest, size, self._limit)

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        # Opened anew each time: it is rarely used, by any thread, and across forks.
        connection = sqlite3.connect(self.path, timeout=_WAIT)
        try:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(_SCHEMA)
            yield connection
        finally:
            connection.close()


def _size(connection: sqlite3.Connection) -> int:
    """What the rows take on disk; pages that were freed can be used again."""
    pages, free, page = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * page
