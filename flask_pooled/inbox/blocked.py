"""Events that must wait for something that only a programmer can give them, such as a receiver."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence

from sqlalchemy import ColumnElement
from sqlalchemy import not_
from sqlalchemy import select

from ..events import KINDS
from ..news import news
from ..settings import Settings
from .database import Database
from .handler import OTHER_KINDS
from .tables import Tables

logger = logging.getLogger("flask_pooled")

#: Between two alarms, seconds.
_PAUSE = 60

#: A look past those that wait goes through all that is pending, which may be a million events. So many times as long as
#: it took, nobody looks again, unless it took less than so many seconds.
_SPARSELY = 100
_QUICK = 0.05

#: What is due since before such a look and could not be seen in it, because it was not committed yet or comes from a
#: machine whose clock is behind: by so much at the most, milliseconds.
_LATECOMERS = 60_000


class _Pause:
    """Nothing is done again while it lasts."""

    def __init__(self) -> None:
        self._since = -math.inf
        self._length = 0.0

    def lasts(self, now: float) -> bool:
        # Not so after a clock was set back.
        return 0 <= now - self._since < self._length

    def begin(self, now: float, length: float) -> None:
        self._since, self._length = now, min(length, _PAUSE)


class Blocked:
    """Keeps blocked kinds of event out of the work, and says so once a minute.

    :param clock: seconds since the epoch.
    """

    def __init__(
        self, database: Database, tables: Tables, settings: Settings, clock: Callable[[], float]
    ) -> None:
        self._database = database
        self._events = tables.event
        self._settings = settings
        self._clock = clock
        self._silence = _Pause()
        self._first = 0
        self._first_holds = _Pause()
        self._first_without: frozenset[str] = frozenset()

    def others(self, blocked: Mapping[str, str], until: int) -> list[ColumnElement[bool]]:
        """Conditions for the events that need not wait.

        Those that wait may be a million, and have been due for longest. They are gone through beside those who write,
        and where that is slow, seldom: what comes out of the spool meanwhile may be late by a minute then.

        :param until: due at the latest, milliseconds since the epoch.
        """
        if not blocked:
            return []
        conditions = [not_(self._is_of(kind)) for kind in blocked]
        now = self._clock()
        if self._first_without == blocked.keys() and self._first_holds.lasts(now):
            since = self._first - _LATECOMERS
        else:
            since = self._first = self._find_first(conditions, until)
            self._first_without = frozenset(blocked)
            self._first_holds.begin(now, self._sparsely(now))
        return [*conditions, self._events.c.due_at >= since]

    def alarm(self, blocked: Mapping[str, str]) -> None:
        """Log which kinds wait, each with one of its events, unless that was said or looked for a moment ago."""
        now = self._clock()
        if self._silence.lasts(now):
            return
        waiting = {kind: found for kind in blocked if (found := self._one_of(kind)) is not None}
        for kind, event_id in waiting.items():
            logger.critical(
                "event %d and perhaps more (%s) must wait: %s",
                event_id,
                kind,
                blocked[kind],
                extra=news("event.blocked", id=event_id, kind=kind),
            )
        self._silence.begin(now, _PAUSE if waiting else self._sparsely(now))

    def _sparsely(self, began: float) -> float:
        """How long nobody looks again, seconds."""
        took = self._clock() - began
        return 0 if took < _QUICK else took * _SPARSELY

    def _find_first(self, conditions: Sequence[ColumnElement[bool]], until: int) -> int:
        """When the first event that need not wait was due; if none is, the moment after *until*."""
        events = self._events
        with self._database.read() as connection:
            found: int | None = connection.execute(
                select(events.c.due_at)
                .where(
                    events.c.tenant == self._settings.tenant,
                    events.c.state == "pending",
                    events.c.due_at <= until,
                    *conditions,
                )
                .order_by(events.c.due_at, events.c.id)
                .limit(1)
            ).scalar_one_or_none()
        return until + 1 if found is None else found

    def _one_of(self, kind: str) -> int | None:
        with self._database.read() as connection:
            found: int | None = connection.execute(
                select(self._events.c.id)
                .where(
                    self._events.c.tenant == self._settings.tenant,
                    self._events.c.state == "pending",
                    # Says the same again, and leads to the index of what is due.
                    self._events.c.due_at.is_not(None),
                    self._is_of(kind),
                )
                .limit(1)
            ).scalar_one_or_none()
        return found

    def _is_of(self, kind: str) -> ColumnElement[bool]:
        column = self._events.c.kind
        return column.not_in(tuple(KINDS)) if kind == OTHER_KINDS else column == kind
