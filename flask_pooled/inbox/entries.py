"""Entries come by the thousand, and are alike: those of one transaction are written by a few statements for all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import delete
from sqlalchemy import Table
from sqlalchemy.engine import Connection

from .delivery import Recorded
from .known import KnownEvents
from .prepared import Entry
from .refunds import Books
from .upsert import insert_for


class Entries:
    """The entries among the deliveries of one transaction that nothing speaks against, each of them once.

    The others of its deliveries, and what turns out to be known, are to be looked at one by one.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        #: By identity, as they came.
        self._entries: dict[bytes, Entry] = {}
        for entry in entries:
            self._entries.setdefault(entry.identity, entry)

    def counts(self) -> Counter[bytes]:
        """How many there are for each refund account."""
        return Counter(entry.account for entry in self._entries.values())

    def record(
        self, connection: Connection, table: Table, books: Books, known: KnownEvents
    ) -> dict[str, Recorded]:
        """Write those that are not known yet, in order.

        :param books: has counted all of them, see :meth:`counts`.
        :returns: what was written, by receipt.
        """
        if not self._entries:
            return {}
        # Numbered as they came. Who writes the same entries in another order waits already, for their accounts.
        ids = insert_news(connection, table, [entry.row for entry in self._entries.values()])
        # To be asked after the rows were written: if one is pruned at this very moment, the insert has waited for the
        # end of that.
        pruned = [ids.pop(identity) for identity in known.among(ids)] if ids else []
        if pruned:
            connection.execute(delete(table).where(table.c.id.in_(pruned)))
        counts = Counter(self._entries[identity].account for identity in ids)
        books.take_back(self.counts() - counts)
        promoted = books.promote(counts)
        recorded = {}
        for identity, row_id in ids.items():
            entry = self._entries[identity]
            recorded[entry.delivery.receipt] = Recorded(
                row_id,
                "pending",
                event=entry.event,
                promoted=promoted.pop(entry.account, ()),
            )
        return recorded


def insert_news(
    connection: Connection, table: Table, rows: Sequence[dict[str, Any]]
) -> dict[bytes, int]:
    """Write rows in order, but for those whose identity or receipt is there already.

    :returns: the number of each, by its identity.
    """
    written = connection.execute(_insert_for(table, connection.dialect.name), rows)
    return {bytes(identity): row_id for row_id, identity in written}


@lru_cache(maxsize=16)
def _insert_for(table: Table, dialect: str) -> Any:
    return (
        insert_for(dialect, table).on_conflict_do_nothing().returning(table.c.id, table.c.identity)
    )
