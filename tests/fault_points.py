"""A fault point before and after each statement of SQLAlchemy's, wrapped around its way to the driver.

Only in the process that installs them: production code knows nothing of them and pays nothing for them.
"""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable
from multiprocessing.sharedctypes import RawValue
from typing import Any

from sqlalchemy.engine.default import DefaultDialect


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

    def _surround(self, name: str, title: Callable[..., str]) -> None:
        original = getattr(DefaultDialect, name)

        def surrounded(dialect: DefaultDialect, *args: Any, **kwargs: Any) -> Any:
            self._reach(f"before {title(*args)}")
            result = original(dialect, *args, **kwargs)
            self._reach(f"after {title(*args)}")
            return result

        setattr(DefaultDialect, name, surrounded)

    def _reach(self, point: str) -> None:
        with self._lock:
            self._count.value += 1
            if self._count.value == self._fatal:
                os.write(self._report, f"killed {point}\n".encode())
                os.kill(os.getpid(), signal.SIGKILL)


def _title(statement: str) -> str:
    found = re.match(r"\s*(INSERT INTO \w+|UPDATE \w+|[A-Z]+( SAVEPOINT)?)", statement)
    return found[1] if found else statement
