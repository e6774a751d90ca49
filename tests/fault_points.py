"""A fault point before and after each statement of SQLAlchemy's and of the spool's.

Only in the process that installs them: production code knows nothing of them and pays nothing for them.
"""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import threading
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.sharedctypes import RawValue
from types import SimpleNamespace
from typing import Any

from sqlalchemy.engine.default import DefaultDialect

from flask_pooled.inbox import spool


class FaultPoints:
    """One before and one after each statement, counted over all processes of a round."""

    def __init__(self) -> None:
        # Shared by the processes; the lock is not, because whoever is killed would keep it.
        self._count = RawValue("q", 0)
        self._lock = threading.Lock()
        self._fatal = 0
        self._report = -1

    def arm(self, fatal: int, report: int) -> None:
        """Kill the process that reaches the point number *fatal*, after a line about it on the pipe *report*."""
        self._count.value = 0
        self._fatal, self._report = fatal, report

    def install(self) -> None:
        """Put the points into this process."""
        for name in ("do_execute", "do_execute_no_params", "do_executemany"):
            self._surround(name, lambda cursor, statement, *_: _title(statement))
        self._surround("do_commit", lambda connection: "COMMIT")
        self._surround("do_rollback", lambda connection: "ROLLBACK")
        # The spool speaks to its driver by itself.
        driver = {name: getattr(sqlite3, name) for name in ("Error", "OperationalError")}
        connect = partial(sqlite3.connect, factory=self._spool_connection())
        vars(spool)["sqlite3"] = SimpleNamespace(connect=connect, **driver)

    def _surround(self, name: str, title: Callable[..., str]) -> None:
        original = getattr(DefaultDialect, name)

        def surrounded(dialect: DefaultDialect, *args: Any, **kwargs: Any) -> Any:
            with self._around(title(*args)):
                return original(dialect, *args, **kwargs)

        setattr(DefaultDialect, name, surrounded)

    def _spool_connection(self) -> type[sqlite3.Connection]:
        points = self

        class Connection(sqlite3.Connection):
            def execute(self, statement: str, *args: Any) -> sqlite3.Cursor:
                with points._around(f"{_title(statement)} of the spool"):
                    return super().execute(statement, *args)

            def commit(self) -> None:
                with points._around("COMMIT of the spool"):
                    super().commit()

        return Connection

    @contextmanager
    def _around(self, title: str) -> Iterator[None]:
        self._reach(f"before {title}")
        yield
        self._reach(f"after {title}")

    def _reach(self, point: str) -> None:
        with self._lock:
            self._count.value += 1
            if self._count.value == self._fatal:
                os.write(self._report, f"killed {point}\n".encode())
                os.kill(os.getpid(), signal.SIGKILL)


def _title(statement: str) -> str:
    found = re.match(
        r"\s*(INSERT (?:OR IGNORE )?INTO \w+|UPDATE \w+|[A-Z]+( SAVEPOINT)?)", statement
    )
    return found[1] if found else statement
