"""What was credited within a day, for ``POOLED_HOLD_DAILY_OVER``: a limit against a stolen webhook secret."""

from __future__ import annotations

from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy.engine import Connection

from ..money import to_cents
from ..settings import Settings
from .tables import Tables
from .upsert import insert_for

#: The row that is locked by whoever counts. It has no cents and is never within the day that is looked back on.
_LOCKED_HOUR = 0


def hour_of(at: int) -> int:
    """The hour in which a transaction counts what it credits, since the epoch.

    :param at: milliseconds since the epoch.
    """
    return at // 3_600_000


class Credits:
    """Cents credited, counted in whole hours: the day that is looked back on has between 24 and 25.

    One row of the tenant's is locked by the first look, so that two wins at once cannot both fit under the limit,
    not even where one of them falls into the next hour. Without a limit nothing is counted and nothing locked.

    :param at: now, milliseconds since the epoch.
    """

    def __init__(self, connection: Connection, tables: Tables, settings: Settings, at: int) -> None:
        self._connection = connection
        self._table = tables.credit
        self._tenant = settings.tenant
        self._hour = hour_of(at)
        limit = settings.hold_daily_over
        self._limit = None if limit is None else to_cents(limit)
        self._spent: int | None = None

    def allows(self, cents: int) -> bool:
        """Whether *cents* more fit under the limit."""
        return self._limit is None or self._day() + cents <= self._limit

    def add(self, cents: int) -> None:
        """Count a credit."""
        if self._limit is None:
            return
        self._spent = self._day() + cents
        self._count(self._hour, cents)

    def _day(self) -> int:
        if self._spent is None:
            table = self._table
            self._count(_LOCKED_HOUR, 0)
            self._spent = int(
                self._connection.execute(
                    select(func.coalesce(func.sum(table.c.cents), 0)).where(
                        table.c.tenant == self._tenant, table.c.hour >= self._hour - 24
                    )
                ).scalar_one()
            )
        return self._spent

    def _count(self, hour: int, cents: int) -> None:
        table = self._table
        statement = insert_for(self._connection.dialect.name, table).values(
            tenant=self._tenant, hour=hour, cents=cents
        )
        self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["tenant", "hour"],
                set_={"cents": table.c.cents + statement.excluded.cents},
            )
        )
