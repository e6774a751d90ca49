"""docs/troubleshooting.rst: every error of the guide and every state is there, and what is said is what is printed.

What ``doctor`` says to each error of the guide is compared where those errors are made: ``test_doctor_guide.py``.
"""

from __future__ import annotations

import logging
import re
import shlex
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import pytest
from casino import Casino
from casino import entry
from casino import refund
from casino import win
from doc_pages import Page
from doctor_faults import FAULTS
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from flask_pooled import pool_win
from flask_pooled.cli import pooled
from flask_pooled.doctor import guide
from flask_pooled.inbox.listing import STATES
from flask_pooled.news import NAMES

PAGE = Page("troubleshooting.rst")


def test_every_error_of_the_guide_is_a_section() -> None:
    titles = re.findall(r"^(.+)\n-{3,}$", PAGE.source, re.MULTILINE)
    assert titles[: len(guide.ERRORS)] == list(guide.ERRORS)
    lines = re.findall(r"^   (?:FAULT|warning) ", PAGE.source, re.MULTILINE)
    # And two more for what is below the table of the guide.
    assert len(lines) == len([fault for fault in FAULTS if fault.row in guide.ERRORS]) + 2


def test_every_state_is_there() -> None:
    table = PAGE.source.split("The state says what is to be done:\n")[1].split("\n\n\n")[0]
    assert set(re.findall(r"^   \* - ``(\w+)``$", table, re.MULTILINE)) == set(STATES)


@pytest.mark.parametrize("caption", ["look at it", "find it"])
def test_commands_are_understood(caption: str) -> None:
    for line in PAGE.captioned()[caption].splitlines():
        name, *arguments = shlex.split(line.split(" pooled ")[1])
        command = pooled.get_command(click.Context(pooled), name)
        assert command is not None
        command.make_context(name, arguments)


def test_nobody_works(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino(POOLED_DISPATCH="worker")
    casino.post_all(win())
    said = casino.app.test_cli_runner().invoke(pooled, ["doctor", "--no-probe"]).stdout
    for caption in ("nobody works", "no worker"):
        assert " ".join(PAGE.captioned()[caption].split()) in " ".join(said.split())


def _said(casino: Casino, *arguments: str, code: int = 0) -> str:
    result = casino.app.test_cli_runner().invoke(pooled, arguments)
    assert result.exit_code == code, result.output
    return str(result.stdout)


def test_each_state_is_what_the_page_says(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino(POOLED_MAX_ATTEMPTS=1, POOLED_HOLD_OVER=5000)
    casino.connect()
    mended = threading.Event()

    @pool_win.connect_via(casino.app)
    def asks_the_bank(app: Flask, event: Any, **extra: Any) -> None:
        if event.pool_id == "dead" and not mended.is_set():
            raise LookupError("no such account")

    def show(pool: str | None, state: str) -> str:
        return _said(casino, "show", str(number[pool, state]))

    assert "Nothing found." in _said(casino, "events", "--player", "player_abc123", code=1)
    casino.post_all(
        *(win(pool_id="done"), win(pool_id="done"), win(pool_id="dead")),
        *(win(pool_id="large", amount=9000, pool_size=10_000), win(pool_id="odd", amount=0)),
        *(entry(pool_id="expired"), refund(pool_id="expired"), refund(pool_id="expired")),
    )
    assert casino.post(b"[]").status_code == 400
    casino.drain()
    number = {(pool, state): each for each, pool, state in casino.rows("id", "pool_id", "state")}

    assert "credit_winner" in show("done", "done")
    assert re.search(r"^Key +pool.win:", show("done", "done"), re.MULTILINE)
    assert f"event {number['done', 'done']}" in show("done", "duplicate")
    assert "the amount is above POOLED_HOLD_OVER" in show("large", "held")
    assert show(None, "rejected")
    dead = show("dead", "dead")
    assert "Traceback" in dead
    assert "LookupError: no such account" in dead

    mended.set()
    _said(casino, "retry", str(number["dead", "dead"]), "--yes")
    _said(casino, "release", str(number["large", "held"]), "--yes")
    _said(casino, "release", str(number["expired", "duplicate"]), "--yes")
    reason = ("--who", "dana", "--why", "asked Pooled")
    _said(casino, "discard", str(number["odd", "held"]), "--yes", *reason)
    casino.drain()
    assert re.search("dana: discard, .*: asked Pooled", show("odd", "held"))
    assert sorted(cents for _, cents, _ in casino.movements()) == [
        *(100, 100, 100_000, 100_000, 900_000)
    ]


def test_names_in_the_log_are_those_of_the_code() -> None:
    named = set(re.findall(r"``((?:database|schema|spool|event)\.\w+)``", PAGE.source))
    assert named == {"database.away", "schema.wrong"}
    assert named <= set(NAMES)


def _critical(caplog: pytest.LogCaptureFixture, name: str) -> list[str]:
    """The ``CRITICAL`` lines of that name."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno == logging.CRITICAL and vars(record).get("pooled_news") == name
    ]


@pytest.mark.impatient
def test_database_that_is_away(casino: Casino, caplog: pytest.LogCaptureFixture) -> None:
    spool = casino.state.inbox.intake.spool
    assert spool is not None
    with closing(sqlite3.connect(Path(casino.app.instance_path, "wallet.sqlite"))) as other:
        other.execute("BEGIN IMMEDIATE")
        casino.post_all(win(), win(pool_id="pool-2"))
        assert len(_critical(caplog, "database.away")) == 1
        assert spool.facts().waiting == 2
        assert spool.path.exists()
    casino.drain()
    assert spool.facts().waiting == 0
    assert casino.balance() == 200_000


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        ("DROP TABLE pooled_known", "pooled_known is missing"),
        (
            "ALTER TABLE pooled_event DROP COLUMN fairness",
            "pooled_event has no column fairness",
        ),
        (
            "DROP INDEX ix_pooled_event_player",
            "pooled_event has no index on player_id, receipt",
        ),
    ],
)
def test_what_the_tables_lack_is_named(
    casino: Casino, caplog: pytest.LogCaptureFixture, damage: str, named: str
) -> None:
    casino.sql(damage)
    casino.post_all(win())
    with suppress(SQLAlchemyError):
        casino.drain()
    [line] = _critical(caplog, "schema.wrong")
    assert named in line
    assert "flask db migrate" in line
