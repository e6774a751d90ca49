"""How one tenant's inbox stands, in numbers that come from an index, however many events there are."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from sqlalchemy import func
from sqlalchemy import literal
from sqlalchemy import Select
from sqlalchemy import select
from sqlalchemy import union_all

from .database import Database
from .identity import receipts_since
from .plans import aside
from .plans import SAYING_NOT_DONE
from .tables import Tables


class Figures:
    """The numbers of one tenant."""

    def __init__(self, database: Database, tables: Tables, tenant: str) -> None:
        self._database = database
        self._events = tables.event
        self._tenant = tenant

    def count_states(self) -> dict[str, int]:
        """How many rows are in each state."""
        events = self._events
        with self._database.read() as connection:
            # From two indexes, and one moment. By state, the rows that are done, nearly all, would be read themselves.
            counts = union_all(
                select(events.c.state, func.count())
                .where(aside(connection, events.c.tenant) == self._tenant, SAYING_NOT_DONE)
                .group_by(events.c.state),
                select(literal("all"), func.count())
                .select_from(events)
                .where(events.c.tenant == self._tenant),
            )
            states = {state: int(count) for state, count in connection.execute(counts)}
        done = states.pop("all") - sum(states.values())
        return {**states, "done": done} if done else states

    def count_received(self, since: int) -> int:
        """How many deliveries were kept since then.

        :param since: milliseconds since the epoch.
        """
        with self._database.read() as connection:
            return int(connection.execute(self._received(since)).scalar_one())

    def count_received_between(self, moments: Sequence[int]) -> list[int]:
        """How many deliveries were kept from each moment until the next one.

        :param moments: milliseconds since the epoch, oldest first.
        """
        receipt = self._events.c.receipt
        # In one statement, so that all are of one moment.
        counts = [
            self._received(since).where(receipt < receipts_since(until)).scalar_subquery()
            for since, until in pairwise(moments)
        ]
        with self._database.read() as connection:
            return [int(count) for count in connection.execute(select(*counts)).one()]

    def oldest_pending(self) -> int | None:
        """When the oldest event that is not done arrived, milliseconds since the epoch."""
        events = self._events
        with self._database.read() as connection:
            oldest: int | None = connection.execute(
                select(events.c.received_at)
                .where(
                    aside(connection, events.c.tenant) == self._tenant,
                    events.c.state == "pending",
                    SAYING_NOT_DONE,
                )
                .order_by(events.c.receipt)
                .limit(1)
            ).scalar_one_or_none()
        return oldest

    def _received(self, since: int) -> Select[Any]:
        # From the index of the receipts alone.
        return (
            select(func.count())
            .select_from(self._events)
            .where(
                self._events.c.tenant == self._tenant,
                self._events.c.receipt >= receipts_since(since),
            )
        )
