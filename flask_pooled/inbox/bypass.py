"""Noticing wallet code that ends, or writes past, the transaction in which it runs.

What a receiver commits outside of that transaction stays when the event fails, and would be written again by the next
attempt. So a failed event whose receiver did that is not tried again: it is held for a person.

Seen are: a commit or an AUTOCOMMIT on any other connection of SQLAlchemy's to the same database, and whatever ends
the transaction itself, be it a COMMIT as text or the driver's own ``commit()``. Not seen are other threads, other
processes and connections made without SQLAlchemy.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import SQLAlchemyError

from ..errors import InboxError
from .database import is_outage

logger = logging.getLogger("flask_pooled")

#: Stands at the beginning of the transaction; where it is gone, so is the transaction.
_MARKER = "pooled_event"


class BypassError(InboxError):
    """A receiver failed after it had written outside of its event's transaction, or it ended that transaction."""


class _Watch:
    """What the receivers of one event did past their transaction."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.bypassed = False
        self.elsewhere = False

    def note(self, connection: Connection) -> None:
        if _same_database(connection, self.connection):
            self.bypassed = True
        else:
            self.elsewhere = True


_watch: ContextVar[_Watch | None] = ContextVar("flask_pooled_watch", default=None)


def watch_commits() -> None:
    """Listen to all engines of this process; doing so twice changes nothing."""
    for name, listener in (
        ("commit", _on_commit),
        ("set_connection_execution_options", _on_options),
        ("engine_connect", _on_connect),
    ):
        if not event.contains(Engine, name, listener):
            event.listen(Engine, name, listener)


@contextmanager
def watching(connection: Connection) -> Iterator[None]:
    """Run receivers in the open transaction of *connection*.

    :raises BypassError: the transaction is not what it was, or they failed and something they wrote stays. Its
        ``__cause__`` is what they raised.
    """
    watch = _Watch(connection)
    connection.exec_driver_sql(f"SAVEPOINT {_MARKER}")
    token = _watch.set(watch)
    try:
        yield
    except BaseException as error:
        if watch.bypassed or not _marked(connection, "ROLLBACK TO SAVEPOINT"):
            raise BypassError(
                "a receiver failed after it had committed by itself, past the transaction of its event. What it "
                "committed stays: look into the wallet, then release or discard the event. Write through session "
                "or db.session, and let the inbox commit"
            ) from error
        if watch.elsewhere:
            logger.warning(
                "a receiver failed after it had committed to another database, where that stays; it will run again"
            )
        raise
    finally:
        _watch.reset(token)
    if not _marked(connection, "RELEASE SAVEPOINT"):
        raise BypassError(
            "a receiver ended the transaction of its event by itself (a COMMIT or ROLLBACK past the session): "
            "nobody can tell what it wrote. Look into the wallet, then release or discard the event"
        )
    if watch.bypassed:
        logger.error(
            "a receiver committed past the transaction of its event; after a crash it could have been paid twice. "
            "Write through session or db.session, and let the inbox commit"
        )


def _marked(connection: Connection, statement: str) -> bool:
    """Whether the transaction still begins with our marker."""
    try:
        connection.exec_driver_sql(f"{statement} {_MARKER}")
    except SQLAlchemyError as error:
        # A lost connection has rolled back, which is no bypass.
        return connection.invalidated or (isinstance(error, DBAPIError) and is_outage(error))
    return True


def _on_commit(connection: Connection) -> None:
    watch = _watch.get()
    if watch is not None:
        watch.note(connection)


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
