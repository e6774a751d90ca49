"""The write path: from verified deliveries to committed rows. Every insert of the inbox goes through here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy.engine import Connection
from sqlalchemy.engine import Row
from sqlalchemy.exc import DBAPIError

from ..events import Event
from ..events import PoolEntry
from ..events import PoolRefund
from ..events import PoolWin
from ..settings import Settings
from .credits import Credits
from .database import Database
from .database import is_victim
from .delivery import Delivery
from .delivery import Recorded
from .delivery import Verdict
from .holds import hold_reason
from .holds import is_foreign
from .identity import body_identity
from .identity import content_digest
from .identity import event_identity
from .refunds import Books
from .refunds import PoolEvent
from .tables import MAX_KIND_LENGTH
from .tables import Tables
from .upsert import insert_for

#: How often a transaction that lost against another is done. PostgreSQL sees a deadlock after a second.
_TRIES = 3


class Store:
    """The inbox of one tenant in one database."""

    def __init__(self, database: Database, tables: Tables, settings: Settings) -> None:
        self._database = database
        self._tables = tables
        self._settings = settings

    def record(self, deliveries: Sequence[Delivery]) -> list[Recorded]:
        """Write the deliveries in one transaction, committed when this returns.

        A deadlock with another batch, or a serialisation failure where the database's own default is stricter than
        READ COMMITTED, leaves nothing behind and is answered by doing it again.

        :raises sqlalchemy.exc.SQLAlchemyError: nothing was written.
        """
        for _ in range(_TRIES - 1):
            try:
                return self._record(deliveries)
            except DBAPIError as error:
                if not is_victim(error):
                    raise
        return self._record(deliveries)

    def _record(self, deliveries: Sequence[Delivery]) -> list[Recorded]:
        with self._database.write() as connection:
            recording = _Recording(connection, self._tables, self._settings, deliveries)
            return [recording.record(delivery) for delivery in deliveries]

    def close(self) -> None:
        """Let go of the inbox's own connections."""
        self._database.close()

    def count_states(self) -> dict[str, int]:
        """How many rows are in each state."""
        table = self._tables.event
        with self._database.read() as connection:
            rows = connection.execute(
                select(table.c.state, func.count())
                .where(table.c.tenant == self._settings.tenant)
                .group_by(table.c.state)
            )
            return {row.state: row[1] for row in rows}

    def oldest_pending(self) -> int | None:
        """When the oldest event that is not done arrived, milliseconds since the epoch."""
        table = self._tables.event
        with self._database.read() as connection:
            oldest: int | None = connection.execute(
                select(func.min(table.c.received_at)).where(
                    table.c.tenant == self._settings.tenant, table.c.state == "pending"
                )
            ).scalar_one()
            return oldest


class _Recording:
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
        self._books.lock(
            delivery.event
            for delivery in deliveries
            if isinstance(delivery.event, PoolEvent) and not is_foreign(delivery.event, settings)
        )

    def record(self, delivery: Delivery) -> Recorded:
        event = delivery.event
        if event is None:
            return self._reject(delivery)
        verdict = self._judge(event)
        row_id = self._insert(delivery, event, verdict, identity=self._identity(event, verdict))
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
            return Verdict("pending")
        if verdict.state == "pending" and not self._credits.allows(event.cents):
            return Verdict("held", "daily_limit")
        return verdict

    def _identity(self, event: Event, verdict: Verdict) -> bytes | None:
        if isinstance(event, PoolRefund) and verdict.ordinal is not None:
            event = event.with_ordinal(verdict.ordinal)
        return event_identity(self._settings.tenant, event)

    def _enter(self, event: Event, verdict: Verdict) -> str | None:
        """Enter a row that was just written in the books; returns an alarm."""
        if not isinstance(event, PoolWin | PoolRefund) or is_foreign(event, self._settings):
            return verdict.reason
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
        recorded = self._find(table.c.receipt == delivery.receipt)
        if recorded is not None:
            return Recorded(
                recorded.id,
                recorded.state,
                recorded.reason,
                event,
                original_id=recorded.original_id,
                new=False,
            )
        original = self._find(table.c.identity == event_identity(self._settings.tenant, event))
        if original is None:
            raise RuntimeError("an event was neither new nor known")  # pragma: no cover
        content = content_digest(event)
        if content == original.content:
            verdict = Verdict("duplicate", "repeat")
        else:
            told = self._find(
                table.c.original_id == original.id,
                table.c.content == content,
            )
            # The same contradiction again is news to nobody.
            verdict = (
                Verdict("held", "conflict") if told is None else Verdict("duplicate", "repeat")
            )
            original = told or original
        row_id = self._insert(delivery, event, verdict, original=original)
        if row_id is None:
            raise RuntimeError("a delivery was recorded twice")  # pragma: no cover
        alarm = verdict.reason if verdict.state == "held" else None
        return Recorded(
            row_id, verdict.state, verdict.reason, event, original_id=original.id, alarm=alarm
        )

    def _reject(self, delivery: Delivery) -> Recorded:
        identity = body_identity(self._settings.tenant, delivery.body)
        row_id = self._write(
            {
                "tenant": self._settings.tenant,
                "receipt": delivery.receipt,
                "received_at": delivery.received_at,
                "kind": "rejected",
                "state": "rejected",
                "identity": identity,
                "attempts": 0,
                "error": delivery.fault,
                "body": delivery.body,
            }
        )
        if row_id is not None:
            return Recorded(row_id, "rejected", alarm="rejected")
        known = self._find(self._tables.event.c.identity == identity)
        if known is None:
            known = self._find(self._tables.event.c.receipt == delivery.receipt)
        if known is None:
            raise RuntimeError("a body was neither new nor known")  # pragma: no cover
        return Recorded(known.id, "rejected", new=False)

    def _insert(
        self,
        delivery: Delivery,
        event: Event,
        verdict: Verdict,
        *,
        identity: bytes | None = None,
        original: Row[Any] | None = None,
    ) -> int | None:
        values: dict[str, object] = {
            "tenant": self._settings.tenant,
            "receipt": delivery.receipt,
            "received_at": delivery.received_at,
            "kind": event.kind[:MAX_KIND_LENGTH],
            "state": verdict.state,
            "reason": verdict.reason,
            "identity": identity,
            "content": content_digest(event),
            "original_id": None if original is None else original.id,
            "waits_on": verdict.waits_on,
            "ordinal": verdict.ordinal,
            "attempts": 0,
            "due_at": delivery.received_at if verdict.state == "pending" else None,
            "body": delivery.body,
        }
        if original is not None and original.body == delivery.body:
            values["body"] = None
        if isinstance(event, PoolEvent):
            values |= {
                "tenant_id": event.tenant_id,
                "pool_id": event.pool_id,
                "pool_size": event.pool_size,
                "player_id": event.player_id,
                "cents": event.cents,
            }
        if isinstance(event, PoolRefund | PoolEntry):
            values["entry_type"] = event.entry_type
        if isinstance(event, PoolWin) and event.fair is not None:
            values["fairness"] = event.fairness or "none"
        return self._write(values)

    def _write(self, values: dict[str, object]) -> int | None:
        table = self._tables.event
        statement = insert_for(self._connection, table).values(**values)
        row_id: int | None = self._connection.execute(
            statement.on_conflict_do_nothing().returning(table.c.id)
        ).scalar_one_or_none()
        return row_id

    def _find(self, *conditions: Any) -> Row[Any] | None:
        table = self._tables.event
        statement = select(table).where(*conditions).order_by(table.c.id).limit(1)
        return self._connection.execute(statement).one_or_none()
