"""Refunds come by the thousand when a large pool expires: those of one transaction that are paid are written at once.

The rules are those of :class:`~.refunds.Books`; only statements are saved. What is to be looked at more closely, be it
one delivery among them, is left to be recorded one by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import bindparam
from sqlalchemy import BindParameter
from sqlalchemy import Select
from sqlalchemy import select
from sqlalchemy import Table
from sqlalchemy.engine import Connection

from ..events import PoolRefund
from ..settings import Settings
from .credits import Credits
from .delivery import Delivery
from .delivery import Recorded
from .entries import insert_news
from .holds import hold_reason
from .identity import account_key
from .identity import event_identity
from .known import OvertakenError
from .refunds import Books
from .rows import event_row
from .tables import Tables


def record_paid(
    connection: Connection,
    tables: Tables,
    settings: Settings,
    books: Books,
    credits_: Credits,
    deliveries: Sequence[Delivery],
) -> dict[str, Recorded]:
    """Write the refunds among the deliveries that have room in their accounts.

    :param books: has locked their pools and accounts.
    :param deliveries: all that the transaction has not recorded yet.
    :returns: what was written, by receipt; the others are to be recorded one by one, now.
    """
    if len(deliveries) < 2:
        return {}
    refunds = [
        (delivery, delivery.event)
        for delivery in deliveries
        if isinstance(delivery.event, PoolRefund) and hold_reason(delivery.event, settings) is None
    ]
    if len(refunds) < len(deliveries):
        return {}
    counts, paid = Counter[bytes](), list[tuple[PoolRefund, dict[str, Any]]]()
    for delivery, refund in refunds:
        key = account_key(settings.tenant, refund)
        verdict = books.judge_refund(refund, before=counts[key])
        if verdict.ordinal is not None:
            counts[key] += 1
            identity = event_identity(settings.tenant, refund.with_ordinal(verdict.ordinal))
            row = event_row(settings.tenant, delivery, refund, verdict, identity=identity)
            paid.append((refund, row))
    rows = [row for _, row in paid]
    # Each of them fits under the limit if all of them do.
    cents = sum(row["cents"] for row in rows)
    if not rows or _is_any_known(connection, tables, rows) or not credits_.allows(cents):
        return {}
    ids = insert_news(connection, tables.event, rows)
    if len(ids) < len(rows):
        # No delivery is known, so the accounts have changed though they are locked.
        raise OvertakenError
    credits_.add(cents)
    books.count_paid(counts)
    recorded = {}
    for refund, row in paid:
        books.note_outcome(refund)
        recorded[row["receipt"]] = Recorded(ids[row["identity"]], "pending", event=refund)
    return recorded


def _is_any_known(connection: Connection, tables: Tables, rows: Sequence[dict[str, Any]]) -> bool:
    """Whether one of the deliveries was recorded before. Whoever records it now waits for the same accounts."""
    receipts = {row["receipt"] for row in rows}
    values = {"tenant": rows[0]["tenant"], "receipts": list(receipts)}
    known = connection.execute(_known(tables.event), values)
    return len(receipts) < len(rows) or known.first() is not None


@lru_cache(maxsize=16)
def _known(events: Table) -> Select[Any]:
    receipts: BindParameter[Any] = bindparam("receipts", expanding=True)
    return (
        select(events.c.id)
        .where(events.c.tenant == bindparam("tenant"), events.c.receipt.in_(receipts))
        .limit(1)
    )
