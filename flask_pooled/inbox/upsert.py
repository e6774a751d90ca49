"""``INSERT … ON CONFLICT`` in the dialect of the connection at hand."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table
from sqlalchemy.engine import Connection

from ..errors import InboxError


def insert_for(connection: Connection, table: Table) -> Any:
    """An ``INSERT`` that knows ``on_conflict_do_nothing`` and ``on_conflict_do_update``.

    :raises InboxError: the database is neither SQLite nor PostgreSQL.
    """
    # Imported here so that an app loads the one dialect that it uses.
    name = connection.dialect.name
    if name == "sqlite":
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(table)
    if name == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    raise InboxError(
        f"the inbox runs on SQLite and PostgreSQL, not on {name}: give it a database of its own by "
        "POOLED_DATABASE_URI and leave out db="
    )
