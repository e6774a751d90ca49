"""What a person decides about events that the inbox did not pay: release, discard, retry.

Every decision says who made it and why, and stays in the audit trail.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from typing import cast

from sqlalchemy import select
from sqlalchemy import update
from sqlalchemy.engine import Connection
from sqlalchemy.engine import Row

from ..errors import InboxError
from ..errors import PayloadError
from ..event_base import PayingEvent
from ..event_base import PoolEvent
from ..events import Event
from ..events import parse_event
from ..events import PoolEntry
from ..events import PoolRefund
from ..events import PoolWin
from ..news import masked
from ..news import news
from ..settings import Settings
from .audit import check_actor
from .audit import write_audit
from .credits import Credits
from .database import Database
from .delivery import event_of
from .delivery import Recorded
from .identity import event_identity
from .known import KnownEvents
from .refunds import Books
from .tables import Tables

logger = logging.getLogger("flask_pooled")


class Decisions:
    """Decides for one tenant's events.

    :param clock: seconds since the epoch.
    :param wake: is called, after the commit, with the number of each event that is now due.
    """

    def __init__(
        self,
        database: Database,
        tables: Tables,
        settings: Settings,
        clock: Callable[[], float] = time.time,
        *,
        wake: Callable[[int], None] = lambda event_id: None,
    ) -> None:
        self._database = database
        self._tables = tables
        self._settings = settings
        self._clock = clock
        self._wake = wake

    def release(
        self, event_id: int, *, who: str, why: str | None = None, state: str | None = None
    ) -> tuple[Recorded, ...]:
        """Let an event that is held be paid, or a refund that no known entry makes room for.

        It is not looked at again: limits and contradictions are what the person has decided about. That decides about
        this one event: what comes later in its pool is judged as before. So a pool that was refunded remains one after
        its win is released, and further refunds are paid in it, one for each entry; while a pool that was won remains
        one after a refund is released, and further refunds are held.

        :param who: the person, as the audit trail is to name them.
        :param state: in which the person saw the event; in another one nothing is decided.
        :returns: the refunds that the release of an entry made room for.
        :raises InboxError: there is no such event, it does not wait for anybody, the same was released before, or
            nobody is named.
        """
        return self._decide(event_id, "release", who, why, self._release, state)

    def discard(self, event_id: int, *, who: str, why: str, state: str | None = None) -> None:
        """Never pay an event that is held or dead, or a refund beyond the cap.

        :raises InboxError: as in :meth:`release`, or there is no reason.
        """
        if not why or not why.strip():
            raise InboxError("say why the event is discarded: somebody will ask")
        self._decide(event_id, "discard", who, why, self._discard, state)

    def retry(
        self, event_id: int, *, who: str, why: str | None = None, state: str | None = None
    ) -> None:
        """Give a dead event all its attempts again, and try a pending one now.

        :raises InboxError: there is no such event, it is neither dead nor pending, or nobody is named.
        """
        self._decide(event_id, "retry", who, why, self._retry, state)

    def _decide(
        self,
        event_id: int,
        action: str,
        who: str,
        why: str | None,
        decide: Callable[[_Case], tuple[Recorded, ...]],
        state: str | None,
    ) -> tuple[Recorded, ...]:
        check_actor(who, "decides")
        at = int(self._clock() * 1000)
        with self._database.write() as connection:
            case = _Case(
                connection, self._tables, self._settings, self._find(connection, event_id), at
            )
            if state not in (None, case.row.state):
                raise InboxError(
                    f"event {event_id} is {case.row.state}, and was {state} when it was decided about: look at it again"
                )
            promoted = decide(case)
            write_audit(
                connection,
                self._tables,
                case.row,
                at=at,
                action=action,
                to_state=case.new_state,
                reason=why,
                actor=who,
            )
        logger.info(
            "event %d: %s by %a, it is %s now",
            event_id,
            action,
            masked(who),
            case.new_state,
            extra=news("event.decided", id=event_id, action=action, who=who, state=case.new_state),
        )
        if case.new_state == "pending":
            self._wake(event_id)
        for recorded in promoted:
            self._wake(recorded.id)
        return promoted

    def _find(self, connection: Connection, event_id: int) -> Row[Any]:
        events = self._tables.event
        row = connection.execute(
            select(events).where(events.c.id == event_id, events.c.tenant == self._settings.tenant)
        ).one_or_none()
        if row is None:
            raise InboxError(
                f"there is no event {event_id}: look its number up in the list of events"
            )
        return row

    def _release(self, case: _Case) -> tuple[Recorded, ...]:
        row = case.row
        if row.state != "held" and not case.waits:
            raise InboxError(
                f"event {row.id} is {row.state}: only a held event, or a refund that waits for an entry, can be "
                "released"
            )
        promoted: tuple[Recorded, ...] = ()
        event = case.event
        if event is None:
            raise InboxError(
                f"the body of event {row.id} cannot be read by this version: install the one that recorded it, or "
                "discard the event"
            )
        # What was held for its receiver has been counted when it came in.
        counted = row.reason == "bypass"
        if isinstance(event, PoolWin | PoolRefund) and not counted:
            case.books.note_outcome(event)
        if isinstance(event, PayingEvent) and not counted:
            case.credits.add(event.cents)
        if isinstance(event, PoolRefund) and not counted:
            event = event.with_ordinal(case.books.note_paid(event))
        if isinstance(event, PoolEntry) and not counted:
            promoted = case.books.note_entry(event)
        identity = event_identity(self._settings.tenant, event)
        case.refuse_twin(identity)
        case.move(
            "pending",
            reason=None,
            waits_on=None,
            ordinal=getattr(event, "ordinal", None),
            identity=identity,
            attempts=0,
            due_at=case.at,
        )
        return promoted

    def _discard(self, case: _Case) -> tuple[Recorded, ...]:
        row = case.row
        if row.state not in ("held", "dead") and not case.waits:
            raise InboxError(
                f"event {row.id} is {row.state}: only a held or dead event, or a refund that waits for an entry, "
                "can be discarded"
            )
        case.move("discarded", waits_on=None, due_at=None, settled_at=case.at)
        return ()

    def _retry(self, case: _Case) -> tuple[Recorded, ...]:
        row = case.row
        if row.state not in ("dead", "pending"):
            raise InboxError(
                f"event {row.id} is {row.state}: only a dead or pending event can be tried again"
            )
        case.move("pending", reason=None, attempts=0, due_at=case.at, settled_at=None)
        return ()


class _Case:
    """One event, locked after the account that it belongs to, as everywhere."""

    #: Set by :meth:`move`, with which every decision ends.
    new_state: str

    def __init__(
        self, connection: Connection, tables: Tables, settings: Settings, row: Row[Any], at: int
    ) -> None:
        self._connection = connection
        self._tables = tables
        self._events = tables.event
        self._tenant = settings.tenant
        self.at = at
        # A repeat has no body of its own, a rejected body is no event, and about neither can anything be decided.
        self.event: Event | None = None
        if row.body is not None and row.state != "rejected":
            # What was an event once may be none to this version.
            with suppress(PayloadError):
                self.event = event_of(row)
        self.credits = Credits(connection, tables, settings, at)
        self.books = Books(connection, tables, settings.tenant, self.credits, at)
        if isinstance(self.event, PoolEvent):
            self.books.lock([self.event])
        # As it is now that nobody else can change it.
        self.row: Row[Any] = connection.execute(
            select(self._events).where(self._events.c.id == row.id).with_for_update()
        ).one()

    @property
    def waits(self) -> bool:
        """Whether it is a refund that waits for an entry to make room."""
        return self.row.waits_on is not None

    def refuse_twin(self, identity: bytes | None) -> None:
        """See that no other event is the same one.

        Two contradictions with the same content that came in at the same moment are both held, as neither knew of the
        other. They would be paid under one key.

        :raises InboxError: another one is.
        """
        events = self._events
        twin = self._connection.execute(
            select(events.c.id, events.c.state).where(
                events.c.identity == identity, events.c.id != self.row.id
            )
        ).one_or_none()
        if twin is not None:
            raise InboxError(
                f"event {self.row.id} says the same as event {twin.id}, which was released already and is "
                f"{twin.state}: discard it"
            )
        if self.row.original_id is not None and self._twin_was_pruned():
            raise InboxError(
                f"event {self.row.id} says the same as one that was settled long ago and pruned: discard it"
            )

    def _twin_was_pruned(self) -> bool:
        # Contradictions are known by what they contradict.
        identity = cast(bytes, event_identity(self._tenant, parse_event(self.row.body)))
        known = KnownEvents(self._connection, self._tables, self._tenant).find(identity)
        return any(event.content == self.row.content for event in known)

    def move(self, state: str, **values: object) -> None:
        self.new_state = state
        self._connection.execute(
            update(self._events)
            .where(self._events.c.id == self.row.id)
            .values(state=state, **values)
        )
