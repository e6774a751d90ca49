"""``INSERT … ON CONFLICT`` in the dialect of the connection at hand."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table

from ..errors import InboxError


def insert_for(dialect: str, table: Table) -> Any:
    """An ``INSERT`` that knows ``on_conflict_do_nothing`` and ``on_conflict_do_update``.

    :param dialect: its name.
    :raises InboxError: the database is neither SQLite nor PostgreSQL.
    """
    # Imported here so that an app loads the one dialect that it uses.
    if dialect == "sqlite":
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(table)
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)
    raise InboxError(
        f"the inbox runs on SQLite and PostgreSQL, not on {dialect}: give it a database of its own by "
        "POOLED_DATABASE_URI and leave out db="
    )
