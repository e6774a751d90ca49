"""Entries that are all news go into an SQLite file by one statement, see ``one_statement.py``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from sqlalchemy.engine import Engine

from .delivery import Recorded
from .one_statement import News
from .one_statement import TO_BE_DECIDED
from .one_statement import write
from .prepared import Entry
from .tables import Tables


def record_fresh(engine: Engine, tables: Tables, entries: Sequence[Entry]) -> list[Recorded] | None:
    """Write entries and commit, if all of them are news.

    :param engine: see :func:`~.one_statement.can_be_quick`.
    :returns: ``None``: something is to be decided, and nothing is written.
    :raises sqlalchemy.exc.DBAPIError: nothing was written, or all of it if only the answer got lost.
    """
    rows = [entry.row | {"account": entry.account} for entry in entries]
    return write(engine, _news(tables), [entry.event for entry in entries], lambda ask: rows)


@lru_cache(maxsize=16)
def _news(tables: Tables) -> News:
    known, account = f'"{tables.known.name}"', f'"{tables.account.name}"'
    return News(
        tables.event,
        "pooled_fresh_entry",
        ("account",),
        f"""
            SELECT {TO_BE_DECIDED}
            WHERE EXISTS (SELECT 1 FROM {known} WHERE identity = NEW.identity)
            -- None waits before the first one was paid: that is what fills an account.
            OR EXISTS (SELECT 1 FROM {account} WHERE key = NEW.account AND paid > 0);
        """,  # noqa: S608
        f"""
            INSERT INTO {account}
                (key, tenant, tenant_id, pool_id, player_id, entry_type, entries, paid)
            VALUES (
                NEW.account, NEW.tenant, NEW.tenant_id, NEW.pool_id, NEW.player_id, NEW.entry_type, 1, 0
            )
            ON CONFLICT (key) DO UPDATE SET entries = entries + 1;
        """,  # noqa: S608
    )
