"""What the inbox still knows of events that were pruned: that they were settled, and what they said, as a digest.

Pooled may send anything again at any time. Refunds are not among them: their accounts outlive them and count.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import bindparam
from sqlalchemy import BindParameter
from sqlalchemy import Select
from sqlalchemy import select
from sqlalchemy import Table
from sqlalchemy.engine import Connection

from .tables import Tables
from .upsert import insert_for


class OvertakenError(Exception):
    """What stood in the way of a row was pruned before it could be looked at. Do the transaction again."""


@dataclass(frozen=True, slots=True)
class Known:
    """One event that was pruned."""

    #: The number that it had.
    id: int
    identity: bytes
    content: bytes | None


class KnownEvents:
    """The pruned events of one tenant, within a transaction."""

    def __init__(self, connection: Connection, tables: Tables, tenant: str) -> None:
        self._connection = connection
        self._table = tables.known
        self._tenant = tenant

    def find(self, identity: bytes) -> list[Known]:
        """The event of that identity, then what contradicted it."""
        rows = self._connection.execute(
            select(self._table)
            .where(self._table.c.identity == identity)
            # Nothing can contradict an event before it is there.
            .order_by(self._table.c.event_id)
        )
        return [Known(row.event_id, row.identity, row.content or None) for row in rows]

    def among(self, identities: Iterable[bytes]) -> list[bytes]:
        """Which of them were pruned."""
        found = self._connection.execute(_among(self._table), {"identities": list(identities)})
        return [bytes(identity) for identity in found.scalars()]

    def keep(self, events: Sequence[Known]) -> None:
        """Remember events whose rows are deleted in the same transaction."""
        if not events:
            return
        self._connection.execute(
            insert_for(self._connection.dialect.name, self._table).on_conflict_do_nothing(),
            [
                {
                    "identity": event.identity,
                    "content": event.content or b"",
                    "tenant": self._tenant,
                    "event_id": event.id,
                }
                for event in events
            ],
        )


@lru_cache(maxsize=16)
def _among(known: Table) -> Select[Any]:
    # Asked with every delivery: put together once.
    identities: BindParameter[Any] = bindparam("identities", expanding=True)
    return select(known.c.identity).where(known.c.identity.in_(identities)).distinct()
