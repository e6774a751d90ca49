"""Two pieces of work on one database, one of them stopped at a chosen statement."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.engine import Engine

from flask_pooled.inbox import direct

#: Longer than any lock timeout of ours, seconds.
PATIENCE = 15


class Work(threading.Thread):
    """Runs a function in a thread and keeps what it returns or raises."""

    def __init__(self, function: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._function = function
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.result = self._function()
        except BaseException as error:
            self.error = error

    def finish(self) -> None:
        """Wait for the end, which must come."""
        self.join(PATIENCE)
        assert not self.is_alive(), "the work never ended"


@contextmanager
def each_statement(visit: Callable[[Connection, str], None]) -> Iterator[None]:
    """Call *visit* before each statement and each commit, on whatever engine."""

    def before(connection: Connection, cursor: Any, statement: str, *more: Any) -> None:
        visit(connection, statement)

    def commit(connection: Connection) -> None:
        visit(connection, "COMMIT")

    send = direct._send

    def send_after(connection: Connection, statement: str, values: Sequence[object]) -> None:
        visit(connection, statement)
        send(connection, statement, values)

    event.listen(Engine, "before_cursor_execute", before)
    event.listen(Engine, "commit", commit)
    vars(direct)["_send"] = send_after
    try:
        yield
    finally:
        vars(direct)["_send"] = send
        event.remove(Engine, "before_cursor_execute", before)
        event.remove(Engine, "commit", commit)


def interleave(
    engine: Engine, first: Callable[[], Any], second: Callable[[], Any], *, at: int
) -> tuple[Work, Work] | None:
    """Run *first* up to its statement number *at*, then *second* until it ends or waits, then *first* to its end.

    :returns: both; ``None``: *first* has no such statement.
    """
    reached, go = threading.Event(), threading.Event()
    count = 0
    last: tuple[str, float] = ("", 0)
    work, other = Work(first), Work(second)

    def visit(connection: Connection, statement: str) -> None:
        nonlocal count, last
        if threading.current_thread() is other:
            last = (statement, time.monotonic())
        if threading.current_thread() is not work:
            return
        count += 1
        if count == at:
            reached.set()
            assert go.wait(PATIENCE)

    with each_statement(visit):
        work.start()
        while not reached.wait(0.001):
            if not work.is_alive() and not reached.is_set():
                return None
        other.start()
        with _waiting(engine, lambda: last) as waits:
            while other.is_alive() and not waits():
                time.sleep(0.001)
        go.set()
        work.finish()
        other.finish()
    return work, other


@contextmanager
def _waiting(engine: Engine, last: Callable[[], tuple[str, float]]) -> Iterator[Callable[[], bool]]:
    """Says whether any connection to the database waits for a lock.

    :param last: the last statement that was begun, and when.
    """
    if engine.dialect.name == "sqlite":
        # There is one lock, which the first statement of a transaction takes; and nobody to ask who waits for it.
        yield lambda: last()[0] == "BEGIN IMMEDIATE" and time.monotonic() - last()[1] > 0.05
        return
    watcher = create_engine(engine.url, isolation_level="AUTOCOMMIT")
    with watcher.connect() as connection:
        yield lambda: bool(
            connection.exec_driver_sql(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            ).scalar()
        )
    watcher.dispose()
