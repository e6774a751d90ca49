"""What operators and the console see of the inbox: lists of events, page by page, and one event's life.

Each listing is a range of one index, newest first, however many rows there are. The database is left little choice: of
all that is asked for, what narrows the rows most leads to the index, and the rest is looked up in what that one finds.
So no listing reads more than the rows of one player, of one kind in one pool, of one kind, or in one state.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy import select
from sqlalchemy import TextClause
from sqlalchemy.engine import Connection
from sqlalchemy.engine import Row

from ..errors import InboxError
from ..errors import PayloadError
from ..events import KINDS
from ..settings import Settings
from .database import Database
from .delivery import event_of
from .identity import receipts_since
from .plans import aside
from .plans import SAYING_NO_ENTRY
from .plans import SAYING_NOT_DONE
from .tables import Tables

#: Every state that an event may be in; first those in which it waits for somebody.
STATES = ("pending", "held", "dead", "done", "duplicate", "rejected", "discarded")

#: The longest page.
LONGEST_PAGE = 1000

#: How many repeats and contradictions of one event are told.
MOST_REPEATS = 100

#: States in which there may be as many rows as there are deliveries.
_CROWDED = ("done", "duplicate")

_SHOWN = (
    *("id", "receipt", "received_at", "kind", "state", "reason", "original_id", "waits_on"),
    *("pool_id", "pool_size", "player_id", "entry_type", "cents", "ordinal"),
    *("attempts", "due_at", "settled_at"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which events to list; ``None``: all of them."""

    state: str | None = None
    #: The event's name, as ``pool.win``.
    kind: str | None = None
    player_id: str | None = None
    pool_id: str | None = None
    #: Received at this moment or after, milliseconds since the epoch.
    since: int | None = None
    #: Received before this moment, milliseconds since the epoch.
    until: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One row of the inbox, without its body. Times are milliseconds since the epoch."""

    id: int
    received_at: int
    kind: str
    state: str
    reason: str | None
    #: The event that it repeats or contradicts; perhaps one that was pruned.
    original_id: int | None
    #: Whether it is a refund that waits for an entry to make room.
    waits: bool
    pool_id: str | None
    pool_size: int | None
    player_id: str | None
    entry_type: str | None
    cents: int | None
    ordinal: int | None
    attempts: int
    due_at: int | None
    settled_at: int | None


@dataclass(frozen=True, slots=True)
class Page:
    """Some events, newest first."""

    events: tuple[Listed, ...]
    #: Pass it on to get the next page; ``None``: there is none.
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of the audit trail."""

    #: Milliseconds since the epoch.
    at: int
    #: Who; ``None``: the inbox by itself.
    actor: str | None
    action: str
    from_state: str | None
    to_state: str
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """All that is known of one event."""

    event: Listed
    #: The bytes that were delivered; ``None`` where they are those of the event that this one repeats.
    body: bytes | None
    #: The last failure's traceback, or what is wrong with a rejected body.
    error: str | None
    receivers: tuple[str, ...]
    #: ``text``, ``hex`` or ``none``, of a win that came with seed and commitment.
    fairness: str | None
    #: The key under which receivers pay it; ``None`` for what is not (yet) to be paid.
    idempotency_key: str | None
    #: What repeats or contradicts it, oldest first; the first :data:`MOST_REPEATS`.
    repeats: tuple[Listed, ...]
    trail: tuple[Step, ...]


