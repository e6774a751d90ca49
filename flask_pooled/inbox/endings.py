"""How an event leaves the state ``pending``: done, held or dead."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

from sqlalchemy import bindparam
from sqlalchemy import null
from sqlalchemy import Table
from sqlalchemy import Update
from sqlalchemy import update
from sqlalchemy.engine import Connection
from sqlalchemy.engine import Dialect
from sqlalchemy.engine import Row

from ..errors import PayloadError
from ..events import Event
from ..news import masked
from ..news import news
from .audit import write_audit
from .delivery import event_of
from .direct import can_be_direct
from .direct import execute
from .tables import Tables

logger = logging.getLogger("flask_pooled")

#: To be called when the transaction has been committed.
Afterwards = Callable[[], None]


class Endings:
    """Ends the work on events, each in a transaction of the caller's that has locked its row.

    :param tell: tells the observers that an event is ``held`` or ``dead``.
    :param now: milliseconds since the epoch.
    """

    def __init__(
        self,
        tables: Tables,
        tell: Callable[[str, Event, str | None], None],
        now: Callable[[], int],
    ) -> None:
        self._tables = tables
        self._tell = tell
        self._now = now

    def done(self, connection: Connection, row: Row[Any], receivers: Sequence[str]) -> None:
        """It has been handled by *receivers*."""
        self._end(
            connection,
            row,
            state="done",
            reason=None,
            settled_at=self._now(),
            receivers=json.dumps(list(receivers)),
            error=None,
        )

    def held(
        self, connection: Connection, row: Row[Any], reason: str, trace: str, *, at: int
    ) -> Afterwards:
        """Its next attempt could pay again what the last one has committed.

        :param at: as the trail is to tell it, milliseconds since the epoch.
        """
        self._end(connection, row, state="held", reason="bypass", error=trace)
        self._audit(connection, row, "hold", "held", reason, at=at)

        def afterwards() -> None:
            logger.critical("event %d is held: %s", row.id, reason, extra=_news("event.held", row))
            self._observe("held", row, "bypass")

        return afterwards

    def dead(self, connection: Connection, row: Row[Any], trace: str) -> Afterwards:
        """It has had all its attempts."""
        self._end(
            connection, row, state="dead", reason="attempts", settled_at=self._now(), error=trace
        )
        self._audit(connection, row, "die", "dead", trace, at=self._now())

        def afterwards() -> None:
            logger.critical(
                "event %d (%a, player %a) is dead after %d attempts: nobody was paid. Mend the receiver, then retry it",
                row.id,
                row.kind,
                masked(row.player_id),
                row.attempts,
                extra=_news("event.dead", row),
            )
            self._observe("dead", row, "attempts")

        return afterwards

    def _end(self, connection: Connection, row: Row[Any], **values: object) -> None:
        ending = _ending(self._tables.event, tuple(values))
        given = {"this_id": row.id} | {f"new_{name}": value for name, value in values.items()}
        if can_be_direct(connection):
            text, names = _text(ending, connection.dialect)
            execute(connection, text, [given[name] for name in names])
        else:
            connection.execute(ending, given)

    def _audit(
        self,
        connection: Connection,
        row: Row[Any],
        action: str,
        state: str,
        reason: str,
        *,
        at: int,
    ) -> None:
        write_audit(
            connection,
            self._tables,
            row,
            at=at,
            action=action,
            to_state=state,
            reason=reason,
        )

    def _observe(self, state: str, row: Row[Any], reason: str) -> None:
        # A body that was parsed once and cannot be any more may be what it failed of.
        with suppress(PayloadError):
            self._tell(state, event_of(row), reason)


def _news(name: str, row: Row[Any]) -> dict[str, object]:
    return news(
        name,
        id=row.id,
        kind=row.kind,
        player=row.player_id,
        pool=row.pool_id,
        attempts=row.attempts,
    )


@lru_cache(maxsize=32)
def _ending(events: Table, names: tuple[str, ...]) -> Update:
    # Executed for each event: put together once.
    values = {name: bindparam(f"new_{name}", type_=events.c[name].type) for name in names}
    return update(events).where(events.c.id == bindparam("this_id")).values(due_at=null(), **values)


@lru_cache(maxsize=32)
def _text(ending: Update, dialect: Dialect) -> tuple[str, Sequence[str]]:
    """A statement as the driver takes it, and which values it wants, in order."""
    compiled: Any = ending.compile(dialect=dialect)
    return compiled.string, compiled.positiontup
