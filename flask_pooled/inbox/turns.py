"""Who writes to an SQLite file, in the order in which they came.

SQLite has those who wait for its write lock sleep and look again, in no order: among many, one may not find it free for
seconds. So each of ours takes its turn first, by a lock that keeps a queue (``queuelock.py``). That is a matter of
order alone: who may write is SQLite's to say, and other programs, which know of no turns, get in between.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import ExitStack
from functools import lru_cache
from urllib.parse import unquote
from urllib.parse import urlsplit

from sqlalchemy import URL
from sqlalchemy.exc import OperationalError

from .queuelock import QueueLock


class _Held(threading.local):
    """The files at which it is this thread's turn."""

    def __init__(self) -> None:
        self.paths: set[str] = set()


_held = _Held()


class Turns:
    """The turns of one user of a database, in one process.

    :param url: the database's; there are no turns but in an SQLite file.
    """

    def __init__(self, url: URL) -> None:
        self._path = _path(url)

    @contextmanager
    def take(self, seconds: float) -> Iterator[None]:
        """Be the one whose turn it is for the block. Within it, the same thread need not wait again, by whichever way
        it comes to the file.

        :param seconds: the longest wait for it.
        :raises sqlalchemy.exc.OperationalError: others had it for so long: "database is locked", as SQLite says when
            its own lock is not to be had.
        """
        path = self._path
        if path is None or path in _held.paths:
            yield
            return
        with ExitStack() as stack:
            try:
                stack.enter_context(_lock_of(path, os.getpid()).hold(seconds))
            except TimeoutError as error:
                raise _busy() from error
            except OSError:
                # The file is somebody else's, or cannot be made: then in no order.
                pass
            _held.paths.add(path)
            try:
                yield
            finally:
                _held.paths.discard(path)


@lru_cache(maxsize=32)
def _lock_of(path: str, _pid: int) -> QueueLock:
    # One for all threads of a process, and none that was in use when it was forked.
    return QueueLock(path)


def _path(url: URL) -> str | None:
    database = url.database or ""
    if url.get_backend_name() != "sqlite" or not database:
        return None
    if database.startswith("file:"):
        database = unquote(urlsplit(database).path)
    return f"{os.path.abspath(database)}.turn"


def _busy() -> OperationalError:
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
    error.sqlite_errorname = "SQLITE_BUSY"
    return OperationalError("BEGIN IMMEDIATE", None, error)