class Listing:
    """Lists the events of one tenant."""

    def __init__(self, database: Database, tables: Tables, settings: Settings) -> None:
        self._database = database
        self._events = tables.event
        self._audit = tables.audit
        self._tenant = settings.tenant

    def list_events(
        self, which: Filter | None = None, *, limit: int = 50, after: str | None = None
    ) -> Page:
        """A page of events, those that came last first.

        :param limit: events on the page, at most :data:`LONGEST_PAGE`.
        :param after: what the page before gave as :attr:`Page.after`.
        """
        which = which or Filter()
        limit = min(max(limit, 1), LONGEST_PAGE)
        found: list[Row[Any]] = []
        with self._database.read() as connection:
            for way in self._ways(connection, which):
                statement = (
                    select(*(self._events.c[name] for name in _SHOWN))
                    .where(*way, *self._range(which, after))
                    .order_by(self._events.c.receipt.desc())
                    .limit(limit + 1)
                )
                found += connection.execute(statement)
        found.sort(key=lambda row: str(row.receipt), reverse=True)
        shown = found[:limit]
        return Page(
            tuple(_listed(row) for row in shown),
            shown[-1].receipt if len(found) > limit else None,
        )

    def tenant_ids(self) -> tuple[str, ...]:
        """The ids of tenants that the newest events name, at most :data:`LONGEST_PAGE` of them."""
        columns = self._events.c
        newest = (
            select(columns.tenant_id)
            .where(columns.tenant == self._tenant)
            .order_by(columns.receipt.desc())
            .limit(LONGEST_PAGE)
            .subquery()
        )
        with self._database.read() as connection:
            found = connection.execute(select(newest.c.tenant_id).distinct()).scalars()
            return tuple(sorted(each for each in found if each))

    def life(self, event_id: int) -> Life:
        """One event's row, what repeats or contradicts it, and its audit trail.

        :raises InboxError: there is no such event.
        """
        events, audit = self._events, self._audit
        with self._database.read() as connection:
            row = connection.execute(
                select(events).where(events.c.id == event_id, events.c.tenant == self._tenant)
            ).one_or_none()
            if row is None:
                raise InboxError(
                    f"there is no event {event_id}: look its number up in the list of events. It may have been pruned"
                )
            repeats = connection.execute(
                select(events)
                .where(events.c.original_id == event_id, events.c.tenant == self._tenant)
                .order_by(events.c.id)
                .limit(MOST_REPEATS)
            ).all()
            trail = connection.execute(
                select(audit).where(audit.c.event_id == event_id).order_by(audit.c.id)
            ).all()
        return Life(
            event=_listed(row),
            body=row.body,
            error=row.error,
            receivers=tuple(json.loads(row.receivers or "[]")),
            fairness=row.fairness,
            idempotency_key=_key(row),
            repeats=tuple(_listed(each) for each in repeats),
            trail=tuple(_step(each) for each in trail),
        )

    def _ways(self, connection: Connection, which: Filter) -> Sequence[list[Any]]:
        """Conditions that lead to ranges of one index, with the rest of what is asked for; together they find all."""
        columns = self._events.c
        asked = {
            name: value
            for name in ("state", "kind", "player_id", "pool_id")
            if (value := getattr(which, name)) is not None
        }

        def way(*conditions: TextClause, **led: str) -> list[Any]:
            rest = {name: value for name, value in asked.items() if name not in led}
            rest["tenant"] = self._tenant
            return [
                *conditions,
                *(columns[name] == value for name, value in led.items()),
                *(aside(connection, columns[name]) == value for name, value in rest.items()),
            ]

        if which.player_id is not None:
            return [way(player_id=which.player_id)]
        if which.state is not None and which.state not in _CROWDED:
            return [way(SAYING_NOT_DONE, state=which.state)]
        if which.pool_id is not None:
            kinds = tuple(KINDS) if which.kind is None else (which.kind,)
            return [way(pool_id=which.pool_id, kind=kind) for kind in kinds]
        if which.kind is not None and which.kind != "pool.entry":
            return [way(SAYING_NO_ENTRY, kind=which.kind)]
        if which.state is not None and which.state != "done":
            return [way(SAYING_NOT_DONE, state=which.state)]
        return [[columns.tenant == self._tenant, *(columns[n] == v for n, v in asked.items())]]

    def _range(self, which: Filter, after: str | None) -> list[ColumnElement[bool]]:
        receipt = self._events.c.receipt
        bounds = []
        if which.since is not None:
            bounds.append(receipt >= receipts_since(which.since))
        if which.until is not None:
            bounds.append(receipt < receipts_since(which.until))
        if after is not None:
            bounds.append(receipt < after)
        return bounds


def _listed(row: Row[Any]) -> Listed:
    values = {name: getattr(row, name) for name in _SHOWN}
    del values["receipt"]
    waits = values.pop("waits_on") is not None
    return Listed(**values, waits=waits)


def _step(row: Row[Any]) -> Step:
    names = ("at", "actor", "action", "from_state", "to_state", "reason")
    return Step(**{name: getattr(row, name) for name in names})


def _key(row: Row[Any]) -> str | None:
    if row.body is None or row.state == "rejected":
        return None
    try:
        return event_of(row).idempotency_key
    except PayloadError:
        return None
