"""What a failure says of the database: out of reach, busy, full, or in another's way."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import PendingRollbackError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

#: SQLite's primary result codes that say "not now" or "not here", rather than "your statement is wrong".
_SQLITE_OUTAGES = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
}

#: Likewise SQLSTATE classes: connection, transaction rollback (serialisation, deadlock), resources, operator
#: intervention, system error; and the one code for a lock that is not available.
_SQLSTATE_OUTAGES = ("08", "40", "53", "57", "58", "55P03")

#: SQLAlchemy's own code for work on a connection that is not there any more (https://sqlalche.me/e/20/8s2b).
_LOST_BEFORE = "8s2b"

#: A statement that was broken off, most often by its statement_timeout.
_QUERY_CANCELED = "57014"

#: PostgreSQL's word for a full disk.
_DISK_FULL = "53100"

#: A transaction that met another: serialisation failure, deadlock.
_VICTIM = ("40001", "40P01")


def is_outage(error: BaseException) -> bool:
    """Whether *error* says that the database could not be reached or was busy, and nothing about the work itself."""
    if isinstance(error, PoolTimeoutError):
        return True
    if isinstance(error, PendingRollbackError):
        # A connection that was lost before; a session that failed before says the same with another code.
        return error.code == _LOST_BEFORE
    if isinstance(error, DBAPIError):
        # A connection that never came to be has no SQLSTATE.
        unreachable = (
            isinstance(error, OperationalError) and getattr(error.orig, "sqlstate", "") is None
        )
        return error.connection_invalidated or unreachable or _is_driver_outage(error.orig)
    return _is_driver_outage(error)


def is_outage_elsewhere(error: BaseException) -> bool:
    """Whether what wallet code raised says that a database could not be reached, be it another one.

    A statement of its own that took too long is the receiver's fault.
    """
    sqlstate = getattr(getattr(error, "orig", None), "sqlstate", None)
    return sqlstate != _QUERY_CANCELED and is_outage(error)


def is_victim(error: BaseException) -> bool:
    """Whether PostgreSQL gave up this transaction for another's sake; it may well succeed if done again."""
    return getattr(getattr(error, "orig", None), "sqlstate", None) in _VICTIM


def is_disk_full(error: BaseException) -> bool:
    """Whether the database had no room to write."""
    cause = getattr(error, "orig", error)
    code = getattr(cause, "sqlite_errorcode", None)
    return getattr(cause, "sqlstate", None) == _DISK_FULL or code == sqlite3.SQLITE_FULL


def is_busy(error: BaseException) -> bool:
    """Whether somebody else held SQLite's lock for longer than one wanted to wait."""
    code = getattr(getattr(error, "orig", error), "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _is_driver_outage(error: BaseException | None) -> bool:
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", None)
        # Extended codes carry the primary one in their low byte.
        return code is not None and code & 0xFF in _SQLITE_OUTAGES
    state = getattr(error, "sqlstate", None)
    return isinstance(state, str) and state.startswith(_SQLSTATE_OUTAGES)
