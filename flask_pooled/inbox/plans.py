"""Which index SQLite takes. It keeps no figures about the rows unless somebody has it analyse them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy import func
from sqlalchemy import text
from sqlalchemy.engine import Connection

from .tables import NO_ENTRY
from .tables import NOT_DONE

#: SQLite takes a partial index only for a query that says the index's own condition, word for word.
SAYING_NOT_DONE = text(NOT_DONE)
SAYING_NO_ENTRY = text(NO_ENTRY)


def aside(connection: Connection, column: ColumnElement[Any]) -> ColumnElement[Any]:
    """A column by which no index is to be looked up: it narrows the rows less than others do.

    PostgreSQL knows that by itself.
    """
    if connection.dialect.name != "sqlite":
        return column
    # An expression leads to no index.
    return func.coalesce(column, "")
