"""``celery``: the casino's own Celery workers work on pending events.

A message only wakes: it carries the row's id for people who watch the queue, and a worker that gets one works on
whatever is due. So it does not matter if messages are lost, repeated or late. What a lost message or a crash left is
found by the task ``flask_pooled.sweep``, which Celery beat sends every ten seconds, see :func:`beat_schedule`.

Celery is imported only where ``POOLED_DISPATCH`` asks for it.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable
from functools import cache
from typing import Any
from weakref import WeakSet

from ..errors import ConfigError
from ..inbox.delivery import Recorded
from ..inbox.heartbeat import Heartbeat
from ..news import news
from .background import Background
from .base import Run
from .held import HeldObservers
from .poll import Look

logger = logging.getLogger("flask_pooled")

#: The tasks' names.
PROCESS = "flask_pooled.process"
SWEEP = "flask_pooled.sweep"

#: Between two sweeps, seconds.
SWEEP_EVERY = 10.0

#: How long a task goes on while there is work, seconds. Sweeps that begin meanwhile help with a long backlog.
_SHIFT = 20.0

#: How long the broker may take to connect, to answer or to be written to, seconds.
_TIMEOUT = 1.0

#: How long a broker that failed is left alone, seconds. It would cost each message its timeout.
_SILENCE = 1.0

#: Redis and other brokers know the first two, AMQP the next two; the last is against Celery's own persistence.
_TRANSPORT_OPTIONS = {
    "socket_timeout": _TIMEOUT,
    "socket_connect_timeout": _TIMEOUT,
    "read_timeout": _TIMEOUT,
    "write_timeout": _TIMEOUT,
    "max_retries": 0,
}


def beat_schedule(every: float = SWEEP_EVERY) -> dict[str, dict[str, Any]]:
    """The entry of Celery's ``beat_schedule`` that finds what a crash or a lost message left.

    :param every: seconds between two sweeps.
    """
    # A sweep that nobody took before the next one is due is not worth keeping.
    return {"flask-pooled-sweep": {"task": SWEEP, "schedule": every, "options": {"expires": every}}}


class CeleryDispatcher:
    """Wakes Celery workers, and works when run in one.

    :param run: works on what is due.
    :param held: tells the observers of held events.
    :param heartbeat: says that this process works.
    :param enabled: whether messages may be sent at all; without any, ``drain()`` does the work.
    :param find: the Celery app in ``app.extensions``, or None.
    :raises ConfigError: Celery is not installed.
    """

    def __init__(
        self,
        run: Run,
        held: HeldObservers,
        heartbeat: Heartbeat,
        *,
        enabled: Callable[[], bool],
        find: Callable[[], Any],
    ) -> None:
        # What ends a Celery worker's process must reach Celery.
        self._look = Look(run, survives=Exception)
        self._held = held
        self._heartbeat = heartbeat
        self._enabled = enabled
        self._find = find
        self._celery: Any = None
        self._publisher = Background("flask-pooled-publisher", _Publisher(lambda: self._celery))
        try:
            _register_tasks()
        except ImportError:
            raise ConfigError(
                "POOLED_DISPATCH is 'celery', but Celery is not installed: install Flask-Pooled[celery]"
            ) from None
        _dispatchers.add(self)

    def start(self) -> None:
        """Know the Celery app.

        :raises ConfigError: there is none.
        """
        if self._celery is None and self._enabled():
            self._celery = self._find() or _current_celery()

    def recorded(self, recorded: Recorded) -> None:
        """Have a message sent. If too many wait to be sent, the sweep finds the event."""
        self._held.recorded(recorded)
        if recorded.state == "pending":
            self.wake(recorded.id)

    def wake(self, event_id: int) -> None:
        """Have a message sent."""
        if self._enabled():
            self._publisher.put(event_id)

    def close(self) -> None:
        """Send what is waiting, for a moment."""
        self._held.close()
        self._publisher.close()
        self.leave()

    def serves(self, celery: Any) -> bool:
        """Whether the tasks of a Celery app are to work for this Flask app."""
        found = self._find()
        return found is None or found == celery

    def work(self) -> None:
        """Work on what is due, for a while."""
        until = time.monotonic() + _SHIFT

        def is_over() -> bool:
            return time.monotonic() >= until

        self._heartbeat.beat()
        while self._look(is_over) and not is_over():
            self._heartbeat.beat()

    def leave(self) -> None:
        """This process works no more."""
        self._heartbeat.close()


#: One process may hold several Flask apps, each with a dispatcher.
_dispatchers: WeakSet[CeleryDispatcher] = WeakSet()


@cache
def _register_tasks() -> None:
    """Give the tasks to every Celery app of this process, made already or not."""
    from celery import shared_task
    from celery import signals

    # Acknowledged when they are over: a message whose worker was killed goes to another one.
    options = {
        "bind": True,
        "acks_late": True,
        "reject_on_worker_lost": True,
        "ignore_result": True,
    }
    shared_task(name=PROCESS, **options)(_process)
    shared_task(name=SWEEP, **options)(_sweep)
    # The former is sent by the processes of a pool, the latter by a worker without one.
    signals.worker_process_shutdown.connect(_leave, weak=False)
    signals.worker_shutdown.connect(_leave, weak=False)


def _process(task: Any, row_id: int) -> None:
    """Work on what is due, among it most likely the row that was just recorded."""
    _work(task.app)


def _sweep(task: Any) -> None:
    """Work on what is due: retries, and what lost messages and dead processes left."""
    _work(task.app)


def _work(celery: Any) -> None:
    served = [dispatcher for dispatcher in _dispatchers if dispatcher.serves(celery)]
    if not served:
        logger.critical(
            "the Celery app %a has no Flask app to work for: create the Flask app in the module that "
            'celery -A names, and keep this Celery app in its app.extensions["celery"]',
            celery.main,
            extra=news("celery.lost"),
        )
    for dispatcher in served:
        dispatcher.work()


def _leave(**_: Any) -> None:
    for dispatcher in _dispatchers:
        dispatcher.leave()


def _current_celery() -> Any:
    from celery import current_app

    # Celery makes one up where there is none, and calls it that.
    if current_app.main == "default":
        raise ConfigError(
            "POOLED_DISPATCH is 'celery', but no Celery app was found: keep yours in "
            'app.extensions["celery"], or call its set_default()'
        )
    return current_app._get_current_object()


class _Publisher:
    """Sends messages to the broker, over a connection that it keeps. A broker that fails is told of once.

    :param find: gives the Celery app.
    """

    def __init__(self, find: Callable[[], Any]) -> None:
        self._find = find
        self._producer: Any = None
        self._pid: int | None = None
        self._silent_until = -math.inf
        self._failing = False

    def __call__(self, row_id: int) -> None:
        if time.monotonic() < self._silent_until:
            return
        try:
            self._publish(row_id)
        except Exception as error:
            self._hang_up()
            self._silent_until = time.monotonic() + _SILENCE
            if not self._failing:
                # Only the type: the text might hold the broker's address, password included.
                logger.error(
                    "Celery's broker cannot be reached (%s): events wait for the next sweep",
                    type(error).__name__,
                    extra=news("celery.away"),
                )
            self._failing = True
            return
        if self._failing:
            logger.warning("Celery's broker is reached again", extra=news("celery.back"))
            self._failing = False

    def _publish(self, row_id: int) -> None:
        if self._producer is not None and self._pid == os.getpid():
            try:
                self._send(row_id)
                return
            except Exception:
                # The broker may have closed the connection since.
                self._hang_up()
        celery = self._find()
        connection = celery.connection_for_write(
            connect_timeout=_TIMEOUT, transport_options=_TRANSPORT_OPTIONS
        )
        self._producer, self._pid = celery.amqp.Producer(connection), os.getpid()
        self._send(row_id)

    def _send(self, row_id: int) -> None:
        task = self._find().tasks[PROCESS]
        task.apply_async((row_id,), producer=self._producer, retry=False, ignore_result=True)

    def _hang_up(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                producer.connection.release()
            except Exception:
                logger.debug(
                    "a connection to the broker could not be closed",
                    exc_info=True,
                    extra=news("celery.unclosed"),
                )
