"""Draining the spool in the serving process, where that works on no events: with ``worker`` and ``celery``.

The spool is a file on the host of the webhook; the workers may be elsewhere.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from ..inbox.delivery import Recorded
from .background import Background
from .base import Dispatcher
from .poll import jittered

#: Between two tries of a database that is out of reach, seconds.
_PAUSE = 1.0


class SpoolDrain:
    """A dispatcher that drains the spool as well.

    :param dispatcher: does everything else.
    :param drain: drains the spool, and tells what it is given of each delivery; returns whether nothing waits in it
        any more, and never raises.
    :param waits: whether there is a spool at all.
    :param enabled: whether a thread may be started at all.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        drain: Callable[[Callable[[Recorded], None]], bool],
        *,
        waits: Callable[[], bool],
        enabled: Callable[[], bool],
    ) -> None:
        self._dispatcher = dispatcher
        self._drain = drain
        self._waits = waits
        self._enabled = enabled
        self._pid: int | None = None
        self._closing = threading.Event()
        # One job that waits is enough: it drains all there is.
        self._background = Background("flask-pooled-spool", self._until_empty, limit=1)

    def start(self) -> None:
        """Drain what an earlier process left."""
        self._dispatcher.start()
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._closing.clear()
            if self._enabled() and self._waits():
                self._background.put(self._drain)

    def recorded(self, recorded: Recorded) -> None:
        """Drain the spool, if that is where the delivery went."""
        if recorded.state != "spooled":
            self._dispatcher.recorded(recorded)
        elif self._enabled():
            self._background.put(self._drain)

    def wake(self, event_id: int) -> None:
        """Pass it on."""
        self._dispatcher.wake(event_id)

    def close(self) -> None:
        """Stop; what waits in the spool waits for the next process."""
        self._closing.set()
        self._background.close()
        self._dispatcher.close()

    def _until_empty(self, drain: Callable[[Callable[[Recorded], None]], bool]) -> None:
        while not self._closing.is_set() and not drain(self._drained):
            self._closing.wait(jittered(_PAUSE))

    def _drained(self, recorded: Recorded) -> None:
        if recorded.state == "pending":
            self._dispatcher.wake(recorded.id)
