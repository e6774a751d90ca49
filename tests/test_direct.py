"""Statements past SQLAlchemy: they do what its own do, fail as its own fail, and concern nobody else."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from flask_pooled.inbox.direct import can_be_direct
from flask_pooled.inbox.direct import execute
from flask_pooled.inbox.direct import short_savepoints


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{tmp_path / 'wallet.sqlite'}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE line (name TEXT PRIMARY KEY)")
    yield engine
    engine.dispose()


@pytest.fixture
def told(engine: Engine) -> list[str]:
    """The statements that SQLAlchemy tells of."""
    statements: list[str] = []

    @event.listens_for(engine, "before_cursor_execute")
    def tell(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        statements.append(statement)

    return statements


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    """One in a transaction that is really there."""
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN")
        yield connection


def _lines(connection: Connection) -> list[str]:
    return [*connection.exec_driver_sql("SELECT name FROM line ORDER BY name").scalars()]


def test_statement_is_executed_within_the_transaction(connection: Connection) -> None:
    execute(connection, "INSERT INTO line VALUES (?)", ["one"])
    execute(connection, "INSERT INTO line VALUES ('two')")
    assert _lines(connection) == ["one", "two"]
    connection.rollback()
    assert _lines(connection) == []


def test_failure_is_what_sqlalchemy_makes_of_it(connection: Connection) -> None:
    insert = "INSERT INTO line VALUES (?)"
    execute(connection, insert, ["secret of a player"])
    with pytest.raises(IntegrityError) as failed:
        execute(connection, insert, ["secret of a player"])
    assert isinstance(failed.value.orig, sqlite3.IntegrityError)
    assert failed.value.__cause__ is failed.value.orig
    assert "secret" not in str(failed.value)
    with pytest.raises(OperationalError, match="no such savepoint: nowhere"):
        execute(connection, "RELEASE SAVEPOINT nowhere")
    # The cursor of a statement that failed keeps nobody waiting.
    connection.rollback()


@pytest.mark.parametrize("ends_well", [True, False])
def test_savepoints_of_a_session_do_what_they_do_elsewhere(
    connection: Connection, told: list[str], ends_well: bool
) -> None:
    insert = "INSERT INTO line VALUES ('{}')"
    with (
        short_savepoints(connection),
        Session(connection, join_transaction_mode="create_savepoint") as session,
    ):
        session.connection().exec_driver_sql(insert.format("one"))
        session.commit()
        session.connection().exec_driver_sql(insert.format("two"))
        session.commit() if ends_well else session.rollback()
    assert _lines(connection) == (["one", "two"] if ends_well else ["one"])
    assert not [statement for statement in told if "SAVEPOINT" in statement]
    # What was committed there is in the transaction, and goes with it.
    connection.rollback()
    assert _lines(connection) == []


def test_savepoints_of_others_are_made_as_ever(
    engine: Engine, connection: Connection, told: list[str]
) -> None:
    before = engine.dialect.do_savepoint
    with short_savepoints(connection):
        with engine.connect() as other, other.begin(), other.begin_nested():
            pass
        assert told == ["SAVEPOINT sa_savepoint_1", "RELEASE SAVEPOINT sa_savepoint_1"]
        with connection.begin_nested():
            pass
        assert len(told) == 2
    with connection.begin_nested():
        pass
    assert told[2:] == ["SAVEPOINT sa_savepoint_2", "RELEASE SAVEPOINT sa_savepoint_2"]
    # However often: the way that was there before is one step away.
    with short_savepoints(connection):
        assert vars(engine.dialect.do_savepoint)["_own"] == before


def test_savepoint_that_fails_is_told(connection: Connection) -> None:
    with short_savepoints(connection):
        savepoint = connection.begin_nested()
        connection.exec_driver_sql("RELEASE SAVEPOINT sa_savepoint_1")
        with pytest.raises(OperationalError, match="no such savepoint: sa_savepoint_1"):
            savepoint.commit()


@pytest.mark.both_databases
def test_every_database_is_asked_in_its_own_way(
    wallet_uri: str, backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    engine = create_engine(wallet_uri)
    with engine.connect() as connection:
        if backend == "sqlite":
            connection.exec_driver_sql("BEGIN")
        assert can_be_direct(connection) == (backend == "sqlite")
        translated = {"schema_translate_map": {None: "casino"}}
        assert not can_be_direct(connection.execution_options(**translated))
        execute(connection, "SAVEPOINT here")
        with (
            short_savepoints(connection),
            connection.begin_nested(),
        ):
            execute(connection, "CREATE TABLE line (name TEXT)")
        assert _lines(connection) == []
        execute(connection, "ROLLBACK TO SAVEPOINT here")
        connection.rollback()
    engine.dispose()
