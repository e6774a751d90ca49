"""``worker``: processes of their own work on pending events, ``flask pooled worker``.

Any number of them, on any number of machines that reach the database. Nobody wakes them: each looks for itself, twice
a second unless told otherwise, and so sweeps as well what a process that died has left.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from ..inbox.delivery import Recorded
from ..inbox.heartbeat import Heartbeat
from ..news import news
from .base import Run
from .held import HeldObservers
from .poll import jittered
from .poll import Look

logger = logging.getLogger("flask_pooled")

#: How often a working process sees whether a beat is due, seconds.
_BEAT_CHECK = 1.0


class WorkerDispatcher:
    """The serving process's part in it: none. The row is all that a worker needs.

    :param held: tells the observers of held events.
    """

    def __init__(self, held: HeldObservers) -> None:
        self._held = held

    def start(self) -> None:
        """Nothing to get ready."""

    def recorded(self, recorded: Recorded) -> None:
        """Leave the event to the workers."""
        self._held.recorded(recorded)

    def wake(self, event_id: int) -> None:
        """Leave the event to the workers."""

    def close(self) -> None:
        """Stop telling observers."""
        self._held.close()


class Crew:
    """The threads of one working process, each of which claims events for itself.

    :param run: works on what is due.
    :param heartbeat: says that this process works.
    :param concurrency: how many threads.
    :param pause: between two looks that found nothing, seconds.
    """

    def __init__(
        self,
        run: Run,
        heartbeat: Heartbeat,
        *,
        concurrency: int = 1,
        pause: float = 0.5,
    ) -> None:
        self._run = run
        self._heartbeat = heartbeat
        self._concurrency = concurrency
        self._pause = pause
        self._stopping = threading.Event()
        self._look = Look(run)
        self._error: Exception | None = None

    def stop(self) -> None:
        """Begin no further event. May be called from a signal handler."""
        self._stopping.set()

    def work(self) -> None:
        """Work until told to stop. What is out of reach is waited for."""
        self._together(self._until_stopped)

    def work_once(self) -> None:
        """Work until nothing is due.

        :raises sqlalchemy.exc.SQLAlchemyError: the database could not be reached.
        """
        self._together(self._until_nothing_is_due)
        if self._error is not None:
            raise self._error

    def _together(self, work: Callable[[], None]) -> None:
        threads = [
            threading.Thread(target=work, name=f"flask-pooled-{number}", daemon=True)
            for number in range(1, self._concurrency + 1)
        ]
        self._heartbeat.beat()
        ended = threading.Event()
        # In a thread of its own: a receiver that takes long must not look like death, and a database that keeps a
        # beat waiting must not keep signals waiting, which are this thread's affair.
        beating = threading.Thread(target=self._beat, args=(ended,), daemon=True)
        for thread in (*threads, beating):
            thread.start()
        for thread in threads:
            thread.join()
        ended.set()
        beating.join()
        self._heartbeat.close()

    def _beat(self, ended: threading.Event) -> None:
        while not ended.wait(_BEAT_CHECK):
            self._heartbeat.beat()

    def _until_stopped(self) -> None:
        while not self._stopping.is_set():
            if not self._look(self._stopping.is_set):
                self._stopping.wait(jittered(self._pause))

    def _until_nothing_is_due(self) -> None:
        while not self._stopping.is_set():
            try:
                self._run(stop=self._stopping.is_set)
                return
            except Exception as error:
                self._error = error
                self._stopping.set()
            except BaseException:
                # A receiver that would end the process. It has cost its event an attempt, and costs the others nothing.
                logger.exception(
                    "a receiver tried to end the worker; it goes on", extra=news("worker.stays")
                )
