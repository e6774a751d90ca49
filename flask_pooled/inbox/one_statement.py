"""The shortest way into an SQLite file for what comes most: a whole batch by one statement.

A large pool fills by a million entries and may give them all back, each by a webhook that waits for its commit and for
those before it. While one of its threads speaks to SQLite, a process has seven others that want the interpreter, and
whoever gives it away waits until they are done with something. Each statement of a transaction gives it away, and each
row of an answer, with the write lock in hand; begin and commit are statements, too. So a batch is one statement here,
which is a transaction of its own: it looks whether anything speaks against a delivery, writes its row and counts it in
its account.

The statement inserts into a view of the connection's own, and a trigger on that view says what to do with each row.
Both are temporary: the database holds nothing of them. If anything is to be decided, nothing is written, and the
general rules do that (``recording.py``). On PostgreSQL others write at the same time, see ``fresh_postgres.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Table
from sqlalchemy.engine import Engine

from ..events import Event
from .database import is_memory
from .delivery import Recorded
from .direct import as_told_by_sqlalchemy
from .direct import can_be_direct
from .tables import Tables

#: How many rows one statement takes: SQLite allows 32,766 parameters, and an event has two dozen columns.
MOST = 500

#: What a trigger says when the general rules are to decide. It is a constraint's error, as that of a row that is there.
TO_BE_DECIDED = "RAISE(ABORT, 'to be decided')"

#: Execute a statement on the connection that is going to write, and fetch its rows.
Ask = Callable[[str, Sequence[object]], Sequence[Any]]


@dataclass(frozen=True, slots=True)
class News:
    """What is written by one statement, and how.

    :param name: of the view.
    :param given: what is given with each row besides the columns of the event's.
    :param before: the trigger's statements before the row is written, in terms of ``NEW``.
    :param after: those that come after it.
    """

    table: Table
    name: str
    given: tuple[str, ...]
    before: str
    after: str


def can_be_quick(engine: Engine, tables: Tables) -> bool:
    """Whether one statement is a transaction there: in a file, whose tables have the names that they are known by."""
    return can_be_direct(engine) and not is_memory(engine.url) and not tables.event.schema


def write(
    engine: Engine,
    news: News,
    events: Sequence[Event],
    decide: Callable[[Ask], Sequence[Mapping[str, object]] | None],
) -> list[Recorded] | None:
    """Write the rows of events that are to be worked on, and commit, if nothing is to be decided.

    :param engine: see :func:`can_be_quick`. SQLAlchemy's own part in it would be a third of the work.
    :param events: one for each row, in the same order.
    :param decide: says what to write: in each row the columns of the event's, and what is given with it. ``None``: it
        is to be left to the general rules.
    :returns: what is written; ``None``: nothing is.
    :raises sqlalchemy.exc.DBAPIError: nothing was written, or all of it if only the answer got lost.
    """
    driver: Any = engine.dialect.loaded_dbapi
    try:
        with closing(engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:

            def ask(statement: str, values: Sequence[object]) -> Sequence[Any]:
                engine.dialect.do_execute(cursor, statement, values)
                return cursor.fetchall()

            if connection.driver_connection.in_transaction:  # type: ignore[union-attr]  # an SQLite connection
                # It was told to begin one by itself, always.
                return None
            rows = decide(ask)
            if rows is None or len(rows) > MOST:
                return None
            if news.name not in connection.info:
                for statement in _definitions(news):
                    ask(statement, ())
                connection.info[news.name] = True
            columns = _columns(news)
            values = [value for row in rows for value in map(row.get, columns)]
            ask(_inserting(news, len(rows)), values)
            last = rows[-1]
            [(number,)] = ask(_numbering(news.table), (last["tenant"], last["receipt"]))
    except driver.IntegrityError:
        # An identity or a receipt that is there, or the trigger's own word.
        return None
    except driver.Error as error:
        raise as_told_by_sqlalchemy(error, engine.dialect) from error
    # They are given in order, without a gap, and to nobody else meanwhile.
    first = number - len(rows) + 1
    return [Recorded(first + at, "pending", event=event) for at, event in enumerate(events)]


@lru_cache(maxsize=16)
def _event_columns(table: Table) -> list[str]:
    # A number is SQLite's to give.
    return [column.name for column in table.columns if column.name != "id"]


@lru_cache(maxsize=16)
def _columns(news: News) -> list[str]:
    return [*news.given, *_event_columns(news.table)]


@lru_cache(maxsize=16)
def _definitions(news: News) -> tuple[str, str]:
    """The view, which is never read, and what a row that is inserted into it becomes."""
    columns = _event_columns(news.table)
    blanks = ", ".join(f'NULL AS "{column}"' for column in _columns(news))
    return (
        f"CREATE TEMP VIEW IF NOT EXISTS {news.name} AS SELECT {blanks}",
        f"""
        CREATE TEMP TRIGGER IF NOT EXISTS {news.name}_insert INSTEAD OF INSERT ON {news.name} BEGIN
            {news.before}
            INSERT INTO "{news.table.name}" ({_quoted(columns)})
            VALUES ({", ".join(f'NEW."{column}"' for column in columns)});
            {news.after}
        END
        """,  # noqa: S608
    )


@lru_cache(maxsize=256)
def _inserting(news: News, count: int) -> str:
    columns = _columns(news)
    row = f"({', '.join('?' * len(columns))})"
    # Before a statement that begins with INSERT the driver would begin a transaction, which nobody would commit.
    return (
        f"WITH news ({_quoted(columns)}) AS (VALUES {', '.join([row] * count)}) "  # noqa: S608
        f"INSERT INTO {news.name} ({_quoted(columns)}) SELECT * FROM news"
    )


@lru_cache(maxsize=16)
def _numbering(table: Table) -> str:
    return f'SELECT id FROM "{table.name}" WHERE tenant = ? AND receipt = ?'  # noqa: S608


def _quoted(columns: Sequence[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)
