"""How a process reaches its database: one engine for itself, with its own waits, and transactions that end."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import closing
from contextlib import ExitStack
from pathlib import Path

import pytest
from forks import start
from forks import was_killed
from sqlalchemy import make_url
from sqlalchemy import text
from sqlalchemy import URL
from sqlalchemy.engine import Connection
from sqlalchemy.engine import Engine
from sqlalchemy.exc import OperationalError

from flask_pooled.inbox.database import begin_writing
from flask_pooled.inbox.database import Database
from flask_pooled.inbox.database import is_memory
from flask_pooled.inbox.database import open_engine
from flask_pooled.inbox.queuelock import QueueLock

#: How many connections an engine has at most, SQLAlchemy's default.
ALL = 15


@pytest.fixture
def url(backend: str, wallet_uri: str | URL, tmp_path: Path) -> URL:
    """An empty database."""
    if backend == "sqlite":
        return URL.create("sqlite", database=str(tmp_path / "inbox.sqlite"))
    return make_url(wallet_uri)


@pytest.fixture
def owned(url: URL) -> Iterator[Database]:
    database = Database(lambda: open_engine(url), owned=True)
    yield database
    database.close()


@pytest.fixture
def engine(url: URL) -> Iterator[Engine]:
    """The app's own."""
    engine = open_engine(url)
    yield engine
    engine.dispose()


@pytest.fixture
def borrowed(engine: Engine) -> Database:
    return Database(lambda: engine, owned=False)


def _in_a_fork(work: Callable[[], object]) -> None:
    assert not was_killed(start(work))


def _session(connection: Connection) -> int:
    """What the PostgreSQL server calls this connection."""
    return int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("sqlite://", True),
        ("sqlite:///:memory:", True),
        ("sqlite:///file:shared?mode=memory&uri=true", True),
        ("sqlite:///file:inbox.sqlite?mode=rwc&uri=true", False),
        ("sqlite:///inbox.sqlite", False),
        ("postgresql+psycopg://", False),
        ("postgresql+psycopg:///casino?mode=memory", False),
    ],
)
def test_which_database_is_in_memory(address: str, expected: bool) -> None:
    assert is_memory(make_url(address)) is expected


def test_threads_that_come_at_once_open_one_engine(url: URL) -> None:
    opened = []
    both = threading.Barrier(2)

    def open_slowly() -> Engine:
        # The other one is at the door by then.
        time.sleep(0.2)
        opened.append(open_engine(url))
        return opened[-1]

    database = Database(open_slowly, owned=True)
    seen: list[Engine] = []

    def look() -> None:
        both.wait()
        seen.append(database.engine)

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 1
    assert seen == [database.engine] * 2
    database.close()


@pytest.mark.both_databases
def test_own_engine_is_another_one_in_a_fork(owned: Database, backend: str) -> None:
    engine, pool = owned.engine, owned.engine.pool
    with owned.read() as connection:
        session = _session(connection) if backend == "postgresql" else None

    def look() -> None:
        assert owned.engine is not engine
        assert owned.engine is owned.engine
        # Nobody takes from the parent's by mistake.
        assert engine.pool is not pool
        with owned.read() as connection:
            assert backend == "sqlite" or _session(connection) != session
        owned.close()

    _in_a_fork(look)
    assert owned.engine is engine
    assert engine.pool is pool
    with owned.read() as connection:
        # It was not said goodbye to in the parent's name either.
        assert backend == "sqlite" or _session(connection) == session


@pytest.mark.both_databases
def test_apps_engine_stays_and_begins_anew_in_a_fork(
    borrowed: Database, engine: Engine, backend: str
) -> None:
    pool = engine.pool
    assert borrowed.engine is engine
    with borrowed.read() as connection:
        session = _session(connection) if backend == "postgresql" else None

    def look() -> None:
        assert borrowed.engine is engine
        assert engine.pool is not pool
        again = engine.pool
        assert borrowed.engine.pool is again
        with borrowed.read() as connection:
            assert backend == "sqlite" or _session(connection) != session

    _in_a_fork(look)
    assert borrowed.engine.pool is pool
    with borrowed.read() as connection:
        assert backend == "sqlite" or _session(connection) == session


def test_apps_database_in_memory_survives_a_fork() -> None:
    engine = open_engine("sqlite://")
    database = Database(lambda: engine, owned=False)
    with database.write() as connection:
        connection.execute(text("CREATE TABLE line (who TEXT)"))

    def look() -> None:
        with database.read() as connection:
            assert connection.execute(text("SELECT * FROM line")).all() == []

    _in_a_fork(look)
    look()
    engine.dispose()


