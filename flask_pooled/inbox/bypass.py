"""Noticing wallet code that ends, or writes past, the transaction in which it runs.

What a receiver commits outside of that transaction stays when the event fails, and would be written again by the next
attempt. So a failed event whose receiver did that is not tried again: it is held for a person.

Seen are: a commit or an AUTOCOMMIT on any other connection of SQLAlchemy's to the same database, and whatever ends
the transaction itself, be it a COMMIT as text or the driver's own ``commit()``. Not seen are other threads, other
processes and connections made without SQLAlchemy.

Each commit that SQLAlchemy tells of is written down before it happens, so that the event is held even if this process
does not live to see it fail: one on another connection by a transaction of its own, a COMMIT as text within the very
transaction that it ends. The driver's own ``commit()`` is seen only afterwards.
"""

from __future__ import annotations

import logging
import re
import sqlite3
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from contextlib import suppress
from contextvars import ContextVar
from typing import Any
from typing import Literal

from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import SQLAlchemyError

from ..errors import InboxError
from ..news import news
from .direct import execute
from .outages import is_outage

logger = logging.getLogger("flask_pooled")

#: Stands at the beginning of the transaction; where it is gone, so is the transaction.
_MARKER = "pooled_event"

#: What a person is told to do.
WHAT_NOW = (
    "What it committed stays: look into the wallet, then release or discard the event. Write through session or "
    "db.session, and let the inbox commit"
)

#: Errors at which SQLite may roll back the whole transaction by itself (https://sqlite.org/lang_transaction.html).
_SQLITE_ROLLS_BACK = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_INTERRUPT,
}

#: What ends a transaction for good, after comments or other statements. To find more than that does no harm: what is
#: written down then is rolled back with the transaction.
_ENDING = re.compile(
    r"(?:\A|;)(?:\s|--[^\n]*\n|/\*.*?\*/)*(?:COMMIT|END|PREPARE\s+TRANSACTION)\b",
    re.IGNORECASE | re.DOTALL,
)


class BypassError(InboxError):
    """A receiver failed after it had written outside of its event's transaction, or it ended that transaction."""


