"""The database at the first start: pragmas for SQLite, tables, ready players."""

from __future__ import annotations

from typing import Any

from flask import Flask
from sqlalchemy import event

from example_app.extensions import db
from example_app.players import add_ready_players


def prepare(app: Flask) -> None:
    """Create what is missing. A casino with migrations runs those instead, before it starts."""
    with app.app_context():
        if db.engine.dialect.name == "sqlite":
            event.listen(db.engine, "connect", _set_pragmas)
        db.create_all()  # the casino's tables, and those of the Pooled inbox beside them
        add_ready_players()


def _set_pragmas(connection: Any, record: object) -> None:
    # WAL: readers of a page and the writer of a webhook do not wait for each other.
    # SQLite checks foreign keys only where asked to, connection by connection.
    for pragma in ("journal_mode=WAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
