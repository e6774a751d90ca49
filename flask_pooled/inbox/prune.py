"""Forgetting what was settled long ago, in short transactions, so that no webhook waits for more than one of them.

What may be asked for again stays: refund accounts, how each pool ended, and in :mod:`~flask_pooled.inbox.known` what
makes an event that event and what it said. What waits for somebody is never touched: pending, held and dead events, and
refunds that wait for an entry.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from typing import cast

from sqlalchemy import and_
from sqlalchemy import case
from sqlalchemy import ColumnElement
from sqlalchemy import delete
from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy.engine import Row

from ..errors import PayloadError
from ..events import parse_event
from ..settings import Settings
from .credits import hour_of
from .database import Database
from .identity import event_identity
from .identity import receipts_since
from .known import Known
from .known import KnownEvents
from .plans import aside
from .tables import Tables

#: How many rows one transaction deletes.
_BATCH = 250

#: How many rows are read at once where none is deleted.
_LOOK = 10_000

#: The longest pause between two transactions, seconds. Each is followed by one as long as itself, because SQLite lets
#: writers wait in no order.
_LONGEST_PAUSE = 0.2

_READ = ("id", "receipt", "received_at", "state", "kind", "identity", "content", "original_id")

_DAY = 86_400_000

#: States that nobody waits for any more.
_SETTLED = ("done", "duplicate", "rejected", "discarded")

#: Those whose event may be told again, and was decided for good.
_DECIDED = ("done", "discarded")


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a prune forgot, or would forget."""

    #: Whatever was settled before, milliseconds since the epoch.
    before: int
    #: Rows by state.
    states: dict[str, int]

    @property
    def events(self) -> int:
        """All of them."""
        return sum(self.states.values())


class Pruner:
    """Prunes one tenant's inbox.

    :param clock: seconds since the epoch.
    """

    def __init__(
        self,
        database: Database,
        tables: Tables,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.time,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._database = database
        self._tables = tables
        self._settings = settings
        self._clock = clock
        self._pause = pause

    def prune(
        self,
        keep_days: int | None = None,
        *,
        keep_since: Callable[[], int | None] = lambda: None,
        dry_run: bool = False,
        progress: Callable[[float], object] = lambda part: None,
    ) -> Pruned:
        """Forget what was settled more than so many days ago.

        It may be stopped at any moment and run again, also by two at once.

        :param keep_days: ``None``: ``POOLED_KEEP_DAYS``.
        :param keep_since: asked once it is settled what is long ago: whatever came then or later is kept besides,
            milliseconds since the epoch.
        :param dry_run: only count.
        :param progress: is told after each transaction which part of the time to go through is behind, 0 to 1.
        :raises sqlalchemy.exc.SQLAlchemyError: the database could not be reached; what was pruned is pruned.
        """
        days = self._settings.keep_days if keep_days is None else keep_days
        before = int(self._clock() * 1000) - days * _DAY
        # In that order: what comes from now on is kept anyway.
        since = keep_since()
        if since is not None:
            before = min(before, since)
        states: Counter[str] = Counter()
        after = ""
        begin = before
        while rows := self._read(before, after, _LOOK if dry_run else _BATCH):
            if not after:
                begin = rows[0].received_at
            after = rows[-1].receipt
            states += Counter(row.state for row in rows) if dry_run else self._forget(rows, before)
            progress((rows[-1].received_at - begin) / max(before - begin, 1))
        if not dry_run:
            self._forget_credits(before)
        progress(1)
        return Pruned(before, dict(states))

    def _read(self, before: int, after: str, limit: int) -> Sequence[Row[Any]]:
        events = self._tables.event
        columns: list[ColumnElement[Any]] = [events.c[name] for name in _READ]
        columns.append(case((self._is_contradiction(), events.c.body)).label("body"))
        with self._database.read() as connection:
            return connection.execute(
                select(*columns)
                .where(
                    events.c.receipt > after,
                    events.c.receipt < receipts_since(before),
                    events.c.tenant == self._settings.tenant,
                    *self._is_settled(before),
                )
                .order_by(events.c.receipt)
                .limit(limit)
            ).all()

    def _is_settled(self, before: int) -> list[ColumnElement[bool]]:
        events = self._tables.event
        return [
            events.c.state.in_(_SETTLED),
            events.c.waits_on.is_(None),
            func.coalesce(events.c.settled_at, events.c.received_at) < before,
        ]

    def _is_contradiction(self) -> ColumnElement[bool]:
        events = self._tables.event
        return and_(events.c.original_id.is_not(None), events.c.state.in_(_DECIDED))

    def _forget(self, rows: Sequence[Row[Any]], before: int) -> Counter[str]:
        events, audit = self._tables.event, self._tables.audit
        known: dict[int, Known | None] = {}
        for row in rows:
            # What cannot be read any more, and so not be recognised, is kept.
            with suppress(PayloadError):
                known[row.id] = self._known(row)
        started = time.monotonic()
        with self._database.write() as connection:
            ids = (
                connection.execute(
                    select(events.c.id)
                    .where(
                        events.c.id.in_(known),
                        aside(connection, events.c.tenant) == self._settings.tenant,
                        *self._is_settled(before),
                    )
                    # What another prune has in hand is gone in a moment.
                    .with_for_update(skip_locked=True)
                )
                .scalars()
                .all()
            )
            KnownEvents(connection, self._tables, self._settings.tenant).keep(
                [event for event in map(known.get, ids) if event is not None]
            )
            connection.execute(delete(audit).where(audit.c.event_id.in_(ids)))
            connection.execute(delete(events).where(events.c.id.in_(ids)))
        self._pause(min(time.monotonic() - started, _LONGEST_PAUSE))
        return Counter(row.state for row in rows if row.id in set(ids))

    def _known(self, row: Row[Any]) -> Known | None:
        """What is to be kept of a row; ``None``: nothing."""
        if row.state not in _DECIDED or row.kind == "pool.refund":
            return None
        if row.original_id is None:
            return Known(row.id, row.identity, row.content)
        # Known by the identity of what it contradicts, which only the body tells.
        identity = event_identity(self._settings.tenant, parse_event(row.body))
        return Known(row.id, cast(bytes, identity), row.content)

    def _forget_credits(self, before: int) -> None:
        credit = self._tables.credit
        with self._database.write() as connection:
            connection.execute(
                delete(credit).where(
                    credit.c.tenant == self._settings.tenant,
                    # Zero is no hour but a lock. A day is looked back on, even from a day that is kept.
                    credit.c.hour.between(1, hour_of(before) - 25),
                )
            )
