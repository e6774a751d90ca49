"""Who writes to an SQLite file waits for a turn: in order, for so long and no longer, and never for itself."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from contextlib import contextmanager
from contextlib import ExitStack
from pathlib import Path

import pytest
from forks import start
from forks import was_killed
from served_casino import eventually
from sqlalchemy import make_url
from sqlalchemy import text
from sqlalchemy import URL
from sqlalchemy.exc import OperationalError

from flask_pooled.inbox.database import Database
from flask_pooled.inbox.database import open_engine
from flask_pooled.inbox.database import TURN
from flask_pooled.inbox.outages import is_busy
from flask_pooled.inbox.outages import is_outage
from flask_pooled.inbox.queuelock import QueueLock
from flask_pooled.inbox.turns import Turns


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "inbox.sqlite"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    database = Database(lambda: open_engine(_url(path)), owned=True)
    with database.write() as connection:
        connection.execute(text("CREATE TABLE line (who TEXT)"))
    yield database
    database.close()


def _url(path: Path) -> URL:
    return URL.create("sqlite", database=str(path))


@contextmanager
def _taken_elsewhere(path: Path) -> Iterator[None]:
    """Another process has the turn."""
    (taken, tell_taken), (release, tell_release) = os.pipe(), os.pipe()

    def take() -> None:
        os.close(tell_release)
        with Turns(_url(path)).take(60):
            os.write(tell_taken, b"!")
            os.read(release, 1)

    pid = start(take)
    os.read(taken, 1)
    try:
        yield
    finally:
        os.write(tell_release, b"!")
        was_killed(pid)


def test_turn_of_another_process_is_waited_for_so_long(path: Path, database: Database) -> None:
    with _taken_elsewhere(path):
        with pytest.raises(OperationalError) as told, database.turn(0.05):
            raise AssertionError
        # To everybody it is what SQLite says of its own lock.
        with ExitStack() as waiting:
            # Its own lock is had, and not to be had.
            for _ in range(2):
                connection = waiting.enter_context(closing(sqlite3.connect(path, timeout=0)))
                try:
                    connection.execute("BEGIN IMMEDIATE")
                except sqlite3.OperationalError as error:
                    told_by_sqlite = error
        cause = told.value.orig
        assert isinstance(cause, sqlite3.OperationalError)
        assert (
            str(cause),
            cause.sqlite_errorcode,
            cause.sqlite_errorname,
            told.value.statement,
        ) == (
            *(str(told_by_sqlite), told_by_sqlite.sqlite_errorcode),
            *(told_by_sqlite.sqlite_errorname, "BEGIN IMMEDIATE"),
        )
        assert is_busy(told.value)
        assert is_outage(told.value)
    with database.turn(60):
        pass


def test_turn_that_never_comes_keeps_nobody_from_writing(path: Path, database: Database) -> None:
    with _taken_elsewhere(path), database.write() as connection:
        # Whoever has it does not write. It may have been stopped just then.
        connection.execute(text("INSERT INTO line VALUES ('all the same')"))


def test_turns_come_in_order(path: Path, database: Database) -> None:
    def write(who: str) -> None:
        with database.write() as connection:
            connection.execute(text("INSERT INTO line VALUES (:who)"), {"who": who})

    with ThreadPoolExecutor(2) as threads:
        with QueueLock(Path(f"{path}.turn")).hold(60):
            waiting = threads.submit(write, "first")
            eventually(lambda: not waiting.done() and _queue(path) == 1)
        waiting.result()
        write("second")
    with database.read() as connection:
        assert connection.execute(text("SELECT who FROM line")).scalars().all() == [
            "first",
            "second",
        ]


def _queue(path: Path) -> int:
    """How many wait in the system's queue for the file's turns."""
    inode = Path(f"{path}.turn").stat().st_ino
    lines = Path("/proc/locks").read_text().splitlines()
    return sum("->" in line and f":{inode} " in line for line in lines)


def test_thread_whose_turn_it_is_waits_for_no_other(path: Path, database: Database) -> None:
    other = Database(lambda: open_engine(_url(path)), owned=True)
    with database.turn(60):
        for way in (database, other):
            started = time.monotonic()
            with way.write() as connection:
                connection.execute(text("INSERT INTO line VALUES ('within')"))
            assert time.monotonic() - started < TURN
    other.close()


def test_turn_lasts_as_long_as_the_transaction(path: Path, database: Database) -> None:
    with database.begun() as connection:
        connection.execute(text("INSERT INTO line VALUES ('slow')"))
        with pytest.raises(TimeoutError), QueueLock(Path(f"{path}.turn")).hold(0.05):
            raise AssertionError
        connection.commit()
    with QueueLock(Path(f"{path}.turn")).hold(1):
        pass


def test_failed_write_gives_its_turn_back(path: Path, database: Database) -> None:
    with pytest.raises(OperationalError), database.write() as connection:
        connection.execute(text("INSERT INTO nowhere VALUES (1)"))
    with QueueLock(Path(f"{path}.turn")).hold(1):
        pass


def test_without_a_file_to_queue_at_it_is_written_in_no_order(
    path: Path, database: Database
) -> None:
    Path(f"{path}.turn").unlink()
    Path(f"{path}.turn").mkdir()
    with database.write() as connection:
        connection.execute(text("INSERT INTO line VALUES ('all the same')"))


@pytest.mark.parametrize(
    "spelling", ["{folder}/inbox.sqlite", "{folder}/./inbox.sqlite", "file:{folder}/inbox.sqlite"]
)
def test_one_file_has_one_queue_however_it_is_spelled(
    tmp_path: Path, path: Path, spelling: str
) -> None:
    turns = Turns(URL.create("sqlite", database=spelling.format(folder=tmp_path)))
    with (
        QueueLock(Path(f"{path}.turn")).hold(60),
        pytest.raises(OperationalError),
        turns.take(0.05),
    ):
        raise AssertionError


@pytest.mark.parametrize("address", ["postgresql+psycopg:///casino", "sqlite://"])
def test_no_other_database_has_turns(address: str) -> None:
    turns = Turns(make_url(address))
    assert turns._path is None
    with turns.take(0), turns.take(0):
        pass


def test_fork_leaves_no_turn_behind(path: Path, database: Database) -> None:
    def write() -> None:
        with database.write() as connection:
            connection.execute(text("INSERT INTO line VALUES ('child')"))

    with database.turn(60):
        pid = start(write)
    assert not was_killed(pid)
