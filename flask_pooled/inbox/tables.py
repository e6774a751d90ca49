"""The inbox's tables, in stock column types, for SQLite and PostgreSQL alike.

Times are integers, milliseconds since the epoch (UTC): no zone, driver or dialect can bend them. Money is integer
cents. Every row carries the tenant's slug, because several apps may share one database.

A change here needs a step in ``migrations.py``, once it is released.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger
from sqlalchemy import Column
from sqlalchemy import Index
from sqlalchemy import Integer
from sqlalchemy import LargeBinary
from sqlalchemy import MetaData
from sqlalchemy import String
from sqlalchemy import Table
from sqlalchemy import Text
from sqlalchemy import text

from ..payload import MAX_ID_LENGTH

#: Conditions of partial indexes.
NOT_DONE = "state <> 'done'"
NO_ENTRY = "kind <> 'pool.entry'"

#: Longest event name kept for listings; the body has all of it.
MAX_KIND_LENGTH = 64

# SQLite numbers rows by itself only in a column that is INTEGER to the letter.
_Id = BigInteger().with_variant(Integer, "sqlite")
_Digest = LargeBinary(32)
_Slug = String(63)
_ForeignId = String(MAX_ID_LENGTH)


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of one metadata."""

    #: One row for each delivery that was kept. The truth about every event.
    event: Table
    #: What outlives a pruned event: enough to recognise it, and whatever contradicts it.
    known: Table
    #: Refunds are counted: entries recorded and refunds paid for one player, pool and entry type.
    account: Table
    #: How each pool ended, so that it cannot be both won and refunded.
    pool: Table
    #: Cents credited in each hour, for ``POOLED_HOLD_DAILY_OVER``.
    credit: Table
    #: What happened to a row besides being received and done; only ever added to, and pruned with the row.
    audit: Table
    #: Dispatchers and when each was last seen alive.
    worker: Table
    #: The schema's version.
    meta: Table

    def all(self) -> list[Table]:
        """Every table, in the order in which to create them."""
        return [
            self.event,
            self.known,
            self.account,
            self.pool,
            self.credit,
            self.audit,
            self.worker,
            self.meta,
        ]


def define_tables(metadata: MetaData) -> Tables:
    """The tables in *metadata*; those that stand there already are used as they are."""

    def table(name: str, *items: Column[object] | Index, **options: Any) -> Table:
        key = f"{metadata.schema}.{name}" if metadata.schema else name
        known = metadata.tables.get(key)
        return Table(name, metadata, *items, **options) if known is None else known

    return Tables(
        event=table(
            "pooled_event",
            *_event_columns(),
            *_event_indexes(),
            # A number is never given again, not even when the row is pruned: others go by it.
            sqlite_autoincrement=True,
        ),
        known=table(
            "pooled_known",
            Column("identity", _Digest, primary_key=True),
            # Empty where the event had none. A second row of one identity is a contradiction that was settled.
            Column("content", LargeBinary(16), primary_key=True),
            Column("tenant", _Slug, nullable=False),
            Column("event_id", BigInteger, nullable=False),
            # Nothing but its key and its number: half the size without a second tree.
            sqlite_with_rowid=False,
        ),
        account=table(
            "pooled_account",
            # A digest, because ids are opaque and may be long; it begins with the pool's, so that the rows of
            # a busy pool lie side by side.
            Column("key", _Digest, primary_key=True),
            Column("tenant", _Slug, nullable=False),
            Column("tenant_id", _ForeignId, nullable=False),
            Column("pool_id", _ForeignId, nullable=False),
            Column("player_id", _ForeignId, nullable=False),
            Column("entry_type", _ForeignId, nullable=False),
            Column("entries", Integer, nullable=False),
            Column("paid", Integer, nullable=False),
        ),
        pool=table(
            "pooled_pool",
            Column("key", _Digest, primary_key=True),
            Column("tenant", _Slug, nullable=False),
            Column("tenant_id", _ForeignId, nullable=False),
            Column("pool_id", _ForeignId, nullable=False),
            # won | refunded | NULL: neither was seen yet.
            Column("outcome", String(16)),
            # When the alarm about refunds beyond the cap was raised, once for each pool.
            Column("surplus_alarm_at", BigInteger),
        ),
        credit=table(
            "pooled_credit",
            Column("tenant", _Slug, primary_key=True),
            # Hours since the epoch; 0 is the row that is locked while the others are looked at.
            Column("hour", BigInteger, primary_key=True, autoincrement=False),
            Column("cents", BigInteger, nullable=False),
        ),
        audit=table(
            "pooled_audit",
            Column("id", _Id, primary_key=True),
            Column("tenant", _Slug, nullable=False),
            Column("event_id", BigInteger, nullable=False),
            Column("at", BigInteger, nullable=False),
            # Who; NULL: the inbox by itself.
            Column("actor", String(255)),
            # promote | bypass | hold | die | release | discard | retry | import | reparse
            Column("action", String(32), nullable=False),
            Column("from_state", String(16)),
            Column("to_state", String(16), nullable=False),
            Column("reason", Text),
            Index("ix_pooled_audit_event", "event_id", "id"),
        ),
        worker=table(
            "pooled_worker",
            Column("name", String(255), primary_key=True),
            Column("tenant", _Slug, nullable=False),
            Column("mode", String(16), nullable=False),
            Column("started_at", BigInteger, nullable=False),
            Column("seen_at", BigInteger, nullable=False),
        ),
        meta=table(
            "pooled_meta",
            Column("name", String(64), primary_key=True),
            Column("value", Text, nullable=False),
        ),
    )