class Watch:
    """What the receivers of one event do past their transaction.

    :param connection: has the open transaction.
    :param foresee: is called before the first commit past the transaction, and before each that would end it, then
        with the connection to be used; what it raises prevents that commit.
    """

    def __init__(
        self, connection: Connection, foresee: Callable[[Connection | None], object]
    ) -> None:
        self._connection = connection
        self._foresee = foresee
        self._bypassed = False
        self._elsewhere = False
        #: The transaction was lost: its connection broke, or the database gave it up.
        self.lost = False

    @contextmanager
    def over_receivers(self) -> Iterator[None]:
        """Run receivers in the transaction.

        :raises BypassError: the transaction is not what it was, or they failed and something they wrote stays. Its
            ``__cause__`` is what they raised.
        """
        execute(self._connection, f"SAVEPOINT {_MARKER}")
        token = _watch.set(self)
        try:
            yield
        except BaseException as error:
            self._leave_savepoints()
            mark = self._mark("ROLLBACK TO SAVEPOINT")
            if mark == "gone" and _has_rolled_back(error):
                mark = "lost"
            if self._bypassed or mark == "gone":
                raise BypassError(
                    f"a receiver failed after it had committed by itself, past the transaction of its event. {WHAT_NOW}"
                ) from error
            self.lost = mark == "lost"
            if self._elsewhere:
                logger.warning(
                    "a receiver failed after it had committed to another database, where that stays; it will run again",
                    extra=news("receiver.elsewhere"),
                )
            raise
        finally:
            _watch.reset(token)
        if self._mark("RELEASE SAVEPOINT", raises_if_lost=True) == "gone":
            raise BypassError(
                "a receiver ended the transaction of its event by itself (a COMMIT or ROLLBACK past the session): "
                f"nobody can tell what it wrote. {WHAT_NOW}"
            )
        if self._bypassed:
            logger.error(
                "a receiver committed past the transaction of its event; had it failed, the event would be held. "
                "Write through session or db.session, and let the inbox commit",
                extra=news("receiver.bypassed"),
            )

    def note(self, connection: Connection) -> None:
        """A receiver is about to commit."""
        if connection is self._connection:
            self._write_down(connection)
        elif not _same_database(connection, self._connection):
            self._elsewhere = True
        elif not self._bypassed:
            # On SQLite whoever wants to write waits for this very transaction, so that there is nothing to foresee.
            if self._connection.dialect.name != "sqlite":
                self._write_down(None)
            self._bypassed = True

    def note_statement(self, connection: Connection, statement: str) -> None:
        """A receiver is about to execute something."""
        if connection is self._connection and _ENDING.search(statement):
            self._write_down(connection)

    def _write_down(self, connection: Connection | None) -> None:
        token = _watch.set(None)
        try:
            self._foresee(connection)
        finally:
            _watch.reset(token)

    def _leave_savepoints(self) -> None:
        """Let go of savepoints that could not be released: until then SQLAlchemy refuses every other statement."""
        while (savepoint := self._connection.get_nested_transaction()) is not None:
            with suppress(SQLAlchemyError):
                savepoint.rollback()
            if savepoint is self._connection.get_nested_transaction():
                return

    def _mark(
        self, statement: str, *, raises_if_lost: bool = False
    ) -> Literal["there", "gone", "lost"]:
        """Whether the transaction still begins with our marker.

        :param raises_if_lost: rather than returning that it is lost, and with it what the receivers wrote.
        """
        try:
            execute(self._connection, f"{statement} {_MARKER}")
        except SQLAlchemyError as error:
            # A lost connection has rolled back, which is no bypass.
            lost = self._connection.invalidated or (
                isinstance(error, DBAPIError) and is_outage(error)
            )
            if lost and raises_if_lost:
                raise
            return "lost" if lost else "gone"
        return "there"


_watch: ContextVar[Watch | None] = ContextVar("flask_pooled_watch", default=None)


def watch_commits() -> None:
    """Listen to all engines of this process; doing so twice changes nothing."""
    for name, listener in (
        ("commit", _on_commit),
        ("before_cursor_execute", _on_execute),
        ("set_connection_execution_options", _on_options),
        ("engine_connect", _on_connect),
    ):
        if not event.contains(Engine, name, listener):
            event.listen(Engine, name, listener)


def _has_rolled_back(error: BaseException | None) -> bool:
    """Whether what a receiver raised comes from an error at which SQLite has rolled back."""
    while error is not None:
        code = getattr(getattr(error, "orig", error), "sqlite_errorcode", None)
        if code is not None and code & 0xFF in _SQLITE_ROLLS_BACK:
            return True
        error = error.__cause__ or error.__context__
    return False


def _on_commit(connection: Connection) -> None:
    watch = _watch.get()
    if watch is not None:
        watch.note(connection)


def _on_execute(connection: Connection, _cursor: object, statement: str, *_: object) -> None:
    watch = _watch.get()
    if watch is not None:
        watch.note_statement(connection, statement)


def _on_options(connection: Connection, options: Mapping[str, Any]) -> None:
    watch = _watch.get()
    if watch is not None and options.get("isolation_level") == "AUTOCOMMIT":
        watch.note(connection)


def _on_connect(connection: Connection) -> None:
    watch = _watch.get()
    if watch is not None:
        _on_options(connection, connection.get_execution_options())


def _same_database(one: Connection, other: Connection) -> bool:
    def place(connection: Connection) -> tuple[object, ...]:
        url = connection.engine.url
        query = tuple(
            sorted((name, url.query[name]) for name in ("host", "port") if name in url.query)
        )
        return (url.get_backend_name(), url.host, url.port, url.database, query)

    return place(one) == place(other)
