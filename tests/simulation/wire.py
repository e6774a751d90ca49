"""The wire to SQLite: every statement of every process passes here, and here it is that things go wrong.

Real connections to real files. What a dead process still sends on its way out never reaches the file.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from typing import TypeVar

from sqlalchemy import event
from sqlalchemy.engine import Engine

from flask_pooled.inbox import queuelock
from flask_pooled.inbox import spool

from .disk import Disk
from .driver import Killed
from .driver import WiredConnection

_T = TypeVar("_T")

#: The files, by what is in them.
INBOX, SPOOL, WALLET = "inbox", "spool", "wallet"

#: As many refusals as any history can meet: until somebody mends it.
FOR_LONG = 10**6


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong within one step, at its statement boundary number *at* or as soon as it can from there on; or
    right after its COMMIT number *at*.

    ``kill`` ends the process, ``cut`` the machine. ``refuse`` makes the statement fail, and the next ones too, until
    *length* have failed; ``forget`` does the same and has SQLite roll back what was open. ``busy`` is a lock that is
    not to be had; ``lost`` a COMMIT that is done and says it was not. ``meanwhile`` lets another process do something.
    """

    kind: str
    at: int
    length: int = 1
    after_commit: bool = False

    def __str__(self) -> str:
        times = f" x{self.length}" if self.length > 1 else ""
        where = "after COMMIT" if self.after_commit else "at"
        return f"{self.kind}{times} {where} {self.at}"


@dataclass(slots=True)
class Run:
    """One process doing one thing, and what it meets on the wire."""

    process: str
    fault: Fault | None = None
    #: What the other process does at the fault's point.
    meanwhile: Callable[[], None] | None = None
    #: Which life of the process it belongs to.
    life: int = 0
    #: Statement boundaries, and COMMITs, that it has come past.
    count: int = 0
    commits: int = 0
    #: Where the fault struck, in words; ``None``: not yet.
    struck: str | None = None
    #: Statements that failed, by the file that they were for.
    refused: Counter[str] = field(default_factory=Counter)
    #: Whether one of them was to undo what a receiver had done.
    refused_rollback: bool = False
    #: Locks that were really held, by the other process or by the wallet's own event.
    locked: int = 0
    forgotten: bool = False
    cut: bool = False
    overtaken: bool = False
    answer_lost: bool = False

    @property
    def undisturbed(self) -> bool:
        return not (self.refused or self.locked or self.answer_lost)


