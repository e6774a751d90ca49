"""How long something took, on a machine that others use at the same time."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

#: How often to look at the machine, seconds.
_PAUSE = 0.03

#: An answer may wait so often for the machine: for the database, for the spool, for its turn.
_WAITS = 3


class Stopwatch:
    """The seconds of a block, and how long the machine itself stood still meanwhile.

    A thread sleeps, then writes a few bytes to disk, again and again: what that takes at the most is what any thread
    of this process may have to wait for a processor and for the disk, whatever our code does.
    """

    def __init__(self) -> None:
        #: How long the block took.
        self.seconds = 0.0
        #: The longest that the machine kept us waiting once.
        self.stall = 0.0
        self._done = threading.Event()

    @property
    def allowance(self) -> float:
        """What a limit for one answer has to be raised by, seconds."""
        return _WAITS * self.stall

    def watch(self) -> None:
        """Look at the machine until the block ends."""
        with tempfile.TemporaryFile() as file:
            while not self._done.is_set():
                began = time.monotonic()
                self._done.wait(_PAUSE)
                file.write(b"still here")
                file.flush()
                os.fsync(file.fileno())
                self.stall = max(self.stall, time.monotonic() - began - _PAUSE)

    def stop(self) -> None:
        """End the block."""
        self._done.set()


@contextmanager
def stopwatch() -> Iterator[Stopwatch]:
    """Time a block."""
    watch = Stopwatch()
    thread = threading.Thread(target=watch.watch, name="stopwatch")
    thread.start()
    began = time.monotonic()
    try:
        yield watch
    finally:
        watch.seconds = time.monotonic() - began
        watch.stop()
        thread.join()
