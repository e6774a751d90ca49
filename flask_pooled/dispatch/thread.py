"""``thread``: a thread of the serving process works on pending events.

It starts with the first request after a fork, and sweeps what earlier processes left: it looks for due events once
a second, woken or not.
"""

from __future__ import annotations

import atexit
import logging
import os
import queue
import random
import threading
from collections.abc import Callable
from contextlib import suppress

from ..inbox.delivery import Recorded

logger = logging.getLogger("flask_pooled")

#: Between two looks that nobody asked for, seconds; jitter keeps processes from looking all at once.
_PAUSE = 1.0

#: How long the end of the process waits for the event that is being handled, seconds.
_PATIENCE = 5.0


class ThreadDispatcher:
    """Works in a thread of this process.

    :param run: works on what is due.
    :param tell_held: tells the observers of a held event.
    :param enabled: whether a thread may be started at all; without one, ``drain()`` does the work.
    """

    def __init__(
        self,
        run: Callable[[], int],
        tell_held: Callable[[Recorded], None],
        *,
        enabled: Callable[[], bool],
    ) -> None:
        self._run = run
        self._tell_held = tell_held
        self._enabled = enabled
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._pid: int | None = None
        self._fresh()

    def _fresh(self) -> None:
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._held: queue.SimpleQueue[Recorded] = queue.SimpleQueue()

    def start(self) -> None:
        """Start the thread, if this process has none yet."""
        if self._running() or not self._enabled():
            return
        with self._lock:
            if self._running():
                return
            # A fork copies no threads, and may have copied an event or a queue in the middle of a change.
            self._fresh()
            self._pid = os.getpid()
            self._thread = threading.Thread(target=self._work, name="flask-pooled", daemon=True)
            self._thread.start()
            atexit.register(self.close)

    def recorded(self, recorded: Recorded) -> None:
        """Wake the thread."""
        if not self._running():
            if recorded.state == "held":
                self._tell_held(recorded)
            return
        if recorded.state == "held":
            self._held.put(recorded)
        self._wake.set()

    def close(self) -> None:
        """Stop after the event that is being handled, or leave it to the next process."""
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
        failing = False
        while not self._stopping.is_set():
            self._tell_all_held()
            try:
                self._run()
                failing = False
            except BaseException:
                # Whatever it is, the next look must come: nobody else does this work in this process.
                if not failing:
                    logger.exception(
                        "pending events could not be worked on; trying again every second"
                    )
                failing = True
            # Not a secret: spreads the looks of many processes.
            self._wake.wait(_PAUSE * random.uniform(0.8, 1.2))  # noqa: S311
            self._wake.clear()
        self._tell_all_held()

    def _tell_all_held(self) -> None:
        with suppress(queue.Empty):
            while True:
                self._tell_held(self._held.get_nowait())
