"""The tables of an inbox of ours: every released version grows to the present one, and a newer one is refused.

``tests/schemas/vN.sql`` is what version N made, with events in it. To store what the present version makes::

    python tests/test_schema.py > tests/schemas/v1.sql
"""

from __future__ import annotations

import json
import logging
import re
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import migrating
import pytest
from casino import Casino
from casino import entry
from casino import refund
from casino import win
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import create_engine
from sqlalchemy import MetaData
from sqlalchemy import text
from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError

from flask_pooled import ConfigError
from flask_pooled import pool_entry
from flask_pooled import pool_refund
from flask_pooled import pool_win
from flask_pooled import Pooled
from flask_pooled import sign_body
from flask_pooled.inbox.database import open_engine
from flask_pooled.inbox.migrations import FIRST_VERSION
from flask_pooled.inbox.migrations import STEPS
from flask_pooled.inbox.schema import create_schema
from flask_pooled.inbox.tables import define_tables
from flask_pooled.state import state_of

PRESENT = FIRST_VERSION + len(STEPS)
STORED = sorted((Path(__file__).parent / "schemas").glob("v*.sql"))


def _shape(file: Path) -> dict[str, str]:
    """Every table and index of ours, as SQLite was told to make it."""
    connection = sqlite3.connect(file)
    rows = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name LIKE '%pooled%'"
    ).fetchall()
    connection.close()
    # A column that was added stands after the others, on their line.
    return {name: " ".join(sorted(re.findall(r"\w+", sql))) for name, sql in rows}


def _post(app: Flask, event: dict[str, Any]) -> int:
    body = json.dumps(event).encode()
    headers = {"X-Pooled-Signature": sign_body(body, app.config["POOLED_WEBHOOK_SECRET"])}
    return app.test_client().post("/pooled/webhook", data=body, headers=headers).status_code


def _fill(app: Flask) -> None:
    """Some events of each kind, some of them done."""
    for event in (win(), entry(pool_id="pool-2"), refund(pool_id="pool-2")):
        assert _post(app, event) == 200
    with app.app_context():
        app.extensions["pooled"].inbox.run()
    for event in (win(), win(pool_id="pool-3", amount=0), win(pool_id="pool-4")):
        assert _post(app, event) == 200


def _connect(app: Flask) -> list[Any]:
    seen: list[Any] = []
    for signal in (pool_win, pool_refund, pool_entry):

        @signal.connect_via(app)
        def receive(app: Flask, event: Any, **extra: Any) -> None:
            seen.append((event.kind, event.pool_id))

    return seen


def test_versions_are_all_stored() -> None:
    assert [file.stem for file in STORED] == [f"v{version + 1}" for version in range(PRESENT)]


def test_what_is_made_now_is_what_is_stored_as_the_present_version(
    make_app: Callable[..., Flask], tmp_path: Path
) -> None:
    app = make_app()
    Pooled(app)
    app.extensions["pooled"].inbox.figures.count_states()
    stored = tmp_path / "stored.sqlite"
    sqlite3.connect(stored).executescript(STORED[-1].read_text())
    # A change of the tables that was released needs a step; see inbox/migrations.py.
    assert _shape(Path(app.instance_path, "pooled.sqlite")) == _shape(stored)


