"""Flask-Migrate: one migration makes all of the inbox, and the next one has nothing to do."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy import inspect
from sqlalchemy import MetaData
from sqlalchemy import URL
from sqlalchemy.engine import Connection
from sqlalchemy.pool import NullPool

from flask_pooled.inbox.tables import define_tables

pytestmark = pytest.mark.both_databases

_CASINO = """
    import json, sys
    from flask import Flask
    from flask_migrate import Migrate
    from flask_sqlalchemy import SQLAlchemy
    from sqlalchemy import MetaData
    from flask_pooled import Pooled, pool_win, sign_body

    uri, convention, *commands = sys.argv[1:]
    NAMES = {"pk": "pk_%(table_name)s", "ix": "ix_%(column_0_label)s", "uq": "uq_%(table_name)s_%(column_0_name)s"}
    app = Flask("casino", root_path=".", instance_path=sys.path[0])
    app.config.update(
        POOLED_TENANT="royal-casino", POOLED_JWT_SECRET="j" * 40, POOLED_WEBHOOK_SECRET="w" * 40,
        POOLED_DISPATCH="inline", SQLALCHEMY_DATABASE_URI=uri,
    )
    db = SQLAlchemy(metadata=MetaData(naming_convention=NAMES if convention == "named" else None))
    class Line(db.Model):
        id = db.Column(db.Integer, primary_key=True)
        cents = db.Column(db.Integer, nullable=False)
    pooled = Pooled(app, db=db)
    db.init_app(app)
    Migrate(app, db)

    @pool_win.connect
    def credit(app, event, session, **extra):
        session.add(Line(cents=event.cents))

    def post():
        body = json.dumps({"event": "pool.win", "tenant_id": "t", "pool_id": "p", "pool_size": 100,
                           "winner_id": "w", "amount": 100}).encode()
        headers = {"X-Pooled-Signature": sign_body(body, "w" * 40)}
        return app.test_client().post("/pooled/webhook", data=body, headers=headers).status_code

    for command in commands:
        if command == "post":
            print("answer:", post(), post())
            with app.app_context():
                print("paid:", [line.cents for line in db.session.query(Line)])
        else:
            result = app.test_cli_runner().invoke(args=["db", *command.split()])
            print(result.output)
            print(command, "ended with", result.exit_code)
"""


def _place(wallet_uri: str | URL, folder: Path) -> str:
    if isinstance(wallet_uri, URL):
        return wallet_uri.render_as_string(hide_password=False)
    return f"sqlite:///{folder}/wallet.sqlite"


def _shape(uri: str) -> dict[str, Any]:
    """Columns, keys and indexes of the inbox's tables, as the database has them."""
    engine = create_engine(uri, poolclass=NullPool)
    with engine.connect() as connection:
        seen = inspect(connection)
        return {
            table: (
                [(c["name"], str(c["type"]), c["nullable"]) for c in seen.get_columns(table)],
                seen.get_pk_constraint(table)["constrained_columns"],
                sorted(
                    (
                        index["name"] or "",
                        index["column_names"],
                        bool(index["unique"]),
                        str(index.get("dialect_options", {}).get(f"{engine.name}_where")),
                    )
                    for index in seen.get_indexes(table)
                ),
                _storage(connection, table),
            )
            for table in seen.get_table_names()
            if table.startswith("pooled_")
        }


def _storage(connection: Connection, table: str) -> list[str]:
    """How SQLite numbers and stores rows, which no inspector tells."""
    if connection.dialect.name != "sqlite":
        return []
    [sql] = connection.exec_driver_sql(
        "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)
    ).scalars()
    return [words for words in ("AUTOINCREMENT", "WITHOUT ROWID") if words in sql]


@pytest.mark.parametrize("convention", ["plain", "named"])
def test_first_migration_makes_everything_and_the_second_is_empty(
    tmp_path: Path, wallet_uri: str | URL, convention: str
) -> None:
    (tmp_path / "casino.py").write_text(textwrap.dedent(_CASINO))
    uri = _place(wallet_uri, tmp_path)

    def run(*commands: str) -> str:
        done = subprocess.run(
            [sys.executable, "casino.py", uri, convention, *commands],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    output = run("init", "migrate -m first", "upgrade", "post")
    assert "answer: 200 200\npaid: [10000]" in output
    # In a process of its own, as people run it: Flask-Migrate keeps a context from one command to the next.
    assert "No changes in schema detected" in run("migrate -m second")
    [migration] = (tmp_path / "migrations" / "versions").glob("*.py")
    assert "first" in migration.name
    migrated = _shape(uri)
    assert len(migrated) == 8
    # The same as db.create_all() makes, the partial indexes included.
    assert migrated == _created(uri)
    if uri.startswith("sqlite"):
        assert migrated["pooled_event"][-1] == ["AUTOINCREMENT"]
        assert migrated["pooled_known"][-1] == ["WITHOUT ROWID"]
    wheres = [where for *_, indexes, _ in migrated.values() for *_, where in indexes]
    assert len([where for where in wheres if where != "None"]) == 5


def _created(uri: str) -> dict[str, Any]:
    engine = create_engine(uri, poolclass=NullPool)
    metadata = MetaData()
    define_tables(metadata)
    with engine.begin() as connection:
        metadata.drop_all(connection)
        metadata.create_all(connection)
    return _shape(uri)
