"""The inbox's own engine: its waits, its timeouts, and what it keeps of the options that the app gives its own."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy import event
from sqlalchemy import make_url
from sqlalchemy import text
from sqlalchemy import URL
from sqlalchemy.engine import Connection
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from flask_pooled.inbox.database import open_engine

#: Where nobody listens.
NOWHERE = "postgresql+psycopg://127.0.0.1:1/none"


@pytest.fixture
def file(tmp_path: Path) -> URL:
    return URL.create("sqlite", database=str(tmp_path / "inbox.sqlite"))


def _asked(engine: Engine) -> dict[str, Any]:
    """What the driver is asked for."""
    asked: list[dict[str, Any]] = []
    event.listen(engine, "do_connect", lambda *given: asked.append(dict(given[3])))
    with pytest.raises(OperationalError):
        engine.connect()
    return asked[0]


def _pragma(engine: Engine, name: str) -> Any:
    with engine.connect() as connection:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar()


@pytest.mark.parametrize(("given", "expected"), [({}, 4_000), ({"wait": 0.25}, 250)])
def test_lock_of_a_file_is_waited_for_so_long(
    file: URL, given: dict[str, float], expected: int
) -> None:
    for url in (file, make_url("sqlite://")):
        engine = open_engine(url, **given)  # type: ignore[arg-type]
        assert _pragma(engine, "busy_timeout") == expected
        engine.dispose()


@pytest.mark.parametrize("address", [None, NOWHERE])
def test_connection_is_waited_for_so_long(file: URL, address: str | None) -> None:
    engine = open_engine(address or file, wait=0.05)
    assert engine.pool.timeout() == 0.05  # type: ignore[attr-defined]
    engine.dispose()


def test_pool_that_is_taken_is_given_up(file: URL) -> None:
    engine = open_engine(file, wait=0.05)
    taken = [engine.connect() for _ in range(15)]
    with pytest.raises(PoolTimeoutError):
        engine.connect()
    for each in taken:
        each.close()
    engine.dispose()


def test_commits_of_a_file_are_on_the_disk_whoever_opens_it(file: URL) -> None:
    def open_carelessly() -> sqlite3.Connection:
        connection = sqlite3.connect(str(file.database))
        connection.execute("PRAGMA synchronous=OFF").close()
        return connection

    engine = open_engine(file, engine_options={"creator": open_carelessly})
    assert _pragma(engine, "synchronous") == 2
    engine.dispose()


def test_file_is_not_asked_whether_it_is_still_there(file: URL) -> None:
    engine, told = open_engine(file), list[str]()
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.set_trace_callback(told.append)
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT 2")
    assert told == ["SELECT 2"]
    driver.set_trace_callback(None)
    engine.dispose()


def test_memory_is_one_for_all_threads() -> None:
    engine = open_engine("sqlite://")
    with engine.connect() as connection:
        connection.execute(text("CREATE TABLE line (who TEXT)"))
        connection.commit()
    seen: list[Any] = []

    def look() -> None:
        with engine.connect() as connection:
            seen.append(connection.execute(text("SELECT count(*) FROM line")).scalar())

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [0]
    engine.dispose()


@pytest.mark.parametrize("address", ["file", "sqlite://", "postgresql"])
def test_no_error_shows_what_was_to_be_written(
    address: str, file: URL, request: pytest.FixtureRequest
) -> None:
    if address == "postgresql":
        address = request.getfixturevalue("postgres")
    engine = open_engine(file if address == "file" else address)
    with engine.connect() as connection, pytest.raises(DBAPIError) as told:
        connection.execute(text("INSERT INTO nowhere VALUES (:body)"), {"body": "of a player"})
    assert "of a player" not in str(told.value)
    engine.dispose()


@pytest.mark.parametrize("address", ["file", "sqlite://", NOWHERE])
def test_options_of_the_apps_own_engine_are_kept(address: str, file: URL) -> None:
    given = {"execution_options": {"schema_translate_map": {None: "casino"}}, "connect_args": {}}
    engine = open_engine(file if address == "file" else address, engine_options=given)
    assert engine.get_execution_options() == {"schema_translate_map": {None: "casino"}}
    assert given["connect_args"] == {}
    assert [*given] == ["execution_options", "connect_args"]
    engine.dispose()


def test_apps_arguments_for_the_driver_are_kept(file: URL) -> None:
    class Own(sqlite3.Connection):
        pass

    for url in (file, make_url("sqlite://")):
        engine = open_engine(url, engine_options={"connect_args": {"factory": Own}})
        with engine.connect() as connection:
            assert type(connection.connection.driver_connection) is Own
        engine.dispose()


@pytest.mark.parametrize(
    ("in_address", "in_arguments", "expected"),
    [
        (None, None, ""),
        ("-c search_path=casino", None, "-c search_path=casino "),
        (None, "-c work_mem=1MB", "-c work_mem=1MB "),
        ("-c search_path=casino", "-c work_mem=1MB", "-c work_mem=1MB "),
    ],
)
def test_postgresql_is_told_how_long_a_statement_may_take(
    in_address: str | None, in_arguments: str | None, expected: str
) -> None:
    url = make_url(NOWHERE)
    if in_address:
        url = url.update_query_dict({"options": in_address})
    arguments = {"options": in_arguments} if in_arguments else {}
    asked = _asked(open_engine(url, engine_options={"connect_args": arguments}))
    assert asked["options"] == f"{expected}-c lock_timeout=4s -c statement_timeout=4s"
    assert asked["connect_timeout"] == 4


def test_postgresql_counts_as_gone_after_half_a_minute() -> None:
    asked = _asked(open_engine(NOWHERE))
    names = ("keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout")
    assert [asked[name] for name in names] == [15, 5, 3, 30_000]


def test_apps_wait_for_a_connection_comes_first() -> None:
    given = {"connect_args": {"connect_timeout": 2}}
    assert _asked(open_engine(NOWHERE, engine_options=given))["connect_timeout"] == 2


@pytest.mark.parametrize(
    ("given", "expected"), [({"read_committed": True}, "read committed"), ({}, "serializable")]
)
def test_who_records_reads_what_is_committed(
    postgres: URL, given: dict[str, bool], expected: str
) -> None:
    options = {"connect_args": {"options": "-c default_transaction_isolation=serializable"}}
    engine = open_engine(postgres, engine_options=options, **given)
    with engine.connect() as connection:
        assert _shown(connection, "transaction_isolation") == expected
        assert _shown(connection, "lock_timeout") == "4s"
        assert _shown(connection, "statement_timeout") == "4s"
    engine.dispose()


def test_connection_that_the_server_has_closed_is_not_used_again(postgres: URL) -> None:
    engine, other = open_engine(postgres), create_engine(postgres)
    with engine.connect() as connection:
        session = connection.execute(text("SELECT pg_backend_pid()")).scalar()
    with other.connect() as connection:
        connection.execute(text(f"SELECT pg_terminate_backend({session}, 5000)"))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT pg_backend_pid()")).scalar() != session
    engine.dispose()
    other.dispose()


def _shown(connection: Connection, name: str) -> Any:
    return connection.execute(text(f"SHOW {name}")).scalar()