def _event_columns() -> list[Column[object]]:
    return [
        Column("id", _Id, primary_key=True),
        Column("tenant", _Slug, nullable=False),
        # The random name of one delivery; it begins with the time, so that the index grows at one end and
        # "since" is a range of it.
        Column("receipt", String(32), nullable=False),
        Column("received_at", BigInteger, nullable=False),
        Column("kind", String(MAX_KIND_LENGTH), nullable=False),
        # pending | done | dead | held | duplicate | rejected | discarded
        Column("state", String(16), nullable=False),
        # Why it is in that state, one word of the code's; NULL where the state says all.
        Column("reason", String(32)),
        # Digest of what makes it this event and no other; NULL for repeats, conflicts and refunds not (yet) paid.
        Column("identity", _Digest),
        # Digest of winner, amount and pool size: the same identity with another content is a conflict.
        Column("content", LargeBinary(16)),
        # The event that this row repeats or contradicts.
        Column("original_id", BigInteger),
        # The refund account in which this refund waits for room.
        Column("waits_on", _Digest),
        Column("tenant_id", _ForeignId),
        Column("pool_id", _ForeignId),
        Column("pool_size", BigInteger),
        Column("player_id", _ForeignId),
        Column("entry_type", _ForeignId),
        Column("cents", BigInteger),
        Column("ordinal", Integer),
        # text | hex | none | NULL: no seed or no commitment came.
        Column("fairness", String(8)),
        Column("attempts", Integer, nullable=False),
        # When a pending event is due; NULL in every other state.
        Column("due_at", BigInteger),
        # When it left "pending" for good.
        Column("settled_at", BigInteger),
        # JSON list of the receivers that ran.
        Column("receivers", Text),
        # The last failure's traceback, or what is wrong with a rejected body.
        Column("error", Text),
        # The raw bytes; NULL where they repeat the original's.
        Column("body", LargeBinary),
    ]


def _event_indexes() -> list[Index]:
    def partial(name: str, *columns: str, where: str) -> Index:
        return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))

    return [
        # In it the rows of a tenant lie by the time of their arrival.
        Index("uq_pooled_event_receipt", "tenant", "receipt", unique=True),
        Index("uq_pooled_event_identity", "identity", unique=True),
        partial("ix_pooled_event_due", "tenant", "due_at", "id", where="due_at IS NOT NULL"),
        # Every list of what is not done, or is no entry: done entries, nearly all, stay out of them. No list's index
        # begins with the tenant, of whom most databases have one: see aside().
        partial("ix_pooled_event_open", "state", "receipt", "tenant", where=NOT_DONE),
        partial("ix_pooled_event_kind", "kind", "receipt", "tenant", where=NO_ENTRY),
        partial("ix_pooled_event_original", "original_id", "id", where="original_id IS NOT NULL"),
        partial("ix_pooled_event_waits", "waits_on", "id", where="waits_on IS NOT NULL"),
        # By kind, because a large pool has a million entries and one win.
        Index("ix_pooled_event_pool", "pool_id", "kind", "receipt"),
        Index("ix_pooled_event_player", "player_id", "receipt"),
    ]