@pytest.mark.parametrize("file", STORED, ids=lambda file: file.stem)
def test_every_released_version_goes_on_where_it_was(
    make_app: Callable[..., Flask], file: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "instance"
    folder.mkdir()
    old = sqlite3.connect(folder / "pooled.sqlite")
    old.executescript(file.read_text())
    old.close()
    app = make_app()
    Pooled(app)
    seen = _connect(app)
    states = state_of(app).inbox.figures.count_states()
    assert states == {"done": 3, "duplicate": 1, "held": 1, "pending": 1}
    for event in (win(), entry(pool_id="pool-2"), refund(pool_id="pool-2"), win(pool_id="pool-4")):
        assert _post(app, event) == 200
    with app.app_context():
        assert app.extensions["pooled"].inbox.run() == 1
    assert seen == [("pool.win", "pool-4")]
    fresh = tmp_path / "fresh.sqlite"
    create_schema(open_engine(f"sqlite:///{fresh}"), define_tables(MetaData()), wal=False)
    assert _shape(folder / "pooled.sqlite") == _shape(fresh)


def _place(wallet_uri: str | URL, folder: Path) -> str:
    if isinstance(wallet_uri, URL):
        return wallet_uri.render_as_string(hide_password=False)
    return f"sqlite:///{folder}/inbox.sqlite"


def _make_present(uri: str) -> None:
    engine = open_engine(uri)
    create_schema(engine, define_tables(MetaData()), wal=False)
    with engine.begin() as connection:
        for number in range(1, 4):
            connection.execute(
                text(
                    "INSERT INTO pooled_event (tenant, receipt, received_at, kind, state, attempts)"
                    " VALUES ('t', :receipt, 1, 'odd', 'done', 0)"
                ),
                {"receipt": str(number)},
            )
    engine.dispose()


def _start(uri: str, mode: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, migrating.__file__, uri, mode],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _rows(uri: str, statement: str) -> list[tuple[Any, ...]]:
    engine = create_engine(uri)
    with engine.connect() as connection:
        rows = [tuple(row) for row in connection.execute(text(statement))]
    engine.dispose()
    return rows


@pytest.mark.both_databases
def test_killed_in_the_middle_nothing_has_happened_and_ten_at_once_do_it_once(
    wallet_uri: str | URL, tmp_path: Path
) -> None:
    uri = _place(wallet_uri, tmp_path)
    _make_present(uri)
    before = _rows(uri, "SELECT * FROM pooled_event ORDER BY id")
    killed = _start(uri, "killed")
    _, said = killed.communicate("go\n", timeout=60)
    assert killed.returncode == -9, said
    # Neither the column, nor the version, nor anything that would keep others from trying.
    assert _rows(uri, "SELECT * FROM pooled_event ORDER BY id") == before
    assert _rows(uri, "SELECT value FROM pooled_meta") == [(str(PRESENT),)]
    future = [_start(uri, "migrate") for _ in range(10)]
    for process in future:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in future:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    assert _rows(uri, "SELECT number FROM steps") == [(2,)]
    assert _rows(uri, "SELECT id, weight FROM pooled_event ORDER BY id") == [
        (row[0], 2 * row[0]) for row in before
    ]
    assert _rows(uri, "SELECT value FROM pooled_meta") == [(str(PRESENT + migrating.STEPS),)]


@pytest.mark.both_databases
def test_newer_version_is_refused(
    make_app: Callable[..., Flask], wallet_uri: str | URL, tmp_path: Path
) -> None:
    uri = _place(wallet_uri, tmp_path)
    _make_present(uri)
    migrating.migrate(uri)
    app = make_app(POOLED_DATABASE_URI=uri, POOLED_SPOOL=False)
    Pooled(app)
    newer = PRESENT + migrating.STEPS
    with pytest.raises(ConfigError, match=f"schema version {newer}, this .* knows up to {PRESENT}"):
        state_of(app).inbox.run()
    assert _post(app, win()) == 503
    assert len(_rows(uri, "SELECT id FROM pooled_event")) == 3


def test_newer_version_leaves_webhooks_in_the_spool(
    make_app: Callable[..., Flask], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    uri = f"sqlite:///{tmp_path}/inbox.sqlite"
    _make_present(uri)
    migrating.migrate(uri)
    app = make_app(POOLED_DATABASE_URI=uri)
    Pooled(app)
    assert _post(app, win()) == 200
    assert "this Flask-Pooled knows up to" in caplog.text
    spool = state_of(app).inbox.intake.spool
    assert spool is not None
    assert spool.facts().waiting == 1


@pytest.mark.both_databases
def test_tables_of_an_unknown_version_are_refused(
    make_app: Callable[..., Flask], wallet_uri: str | URL, tmp_path: Path
) -> None:
    """A casino that had db= and now has POOLED_DATABASE_URI, and never ran its migration."""
    uri = _place(wallet_uri, tmp_path)
    _make_present(uri)
    engine = create_engine(uri)
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM pooled_meta")
    with pytest.raises(ConfigError, match=r"unknown version \(pooled_event has no column weight"):
        create_schema(engine, migrating.tables_of_the_future(), wal=False)
    create_schema(engine, define_tables(MetaData()), wal=False)
    assert _rows(uri, "SELECT value FROM pooled_meta") == [(str(PRESENT),)]
    engine.dispose()


_DAMAGES = {
    "DROP TABLE pooled_known": "pooled_known is missing",
    "ALTER TABLE pooled_event DROP COLUMN fairness": "pooled_event has no column fairness",
    "ALTER TABLE pooled_pool ADD COLUMN weight INTEGER": None,
    "DROP INDEX uq_pooled_event_identity": "pooled_event has no unique index on identity",
    "DROP INDEX ix_pooled_event_player": "pooled_event has no index on player_id, receipt",
}


@pytest.mark.both_databases
@pytest.mark.parametrize(("damage", "alarm"), _DAMAGES.items())
def test_casinos_tables_are_looked_at_and_not_touched(
    make_casino: Callable[..., Casino],
    caplog: pytest.LogCaptureFixture,
    damage: str,
    alarm: str | None,
) -> None:
    first = make_casino()
    first.sql(damage)
    # Another process, a moment later.
    casino = make_casino()
    casino.sql("SELECT 1")
    if damage.startswith("DROP TABLE"):
        casino.sql(damage)
    with caplog.at_level(logging.CRITICAL):
        assert casino.post(win()).status_code == 200
        with suppress(SQLAlchemyError):
            casino.drain()
    alarms = [record.getMessage() for record in caplog.records if "flask db upgrade" in record.msg]
    assert len(alarms) == (alarm is not None)
    if alarm is not None:
        assert alarm in alarms[0]


def test_tables_that_were_never_made(make_app: Callable[..., Flask], caplog: Any) -> None:
    app, db = make_app(SQLALCHEMY_DATABASE_URI="sqlite:///wallet.sqlite"), SQLAlchemy()
    Pooled(app, db=db)
    db.init_app(app)
    assert _post(app, win()) == 200
    with app.app_context(), suppress(SQLAlchemyError):
        state_of(app).inbox.run()
    [alarm] = [record for record in caplog.records if "flask db upgrade" in record.msg]
    assert "pooled_event is missing" in alarm.getMessage()
    with app.app_context():
        db.engine.dispose()


def test_column_of_the_future_that_must_be_filled(
    make_casino: Callable[..., Casino], caplog: pytest.LogCaptureFixture
) -> None:
    casino = make_casino()
    casino.sql("DROP TABLE pooled_worker")
    casino.sql(
        "CREATE TABLE pooled_worker (name TEXT PRIMARY KEY, tenant TEXT, mode TEXT,"
        " started_at INTEGER, seen_at INTEGER, weight INTEGER NOT NULL)"
    )
    casino.drain()
    assert "pooled_worker has a column weight that this version cannot fill" in caplog.text


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as instance:
        casino_app = Flask("casino", instance_path=instance)
        casino_app.config.update(
            TESTING=True,
            POOLED_TENANT="royal-casino",
            POOLED_JWT_SECRET="jwt-secret-that-is-long-enough-for-hs256",
            POOLED_WEBHOOK_SECRET="webhook-secret-that-is-long-enough-too",
        )
        Pooled(casino_app)
        _connect(casino_app)
        _fill(casino_app)
        dump = sqlite3.connect(Path(instance, "pooled.sqlite"))
        print("\n".join(dump.iterdump()))
