"""Statements that go to SQLite's driver as they are.

What a savepoint or the mark of an event that is done costs SQLite is a small part of what SQLAlchemy does for it: it
compiles the text of each savepoint anew, looks for one of the mark's, and makes a result of which nothing is read. On
PostgreSQL, where a statement is waited for, savepoints are spared the compiler, and SQLAlchemy has the rest: it is the
one to see that a connection is gone.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import closing
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from sqlalchemy.engine import Connection
from sqlalchemy.engine import Dialect
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError


def can_be_direct(way: Connection | Engine) -> bool:
    """Whether it leads to SQLite, with tables under the names that they have."""
    options = way.get_execution_options()
    return way.dialect.name == "sqlite" and not options.get("schema_translate_map")


def execute(connection: Connection, statement: str, values: Sequence[object] = ()) -> None:
    """Execute a statement whose result is not asked for.

    :param values: for SQLite alone, see :func:`can_be_direct`.
    :raises sqlalchemy.exc.DBAPIError: it failed.
    """
    if connection.dialect.name == "sqlite":
        _send(connection, statement, values)
    else:
        connection.exec_driver_sql(statement)


def _send(connection: Connection, statement: str, values: Sequence[object]) -> None:
    dialect = connection.dialect
    driver: Any = dialect.loaded_dbapi
    try:
        with closing(connection.connection.cursor()) as cursor:
            dialect.do_execute(cursor, statement, values)
    except driver.Error as error:
        raise as_told_by_sqlalchemy(error, dialect) from error


def as_told_by_sqlalchemy(error: Exception, dialect: Dialect) -> DBAPIError:
    """The error that SQLAlchemy makes of one of its driver's.

    :param error: of the driver.
    """
    driver: Any = dialect.loaded_dbapi
    # Without statement and values, which are not for the log.
    told = DBAPIError.instance(None, None, error, driver.Error)
    assert isinstance(told, DBAPIError)  # noqa: S101 # for mypy: it is one of the driver's
    return told


class _Savepoint:
    """Stands in for one of a dialect's ways with savepoints, on the connections of :func:`short_savepoints`."""

    def __init__(self, verb: str, own: Callable[[Connection, str], None]) -> None:
        self._verb = verb
        self._own = own

    def __call__(self, connection: Connection, name: str) -> None:
        if connection is _connection.get():
            execute(connection, f"{self._verb} {name}")
        else:
            self._own(connection, name)


_connection: ContextVar[Connection | None] = ContextVar("flask_pooled_savepoints", default=None)

_VERBS = {
    "do_savepoint": "SAVEPOINT",
    "do_rollback_to_savepoint": "ROLLBACK TO SAVEPOINT",
    "do_release_savepoint": "RELEASE SAVEPOINT",
}


@contextmanager
def short_savepoints(connection: Connection) -> Iterator[None]:
    """Have the savepoints of *connection* made by their text for the block, on SQLite directly.

    They are a session's, whose way to them is its engine's dialect, and that is the casino's: so nothing changes for
    any other connection.
    """
    dialect = connection.engine.dialect
    for method, verb in _VERBS.items():
        own = getattr(dialect, method)
        if not isinstance(own, _Savepoint):
            setattr(dialect, method, _Savepoint(verb, own))
    token = _connection.set(connection)
    try:
        yield
    finally:
        _connection.reset(token)
