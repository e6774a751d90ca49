"""Wallet code that writes past its event's transaction: seen, and never tried a second time."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from casino import Casino
from casino import win
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from interleaving import each_statement
from own_postgres import own_server
from sqlalchemy import create_engine
from sqlalchemy import make_url
from sqlalchemy import text
from sqlalchemy import URL
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import OperationalError

from flask_pooled import ConfigError
from flask_pooled import event_held
from flask_pooled import pool_win
from flask_pooled import Pooled

pytestmark = pytest.mark.both_databases

Bypass = Callable[[Casino, Any], None]

_INSERT = text("INSERT INTO ledger (player, cents, key) VALUES ('p', 1, 'past')")


def _text_commit(casino: Casino, session: Any) -> None:
    session.execute(_INSERT)
    session.execute(text("COMMIT"))


def _connection_commit(casino: Casino, session: Any) -> None:
    session.execute(_INSERT)
    session.connection().commit()


def _driver_commit(casino: Casino, session: Any) -> None:
    session.execute(_INSERT)
    session.connection().connection.driver_connection.commit()


def _driver_commit_of_what_the_session_has_released(casino: Casino, session: Any) -> None:
    connection = session.connection()
    session.execute(_INSERT)
    session.commit()
    connection.connection.driver_connection.commit()


def _text_commit_in_savepoints(casino: Casino, session: Any) -> None:
    session.begin_nested()
    session.begin_nested()
    _text_commit(casino, session)


def _text_rollback(casino: Casino, session: Any) -> None:
    session.execute(_INSERT)
    session.execute(text("ROLLBACK"))


def _engine_begin(casino: Casino, session: Any) -> None:
    with casino.db.engine.begin() as connection:
        connection.execute(_INSERT)


def _engine_commit(casino: Casino, session: Any) -> None:
    with casino.db.engine.connect() as connection:
        connection.execute(_INSERT)
        connection.commit()


def _own_engine(casino: Casino, session: Any) -> None:
    options = casino.app.config.get("SQLALCHEMY_ENGINE_OPTIONS", {})
    engine = create_engine(casino.db.engine.url, **options)
    try:
        with engine.begin() as connection:
            connection.execute(_INSERT)
    finally:
        engine.dispose()


def _autocommit_connection(casino: Casino, session: Any) -> None:
    with casino.db.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(_INSERT)


def _autocommit_engine(casino: Casino, session: Any) -> None:
    engine = casino.db.engine.execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(_INSERT)


_ENDS = [
    *(_text_commit, _text_commit_in_savepoints, _connection_commit, _text_rollback),
    *(_driver_commit, _driver_commit_of_what_the_session_has_released),
]
_PASSES = [_engine_begin, _engine_commit, _own_engine, _autocommit_connection, _autocommit_engine]


def _handle(casino: Casino, bypass: Bypass, error: type[BaseException] | None) -> list[Any]:
    calls: list[Any] = []

    @pool_win.connect_via(casino.app)
    def receiver(app: Flask, session: Any, **extra: Any) -> None:
        calls.append(1)
        bypass(casino, session)
        if error is not None:
            raise error("after the commit")

    casino.post_all(win())
    try:
        casino.drain()
    except KeyboardInterrupt:
        calls.append("interrupted")
    casino.make_due()
    casino.drain()
    return calls


@pytest.mark.parametrize("bypass", _ENDS)
@pytest.mark.parametrize("error", [LookupError, KeyboardInterrupt])
def test_failure_after_ending_the_transaction_is_held(
    make_casino: Callable[..., Casino],
    bypass: Bypass,
    error: type[BaseException],
    caplog: pytest.LogCaptureFixture,
) -> None:
    casino = make_casino()
    told: list[Any] = []
    event_held.connect(lambda app, event, reason: told.append((event.winner_id, reason)))
    calls = _handle(casino, bypass, error)
    assert calls == ([1] if error is LookupError else [1, "interrupted"])
    [(state, reason, trace)] = casino.rows("state", "reason", "error")
    assert (state, reason) == ("held", "bypass")
    assert "after the commit" in trace
    assert told == [("player_abc123", "bypass")]
    trail = "SELECT action, to_state FROM pooled_audit WHERE action <> 'bypass'"
    assert casino.sql(trail) == [("hold", "held")]
    assert "look into the wallet" in caplog.text


@pytest.mark.parametrize("bypass", _ENDS)
def test_ending_the_transaction_is_held_even_without_a_failure(
    make_casino: Callable[..., Casino], bypass: Bypass
) -> None:
    casino = make_casino()
    assert _handle(casino, bypass, None) == [1]
    assert casino.rows("state", "reason") == [("held", "bypass")]


@pytest.mark.parametrize("bypass", _PASSES)
def test_failure_after_a_commit_beside_the_transaction_is_held(
    make_casino: Callable[..., Casino], backend: str, bypass: Bypass
) -> None:
    casino = make_casino(
        SQLALCHEMY_ENGINE_OPTIONS={"connect_args": {"timeout": 0.1}} if backend == "sqlite" else {}
    )
    calls = _handle(casino, bypass, LookupError)
    [(state, reason, attempts, error)] = casino.rows("state", "reason", "attempts", "error")
    if backend == "postgresql":
        assert (state, reason, casino.balance("p"), calls) == ("held", "bypass", 1, [1])
    elif bypass in (_autocommit_connection, _autocommit_engine):
        # It locked itself out before it could write, which cannot be seen from here.
        assert (state, reason, casino.balance("p"), calls) == ("held", "bypass", 0, [1])
    else:
        # SQLite has one writer, which is the event: the receiver locks itself out, and that counts.
        assert (state, attempts, casino.balance("p"), calls) == ("pending", 2, 0, [1, 1])
        assert "its own event" in error


def test_success_after_a_commit_beside_the_transaction_is_done_and_logged(
    make_casino: Callable[..., Casino], backend: str, caplog: pytest.LogCaptureFixture
) -> None:
    if backend == "sqlite":
        # There the commit would wait for the event's own lock.
        return
    casino = make_casino()
    assert _handle(casino, _engine_begin, None) == [1]
    assert casino.states() == ["done"]
    assert "had it failed, the event would be held" in caplog.text


def test_failure_after_a_commit_to_another_database_is_tried_again(
    make_casino: Callable[..., Casino], caplog: pytest.LogCaptureFixture
) -> None:
    casino = make_casino(SQLALCHEMY_BINDS={"other": "sqlite:///other.sqlite"})

    def note_elsewhere(casino: Casino, session: Any) -> None:
        with casino.db.engines["other"].begin() as connection:
            connection.execute(text("CREATE TABLE IF NOT EXISTS note (id INTEGER)"))

    assert _handle(casino, note_elsewhere, LookupError) == [1, 1]
    assert casino.rows("state", "attempts") == [("pending", 2)]
    assert "another database" in caplog.text


def test_database_of_the_same_name_on_another_server_is_another(
    make_casino: Callable[..., Casino], wallet_uri: str | URL
) -> None:
    if not isinstance(wallet_uri, URL):
        # With SQLite a file is one database.
        return
    casino = make_casino()
    with own_server() as other:
        # Where the server is, stands in the query: both are spoken to by a socket.
        name = wallet_uri.database
        server = create_engine(other.uri, isolation_level="AUTOCOMMIT")
        with server.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        server.dispose()
        engine = create_engine(make_url(other.uri).set(database=name))
        assert (engine.url.host, engine.url.port) == (wallet_uri.host, wallet_uri.port)

        def note_elsewhere(casino: Casino, session: Any) -> None:
            with engine.begin() as connection:
                connection.execute(text("CREATE TABLE IF NOT EXISTS note (id INTEGER)"))

        assert _handle(casino, note_elsewhere, LookupError) == [1, 1]
        engine.dispose()
    assert casino.rows("state", "attempts") == [("pending", 2)]


def test_reading_beside_the_transaction_is_no_bypass(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino()

    def read(casino: Casino, session: Any) -> None:
        with casino.db.engine.connect() as connection:
            connection.execute(text("SELECT count(*) FROM ledger"))

    assert _handle(casino, read, LookupError) == [1, 1]
    assert casino.states() == ["pending"]


def test_commits_outside_of_events_are_nobodys_business(casino: Casino) -> None:
    casino.sql("INSERT INTO ledger (player, cents, key) VALUES ('p', 1, 'k')")
    casino.post_all(win())
    assert casino.drain() == 1


@pytest.mark.parametrize(
    "options",
    [
        {"isolation_level": "AUTOCOMMIT"},
        {"execution_options": {"isolation_level": "AUTOCOMMIT"}},
        # Python 3.12 and newer, and psycopg.
        {"connect_args": {"autocommit": False}},
        {"connect_args": {"autocommit": True}},
    ],
)
@pytest.mark.parametrize("constructor", [True, False])
def test_autocommit_engine_is_refused(
    make_app: Callable[..., Flask],
    wallet_uri: Any,
    options: dict[str, Any],
    constructor: bool,
) -> None:
    db = SQLAlchemy(engine_options=options) if constructor else SQLAlchemy()
    more = {} if constructor else {"SQLALCHEMY_ENGINE_OPTIONS": options}
    app = make_app(SQLALCHEMY_DATABASE_URI=wallet_uri, **more)

    def start() -> None:
        db.init_app(app)
        Pooled(app, db=db)
        app.test_client().get("/")

    with pytest.raises(ConfigError, match=r"(?i)autocommit"):
        start()


def test_error_that_a_receiver_goes_on_after_is_no_bypass(
    make_casino: Callable[..., Casino], backend: str
) -> None:
    casino = make_casino()

    @pool_win.connect_via(casino.app)
    def careless(app: Flask, event: Any, session: Any, **extra: Any) -> None:
        casino.credit(session, event)
        with suppress(DBAPIError):
            session.execute(text("SELECT * FROM nowhere"))
        # PostgreSQL does nothing more in a transaction in which something has failed, and says so here.
        session.commit()

    casino.post_all(win())
    casino.drain()
    expected = {"sqlite": "done", "postgresql": "pending"}[backend]
    assert casino.rows("state", "reason", "attempts") == [(expected, None, 1)]
    assert len(casino.movements()) == (backend == "sqlite")


def test_transaction_that_is_lost_in_the_end_is_not_done(casino: Casino) -> None:
    def lose(connection: Connection, statement: str) -> None:
        if statement == "RELEASE SAVEPOINT pooled_event":
            driver: Any = connection.connection.driver_connection
            driver.rollback()
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR
            raise OperationalError(statement, None, error)

    casino.post_all(win())
    with each_statement(lose):
        assert casino.drain() == 0
    assert casino.rows("state", "attempts") == [("pending", 0)]
    casino.make_due()
    assert casino.drain() == 1
    assert casino.balance() == 100_000
