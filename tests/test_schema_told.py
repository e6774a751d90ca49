"""What is said of the tables of an inbox of ours, and how the file comes about in which they are."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import create_engine
from sqlalchemy import event
from sqlalchemy import MetaData
from sqlalchemy import UniqueConstraint
from sqlalchemy import URL
from sqlalchemy.engine import Connection
from sqlalchemy.engine import Engine

from flask_pooled import ConfigError
from flask_pooled import InboxError
from flask_pooled import Pooled
from flask_pooled.inbox.migrations import differences
from flask_pooled.inbox.schema import check_casinos_tables
from flask_pooled.inbox.schema import create_schema
from flask_pooled.inbox.tables import define_tables
from flask_pooled.inbox.upsert import insert_for
from flask_pooled.state import state_of


def _create(
    uri: str | URL, *, wal: bool = False, steps: Any = (), schema: str | None = None
) -> None:
    engine = create_engine(uri)
    create_schema(engine, define_tables(MetaData(schema=schema)), wal=wal, steps=steps)
    engine.dispose()


def _differences(
    uri: str | URL, *damages: str, schema: str | None = None, **options: Any
) -> list[str]:
    """What is said after some damage."""
    engine = create_engine(uri)
    with engine.begin() as connection:
        for damage in damages:
            connection.exec_driver_sql(damage)
    with engine.connect().execution_options(**options) as connection:
        found = differences(connection, define_tables(MetaData(schema=schema)))
    engine.dispose()
    return found


def _mode(path: Path) -> str:
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        mode: str = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
    engine.dispose()
    return mode


def test_migration_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    uri, steps = f"sqlite:///{tmp_path}/inbox.sqlite", []

    def step(connection: Connection) -> None:
        steps.append(connection.in_transaction())

    _create(uri)
    assert caplog.records == []
    _create(uri, steps=[step, step])
    [record] = caplog.records
    assert record.getMessage() == "the inbox goes from schema version 1 to 3"
    assert (record.levelno, record.pooled_news) == (logging.WARNING, "schema.migrated")  # type: ignore[attr-defined]
    caplog.clear()
    _create(uri, steps=[step, step])
    assert caplog.records == []
    assert steps == [True, True]


def test_older_package_is_told_what_to_do(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/inbox.sqlite"
    _create(uri)
    _create(uri, steps=[lambda connection: None])
    said = (
        "the inbox has schema version 2, this Flask-Pooled knows up to 1: install the version that made it, or a "
        "newer one"
    )
    with pytest.raises(ConfigError, match=f"^{re.escape(said)}$"):
        _create(uri)


def test_tables_of_nobodys_are_told_of(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/inbox.sqlite"
    _create(uri)
    engine = create_engine(uri)
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM pooled_meta")
        connection.exec_driver_sql("ALTER TABLE pooled_account DROP COLUMN paid")
        connection.exec_driver_sql("ALTER TABLE pooled_pool DROP COLUMN outcome")
    engine.dispose()
    said = (
        "the inbox has tables of an unknown version (pooled_account has no column paid; pooled_pool has no column "
        "outcome): let Flask-Migrate or what else made them bring them up to date first"
    )
    with pytest.raises(ConfigError, match=f"^{re.escape(said)}$"):
        _create(uri)


def test_folders_are_made_and_the_file_is_switched_to_wal_if_it_is_ours(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "some" / "where" / "inbox.sqlite", tmp_path / "wallet.sqlite"
    _create(f"sqlite:///{ours}", wal=True)
    _create(f"sqlite:///{theirs}")
    assert (_mode(ours), _mode(theirs)) == ("wal", "delete")
    # There is neither a folder nor a file.
    _create("sqlite://", wal=True)
    with pytest.raises(OSError, match=r"inbox\.sqlite"):
        _create(f"sqlite:///{ours}/inbox.sqlite", wal=True)


@pytest.mark.parametrize(("failures", "switched"), [(0, True), (3, True), (1000, False)])
def test_file_that_is_busy_is_switched_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failures: int, switched: bool
) -> None:
    now, slept = [50.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    monkeypatch.setattr("flask_pooled.inbox.schema.time.sleep", sleep)
    monkeypatch.setattr("flask_pooled.inbox.schema.time.monotonic", lambda: now[0])
    engine = create_engine(f"sqlite:///{tmp_path}/inbox.sqlite")
    left = [failures]

    @event.listens_for(engine, "before_cursor_execute")
    def lock(connection: Connection, cursor: Any, statement: str, *more: Any) -> None:
        if statement == "PRAGMA journal_mode=WAL" and left[0]:
            left[0] -= 1
            cursor.execute("ATTACH '/nowhere/at/all' AS busy")

    def is_outage(error: BaseException) -> bool:
        return "unable to open" in str(error)

    monkeypatch.setattr("flask_pooled.inbox.schema.is_outage", is_outage)
    if switched:
        create_schema(engine, define_tables(MetaData()), wal=True)
        assert slept == [0.05] * failures
    else:
        with pytest.raises(Exception, match="unable to open"):
            create_schema(engine, define_tables(MetaData()), wal=True)
        assert 4 <= sum(slept) < 4.2
    engine.dispose()


def test_casinos_tables_are_told_of_to_people_and_machines(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    uri = f"sqlite:///{tmp_path}/wallet.sqlite"
    _create(uri)
    engine = create_engine(uri)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE pooled_known")
        connection.exec_driver_sql("DROP TABLE pooled_pool")
    check_casinos_tables(engine, define_tables(MetaData()))
    [record] = caplog.records
    assert record.getMessage() == (
        "the inbox's tables are not as this version of Flask-Pooled needs them: pooled_known is missing; pooled_pool "
        "is missing. Run 'flask db migrate' and 'flask db upgrade' (Flask-Migrate); db.create_all() only makes tables "
        "that are missing. Until then webhooks that cannot be recorded wait in the spool, and nobody is paid"
    )
    assert record.pooled_news == "schema.wrong"  # type: ignore[attr-defined]
    engine.dispose()


def test_other_databases_are_told_where_to_go() -> None:
    said = (
        "the inbox runs on SQLite and PostgreSQL, not on mysql: give it a database of its own by POOLED_DATABASE_URI "
        "and leave out db="
    )
    with pytest.raises(InboxError, match=f"^{re.escape(said)}$"):
        insert_for("mysql", define_tables(MetaData()).event)


def test_plain_index_keeps_nothing_from_coming_twice(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/wallet.sqlite"
    _create(uri)
    assert _differences(
        uri,
        "DROP INDEX uq_pooled_event_identity",
        "CREATE INDEX uq_pooled_event_identity ON pooled_event (identity)",
    ) == ["pooled_event has no unique index on identity"]


def test_unique_constraint_is_as_good_as_a_unique_index(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/wallet.sqlite"
    tables = define_tables(MetaData())
    [unique] = [each for each in tables.event.indexes if each.name == "uq_pooled_event_identity"]
    tables.event.indexes.remove(unique)
    tables.event.append_constraint(UniqueConstraint("identity"))
    engine = create_engine(uri)
    tables.event.metadata.create_all(engine)
    engine.dispose()
    assert _differences(uri) == []


@pytest.fixture
def backend() -> str:
    return "postgresql"


def test_address_of_the_database_has_no_password(
    make_app: Callable[..., Flask], wallet_uri: URL
) -> None:
    uri = wallet_uri.set(username="postgres", password="s3cret-word")
    app = make_app(POOLED_DATABASE_URI=uri.render_as_string(hide_password=False))
    Pooled(app)
    found = state_of(app).structure.look()
    assert "s3cret-word" not in found.address
    assert "postgres:***@" in found.address
    assert found.differences == ()


@pytest.fixture
def asked() -> Iterator[list[tuple[str, Any]]]:
    """Every statement that is executed, with its parameters."""
    found: list[tuple[str, Any]] = []

    def note(connection: Connection, cursor: Any, statement: str, given: Any, *more: Any) -> None:
        found.append((statement, given))

    event.listen(Engine, "before_cursor_execute", note)
    yield found
    event.remove(Engine, "before_cursor_execute", note)


def test_nobody_creates_tables_while_another_does(
    wallet_uri: URL, asked: list[tuple[str, Any]]
) -> None:
    _create(wallet_uri)
    [locked] = [at for at, (text, _) in enumerate(asked) if "pg_advisory_xact_lock" in text]
    assert asked[locked][1] == {"key": 0x706F6F6C6564}
    assert locked < min(at for at, (text, _) in enumerate(asked) if "CREATE TABLE" in text)


def test_look_at_casinos_tables_waits_for_nobody(
    wallet_uri: URL, asked: list[tuple[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    _create(wallet_uri)
    asked.clear()
    engine = create_engine(wallet_uri)
    check_casinos_tables(engine, define_tables(MetaData()))
    assert [text for text, _ in asked if "timeout" in text] == ["SET LOCAL statement_timeout = 500"]
    assert caplog.records == []
    engine.dispose()


def test_tables_in_a_schema_are_looked_for_there(wallet_uri: URL) -> None:
    _create(wallet_uri)
    translated: dict[str, Any] = {"schema_translate_map": {None: "casino"}}
    missing = [f"{table.name} is missing" for table in define_tables(MetaData()).all()]
    assert _differences(wallet_uri, "CREATE SCHEMA casino", schema="casino") == missing
    assert _differences(wallet_uri, **translated) == missing
    _create(wallet_uri, schema="casino")
    assert _differences(wallet_uri, schema="casino") == []
    assert _differences(wallet_uri, **translated) == []
    damages = (
        "ALTER TABLE casino.pooled_pool DROP COLUMN outcome",
        "DROP INDEX casino.ix_pooled_event_player",
        "DROP INDEX casino.uq_pooled_event_identity",
        "ALTER TABLE casino.pooled_event ADD CONSTRAINT once UNIQUE (identity)",
    )
    found = sorted(_differences(wallet_uri, *damages, schema="casino"))
    assert found == [
        "pooled_event has no index on player_id, receipt",
        "pooled_pool has no column outcome",
    ]
    assert sorted(_differences(wallet_uri, **translated)) == found
    assert _differences(wallet_uri) == []


def test_tables_in_a_schema_go_on_from_their_own_version(
    wallet_uri: URL, asked: list[tuple[str, Any]]
) -> None:
    steps = []
    _differences(wallet_uri, "CREATE SCHEMA casino")
    _create(wallet_uri, schema="casino")
    asked.clear()
    _create(wallet_uri, schema="casino", steps=[lambda connection: steps.append(len(asked))])
    # A step may take longer than a webhook may.
    [free] = [at for at, (text, _) in enumerate(asked) if "timeout" in text]
    assert asked[free][0] == "SET LOCAL statement_timeout = 0"
    assert len(steps) == 1
    assert steps[0] > free
