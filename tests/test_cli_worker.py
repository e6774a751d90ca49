"""``flask pooled worker``: options, exit codes and what it says."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from casino import Casino
from casino import win
from click.testing import Result
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from served_casino import record_wins

from flask_pooled import pool_win
from flask_pooled import Pooled
from flask_pooled.cli import pooled


@pytest.fixture
def casino(make_casino: Callable[..., Casino]) -> Casino:
    """A casino whose events are worked on by this command, connected."""
    casino = make_casino(POOLED_DISPATCH="worker", POOLED_RETRY_BASE=60)
    casino.connect()
    return casino


def _run(app: Flask, *options: str) -> Result:
    return app.test_cli_runner().invoke(pooled, ["worker", *options])


@pytest.mark.both_databases
@pytest.mark.parametrize("concurrency", ["1", "3"])
def test_once_works_until_nothing_is_due(casino: Casino, concurrency: str) -> None:
    record_wins(casino, 10)
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    result = _run(casino.app, "--once", "--concurrency", concurrency)
    assert (result.exit_code, result.output) == (0, "")
    assert casino.states() == ["done"] * 10
    assert sum(cents for _, cents, _ in casino.movements()) == 10
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == handlers
    with casino.app.app_context():
        assert casino.pooled.stats()["workers"] == []


def test_once_with_nothing_to_do(casino: Casino) -> None:
    assert _run(casino.app, "--once").exit_code == 0


def test_once_tries_what_fails_and_goes_on(make_casino: Callable[..., Casino]) -> None:
    # A slow machine must not reach the second attempt of the first event.
    casino = make_casino(POOLED_RETRY_BASE=3600)
    casino.connect()

    @pool_win.connect_via(casino.app)
    def fails(app: Flask, event: Any, **extra: Any) -> None:
        if event.pool_id != "good":
            raise LookupError

    record_wins(casino, 45)
    casino.post_all(win(pool_id="good"))
    # A failed attempt is no failure of the command: the event is tried again when it is due.
    assert _run(casino.app, "--once").exit_code == 0
    assert casino.states() == ["pending"] * 45 + ["done"]
    assert casino.rows("attempts") == [1] * 46


def test_once_without_a_database(casino: Casino) -> None:
    casino.sql("ALTER TABLE pooled_event RENAME TO elsewhere")
    result = _run(casino.app, "--once")
    assert result.exit_code == 1
    assert "Error: the database refused what was asked (OperationalError)" in result.output
    casino.sql("ALTER TABLE elsewhere RENAME TO pooled_event")


def test_once_where_nobody_listens(make_app: Callable[..., Flask]) -> None:
    app = make_app(POOLED_DATABASE_URI="postgresql+psycopg://casino:a-password@127.0.0.1:1/casino")
    Pooled(app)
    result = _run(app, "--once")
    assert result.exit_code == 1
    assert "could not be reached" in result.output
    assert "a-password" not in result.output


def test_any_inbox(make_app: Callable[..., Flask]) -> None:
    app = make_app(POOLED_DISPATCH="worker")
    Pooled(app)
    assert _run(app, "--once").exit_code == 0
    assert Path(app.instance_path, "pooled.sqlite").exists()


@pytest.mark.parametrize(
    ("dispatch", "warned"),
    [("thread", True), ("worker", False), ("celery", False), ("inline", False)],
)
def test_sweeps_beside_every_dispatcher(
    make_casino: Callable[..., Casino], dispatch: str, warned: bool
) -> None:
    casino = make_casino(POOLED_DISPATCH=dispatch)
    casino.connect()
    record_wins(casino, 1)
    result = _run(casino.app, "--once")
    assert result.exit_code == 0
    assert casino.states() == ["done"]
    assert ("Warning: POOLED_DISPATCH is 'thread'" in result.stderr) is warned
    assert result.stdout == ""


def test_app_that_is_set_up_wrongly(make_app: Callable[..., Flask]) -> None:
    app = make_app(POOLED_DISPATCH="worker")
    Pooled(app, db=SQLAlchemy())
    for options in (["--once"], []):
        result = _run(app, *options)
        assert result.exit_code == 2
        assert "Error: db= was given to Pooled, but db.init_app(app)" in result.output


def test_app_without_pooled() -> None:
    result = _run(Flask(__name__), "--once")
    assert result.exit_code == 2
    assert "init_app" in result.output


@pytest.mark.parametrize(
    "options", [["--concurrency", "0"], ["--poll", "0"], ["--poll", "soon"], ["--often"]]
)
def test_wrong_options(casino: Casino, options: list[str]) -> None:
    assert _run(casino.app, *options).exit_code == 2


def test_help(casino: Casino) -> None:
    words = " ".join(_run(casino.app, "--help").output.split())
    assert "On SQLite more than one is pointless" in words
    for option in ("--once", "--concurrency", "--poll SECONDS"):
        assert option in words