def test_closing_lets_go_of_what_is_owned_and_ours(
    owned: Database, borrowed: Database, engine: Engine
) -> None:
    Database(lambda: pytest.fail("opened"), owned=True).close()
    for database in (owned, borrowed):
        with database.read():
            pass
    opened, ours, theirs = owned.engine, owned.engine.pool, engine.pool

    def close() -> None:
        owned.close()
        assert opened.pool is ours

    _in_a_fork(close)
    owned.close()
    borrowed.close()
    assert opened.pool is not ours
    assert engine.pool is theirs


def test_room_is_made_where_all_connections_are_taken(url: URL, owned: Database) -> None:
    engine, pool = owned.engine, owned.engine.pool
    with ExitStack() as stack:
        for _ in range(ALL - 1):
            stack.enter_context(owned.read())
        owned.make_room()
        assert engine.pool is pool
        last = stack.enter_context(owned.read())
        owned.make_room()
        assert engine.pool is not pool
        with owned.read() as another:
            assert another.execute(text("SELECT 1")).scalar() == 1
        assert last.execute(text("SELECT 1")).scalar() == 1
    assert owned.engine is engine


def test_room_is_the_apps_to_make_in_its_own_engine(borrowed: Database, engine: Engine) -> None:
    pool = engine.pool
    with ExitStack() as stack:
        for _ in range(ALL):
            stack.enter_context(borrowed.read())
        borrowed.make_room()
    assert engine.pool is pool


def test_room_needs_none_where_nothing_is_open_or_all_share_one() -> None:
    Database(lambda: pytest.fail("opened"), owned=True).make_room()
    memory = Database(lambda: open_engine("sqlite://"), owned=True)
    with memory.read():
        memory.make_room()
    memory.close()


def test_turn_is_kept_from_the_first_one_on(url: URL, tmp_path: Path) -> None:
    database = Database(lambda: open_engine(url), owned=True)
    lock = QueueLock(tmp_path / "inbox.sqlite.turn")
    with database.turn(60), pytest.raises(TimeoutError), lock.hold(0.05):
        raise AssertionError
    database.close()


def test_work_in_memory_goes_on_within_the_callers() -> None:
    engine = open_engine("sqlite://")
    with engine.connect() as callers, engine.connect() as ours:
        begin_writing(callers)
        callers.execute(text("CREATE TABLE line (who TEXT)"))
        begin_writing(ours)
        ours.execute(text("INSERT INTO line VALUES ('within')"))
        callers.rollback()
        assert callers.execute(text("SELECT count(*) FROM sqlite_master")).scalar() == 0
    engine.dispose()


@pytest.mark.both_databases
def test_writing_is_committed_at_the_end_and_only_there(owned: Database, url: URL) -> None:
    with owned.write() as connection:
        connection.execute(text("CREATE TABLE line (who TEXT)"))

    def fail() -> None:
        with owned.write() as connection:
            connection.execute(text("INSERT INTO line VALUES ('undone')"))
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    with owned.begun() as connection:
        connection.execute(text("INSERT INTO line VALUES ('left')"))
    with owned.begun() as connection:
        connection.execute(text("INSERT INTO line VALUES ('kept')"))
        connection.commit()
    with owned.read() as connection:
        assert connection.scalars(text("SELECT who FROM line")).all() == ["kept"]


@pytest.mark.parametrize("way", ["write", "begun"])
def test_write_lock_is_had_from_the_first_moment(way: str, owned: Database, url: URL) -> None:
    with (
        getattr(owned, way)(),
        closing(sqlite3.connect(str(url.database), timeout=0)) as other,
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        other.execute("BEGIN IMMEDIATE")


def test_commit_that_finds_the_file_busy_leaves_nothing_open(url: URL) -> None:
    database = Database(lambda: open_engine(url, wait=0.05), owned=True)
    with database.write() as connection:
        connection.execute(text("CREATE TABLE line (who TEXT)"))
    with closing(sqlite3.connect(str(url.database))) as reader:
        cursor = reader.execute("SELECT one.name FROM sqlite_master one, sqlite_master")
        with pytest.raises(OperationalError, match="locked"), database.write() as connection:
            connection.execute(text("INSERT INTO line VALUES ('lost')"))
        cursor.close()
    with closing(sqlite3.connect(str(url.database), timeout=0)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert other.execute("SELECT * FROM line").fetchall() == []
    database.close()


@pytest.mark.parametrize("backend", ["postgresql"])
def test_commit_of_a_connection_that_is_gone_says_so(owned: Database, engine: Engine) -> None:
    sessions: list[int] = []

    def lose() -> None:
        with owned.write() as connection, engine.connect() as other:
            sessions.append(_session(connection))
            other.execute(
                text("SELECT pg_terminate_backend(:session, 5000)"), {"session": sessions[0]}
            )

    with pytest.raises(OperationalError) as told:
        lose()
    assert told.value.connection_invalidated
    with owned.read() as connection:
        assert _session(connection) not in sessions
