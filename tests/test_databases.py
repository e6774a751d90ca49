"""Which database holds the inbox, who makes its tables, and what is refused at startup."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from casino import Casino
from casino import win
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event
from sqlalchemy import inspect
from sqlalchemy import MetaData

from flask_pooled import ConfigError
from flask_pooled import pool_win
from flask_pooled import Pooled
from flask_pooled import sign_body
from flask_pooled.inbox.tables import define_tables
from flask_pooled.state import state_of

TABLES = {
    "pooled_account",
    "pooled_audit",
    "pooled_credit",
    "pooled_event",
    "pooled_known",
    "pooled_meta",
    "pooled_pool",
    "pooled_worker",
}


def _post(app: Flask, body: dict[str, Any]) -> int:
    data = json.dumps(body).encode()
    headers = {"X-Pooled-Signature": sign_body(data, app.config["POOLED_WEBHOOK_SECRET"])}
    return app.test_client().post("/pooled/webhook", data=data, headers=headers).status_code


def test_tables_stand_in_the_casinos_metadata_and_are_never_made_by_us(
    make_app: Callable[..., Flask],
) -> None:
    config = {"SQLALCHEMY_DATABASE_URI": "sqlite:///wallet.sqlite", "POOLED_SPOOL": False}
    app, db = make_app(**config), SQLAlchemy()
    Pooled(app, db=db)
    db.init_app(app)
    assert set(db.metadata.tables) == TABLES
    assert _post(app, win()) == 503
    with app.app_context():
        assert inspect(db.engine).get_table_names() == []
        db.create_all()
        assert set(inspect(db.engine).get_table_names()) == TABLES
        db.engine.dispose()
    assert _post(app, win()) == 200


def test_tables_that_stand_there_already_are_used() -> None:
    metadata = MetaData(schema="casino")
    first, second = define_tables(metadata), define_tables(metadata)
    assert [table.fullname for table in first.all()] == [f"casino.{t.name}" for t in second.all()]
    assert all(a is b for a, b in zip(first.all(), second.all(), strict=True))


def test_inbox_in_a_bind(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino(
        POOLED_BIND_KEY="money", SQLALCHEMY_BINDS={"money": "sqlite:///money.sqlite"}
    )
    casino.post_all(win())
    with casino.app.app_context():
        assert "pooled_event" in inspect(casino.db.engines["money"]).get_table_names()
        assert "pooled_event" not in inspect(casino.db.engine).get_table_names()


def test_unknown_bind_says_so(
    make_app: Callable[..., Flask], caplog: pytest.LogCaptureFixture
) -> None:
    app, db = make_app(SQLALCHEMY_DATABASE_URI="sqlite://", POOLED_BIND_KEY="money"), SQLAlchemy()
    Pooled(app, db=db)
    db.init_app(app)
    with pytest.raises(ConfigError, match="SQLALCHEMY_BINDS"):
        app.test_client().get("/")


def test_db_that_was_never_initialised_says_so(make_app: Callable[..., Flask]) -> None:
    app = make_app()
    Pooled(app, db=SQLAlchemy())
    with pytest.raises(ConfigError, match=r"db\.init_app"):
        app.test_client().get("/")


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ({"POOLED_DATABASE_URI": "sqlite://"}, "POOLED_DATABASE_URI"),
        ({"SQLALCHEMY_ENGINE_OPTIONS": {"isolation_level": "AUTOCOMMIT"}}, "AUTOCOMMIT"),
    ],
)
def test_contradictions_with_db(
    make_app: Callable[..., Flask], more: dict[str, Any], fault: str
) -> None:
    with pytest.raises(ConfigError, match=fault):
        Pooled(make_app(**more), db=SQLAlchemy())


def test_bind_key_without_db(make_app: Callable[..., Flask]) -> None:
    with pytest.raises(ConfigError, match="POOLED_BIND_KEY"):
        Pooled(make_app(POOLED_BIND_KEY="money"))


def test_embedded_inbox_makes_its_own_file_and_is_durable(make_app: Callable[..., Flask]) -> None:
    app = make_app()
    Pooled(app)
    assert not Path(app.instance_path).exists()
    assert _post(app, win()) == 200
    file = Path(app.instance_path, "pooled.sqlite")
    with state_of(app).inbox.store._database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    assert file.exists()


def test_casinos_own_file_keeps_its_journal_and_our_commits_are_full(
    make_casino: Callable[..., Casino],
) -> None:
    casino = make_casino()
    casino.post_all(win())
    with casino.state.inbox.store._database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "delete"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


def test_instance_folder_that_cannot_be_written_stops_startup(
    make_app: Callable[..., Flask], tmp_path: Path
) -> None:
    app = make_app()
    tmp_path.chmod(0o500)
    # Permissions do not bind root, so a child process becomes somebody else first.
    child = os.fork()
    if child == 0:
        if os.geteuid() == 0:
            os.setuid(65534)
        try:
            Pooled(app)
        except ConfigError as error:
            os._exit(0 if "instance_path" in str(error) else 1)
        except BaseException:
            os._exit(2)
        os._exit(3)
    _, status = os.waitpid(child, 0)
    tmp_path.chmod(0o700)
    assert os.waitstatus_to_exitcode(status) == 0


@pytest.mark.parametrize(
    "uri", ["nosuch://host/name", "sqlite+nosuch:///x", "postgresql+nosuch://host/x"]
)
def test_address_that_sqlalchemy_cannot_use_stops_startup(
    make_app: Callable[..., Flask], uri: str
) -> None:
    with pytest.raises(ConfigError, match="POOLED_DATABASE_URI"):
        Pooled(make_app(POOLED_DATABASE_URI=uri))


def test_instance_path_below_a_file_stops_startup(
    make_app: Callable[..., Flask], tmp_path: Path
) -> None:
    (tmp_path / "instance").write_text("a file, no folder")
    with pytest.raises(ConfigError, match="instance_path"):
        Pooled(make_app())


def test_newer_schema_is_refused(make_app: Callable[..., Flask]) -> None:
    app = make_app()
    Pooled(app)
    assert _post(app, win()) == 200
    with sqlite3.connect(Path(app.instance_path, "pooled.sqlite")) as connection:
        connection.execute("UPDATE pooled_meta SET value = '999'")
    connection.close()
    later = make_app(POOLED_SPOOL=False)
    Pooled(later)
    assert _post(later, win(pool_id="2")) == 503


def test_memory_is_for_tests(
    make_casino: Callable[..., Casino], caplog: pytest.LogCaptureFixture
) -> None:
    casino = make_casino(SQLALCHEMY_DATABASE_URI="sqlite://", POOLED_DISPATCH="inline")
    casino.connect()
    casino.post_all(win(), win())
    assert casino.balance() == 100_000
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert [message for message in warnings if "no promise holds" in message]


def test_memory_with_threads_is_refused(make_app: Callable[..., Flask]) -> None:
    app, db = make_app(TESTING=False, SQLALCHEMY_DATABASE_URI="sqlite://"), SQLAlchemy()
    Pooled(app, db=db)
    db.init_app(app)
    app.config["PROPAGATE_EXCEPTIONS"] = True
    with pytest.raises(ConfigError, match="inline"):
        app.test_client().get("/")


def test_engine_whose_events_begin_by_themselves(make_casino: Callable[..., Casino]) -> None:
    """SQLAlchemy's own recipe for savepoints on SQLite."""
    casino = make_casino()
    casino.connect()
    with casino.app.app_context():
        engine = casino.db.engine
        engine.dispose()

        @event.listens_for(engine, "connect")
        def no_driver_begin(driver: Any, record: Any) -> None:
            driver.isolation_level = None

        @event.listens_for(engine, "begin")
        def begin(connection: Any) -> None:
            connection.exec_driver_sql("BEGIN")

    @pool_win.connect_via(casino.app)
    def fails_first(app: Flask, event: Any, session: Any, **extra: Any) -> None:
        session.commit()
        if casino.rows("attempts") == [1]:
            raise LookupError

    casino.post_all(win())
    assert casino.drain() == 0
    assert casino.movements() == []
    casino.make_due()
    assert casino.drain() == 1
    assert casino.balance() == 100_000


def test_many_processes_worth_of_threads_create_the_embedded_inbox_at_once(
    make_app: Callable[..., Flask],
) -> None:
    apps = [make_app() for _ in range(6)]
    for app in apps:
        Pooled(app)
    answers: list[int] = []
    start = threading.Barrier(len(apps))

    def post(number: int, app: Flask) -> None:
        start.wait()
        answers.append(_post(app, win(pool_id=str(number))))

    threads = [threading.Thread(target=post, args=pair) for pair in enumerate(apps)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * len(apps)
    assert state_of(apps[0]).inbox.figures.count_states() == {"pending": len(apps)}
