"""``flask pooled prune``: options, exit codes and what it says."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from casino import Casino
from casino import win
from click.testing import _NamedTextIOWrapper
from click.testing import Result
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from flask_pooled import Pooled
from flask_pooled.cli import pooled

DAY = 86_400_000


@pytest.fixture
def casino(casino: Casino) -> Casino:
    """A casino with a win of two years ago, its repeat, and one of today."""
    casino.post_all(win(), win(), win(pool_id="pool-2"))
    casino.drain()
    long_ago = int(time.time() * 1000) - 730 * DAY
    casino.sql(
        "UPDATE pooled_event SET settled_at = CASE WHEN state = 'done' THEN CAST(:at AS BIGINT) END,"
        " received_at = :at, receipt = :receipt || substr(receipt, 13) WHERE pool_id = 'pool-1'",
        at=long_ago,
        receipt=f"{long_ago:012x}",
    )
    return casino


def _run(app: Flask, *options: str) -> Result:
    return app.test_cli_runner().invoke(pooled, ["prune", *options])


@pytest.mark.both_databases
def test_prunes_and_says_what(casino: Casino) -> None:
    result = _run(casino.app)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "Deleted 2 event(s) that were settled before 20" in result.stdout
    assert result.stdout.endswith("UTC (1 done, 1 duplicate).\n")
    assert casino.rows("pool_id") == ["pool-2"]
    assert "Deleted 0 event(s)" in _run(casino.app).stdout
    # A repeat of it is paid as little as before.
    casino.post_all(win())
    assert (casino.drain(), casino.balance()) == (0, 200_000)


def test_dry_run(casino: Casino) -> None:
    result = _run(casino.app, "--dry-run")
    assert result.exit_code == 0
    assert "Would delete 2 event(s)" in result.stdout
    assert len(casino.rows("id")) == 3


def test_days_as_given(casino: Casino) -> None:
    assert "Deleted 0 event(s)" in _run(casino.app, "--keep-days", "731").stdout
    assert "Deleted 2 event(s)" in _run(casino.app, "--keep-days", "729").stdout
    assert "Deleted 1 event(s)" in _run(casino.app, "--keep-days", "0").stdout


def test_json(casino: Casino) -> None:
    result = _run(casino.app, "--json", "--dry-run", "--keep-days", "30")
    facts = json.loads(result.stdout)
    assert facts.pop("before").endswith("+00:00")
    assert facts == {
        "keep_days": 30,
        "dry_run": True,
        "events": 2,
        "states": {"done": 1, "duplicate": 1},
    }
    assert json.loads(_run(casino.app, "--json").stdout)["keep_days"] == 400


def test_bar_on_a_terminal_alone(casino: Casino, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "%" not in _run(casino.app, "--dry-run").output
    monkeypatch.setattr(_NamedTextIOWrapper, "isatty", lambda stream: True)
    result = _run(casino.app)
    assert "Pruning" in result.stderr
    assert "100%" in result.stderr
    assert result.stdout.startswith("Deleted 2")


def test_without_a_database(casino: Casino) -> None:
    casino.sql("ALTER TABLE pooled_event RENAME TO elsewhere")
    result = _run(casino.app)
    assert result.exit_code == 1
    assert "Error: the database refused what was asked (OperationalError)" in result.stderr
    casino.sql("ALTER TABLE elsewhere RENAME TO pooled_event")


def test_any_inbox(make_app: Callable[..., Flask]) -> None:
    app = make_app()
    Pooled(app)
    result = _run(app)
    assert (result.exit_code, result.stdout[:20]) == (0, "Deleted 0 event(s) t")


def test_app_that_is_set_up_wrongly(make_app: Callable[..., Flask]) -> None:
    app = make_app()
    Pooled(app, db=SQLAlchemy())
    assert _run(app).exit_code == 2
    assert _run(Flask(__name__)).exit_code == 2


@pytest.mark.parametrize("options", [["--keep-days", "-1"], ["--keep-days", "long"], ["--all"]])
def test_wrong_options(casino: Casino, options: list[str]) -> None:
    assert _run(casino.app, *options).exit_code == 2
