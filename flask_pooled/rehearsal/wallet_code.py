"""What a rehearsal does around the casino's wallet code."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from traceback import extract_tb
from typing import Any
from unittest.mock import patch

from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.pool import Pool

from ..errors import PooledError
from ..events import Event
from ..handoff import Handoff
from ..inbox.outages import is_busy

#: Milliseconds that wallet code waits for a lock of SQLite's. The one that it finds is most likely its own event's,
#: for which it would wait in vain, in every test.
_WAIT = 100

#: Under which a connection remembers how long it waits otherwise.
_KEY = "flask_pooled_rehearsal_wait"

#: In the path of every library.
_LIBRARY = "site-packages"

_runs: ContextVar[bool] = ContextVar("flask_pooled_rehearsed_wallet_code", default=False)


@contextmanager
def watched() -> Iterator[Mapping[str, str]]:
    """Note what wallet code raises, and let none wait long for a lock that its own event holds.

    :returns: the last failure of each kind of event, in words.
    """
    failures: dict[str, str] = {}
    deliver = Handoff.deliver

    def noted(self: Handoff, what: Event, connection: Connection | None) -> Sequence[str]:
        token = _runs.set(True)
        try:
            return deliver(self, what, connection)
        except Exception as error:
            failures[what.kind] = _in_words(error)
            raise
        finally:
            _runs.reset(token)

    event.listen(Pool, "checkout", _limit_wait)
    event.listen(Pool, "checkin", _restore_wait)
    try:
        with patch.object(Handoff, "deliver", noted):
            yield failures
    finally:
        event.remove(Pool, "checkout", _limit_wait)
        event.remove(Pool, "checkin", _restore_wait)


def _limit_wait(driver: Any, record: Any, proxy: Any) -> None:
    if _runs.get() and isinstance(driver, sqlite3.Connection):
        [[record.info[_KEY]]] = driver.execute("PRAGMA busy_timeout").fetchall()
        driver.execute(f"PRAGMA busy_timeout = {_WAIT}").close()


def _restore_wait(driver: Any, record: Any) -> None:
    wait = record.info.pop(_KEY, None)
    if wait is not None and driver is not None:
        driver.execute(f"PRAGMA busy_timeout = {wait}").close()


def _in_words(error: Exception) -> str:
    """What was raised, and where, but not a stranger's text, which may hold a secret."""
    if isinstance(error, PooledError):
        return str(error)
    if is_busy(error):
        return (
            "its receiver waited for the lock that its own event holds: write through session or db.session, and on "
            "no other connection"
        )
    frames = [frame for frame in extract_tb(error.__traceback__) if _LIBRARY not in frame.filename]
    where = f" in {frames[-1].filename}, line {frames[-1].lineno}" if frames else ""
    return f"its receiver raised {type(error).__name__}{where}"


@contextmanager
def followed_by(after: Callable[[], None]) -> Iterator[None]:
    """Call something right after the receivers of every event, inside the same transaction."""
    deliver = Handoff.deliver

    def patched(self: Handoff, what: Event, connection: Connection | None) -> Sequence[str]:
        names = deliver(self, what, connection)
        after()
        return names

    with patch.object(Handoff, "deliver", patched):
        yield
