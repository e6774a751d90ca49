"""The least wallet that keeps books: one line of a ledger for each event, written by SQLAlchemy Core."""

from __future__ import annotations

from typing import Any

from flask import Flask
from sqlalchemy import Column
from sqlalchemy import Connection
from sqlalchemy import create_engine
from sqlalchemy import func
from sqlalchemy import insert
from sqlalchemy import Integer
from sqlalchemy import MetaData
from sqlalchemy import select
from sqlalchemy import String
from sqlalchemy import Table
from sqlalchemy.pool import NullPool

from flask_pooled import pool_entry
from flask_pooled import pool_refund
from flask_pooled import PoolEntry
from flask_pooled import PoolRefund

#: What an entry costs its player, cents.
PRICE = 150

_METADATA = MetaData()
LEDGER = Table(
    "casino_ledger",
    _METADATA,
    Column("key", String(80), primary_key=True),
    Column("player", String(255), nullable=False),
    Column("cents", Integer, nullable=False),
)


def create_wallet(uri: str) -> None:
    """Make an empty ledger; in an SQLite file, which then is in WAL mode."""
    engine = create_engine(uri, poolclass=NullPool)
    with engine.connect() as connection:
        if engine.name == "sqlite":
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        _METADATA.create_all(connection)
        connection.commit()


def book(connection: Any, key: str, player: str, cents: int) -> None:
    """Write one line, within the caller's transaction."""
    connection.execute(insert(LEDGER).values(key=key, player=player, cents=cents))


def connect_receivers(app: Flask) -> None:
    """Book the app's entries and refunds."""
    pool_entry.connect_via(app)(book_entry)
    pool_refund.connect_via(app)(book_refund)


def book_entry(app: Flask, event: PoolEntry, session: Any, **extra: object) -> None:
    """Take the price of an entry."""
    book(session, event.idempotency_key, event.user_id, -PRICE)


def book_refund(app: Flask, event: PoolRefund, session: Any, **extra: object) -> None:
    """Give an entry back."""
    book(session, str(event.idempotency_key), event.user_id, event.cents)


def refunds_by_player(connection: Connection) -> dict[str, int]:
    """How many refunds each player was paid."""
    count = func.count().label("paid")
    refunds = select(LEDGER.c.player, count).where(LEDGER.c.cents > 0).group_by(LEDGER.c.player)
    return {row.player: row.paid for row in connection.execute(refunds)}


def count_entries(connection: Connection) -> int:
    """How many entries were booked."""
    return connection.execute(select(func.count()).where(LEDGER.c.cents < 0)).scalar_one()
