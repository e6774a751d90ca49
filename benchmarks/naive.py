"""The inbox that one writes first: each request inserts its event and commits, and a loop works on them.

It is the baseline, so it does nothing that it could do without: statements by hand, on a connection for each thread
that stays open, and no more columns than it takes to know an event again and to be done with it.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection
from sqlalchemy import create_engine
from sqlalchemy import Engine
from sqlalchemy import event as engine_events
from sqlalchemy import make_url

#: Calls the wallet within the open transaction: connection, key, player, cents.
Receive = Callable[[Connection, str, str, int], None]

_BATCH = 100

_TABLE = {
    "sqlite": """
        CREATE TABLE naive_event (
            id INTEGER PRIMARY KEY, identity TEXT NOT NULL UNIQUE, body BLOB NOT NULL,
            received_at INTEGER NOT NULL, state TEXT NOT NULL DEFAULT 'pending', settled_at INTEGER
        )""",
    "postgresql": """
        CREATE TABLE naive_event (
            id BIGSERIAL PRIMARY KEY, identity TEXT NOT NULL UNIQUE, body BYTEA NOT NULL,
            received_at BIGINT NOT NULL, state TEXT NOT NULL DEFAULT 'pending', settled_at BIGINT
        )""",
}
_PENDING = "CREATE INDEX naive_pending ON naive_event (id) WHERE state = 'pending'"
_INSERT = (
    "INSERT INTO naive_event (identity, body, received_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
)
_CLAIM = "SELECT id, identity, body FROM naive_event WHERE state = 'pending' ORDER BY id LIMIT 100"
_SKIPPING = f"{_CLAIM} FOR UPDATE SKIP LOCKED"
_DONE = "UPDATE naive_event SET state = 'done', settled_at = ? WHERE id = ?"
_BOOK = "INSERT INTO casino_ledger (key, player, cents) VALUES (?, ?, ?)"
_COST = -150


class NaiveInbox:
    """Commits each event by itself."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._kind = make_url(uri).get_backend_name()
        self._here = threading.local()
        self._insert = self._sql(_INSERT)

    def create(self) -> None:
        """Make the table, in a database without it."""
        connection = self._connect()
        if self._kind == "sqlite":
            connection.execute("PRAGMA journal_mode = WAL")
        for statement in (_TABLE[self._kind], _PENDING):
            connection.execute(statement)
        connection.close()

    def record(self, body: bytes) -> None:
        """Insert an event unless it is known, and commit."""
        fields = json.loads(body)
        parts = (fields.get(name) for name in ("tenant_id", "pool_id", "tx_id", "slots_filled"))
        identity = hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()
        connection = getattr(self._here, "connection", None)
        if connection is None:
            connection = self._here.connection = self._connect()
        connection.execute(self._insert, (identity, body, int(time.time() * 1000)))

    def drain_by_core(self, receive: Receive) -> int:
        """Work on what is pending, with the wallet called by SQLAlchemy Core; returns how many."""
        engine = self._engine()
        claim, done = (self._sql(each) for each in (self._claim(), _DONE))
        count = 0
        with engine.connect() as connection:
            while rows := connection.exec_driver_sql(claim).all():
                for _, identity, body in rows:
                    fields = json.loads(body)
                    connection.exec_driver_sql("SAVEPOINT event")
                    receive(connection, identity, fields["user_id"], _COST)
                    connection.exec_driver_sql("RELEASE SAVEPOINT event")
                now = int(time.time() * 1000)
                connection.exec_driver_sql(done, [(now, row.id) for row in rows])
                connection.commit()
                count += len(rows)
        engine.dispose()
        return count

    def drain_by_driver(self) -> int:
        """Work on what is pending with nothing but the driver; returns how many."""
        connection = self._connect()
        begin = "BEGIN IMMEDIATE" if self._kind == "sqlite" else "BEGIN"
        claim, book, done = (self._sql(each) for each in (self._claim(), _BOOK, _DONE))
        count = 0
        while True:
            connection.execute(begin)
            rows = connection.execute(claim).fetchall()
            if not rows:
                break
            if self._kind == "sqlite":
                self._work(connection, rows, book, done)
            else:
                with connection.pipeline():
                    self._work(connection, rows, book, done)
            connection.execute("COMMIT")
            count += len(rows)
        connection.execute("ROLLBACK")
        connection.close()
        return count

    def _work(self, connection: Any, rows: list[Any], book: str, done: str) -> None:
        cursor = connection.cursor()
        for _, identity, body in rows:
            fields = json.loads(body)
            cursor.execute("SAVEPOINT event")
            cursor.execute(book, (identity, fields["user_id"], _COST))
            cursor.execute("RELEASE SAVEPOINT event")
        now = int(time.time() * 1000)
        cursor.executemany(done, [(now, row[0]) for row in rows])

    def _claim(self) -> str:
        return _CLAIM if self._kind == "sqlite" else _SKIPPING

    def _sql(self, statement: str) -> str:
        """In the driver's way of writing parameters."""
        return statement if self._kind == "sqlite" else statement.replace("?", "%s")

    def _engine(self) -> Engine:
        engine = create_engine(self._uri)
        if self._kind == "sqlite":

            @engine_events.listens_for(engine, "connect")
            def prepare(connection: sqlite3.Connection, record: object) -> None:
                _prepare(connection)

            @engine_events.listens_for(engine, "begin")
            def begin(connection: Connection) -> None:
                connection.exec_driver_sql("BEGIN IMMEDIATE")

        return engine

    def _connect(self) -> Any:
        url = make_url(self._uri)
        if self._kind == "sqlite":
            return _prepare(sqlite3.connect(str(url.database), timeout=10))
        import psycopg

        address = url.set(drivername="postgresql").render_as_string(hide_password=False)
        return psycopg.connect(address, autocommit=True)


def _prepare(connection: sqlite3.Connection) -> sqlite3.Connection:
    connection.isolation_level = None
    connection.execute("PRAGMA busy_timeout = 10000")
    connection.execute("PRAGMA synchronous = FULL")
    return connection
