"""Refunds that are all paid go into an SQLite file by one statement, see ``one_statement.py``.

What a refund is called depends on which one of its account it is, so there is a look at the accounts before. Between
the two another program may write: the statement itself looks whether anything has changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from functools import lru_cache

from sqlalchemy import Table
from sqlalchemy.engine import Engine

from ..settings import Settings
from .delivery import Recorded
from .one_statement import Ask
from .one_statement import News
from .one_statement import TO_BE_DECIDED
from .one_statement import write
from .prepared import Refund
from .tables import Tables


def record_fresh(
    engine: Engine, tables: Tables, settings: Settings, refunds: Sequence[Refund]
) -> list[Recorded] | None:
    """Write refunds and commit, if their pools are known to give back and their accounts have room for all of them.

    :param engine: see :func:`~.one_statement.can_be_quick`.
    :returns: ``None``: something is to be decided, and nothing is written.
    :raises sqlalchemy.exc.DBAPIError: nothing was written, or all of it if only the answer got lost.
    """
    if settings.hold_daily_over is not None:
        # What is credited is to be counted, and may be too much.
        return None
    events = [refund.event for refund in refunds]
    return write(engine, _news(tables), events, lambda ask: _rows(ask, tables.account, refunds))


def _rows(
    ask: Ask, accounts: Table, refunds: Sequence[Refund]
) -> Sequence[Mapping[str, object]] | None:
    """What is to be written of each, if there is room for it."""
    keys = {refund.account for refund in refunds}
    # How many each has paid, and how many it may at the most.
    counts = {bytes(key): [paid, entries] for key, paid, entries in ask(*_looking(accounts, keys))}
    rows = []
    for refund in refunds:
        count = counts.get(refund.account)
        # An account without an entry has a rule of its own.
        if count is None or count[0] >= count[1]:
            return None
        count[0] += 1
        rows.append(refund.row_as(count[0]) | {"account": refund.account, "pool": refund.pool})
    return rows


def _looking(accounts: Table, keys: set[bytes]) -> tuple[str, list[bytes]]:
    places = ", ".join("?" * len(keys))
    return (
        f'SELECT key, paid, entries FROM "{accounts.name}" WHERE key IN ({places})',  # noqa: S608
        sorted(keys),
    )


@lru_cache(maxsize=16)
def _news(tables: Tables) -> News:
    pool, account = f'"{tables.pool.name}"', f'"{tables.account.name}"'
    return News(
        tables.event,
        "pooled_fresh_refund",
        ("account", "pool"),
        f"""
            SELECT {TO_BE_DECIDED}
            -- The first refund of a pool is what says how it ended.
            WHERE NOT EXISTS (SELECT 1 FROM {pool} WHERE key = NEW.pool AND outcome = 'refunded')
            OR NOT EXISTS (
                SELECT 1 FROM {account}
                WHERE key = NEW.account AND paid = NEW.ordinal - 1 AND paid < entries
            );
        """,  # noqa: S608
        f"UPDATE {account} SET paid = NEW.ordinal WHERE key = NEW.account;",  # noqa: S608
    )
