"""``thread``: a thread of the serving process works on pending events.

It starts with the first request after a fork, and sweeps what earlier processes left: it looks for due events once
a second, woken or not.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable

from ..inbox.delivery import Recorded
from ..inbox.heartbeat import Heartbeat
from .base import Run
from .held import HeldObservers
from .poll import jittered
from .poll import Look

#: Between two looks that nobody asked for, seconds.
_PAUSE = 1.0

#: How long the end of the process waits for the event that is being handled, seconds.
_PATIENCE = 5.0


class ThreadDispatcher:
    """Works in a thread of this process.

    :param run: works on what is due.
    :param held: tells the observers of held events.
    :param heartbeat: says that this process works.
    :param enabled: whether a thread may be started at all; without one, ``drain()`` does the work.
    """

    def __init__(
        self,
        run: Run,
        held: HeldObservers,
        heartbeat: Heartbeat,
        *,
        enabled: Callable[[], bool],
    ) -> None:
        self._held = held
        self._heartbeat = heartbeat
        self._enabled = enabled
        self._look = Look(run)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._pid: int | None = None
        self._fresh()

    def _fresh(self) -> None:
        self._wake = threading.Event()
        self._stopping = threading.Event()

    def start(self) -> None:
        """Start the thread, if this process has none yet."""
        if self._running() or not self._enabled():
            return
        with self._lock:
            if self._running():
                return
            # A fork copies no threads, and may have copied an event in the middle of a change.
            self._fresh()
            self._pid = os.getpid()
            self._thread = threading.Thread(target=self._work, name="flask-pooled", daemon=True)
            self._thread.start()
            atexit.register(self.close)

    def recorded(self, recorded: Recorded) -> None:
        """Wake the thread."""
        self._held.recorded(recorded)
        self._wake.set()

    def wake(self, event_id: int) -> None:
        """Wake the thread."""
        self._wake.set()

    def close(self) -> None:
        """Stop after the event that is being handled, or leave it to the next process."""
        self._held.close()
        thread = self._thread
        if thread is None or self._pid != os.getpid():
            return
        self._stopping.set()
        self._wake.set()
        thread.join(_PATIENCE)
        self._thread = None
        atexit.unregister(self.close)

    def _running(self) -> bool:
        thread = self._thread
        return thread is not None and self._pid == os.getpid() and thread.is_alive()

    def _work(self) -> None:
        while not self._stopping.is_set():
            again = self._look(self._stopping.is_set)
            self._heartbeat.beat()
            if not again:
                self._wake.wait(jittered(_PAUSE))
                self._wake.clear()
        self._heartbeat.close()
