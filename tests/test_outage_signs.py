"""What a failure says of the database: each is provoked in a real one, and told apart from mistakes in the work."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import closing
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy import text
from sqlalchemy import URL
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import IntegrityError
from sqlalchemy.exc import PendingRollbackError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from flask_pooled.inbox.outages import is_busy
from flask_pooled.inbox.outages import is_disk_full
from flask_pooled.inbox.outages import is_outage
from flask_pooled.inbox.outages import is_outage_elsewhere
from flask_pooled.inbox.outages import is_victim

#: What :func:`_signs` says of it.
_NOTHING = set[str]()
_OUTAGE = {"outage", "outage elsewhere"}


class _Base(DeclarativeBase):
    pass


class _Line(_Base):
    __tablename__ = "line"

    number: Mapped[int] = mapped_column(primary_key=True)


def _signs(error: BaseException) -> set[str]:
    signs = {
        "outage": is_outage,
        "outage elsewhere": is_outage_elsewhere,
        "busy": is_busy,
        "disk full": is_disk_full,
        "victim": is_victim,
    }
    return {name for name, has in signs.items() if has(error)}


def _is_locked(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        _in_file(path, "INSERT INTO line VALUES (2)")


def _has_old_snapshot(path: Path) -> None:
    """``SQLITE_BUSY_SNAPSHOT``, an extended code."""
    with closing(sqlite3.connect(path, isolation_level=None)) as one:
        one.execute("PRAGMA journal_mode = WAL")
        one.execute("BEGIN")
        one.execute("SELECT * FROM line").fetchall()
        _in_file(path, "INSERT INTO line VALUES (2)")
        one.execute("INSERT INTO line VALUES (3)")


def _is_read_only(path: Path) -> None:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        connection.execute("INSERT INTO line VALUES (2)")


def _has_no_folder(path: Path) -> None:
    _in_file(path / "elsewhere", "SELECT 1")


def _has_no_room(path: Path) -> None:
    _in_file(path, "PRAGMA max_page_count = 1", "INSERT INTO line VALUES (zeroblob(100000))")


def _is_interrupted(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.set_progress_handler(lambda: 1, 1)
        connection.execute("SELECT count(*) FROM line")


def _has_no_table(path: Path) -> None:
    _in_file(path, "INSERT INTO lines VALUES (2)")


def _has_it_already(path: Path) -> None:
    """``SQLITE_CONSTRAINT_UNIQUE``, an extended code."""
    _in_file(path, "INSERT INTO line VALUES (1)")


def _is_no_database(path: Path) -> None:
    path.write_bytes(b"no database" * 500)
    _in_file(path, "SELECT * FROM line")


def _is_closed(path: Path) -> None:
    """An error that the driver gives no code."""
    connection = sqlite3.connect(path)
    connection.close()
    connection.execute("SELECT 1")


def _in_file(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, timeout=0)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize(
    ("provoke", "signs"),
    [
        (_is_locked, {*_OUTAGE, "busy"}),
        (_has_old_snapshot, {*_OUTAGE, "busy"}),
        (_is_read_only, _OUTAGE),
        (_has_no_folder, _OUTAGE),
        (_has_no_room, {*_OUTAGE, "disk full"}),
        (_is_interrupted, _OUTAGE),
        (_has_no_table, _NOTHING),
        (_has_it_already, _NOTHING),
        (_is_no_database, _NOTHING),
        (_is_closed, _NOTHING),
    ],
)
def test_sqlite(provoke: Callable[[Path], None], signs: set[str], tmp_path: Path) -> None:
    path = tmp_path / "wallet.sqlite"
    _in_file(path, "CREATE TABLE line (number PRIMARY KEY)", "INSERT INTO line VALUES (1)")
    with pytest.raises(sqlite3.Error) as raised:
        provoke(path)
    error = raised.value
    # As a receiver sees it that uses the driver, and as all others do.
    assert _signs(error) == signs
    assert _signs(DBAPIError.instance("SELECT", {}, error, sqlite3.Error)) == signs


def test_no_connection_is_left_in_the_pool(tmp_path: Path) -> None:
    engine = create_engine(
        f"sqlite:///{tmp_path / 'a.sqlite'}", pool_size=1, max_overflow=0, pool_timeout=0.01
    )
    with engine.connect(), pytest.raises(PoolTimeoutError) as raised:
        engine.connect()
    engine.dispose()
    assert _signs(raised.value) == _OUTAGE


def test_session_that_has_failed_before_is_no_outage(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'a.sqlite'}", poolclass=NullPool)
    _Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([_Line(number=1), _Line(number=1)])
        with pytest.raises(IntegrityError):
            session.flush()
        with pytest.raises(PendingRollbackError) as raised:
            session.execute(text("SELECT 1"))
    assert _signs(raised.value) == _NOTHING


def test_what_is_no_databases_failure() -> None:
    assert _signs(LookupError()) == _NOTHING
    assert _signs(TimeoutError()) == _NOTHING


@contextmanager
def _engine(url: URL, **options: Any) -> Iterator[Engine]:
    engine = create_engine(url, **options)
    yield engine
    engine.dispose()


@pytest.mark.parametrize(
    ("statement", "signs"),
    [
        ("SELECT * FROM lines", _NOTHING),
        ("SELECT 1 / 0", _NOTHING),
        ("SET statement_timeout = 1; SELECT pg_sleep(60)", {"outage"}),
        ("SELECT pg_terminate_backend(pg_backend_pid())", _OUTAGE),
        ("08006", _OUTAGE),
        ("40001", {*_OUTAGE, "victim"}),
        ("40P01", {*_OUTAGE, "victim"}),
        ("40003", _OUTAGE),
        ("53100", {*_OUTAGE, "disk full"}),
        ("53200", _OUTAGE),
        ("55P03", _OUTAGE),
        ("55006", _NOTHING),
        ("57P03", _OUTAGE),
        ("58030", _OUTAGE),
    ],
)
def test_postgresql(postgres: URL, statement: str, signs: set[str]) -> None:
    if len(statement) == 5:
        # What the server says by itself only where its disk or its peers fail.
        statement = f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{statement}'; END $$"
    with _engine(postgres) as engine, engine.connect() as connection:
        with pytest.raises(DBAPIError) as raised:
            connection.exec_driver_sql(statement)
        assert _signs(raised.value) == signs


def test_postgresql_that_is_not_there(tmp_path: Path) -> None:
    nowhere = URL.create("postgresql+psycopg", database="casino", query={"host": str(tmp_path)})
    with _engine(nowhere) as engine, pytest.raises(DBAPIError) as raised:
        engine.connect()
    assert _signs(raised.value) == _OUTAGE


def test_postgresql_whose_connection_was_lost_before(postgres: URL) -> None:
    with _engine(postgres) as engine, engine.connect() as connection:
        with pytest.raises(DBAPIError):
            connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")
        with pytest.raises(PendingRollbackError) as raised:
            connection.exec_driver_sql("SELECT 1")
        assert _signs(raised.value) == _OUTAGE
