"""Claims: the due events that somebody is about to work on, within transactions of the caller's."""

from __future__ import annotations

import random
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam
from sqlalchemy import ColumnElement
from sqlalchemy import select
from sqlalchemy import update
from sqlalchemy.engine import Connection
from sqlalchemy.engine import Row

from ..settings import Settings
from .tables import Tables

#: The longest pause between two attempts, milliseconds.
LONGEST_BACKOFF = 3_600_000


@dataclass(frozen=True, slots=True)
class Claim:
    """An event that somebody is about to work on, and how many attempts that makes."""

    id: int
    attempts: int
    #: When it was due before, milliseconds since the epoch.
    due_at: int


class Claims:
    """Finds and takes the due events of one tenant.

    :param now: milliseconds since the epoch.
    :param rng: spreads retries; nothing that needs to be secret.
    """

    def __init__(
        self, tables: Tables, settings: Settings, now: Callable[[], int], rng: random.Random
    ) -> None:
        self._tables = tables
        self._settings = settings
        self._now = now
        self._rng = rng

    def find_due(
        self,
        connection: Connection,
        until: int,
        conditions: Sequence[ColumnElement[bool]],
        most: int,
    ) -> Sequence[Row[Any]]:
        """Those that have been due for longest, locked; nobody else's."""
        events = self._tables.event
        # No pause is longer than that: what is due even later was put off by a clock that has been set back since.
        for due in (events.c.due_at <= until, events.c.due_at > self._now() + LONGEST_BACKOFF):
            rows = connection.execute(
                select(events)
                .where(
                    events.c.tenant == self._settings.tenant,
                    events.c.state == "pending",
                    due,
                    *conditions,
                )
                .order_by(events.c.due_at, events.c.id)
                .limit(most)
                .with_for_update(skip_locked=True)
            ).all()
            if rows:
                return rows
        return ()

    def count(self, connection: Connection, rows: Sequence[Row[Any]]) -> list[Claim]:
        """Count an attempt of each: of one, or of several that had none."""
        attempts = rows[0].attempts + 1
        self.update(
            connection,
            [row.id for row in rows],
            attempts=attempts,
            due_at=self.next_attempt(attempts),
        )
        return [Claim(row.id, attempts, row.due_at) for row in rows]

    def give_back(self, connection: Connection, claims: Sequence[Claim]) -> None:
        """Take back the attempts of claimed events that were not begun, within their transaction."""
        events = self._tables.event
        connection.execute(
            update(events)
            .where(events.c.id == bindparam("this_id"))
            .values(attempts=events.c.attempts - 1, due_at=bindparam("was_due_at")),
            [{"this_id": claim.id, "was_due_at": claim.due_at} for claim in claims],
        )

    def lock(self, connection: Connection, claim: Claim) -> Row[Any] | None:
        """Take the claimed row for the rest of a transaction; ``None``: it is not pending any more."""
        events = self._tables.event
        # No SKIP LOCKED here: on PostgreSQL another claim may hold this row for the moment in which it finds out
        # that the row is not due any more. Who really works on a row is skipped over when it is claimed.
        return connection.execute(
            select(events)
            .where(events.c.id == claim.id, events.c.state == "pending")
            .with_for_update()
        ).one_or_none()

    def lock_all(
        self, connection: Connection, claims: Sequence[Claim]
    ) -> list[tuple[Claim, Row[Any]]]:
        """As :meth:`lock`, those that are still pending of several."""
        events = self._tables.event
        rows = connection.execute(
            select(events)
            .where(events.c.id.in_([claim.id for claim in claims]), events.c.state == "pending")
            # In one order for everybody.
            .order_by(events.c.id)
            .with_for_update()
        )
        by_id = {row.id: row for row in rows}
        return [(claim, by_id[claim.id]) for claim in claims if claim.id in by_id]

    def next_attempt(self, attempts: int) -> int:
        """When to try again after *attempts* attempts: exponential backoff, half of it jitter."""
        base = self._settings.retry_base * 1000
        pause = min(base * 2.0 ** min(attempts - 1, 40), LONGEST_BACKOFF)
        return self._now() + max(int(pause * self._rng.uniform(0.5, 1)), 1)

    def update(self, connection: Connection, ids: Sequence[int], **values: object) -> None:
        """Write to those rows."""
        events = self._tables.event
        connection.execute(update(events).where(events.c.id.in_(ids)).values(**values))


def is_untried(row: Row[Any]) -> bool:
    """Whether nothing was ever tried with an event."""
    return not row.attempts and row.error is None
