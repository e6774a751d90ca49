"""Events that must wait for something that only a programmer can give them, such as a receiver."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from collections.abc import Mapping

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

#: A look that finds nothing has gone through all that is pending, which may be a million events. So many times as long
#: as it took, nobody looks again.
_SPARSELY = 100


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
        self._looked_at = -math.inf
        self._pause = 0.0

    def others(self, blocked: Mapping[str, str]) -> list[ColumnElement[bool]]:
        """Conditions for the events that need not wait."""
        return [not_(self._is_of(kind)) for kind in blocked]

    def alarm(self, blocked: Mapping[str, str]) -> None:
        """Log which kinds wait, each with one of its events, unless that was said or looked for a moment ago."""
        now = self._clock()
        if 0 <= now - self._looked_at < self._pause:
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
        took = max(self._clock() - now, 0)
        self._looked_at = now
        self._pause = _PAUSE if waiting else min(took * _SPARSELY, _PAUSE)

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
