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
from .credits import Credits
from .delivery import Recorded
from .entries import insert_news
from .known import OvertakenError
from .prepared import Prepared
from .refunds import Books
from .tables import Tables


def record_paid(
    connection: Connection,
    tables: Tables,
    books: Books,
    credits_: Credits,
    deliveries: Sequence[Prepared],
) -> dict[str, Recorded]:
    """Write the refunds among the deliveries that have room in their accounts.

    :param books: has locked their pools and accounts.
    :param deliveries: all that the transaction has not recorded yet.
    :returns: what was written, by receipt; the others are to be recorded one by one, now.
    """
    if len(deliveries) < 2:
        return {}
    refunds = [each.refund for each in deliveries if each.refund is not None]
    if len(refunds) < len(deliveries):
        return {}
    counts, paid = Counter[bytes](), list[tuple[PoolRefund, dict[str, Any]]]()
    for refund in refunds:
        verdict = books.judge_refund(refund.event, before=counts[refund.account])
        if verdict.ordinal is not None:
            counts[refund.account] += 1
            paid.append((refund.event, refund.row_as(verdict.ordinal)))
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
    for event, row in paid:
        books.note_outcome(event)
        recorded[row["receipt"]] = Recorded(ids[row["identity"]], "pending", event=event)
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
