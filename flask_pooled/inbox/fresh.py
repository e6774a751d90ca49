"""The shortest way for what comes most: entries that are all news, into an SQLite file, by one statement.

A large pool fills by a million entries, each of them a webhook that waits for its commit and for those before it. While
one of its threads speaks to SQLite, a process has seven others that want the interpreter, and whoever gives it away
waits until they are done with something. Each statement of a transaction gives it away, and each row of an answer, with
the write lock in hand; begin and commit are statements, too. So a whole batch is one statement here, which is a
transaction of its own: it looks whether anything speaks against an entry, writes its row and counts it in its account.

The statement inserts into a view of the connection's own, and a trigger on that view says what to do with each entry.
Both are temporary: the database holds nothing of them. If anything is to be decided, nothing is written, and the
general rules do that (``recording.py``). On PostgreSQL others write at the same time, see ``fresh_postgres.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from functools import lru_cache
from typing import Any

from sqlalchemy import Table
from sqlalchemy.engine import Engine

from .database import is_memory
from .delivery import Recorded
from .direct import as_told_by_sqlalchemy
from .direct import can_be_direct
from .entries import Entry
from .tables import Tables

#: How many entries one statement takes: SQLite allows 32,766 parameters, and an entry has two dozen columns.
MOST = 500

_VIEW = "pooled_fresh"


def can_be_quick(engine: Engine, tables: Tables) -> bool:
    """Whether one statement is a transaction there: in a file, whose tables have the names that they are known by."""
    return can_be_direct(engine) and not is_memory(engine.url) and not tables.event.schema


def record_fresh(
    engine: Engine, tables: Tables, tenant: str, entries: Sequence[Entry]
) -> list[Recorded] | None:
    """Write entries and commit, if all of them are news.

    :param engine: see :func:`can_be_quick`.
    :returns: ``None``: something is to be decided, and nothing is written.
    :raises sqlalchemy.exc.DBAPIError: nothing was written, or all of it if only the answer got lost.
    """
    if len(entries) > MOST:
        return None
    driver: Any = engine.dialect.loaded_dbapi
    try:
        last = _write(engine, tables, tenant, entries)
    except driver.IntegrityError:
        # An identity or a receipt that is there, or the trigger's own word.
        return None
    except driver.Error as error:
        raise as_told_by_sqlalchemy(error, engine.dialect) from error
    if last is None:
        return None
    # The numbers are given in order, without a gap, and to nobody else meanwhile.
    return [
        Recorded(last - len(entries) + number, "pending", event=entry.event)
        for number, entry in enumerate(entries, 1)
    ]


def _write(engine: Engine, tables: Tables, tenant: str, entries: Sequence[Entry]) -> int | None:
    """Write entries past SQLAlchemy, whose part in it would be a third of the work.

    :returns: the number of the last one; ``None``: a statement is no transaction here.
    """
    columns = _columns(tables.event)
    values = [value for entry in entries for value in (entry.account, *map(entry.row.get, columns))]
    with closing(engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:

        def execute(statement: str, values: Sequence[object] = ()) -> None:
            engine.dialect.do_execute(cursor, statement, values)

        driver: Any = connection.driver_connection
        if driver.in_transaction:
            # It was told to begin one by itself, always.
            return None
        if _VIEW not in connection.info:
            for statement in _definitions(tables):
                execute(statement)
            connection.info[_VIEW] = True
        execute(_inserting(tables.event, len(entries)), values)
        execute(_numbering(tables.event), (tenant, entries[-1].delivery.receipt))
        number: int
        [(number,)] = cursor.fetchall()
        return number


@lru_cache(maxsize=16)
def _columns(table: Table) -> list[str]:
    # A number is SQLite's to give.
    return [column.name for column in table.columns if column.name != "id"]


@lru_cache(maxsize=16)
def _definitions(tables: Tables) -> tuple[str, str]:
    """The view, which is never read, and what an entry that is inserted into it becomes."""
    columns = _columns(tables.event)
    blanks = ", ".join(f'NULL AS "{column}"' for column in ("account", *columns))
    event, known, account = (
        f'"{table.name}"' for table in (tables.event, tables.known, tables.account)
    )
    return (
        f"CREATE TEMP VIEW IF NOT EXISTS {_VIEW} AS SELECT {blanks}",
        f"""
        CREATE TEMP TRIGGER IF NOT EXISTS {_VIEW}_insert INSTEAD OF INSERT ON {_VIEW} BEGIN
            SELECT RAISE(ABORT, 'to be decided')
            WHERE EXISTS (SELECT 1 FROM {known} WHERE identity = NEW.identity)
            -- None waits before the first one was paid: that is what fills an account.
            OR EXISTS (SELECT 1 FROM {account} WHERE key = NEW.account AND paid > 0);

            INSERT INTO {event} ({_quoted(columns)})
            VALUES ({", ".join(f'NEW."{column}"' for column in columns)});

            INSERT INTO {account}
                (key, tenant, tenant_id, pool_id, player_id, entry_type, entries, paid)
            VALUES (
                NEW.account, NEW.tenant, NEW.tenant_id, NEW.pool_id, NEW.player_id, NEW.entry_type, 1, 0
            )
            ON CONFLICT (key) DO UPDATE SET entries = entries + 1;
        END
        """,  # noqa: S608
    )


@lru_cache(maxsize=256)
def _inserting(table: Table, count: int) -> str:
    columns = _quoted(("account", *_columns(table)))
    row = f"({', '.join('?' * (1 + len(_columns(table))))})"
    # Before a statement that begins with INSERT the driver would begin a transaction, which nobody would commit.
    return (
        f"WITH entry ({columns}) AS (VALUES {', '.join([row] * count)}) "  # noqa: S608
        f"INSERT INTO {_VIEW} ({columns}) SELECT * FROM entry"
    )


@lru_cache(maxsize=16)
def _numbering(table: Table) -> str:
    return f'SELECT id FROM "{table.name}" WHERE tenant = ? AND receipt = ?'  # noqa: S608


def _quoted(columns: Sequence[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)
