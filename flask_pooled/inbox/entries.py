"""Entries come by the thousand, and are alike: those of one transaction are written by a few statements for all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import delete
from sqlalchemy import Table
from sqlalchemy.engine import Connection

from ..events import PoolEntry
from ..settings import Settings
from .delivery import Delivery
from .delivery import Recorded
from .delivery import Verdict
from .holds import hold_reason
from .identity import account_key
from .identity import event_identity
from .known import KnownEvents
from .refunds import Books
from .rows import event_row
from .tables import Tables
from .upsert import insert_for

_PENDING = Verdict("pending")


class Entries:
    """Writes the entries of one transaction that are news."""

    def __init__(
        self,
        connection: Connection,
        tables: Tables,
        settings: Settings,
        books: Books,
        known: KnownEvents,
    ) -> None:
        self._connection = connection
        self._table = tables.event
        self._settings = settings
        self._books = books
        self._known = known

    def record(self, deliveries: Sequence[Delivery]) -> dict[str, Recorded]:
        """Write those deliveries that are entries, in order, and not known yet, and count them in the books.

        :returns: what was written, by receipt. The rest is to be looked at one by one.
        """
        fresh: dict[bytes, tuple[Delivery, PoolEntry]] = {}
        for delivery in deliveries:
            event = delivery.event
            if isinstance(event, PoolEntry) and hold_reason(event, self._settings) is None:
                identity = event_identity(self._settings.tenant, event)
                if identity is not None:
                    fresh.setdefault(identity, (delivery, event))
        if not fresh:
            return {}
        ids = self._insert(fresh)
        if ids:
            self._take_back(ids)
        if not ids:
            # An empty list of rows would be one statement without values.
            return {}
        accounts = {
            identity: account_key(self._settings.tenant, fresh[identity][1]) for identity in ids
        }
        promoted = self._books.note_entries(Counter(accounts.values()))
        recorded = {}
        for identity, row_id in ids.items():
            delivery, event = fresh[identity]
            recorded[delivery.receipt] = Recorded(
                row_id, "pending", event=event, promoted=promoted.pop(accounts[identity], ())
            )
        return recorded

    def _insert(self, fresh: dict[bytes, tuple[Delivery, PoolEntry]]) -> dict[bytes, int]:
        # Numbered as they came. Who writes the same entries in another order waits already, for their accounts.
        rows = [
            event_row(self._settings.tenant, delivery, event, _PENDING, identity=identity)
            for identity, (delivery, event) in fresh.items()
        ]
        statement = _insert_for(self._table, self._connection.dialect.name)
        written = self._connection.execute(statement, rows)
        return {bytes(identity): row_id for row_id, identity in written}

    def _take_back(self, ids: dict[bytes, int]) -> None:
        """Forget what was written although it is known from before a prune.

        To be asked after the rows were written: if one is pruned at this very moment, the insert has waited for the
        end of that.
        """
        pruned = self._known.among(ids)
        if pruned:
            gone = [ids.pop(identity) for identity in pruned]
            self._connection.execute(delete(self._table).where(self._table.c.id.in_(gone)))


@lru_cache(maxsize=16)
def _insert_for(table: Table, dialect: str) -> Any:
    return (
        insert_for(dialect, table).on_conflict_do_nothing().returning(table.c.id, table.c.identity)
    )
