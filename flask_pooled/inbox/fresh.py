"""The shortest way for what comes most: entries that are all news, into an SQLite file.

A large pool fills by a million entries, each of them a webhook that waits for its commit and for those before it.
Whoever writes to an SQLite file has it alone, so one question tells beforehand whether anything speaks against a whole
batch, and two statements write it. If anything does, nothing is written here, and the general rules decide
(``recording.py``). On PostgreSQL others write at the same time, see ``fresh_postgres.py``.

The statements are put together once and go to the driver as they are. None of them returns a row for each entry: for
each row the driver lets other threads run, and whoever wants to write waits meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import bindparam
from sqlalchemy import Column
from sqlalchemy import ColumnElement
from sqlalchemy import exists
from sqlalchemy import literal_column
from sqlalchemy import or_
from sqlalchemy import select
from sqlalchemy import Table
from sqlalchemy.engine import Connection
from sqlalchemy.engine import Dialect

from .delivery import Recorded
from .entries import Entry
from .refunds import account_row
from .tables import Tables
from .upsert import insert_for

#: How many entries one statement takes: SQLite allows 32,766 parameters, and an entry has two dozen columns.
MOST = 500


def can_be_quick(connection: Connection) -> bool:
    """Whether this is a file that one at a time writes to, under the names that the tables have."""
    options = connection.get_execution_options()
    return connection.dialect.name == "sqlite" and not options.get("schema_translate_map")


def record_fresh(
    connection: Connection, tables: Tables, tenant: str, entries: Sequence[Entry]
) -> list[Recorded] | None:
    """Write entries, if all of them are news.

    :param connection: in a transaction beside which nobody writes, see :func:`can_be_quick`.
    :returns: ``None``: something is to be decided, and nothing is written.
    """
    identities = [entry.identity for entry in entries]
    if len(entries) > MOST or len(set(identities)) < len(entries):
        return None
    execute, dialect, count = connection.exec_driver_sql, connection.dialect, len(entries)
    receipts = [entry.delivery.receipt for entry in entries]
    accounts = [entry.account for entry in entries]
    question = _question(tables, dialect, count)
    if execute(question, (*identities, tenant, *receipts, *identities, *accounts)).scalar_one():
        return None
    rows = _values(tables.event, [entry.row for entry in entries])
    last = execute(_inserting(tables.event, dialect, count), rows).lastrowid
    rows = _values(
        tables.account,
        [account_row(tenant, entry.account, entry.event, entries=1) for entry in entries],
    )
    execute(_counting(tables.account, dialect, count), rows)
    # The numbers are given in order, without a gap, and to nobody else meanwhile.
    return [
        Recorded(last - count + number, "pending", event=entry.event)
        for number, entry in enumerate(entries, 1)
    ]


def _values(table: Table, rows: Sequence[dict[str, Any]]) -> tuple[Any, ...]:
    """All of them one after the other, as the statement wants them."""
    columns = _columns(table)
    return tuple([row.get(column) for row in rows for column in columns])


@lru_cache(maxsize=16)
def _columns(table: Table) -> list[str]:
    # The order in which SQLAlchemy names them. A number is SQLite's to give.
    return [column.name for column in table.columns if column.name != "id"]


@lru_cache(maxsize=256)
def _question(tables: Tables, dialect: Dialect, count: int) -> str:
    """Whether one of so many entries is known, or a refund may wait for it."""
    event, known, account = tables.event.c, tables.known.c, tables.account.c
    return _text(
        select(
            or_(
                exists().where(_among(event.identity, count)),
                exists().where(event.tenant == bindparam("tenant"), _among(event.receipt, count)),
                exists().where(_among(known.identity, count)),
                # None waits before the first one was paid: that is what fills an account.
                exists().where(_among(account.key, count), account.paid > literal_column("0")),
            )
        ),
        dialect,
    )


@lru_cache(maxsize=256)
def _inserting(table: Table, dialect: Dialect, count: int) -> str:
    return _text(insert_for(dialect.name, table).values(_blanks(table, count)), dialect)


@lru_cache(maxsize=256)
def _counting(table: Table, dialect: Dialect, count: int) -> str:
    # Several entries of one account may be among them: SQLite goes row by row.
    statement = insert_for(dialect.name, table).values(_blanks(table, count))
    counted = {"entries": table.c.entries + statement.excluded.entries}
    return _text(statement.on_conflict_do_update(index_elements=["key"], set_=counted), dialect)


def _among(column: Column[Any], count: int) -> ColumnElement[bool]:
    return column.in_([bindparam(None) for _ in range(count)])


def _blanks(table: Table, count: int) -> list[dict[str, None]]:
    return [dict.fromkeys(_columns(table))] * count


def _text(statement: Any, dialect: Dialect) -> str:
    return str(statement.compile(dialect=dialect))
