"""What takes the tables of an inbox of ours from one version to the next, and whether a casino's own tables are ours.

A step is written once and never changed: it works on the tables as they were when it was released, and so is plain SQL.
Tables that are new are created without a step. To change the tables:

1. change ``tables.py``,
2. add a step here, and a line to the changes that tells casinos with ``db=`` to run a migration,
3. store what the new version makes as ``tests/schemas/vN.sql``; the tests there say how.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

from sqlalchemy import inspect
from sqlalchemy import Table
from sqlalchemy.engine import Connection

from .tables import Tables

Step = Callable[[Connection], object]

#: The version that the first step begins with.
FIRST_VERSION = 1

#: In order: from version 1 to 2, from 2 to 3, and so on.
STEPS: tuple[Step, ...] = ()


def migrate(connection: Connection, version: int, steps: Sequence[Step] = STEPS) -> None:
    """Take the tables from a version to the present one, in the transaction that is open.

    :param version: the one that they have.
    """
    if connection.dialect.name == "postgresql":
        # What webhooks may wait for is too short to rebuild a table of millions of rows.
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    for step in steps[version - FIRST_VERSION :]:
        step(connection)


def differences(connection: Connection, tables: Tables) -> list[str]:
    """What the tables in the database lack, or have too much of, for this version to work with them."""
    return [difference for table in tables.all() for difference in _compare(connection, table)]


def _compare(connection: Connection, table: Table) -> Iterator[str]:
    seen = inspect(connection)
    schemas: Any = connection.get_execution_options().get("schema_translate_map") or {}
    schema = schemas.get(table.schema, table.schema)
    if not seen.has_table(table.name, schema=schema):
        yield f"{table.name} is missing"
        return
    columns = {column["name"]: column for column in seen.get_columns(table.name, schema=schema)}
    for name in table.columns.keys() - columns.keys():
        yield f"{table.name} has no column {name}"
    for name in columns.keys() - table.columns.keys():
        if not columns[name]["nullable"] and columns[name]["default"] is None:
            yield f"{table.name} has a column {name} that this version cannot fill"
    unique: set[tuple[str | None, ...]] = {
        tuple(each["column_names"]) for each in seen.get_unique_constraints(table.name, schema)
    }
    plain: set[tuple[str | None, ...]] = set()
    for index in seen.get_indexes(table.name, schema=schema):
        (unique if index["unique"] else plain).add(tuple(index["column_names"]))
    for wanted in table.indexes:
        names = tuple(column.name for column in wanted.columns)
        if names not in unique and (wanted.unique or names not in plain):
            kind = "unique index" if wanted.unique else "index"
            yield f"{table.name} has no {kind} on {', '.join(names)}"
