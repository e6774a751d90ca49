"""A fault point before and after each statement of SQLAlchemy's and of the spool's.

Only in the process that installs them: production code knows nothing of them and pays nothing for them. Each thread
meets its own in the same order every time, so they are counted by thread, and every one of them can be had.
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
from flask_pooled.inbox.processing import Processor

#: The threads that are told apart: who works on events where that is a thread of its own, and everybody else. No two
#: of the latter ever run at once, so that each of the two meets its points in the same order every time.
WORKING, OTHERS = "working", "others"


class FaultPoints:
    """One before and one after each statement of some threads, counted over all processes of a round."""

    def __init__(self) -> None:
        # Shared by the processes; the lock is not, because whoever is killed would keep it.
        self._count = RawValue("q", 0)
        self._lock = threading.Lock()
        self._threads = OTHERS
        self._fatal = 0
        self._report = -1
        self._go = threading.Event()
        self._go.set()

    def arm(self, threads: str, fatal: int, report: int) -> None:
        """Kill the process of which one of *threads* reaches its point number *fatal*.

        :param fatal: from 1; 0 kills nobody.
        :param report: a pipe that is told of each point that is reached.
        """
        self._count.value = 0
        self._threads, self._fatal, self._report = threads, fatal, report

    def hold(self) -> None:
        """Let whoever works on events wait, if they are to be killed, so that what they find is no chance."""
        if self._threads == WORKING:
            self._go.clear()

    def let_go(self) -> None:
        """End of :meth:`hold`."""
        self._go.set()

    def tell(self, line: str) -> None:
        """Write a line on the pipe."""
        os.write(self._report, f"{line}\n".encode())

    def install(self) -> None:
        """Put the points into this process."""
        for name in ("do_execute", "do_execute_no_params", "do_executemany"):
            self._surround(name, lambda cursor, statement, *_: _title(statement))
        self._surround("do_commit", lambda connection: "COMMIT")
        self._surround("do_rollback", lambda connection: "ROLLBACK")
        original = Processor.run

        def run(*args: Any, **kwargs: Any) -> int:
            self._go.wait()
            return original(*args, **kwargs)

        Processor.run = run  # type: ignore[method-assign]  # a hook
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
        if _threads() != self._threads:
            return
        with self._lock:
            self._count.value += 1
            self.tell(f"reached {point}")
            if self._count.value == self._fatal:
                self.tell("killed")
                os.kill(os.getpid(), signal.SIGKILL)


def _threads() -> str:
    name = threading.current_thread().name
    return WORKING if re.fullmatch(r"flask-pooled(-\d+)?", name) else OTHERS


def _title(statement: str) -> str:
    found = re.match(
        r"\s*(INSERT (?:OR IGNORE )?INTO \w+|UPDATE \w+|[A-Z]+( SAVEPOINT)?)", statement
    )
    return found[1] if found else statement
