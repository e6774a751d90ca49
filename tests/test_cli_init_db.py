"""``flask pooled init-db``: makes the tables that are ours, and only looks at a casino's."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from casino import Casino
from click.testing import Result
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import URL

from flask_pooled import Pooled
from flask_pooled.cli import pooled
from flask_pooled.state import state_of


def _run(app: Flask, *options: str) -> Result:
    return app.test_cli_runner().invoke(pooled, ["init-db", *options])


def test_embedded_inbox(make_app: Callable[..., Flask]) -> None:
    app = make_app()
    Pooled(app)
    file = Path(app.instance_path, "pooled.sqlite")
    assert not file.exists()
    for _ in range(2):
        result = _run(app)
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout == (
            "The inbox's tables are ready, schema version 1.\n"
            f"Database: sqlite:///{file}\n"
            "The inbox makes and migrates them by itself.\n"
        )
    assert sqlite3.connect(file).execute("SELECT count(*) FROM pooled_event").fetchone() == (0,)


@pytest.mark.both_databases
def test_database_of_its_own(
    make_app: Callable[..., Flask], wallet_uri: str | URL, tmp_path: Path
) -> None:
    uri = wallet_uri if isinstance(wallet_uri, URL) else f"sqlite:///{tmp_path}/inbox.sqlite"
    app = make_app(POOLED_DATABASE_URI=uri if isinstance(uri, str) else uri.render_as_string(False))
    Pooled(app)
    facts = json.loads(_run(app, "--json").stdout)
    assert facts["differences"] == []
    assert facts["ours"] is True
    assert facts["schema_version"] == 1
    assert "pooled_event" in facts["tables"]
    assert state_of(app).inbox.figures.count_states() == {}


@pytest.mark.both_databases
def test_casinos_tables_are_the_casinos_to_make(
    make_app: Callable[..., Flask], wallet_uri: str | URL
) -> None:
    db = SQLAlchemy()
    app = make_app(SQLALCHEMY_DATABASE_URI=wallet_uri)
    Pooled(app, db=db)
    db.init_app(app)
    result = _run(app)
    assert result.exit_code == 1
    assert "  pooled_event is missing\n" in result.stdout
    assert "or db.create_all(), which only makes what is missing." in result.stdout
    facts = json.loads(_run(app, "--json").stdout)
    assert (facts["ours"], facts["tables"]) == (False, [])
    with app.app_context():
        db.create_all()
    result = _run(app)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("The inbox's tables are ready, schema version 1.\n")
    assert "the casino's tables (db=)" in result.stdout
    with app.app_context():
        for engine in db.engines.values():
            engine.dispose()


def test_column_that_is_missing(casino: Casino) -> None:
    casino.sql("ALTER TABLE pooled_event RENAME COLUMN fairness TO fair")
    result = _run(casino.app)
    assert result.exit_code == 1
    assert "  pooled_event has no column fairness\n" in result.stdout


def test_no_password(make_app: Callable[..., Flask]) -> None:
    app = make_app(POOLED_DATABASE_URI="postgresql+psycopg://casino:a-password@127.0.0.1:1/casino")
    Pooled(app)
    result = _run(app)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "the database could not be reached (OperationalError)" in result.stderr
    assert "a-password" not in result.output


def test_newer_version(make_app: Callable[..., Flask]) -> None:
    app = make_app()
    Pooled(app)
    assert _run(app).exit_code == 0
    file = sqlite3.connect(Path(app.instance_path, "pooled.sqlite"))
    file.execute("UPDATE pooled_meta SET value = '99' WHERE name = 'schema_version'")
    file.commit()
    file.close()
    later = make_app()
    Pooled(later)
    result = _run(later)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "schema version 99" in result.stderr


def test_wrong_usage(casino: Casino) -> None:
    assert _run(casino.app, "--force").exit_code == 2
    assert _run(Flask(__name__)).exit_code == 2
