"""Small jobs that a request leaves to a thread of its process, so that they never hold up its answer."""

from __future__ import annotations

import atexit
import logging
import os
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic
from typing import TypeVar

from ..news import news

logger = logging.getLogger("flask_pooled")

_T = TypeVar("_T")

#: How many jobs may wait.
_LIMIT = 1000

#: How long the end of the process waits for the jobs at hand, seconds.
_PATIENCE = 2.0


@dataclass(frozen=True, slots=True)
class _Here(Generic[_T]):
    """The thread of one process, and what waits for it. A fork copies no threads."""

    pid: int
    thread: threading.Thread
    #: ``None`` ends the thread.
    jobs: queue.SimpleQueue[_T | None]


class Background(Generic[_T]):
    """Does one job after the other in a thread, which starts with the first of them.

    :param name: the thread's name.
    :param do: does a job; what it raises is logged.
    :param limit: how many jobs may wait.
    """

    def __init__(self, name: str, do: Callable[[_T], object], *, limit: int = _LIMIT) -> None:
        self._name = name
        self._do = do
        self._limit = limit
        self._lock = threading.Lock()
        self._here: _Here[_T] | None = None

    def put(self, job: _T) -> bool:
        """Have *job* done soon. Never waits.

        :returns: ``False`` if too many are waiting already: this one will not be done.
        """
        jobs = self._start().jobs
        if jobs.qsize() >= self._limit:
            return False
        jobs.put(job)
        return True

    def close(self) -> None:
        """Do what is waiting, for a moment, and stop."""
        here = self._here
        if here is None or here.pid != os.getpid():
            return
        self._here = None
        here.jobs.put(None)
        here.thread.join(_PATIENCE)
        atexit.unregister(self.close)

    def _start(self) -> _Here[_T]:
        with self._lock:
            here = self._here
            if here is None or here.pid != os.getpid():
                jobs: queue.SimpleQueue[_T | None] = queue.SimpleQueue()
                thread = threading.Thread(
                    target=self._work, args=(jobs,), name=self._name, daemon=True
                )
                here = self._here = _Here(os.getpid(), thread, jobs)
                thread.start()
                atexit.register(self.close)
            return here

    def _work(self, jobs: queue.SimpleQueue[_T | None]) -> None:
        while (job := jobs.get()) is not None:
            try:
                self._do(job)
            except BaseException:
                # Whatever it is: the next job must be done.
                logger.exception(
                    "a job of the thread %s failed", self._name, extra=news("work.failed")
                )
