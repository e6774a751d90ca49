"""The rules of the write path: what one transaction makes of the deliveries that it records."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete
from sqlalchemy import select
from sqlalchemy.engine import Connection
from sqlalchemy.engine import Row

from ..event_base import PayingEvent
from ..event_base import PoolEvent
from ..events import Event
from ..events import PoolEntry
from ..events import PoolRefund
from ..events import PoolWin
from ..settings import Settings
from .credits import Credits
from .delivery import Delivery
from .delivery import Recorded
from .delivery import Verdict
from .entries import Entries
from .holds import hold_reason
from .holds import is_foreign
from .identity import body_identity
from .identity import content_digest
from .identity import event_identity
from .known import Known
from .known import KnownEvents
from .known import OvertakenError
from .prepared import Prepared
from .refund_batch import record_paid
from .refunds import Books
from .rows import event_row
from .rows import rejected_row
from .tables import Tables
from .upsert import insert_for


class Recording:
    """One transaction's worth of deliveries."""

    def __init__(
        self,
        connection: Connection,
        tables: Tables,
        settings: Settings,
        deliveries: Sequence[Delivery],
    ) -> None:
        self._connection = connection
        self._tables = tables
        self._settings = settings
        at = max(delivery.received_at for delivery in deliveries)
        self._credits = Credits(connection, tables, settings, at)
        self._books = Books(connection, tables, settings.tenant, self._credits, at)
        self._known = KnownEvents(connection, tables, settings.tenant)
        self._deliveries = deliveries

    def all_at_once(self, prepared: Sequence[Prepared]) -> list[Recorded]:
        """Record them, new entries before anything else, as many by one statement as can be.

        :param prepared: the same deliveries.
        """
        entries = Entries(each.entry for each in prepared if each.entry is not None)
        self._lock(entries.counts())
        recorded = entries.record(self._connection, self._tables.event, self._books, self._known)
        recorded |= record_paid(
            self._connection,
            self._tables,
            self._books,
            self._credits,
            [each for each in prepared if each.delivery.receipt not in recorded],
        )
        return [
            recorded.get(delivery.receipt) or self._record(delivery)
            for delivery in self._deliveries
        ]

    def one_by_one(self) -> Iterator[Recorded]:
        """Record each as soon as it is asked for."""
        self._lock({})
        for delivery in self._deliveries:
            yield self._record(delivery)

    def _lock(self, entering: Mapping[bytes, int]) -> None:
        events = (
            delivery.event
            for delivery in self._deliveries
            if isinstance(delivery.event, PoolEvent)
            and not is_foreign(delivery.event, self._settings)
        )
        self._books.lock(events, entering)

    def _record(self, delivery: Delivery) -> Recorded:
        event = delivery.event
        if event is None:
            return self._reject(delivery)
        verdict = self._judge(event)
        row_id = self._insert(delivery, event, verdict, identity=self._identity(event, verdict))
        if row_id is not None and self._pruned(event):
            self._take_back(row_id)
            row_id = None
        if row_id is None:
            return self._repeat(delivery, event)
        if isinstance(event, PoolEntry) and verdict.state == "pending":
            promoted = self._books.note_entry(event)
            return Recorded(row_id, verdict.state, event=event, promoted=promoted)
        alarm = self._enter(event, verdict)
        return Recorded(row_id, verdict.state, verdict.reason, event, alarm=alarm)

    def _judge(self, event: Event) -> Verdict:
        reason = hold_reason(event, self._settings)
        if reason is not None:
            return Verdict("held", reason)
        if isinstance(event, PoolWin):
            verdict = self._books.judge_win(event)
        elif isinstance(event, PoolRefund):
            verdict = self._books.judge_refund(event)
        else:
            verdict = Verdict("pending")
        if not isinstance(event, PayingEvent):
            return verdict
        if verdict.state == "pending" and not self._credits.allows(event.cents):
            return Verdict("held", "daily_limit")
        return verdict

    def _identity(self, event: Event, verdict: Verdict) -> bytes | None:
        if isinstance(event, PoolRefund) and verdict.ordinal is not None:
            event = event.with_ordinal(verdict.ordinal)
        return event_identity(self._settings.tenant, event)

    def _enter(self, event: Event, verdict: Verdict) -> str | None:
        """Enter a row that was just written in the books; returns an alarm."""
        if not isinstance(event, PayingEvent) or is_foreign(event, self._settings):
            return verdict.reason
        if isinstance(event, PoolWin | PoolRefund):
            self._books.note_outcome(event)
        if verdict.state == "pending":
            self._credits.add(event.cents)
            if isinstance(event, PoolRefund):
                self._books.note_paid(event)
            return None
        if verdict.waits_on is not None and isinstance(event, PoolRefund):
            return verdict.reason if self._books.note_surplus(event) else None
        return verdict.reason

    def _repeat(self, delivery: Delivery, event: Event) -> Recorded:
        """Keep a delivery whose receipt or identity is known."""
        table = self._tables.event
        recorded = self._delivered(delivery)
        if recorded is not None:
            return Recorded(
                recorded.id,
                recorded.state,
                recorded.reason,
                event,
                original_id=recorded.original_id,
                new=False,
            )
        original: Row[Any] | Known | None = self._find(
            table.c.identity == event_identity(self._settings.tenant, event)
        )
        pruned = self._pruned(event)
        if original is None:
            if not pruned:
                raise OvertakenError
            original = pruned[0]
        content = content_digest(event)
        if content == original.content:
            verdict = Verdict("duplicate", "repeat")
        else:
            told = self._find(
                table.c.original_id == original.id,
                table.c.content == content,
            ) or next((known for known in pruned if known.content == content), None)
            # The same contradiction again is news to nobody.
            verdict = (
                Verdict("held", "conflict") if told is None else Verdict("duplicate", "repeat")
            )
            original = told or original
        row_id = self._insert(delivery, event, verdict, original=original)
        if row_id is None:
            raise OvertakenError
        alarm = verdict.reason if verdict.state == "held" else None
        return Recorded(
            row_id, verdict.state, verdict.reason, event, original_id=original.id, alarm=alarm
        )

    def _pruned(self, event: Event) -> list[Known]:
        """What is known of an event besides its rows.

        To be asked after its row was written or found to be there: if it is pruned at this very moment, the insert
        has waited for the end of that.
        """
        identity = event_identity(self._settings.tenant, event)
        return [] if identity is None else self._known.find(identity)

    def _take_back(self, row_id: int) -> None:
        table = self._tables.event
        self._connection.execute(delete(table).where(table.c.id == row_id))

    def _reject(self, delivery: Delivery) -> Recorded:
        identity = body_identity(self._settings.tenant, delivery.body)
        row_id = self._write(rejected_row(self._settings.tenant, delivery, identity))
        if row_id is not None:
            return Recorded(row_id, "rejected", alarm="rejected")
        known = self._find(self._tables.event.c.identity == identity)
        if known is None:
            known = self._delivered(delivery)
        if known is None:
            raise OvertakenError
        return Recorded(known.id, "rejected", new=False)

    def _insert(
        self,
        delivery: Delivery,
        event: Event,
        verdict: Verdict,
        *,
        identity: bytes | None = None,
        original: Row[Any] | Known | None = None,
    ) -> int | None:
        return self._write(
            event_row(
                self._settings.tenant,
                delivery,
                event,
                verdict,
                identity=identity,
                original=original,
            )
        )

    def _write(self, values: dict[str, object]) -> int | None:
        table = self._tables.event
        statement = insert_for(self._connection.dialect.name, table).values(**values)
        row_id: int | None = self._connection.execute(
            statement.on_conflict_do_nothing().returning(table.c.id)
        ).scalar_one_or_none()
        return row_id

    def _delivered(self, delivery: Delivery) -> Row[Any] | None:
        table = self._tables.event
        return self._find(
            table.c.tenant == self._settings.tenant, table.c.receipt == delivery.receipt
        )

    def _find(self, *conditions: Any) -> Row[Any] | None:
        table = self._tables.event
        statement = select(table).where(*conditions).order_by(table.c.id).limit(1)
        return self._connection.execute(statement).one_or_none()
