"""A lock on a file for which threads and processes wait in the order in which they came, and not for ever.

SQLite lets those who wait for its write lock try again and again, in no order: among many writers, one may never meet
the moment in which it is free. The system's own lock keeps a queue (``flock`` on Linux; elsewhere nearly so).
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .deadline import call_within
from .deadline import DeadlineError

#: How long one looks whether it is free before one queues, and how often, seconds. Most hold it for a moment, and to
#: queue takes a thread.
_LOOK = 0.01
_PAUSE = 0.00025

if sys.platform == "win32":
    import msvcrt

    def _try_to_lock(fd: int) -> None:
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)

    def _lock(fd: int) -> None:
        while True:
            try:
                # It gives up after ten seconds.
                msvcrt.locking(fd, msvcrt.LK_LOCK, 1)
            except OSError:
                continue
            return

    def _unlock(fd: int) -> None:
        msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_to_lock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _lock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX)

    def _unlock(fd: int) -> None:
        # Closing would do, were there no child that was forked meanwhile and has the file open as well.
        fcntl.flock(fd, fcntl.LOCK_UN)


class QueueLock:
    """Held by one thread of one process at a time; the system frees it when that process ends, however it ends."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        # The threads of this process queue here, where waiting costs nothing; one of them has the system's lock or
        # stands in its queue.
        self._turn = threading.Lock()
        #: Where one of them stood last that had to queue.
        self._place: _Place | None = None

    @contextmanager
    def hold(self, seconds: float) -> Iterator[None]:
        """Hold the lock for the block.

        :param seconds: the longest wait for it.
        :raises TimeoutError: others had it for so long.
        :raises OSError: its file cannot be opened or locked.
        """
        until = time.monotonic() + seconds
        if not self._turn.acquire(timeout=seconds):
            raise _timeout(seconds)
        try:
            # Whoever holds it may hang for hours: no more than one thread of a process waits for that.
            if self._place is not None and not self._place.left.wait(until - time.monotonic()):
                raise _timeout(seconds)
            self._place = None
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
            if not _look(fd, min(until, time.monotonic() + _LOOK)):
                self._place = _Place(fd)
                self._place.reach(until - time.monotonic())
            try:
                yield
            finally:
                _leave(fd)
        finally:
            self._turn.release()


def _look(fd: int, until: float) -> bool:
    while True:
        try:
            _try_to_lock(fd)
        except OSError:
            # Somebody has it; or else who queues is told what is wrong.
            if time.monotonic() >= until:
                return False
            time.sleep(_PAUSE)
        else:
            return True


def _leave(fd: int) -> None:
    _unlock(fd)
    os.close(fd)


class _Place:
    """A place in the system's queue."""

    def __init__(self, fd: int) -> None:
        self.left = threading.Event()
        self._fd = fd
        self._change = threading.Lock()
        self._reached = self._given_up = False

    def reach(self, seconds: float) -> None:
        """Hold the lock when this returns, and be out of the queue.

        :raises TimeoutError: it is still somebody else's; the place is left as soon as that changes.
        :raises OSError: the file cannot be locked.
        """
        try:
            # In a thread: the system lets nobody leave its queue.
            call_within(max(seconds, 0), self._queue)
        except DeadlineError:
            with self._change:
                self._given_up = not self._reached
                if self._given_up:
                    raise _timeout(seconds) from None
        except OSError:
            os.close(self._fd)
            self.left.set()
            raise
        self.left.set()

    def _queue(self) -> None:
        _lock(self._fd)
        with self._change:
            self._reached = True
            if self._given_up:
                _leave(self._fd)
                self.left.set()


def _timeout(seconds: float) -> TimeoutError:
    return TimeoutError(f"others had the lock for {seconds:.1f} seconds")