class Wire:
    """All connections of the world.

    :param disk: what a power cut leaves of the files.
    """

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._open: list[WiredConnection] = []
        self._lives: dict[str, int] = {}
        #: Called at each statement: time passes.
        self.tick: Callable[[], object] = int
        #: How many statements on each file will still fail.
        self.refusals: Counter[str] = Counter()
        #: What is going on; the last of them is who acts, those before it wait for it.
        self.runs: list[Run] = []

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Take the place of the driver in this program."""
        event.listen(Engine, "do_connect", self._on_connect)
        driver = SimpleNamespace(**{**vars(sqlite3), "connect": self._connect})
        # The spool speaks to its driver by itself, and has a lock that is none of SQLite's.
        stand_ins = ((spool, "sqlite3", driver), (queuelock, "call_within", self._wait_in_vain))
        real = [vars(module)[name] for module, name, _ in stand_ins]
        for module, name, stand_in in stand_ins:
            vars(module)[name] = stand_in
        try:
            yield
        finally:
            for (module, name, _), each in zip(stand_ins, real, strict=True):
                vars(module)[name] = each
            event.remove(Engine, "do_connect", self._on_connect)

    @contextmanager
    def run(self, run: Run) -> Iterator[None]:
        """Let a process do one thing; another one may be in the middle of its own."""
        run.life = self._lives.setdefault(run.process, 0)
        self.runs.append(run)
        try:
            yield
        finally:
            self.runs.pop()

    def end(self, process: str) -> None:
        """End a process: its transactions are rolled back, and nothing of it reaches a file any more."""
        self._lives[process] = self.life(process) + 1
        for connection in self._open:
            if connection.process == process:
                connection.drop()
        self._open = [each for each in self._open if each.process != process]

    def kill(self) -> None:
        """End the process that acts, in the middle of what it does.

        :raises Killed: always.
        """
        self.end(self.runs[-1].process)
        raise Killed

    def end_all(self) -> None:
        """End every process."""
        for process in [*self._lives]:
            self.end(process)

    def life(self, process: str) -> int:
        """The number of the process's present life, which changes when it is ended."""
        return self._lives.get(process, 0)

    def _wait_in_vain(self, seconds: float, call: Callable[[], Any]) -> Any:
        self.runs[-1].locked += 1
        raise TimeoutError("the one who has the lock waits until this one is done")

    def _on_connect(self, dialect: Any, record: Any, args: list[Any], kwargs: Any) -> Any:
        return self._connect(*args, **kwargs)

    def _connect(self, path: Any, **kwargs: Any) -> WiredConnection:
        run = self.runs[-1]
        if run.life != self._lives[run.process]:
            raise Killed
        place = _place(str(path))
        if self.refusals[place]:
            self._count_refusal(run, place)
            raise _error("unable to open database file", sqlite3.SQLITE_CANTOPEN)
        # Whoever waits for a lock here waits for ever: nobody else runs meanwhile.
        kwargs |= {"timeout": 0, "factory": WiredConnection, "check_same_thread": False}
        connection: WiredConnection = sqlite3.connect(path, **kwargs)
        connection.join(self, run.process, place, str(path))
        self._open.append(connection)
        return connection

    def closed(self, connection: WiredConnection) -> None:
        """A connection was closed by whoever had it."""
        self._open.remove(connection)

    def transmit(self, connection: WiredConnection, title: str, call: Callable[[], _T]) -> _T:
        """Send a statement, with a point before and one after it."""
        run = self.runs[-1]
        self.tick()
        self._reach(connection, run, "before", title)
        if self.refusals[connection.place]:
            self._refuse(connection, run, title)
        if title == "COMMIT":
            self._disk.committing(connection.path, connection.is_synced())
        try:
            result = call()
        except sqlite3.OperationalError as error:
            run.locked += error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            raise
        self._reach(connection, run, "after", title)
        return result

    def _reach(self, connection: WiredConnection, run: Run, side: str, title: str) -> None:
        if connection.is_dead:
            raise Killed
        after_commit = side == "after" and title == "COMMIT"
        run.count += 1
        run.commits += after_commit
        fault = run.fault
        if fault is None or run.struck is not None:
            return
        if fault.after_commit and not after_commit:
            return
        if (run.commits if fault.after_commit else run.count) < fault.at:
            return
        if not _strikes(fault.kind, side, title, connection.place):
            return
        run.struck = f"{side} {title} on {connection.place}"
        if fault.kind == "kill":
            self.end(run.process)
        elif fault.kind == "cut":
            self.end_all()
            run.cut = True
        elif fault.kind in ("refuse", "forget"):
            run.forgotten = fault.kind == "forget"
            self.refusals[connection.place] += fault.length
        elif fault.kind == "busy":
            self._count_refusal(run, connection.place)
            raise _error("database is locked", sqlite3.SQLITE_BUSY)
        elif fault.kind == "lost":
            run.answer_lost = True
            raise _error("disk I/O error", sqlite3.SQLITE_IOERR)
        elif fault.kind == "meanwhile" and run.meanwhile is not None:
            run.overtaken = True
            run.meanwhile()
        if connection.is_dead:
            raise Killed

    def _refuse(self, connection: WiredConnection, run: Run, title: str) -> None:
        self.refusals[connection.place] -= 1
        self._count_refusal(run, connection.place)
        run.refused_rollback |= title == "ROLLBACK"
        if run.forgotten or title == "COMMIT":
            # A COMMIT that meets a broken disk is rolled back (https://sqlite.org/lang_transaction.html, 2.2).
            connection.forget()
        raise _error("disk I/O error", sqlite3.SQLITE_IOERR)

    def _count_refusal(self, run: Run, place: str) -> None:
        run.refused[place] += 1


def _strikes(kind: str, side: str, title: str, place: str) -> bool:
    """Whether a fault can happen at this point."""
    if kind == "lost":
        return side == "after" and title == "COMMIT"
    if kind == "busy":
        # The embedded casino's own engine is no concern of ours: SQLAlchemy leaves its transaction open then.
        return side == "before" and title in ("BEGIN", "COMMIT") and place != WALLET
    return side == "before" or kind not in ("refuse", "forget")


def _place(path: str) -> str:
    return next((name for name in (SPOOL, WALLET) if name in Path(path).name), INBOX)


def _error(text: str, code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    return error
