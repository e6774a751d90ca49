"""A rehearsal leaves the app's own wallet and inbox alone where it can, and says so where it cannot."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from casino import Casino
from casino import win
from click.testing import Result
from doc_pages import ROOT
from flask import Flask
from rehearsed_casino import DEPOSIT
from rehearsed_casino import furnish
from rehearsed_casino import PLAYER
from royal_casino import JORDAN
from royal_casino import JWT_SECRET
from royal_casino import RoyalCasino
from royal_casino import WEBHOOK_SECRET
from royal_casino import WIN
from sqlalchemy import create_engine
from sqlalchemy import event
from sqlalchemy import text
from sqlalchemy.engine import Engine

from example_app import db
from flask_pooled import Player
from flask_pooled import pool_entry
from flask_pooled import pool_refund
from flask_pooled import pool_win
from flask_pooled import Pooled
from flask_pooled.cli import pooled
from flask_pooled.inbox.delivery import accept
from flask_pooled.rehearsal import rehearse
from flask_pooled.rehearsal.isolation import isolated
from flask_pooled.rehearsal.plan import plan_of
from flask_pooled.state import state_of

#: How soon the spool has to help is what much of this is about.
pytestmark = pytest.mark.impatient


def rows_of(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as connection:
        return list(connection.iterdump())


def run(app: Flask, *options: str, debug: str = "0", answer: str = "") -> Result:
    runner = app.test_cli_runner()
    return runner.invoke(pooled, ["rehearse", *options], env={"FLASK_DEBUG": debug}, input=answer)


def test_royal_casinos_files_are_byte_for_byte_what_they_were(tmp_path: Path) -> None:
    """With a win that waits for its turn and one in the spool: neither is worked on, and neither gets lost."""
    with RoyalCasino(tmp_path) as casino:
        casino.send(WIN)
        spool = state_of(casino.app).inbox.intake.spool
        assert spool is not None
        spool.put(accept(b'{"event": "pool.later"}', 1_780_000_000_000))
        with casino.app.app_context():
            db.session.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    files = ["royal-casino.db", "pooled-spool.sqlite"]
    before = {name: (tmp_path / name).read_bytes() for name in files}
    names = {path.name for path in tmp_path.iterdir()}
    environment = {
        **os.environ,
        "POOLED_TENANT": "royal-casino",
        "POOLED_JWT_SECRET": JWT_SECRET,
        "POOLED_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "POOLED_RETRY_BASE": "0.05",
        "ROYAL_INSTANCE_PATH": str(tmp_path),
    }
    command = [sys.executable, "-m", "flask", "--app", "example_app", "pooled", "rehearse", "--yes"]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "19 of 19 passed. The wallet held $250.00 before" in done.stdout
    assert "It was a copy: the app's own databases are as they were." in done.stdout
    assert {name: (tmp_path / name).read_bytes() for name in files} == before
    # SQLite leaves its own two files of a database in WAL mode behind, with nothing in them.
    left = {path.name for path in tmp_path.iterdir()} - names
    assert left <= {"royal-casino.db-shm", "royal-casino.db-wal"}
    assert all((tmp_path / name).stat().st_size == 0 for name in left if name.endswith("-wal"))
    with RoyalCasino(tmp_path) as casino:
        assert casino.drain() == 2
        assert casino.ledger(JORDAN) == [("prize", 100_000, "Won the $1,000 pool")]


def test_the_app_goes_on_with_its_own_database_afterwards(
    make_casino: Callable[..., Casino],
) -> None:
    casino = make_casino(POOLED_RETRY_BASE=0.05)
    app = furnish(casino)
    casino.post(win())
    before, states = casino.movements(), casino.states()
    report = rehearse(app)
    assert report.failed == []
    assert (report.before, report.why_not) == (DEPOSIT, None)
    assert report.after is not None
    # Without the win that waits: its receivers are not called, not even on the copy.
    assert DEPOSIT < report.after < DEPOSIT + 100_000
    assert (casino.movements(), casino.states()) == (before, states)
    assert casino.drain() == 1
    assert casino.balance() == DEPOSIT + 100_000


def test_a_connection_that_is_open_already_is_not_used(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino(POOLED_RETRY_BASE=0.05)
    app = furnish(casino)
    with app.app_context():
        # Somebody else's: it goes on in the real file, and so does the session of this app context.
        connection = casino.db.engine.connect()
        session = casino.db.session()
        assert rehearse(app).failed == []
        for way in (connection, session):
            assert way.execute(text("SELECT count(*) FROM ledger")).scalar_one() == 1
        connection.close()


def test_where_copies_are_made_one_is_asked_all_the_same(
    make_casino: Callable[..., Casino],
) -> None:
    casino = make_casino(POOLED_RETRY_BASE=0.05)
    app = furnish(casino)
    refused = run(app, answer="n\n")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "copied and left as they are" in refused.stderr
    assert "Go on? [y/N]" in refused.stderr
    unanswered = run(app, answer="")
    assert unanswered.exit_code == 1
    assert "in a script, answer with --yes" in unanswered.stderr
    agreed = run(app, answer="y\n")
    assert agreed.exit_code == 0
    assert "cannot be isolated" not in agreed.stderr
    assert casino.movements() == [(PLAYER, DEPOSIT, "first deposit")]


@pytest.mark.parametrize("backend", ["postgresql"])
def test_a_wallet_in_postgresql_cannot_be_isolated(
    make_casino: Callable[..., Casino], backend: str
) -> None:
    casino = make_casino(POOLED_RETRY_BASE=0.05)
    app = furnish(casino)
    said = "cannot be isolated: the app uses a postgresql database, and only SQLite files can be"
    refused = run(app, answer="n\n")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert said in refused.stderr
    assert casino.states() == []
    # In debug nobody is asked, but it is said.
    played = run(app, debug="1")
    assert said in played.stderr
    assert "It was the app's own, because the app uses a postgresql database" in played.stdout
    assert played.exit_code == 0
    assert casino.balance() > DEPOSIT


def test_an_inbox_without_tables_is_said_to_be_so(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino()
    app = furnish(casino)
    casino.sql("DROP TABLE pooled_event")
    result = run(app, debug="1")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "The inbox cannot be read (OperationalError): is its database up" in result.stderr


def test_in_place_is_in_place(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino(POOLED_RETRY_BASE=0.05)
    app = furnish(casino)
    result = run(app, "--in-place", "--yes")
    assert result.exit_code == 0
    assert "you asked for it by --in-place" in result.stderr
    assert casino.balance() > DEPOSIT


class PlainCasino:
    """A wallet that is no Flask-SQLAlchemy's.

    :param engine: has the wallet; ``None``: it is a dict.
    """

    def __init__(self, app: Flask, engine: Engine | None, *, looks_up: bool = False) -> None:
        self.app = app
        self.engine = engine
        self.wallet = {PLAYER: 0}
        self.pooled = Pooled(app)
        if engine is not None:
            with engine.begin() as connection:
                connection.execute(text("CREATE TABLE wallet (cents INTEGER)"))
        for signal in (pool_win, pool_refund, pool_entry):
            signal.connect_via(app)(self.receive)

        @self.pooled.rehearsal
        def rehearsal() -> dict[str, Any]:
            if looks_up:
                self.sum()
            return {"player": Player(PLAYER, "Jordan Smith", 5, verified=True), "balance": read}

        def read() -> Decimal:
            if looks_up:
                self.sum()
            return Decimal(self.wallet[PLAYER] if looks_up else self.sum()).scaleb(-2)

    def sum(self) -> int:
        if self.engine is None:
            return self.wallet[PLAYER]
        with self.engine.connect() as connection:
            total = connection.execute(text("SELECT coalesce(sum(cents), 0) FROM wallet"))
            return int(total.scalar_one())

    def receive(self, app: Flask, event: Any, session: Any, **extra: Any) -> None:
        cents = getattr(event, "cents", None) or 0
        self.wallet[PLAYER] += cents
        if self.engine is not None:
            with self.engine.begin() as connection:
                connection.execute(text("INSERT INTO wallet VALUES (:cents)"), {"cents": cents})


def test_wallet_and_inbox_may_be_in_two_files(
    make_app: Callable[..., Flask], tmp_path: Path
) -> None:
    engine = create_engine(f"sqlite:///file:{tmp_path}/my%20wallet.db?uri=true")
    casino = PlainCasino(make_app(POOLED_RETRY_BASE=0.05), engine)
    inbox = Path(casino.app.instance_path, "pooled.sqlite")
    assert casino.pooled is not None
    before = rows_of(tmp_path / "my wallet.db")
    report = rehearse(casino.app)
    assert report.why_not is None
    assert (report.before, casino.sum()) == (0, 0)
    assert report.after is not None
    assert report.after > 0
    assert rows_of(tmp_path / "my wallet.db") == before
    with closing(sqlite3.connect(inbox)) as connection:
        assert connection.execute("SELECT count(*) FROM pooled_event").fetchone() == (0,)
    engine.dispose()


def test_a_wallet_that_is_in_no_database_cannot_be_isolated(make_app: Callable[..., Flask]) -> None:
    casino = PlainCasino(make_app(POOLED_RETRY_BASE=0.05), None)
    result = run(casino.app, answer="n\n")
    assert result.exit_code == 1
    assert "its balance is read from no database that SQLAlchemy has opened" in result.stderr
    assert casino.wallet == {PLAYER: 0}


def test_a_wallet_that_was_moved_all_the_same_is_found(
    make_app: Callable[..., Flask], tmp_path: Path
) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/wallet.db")
    casino = PlainCasino(make_app(POOLED_RETRY_BASE=0.05), engine, looks_up=True)
    report = rehearse(casino.app)
    assert report.why_not == "part of it is in none of the databases that were copied"
    moved = {line.name: str(line.problem) for line in report.failed}
    assert "use --in-place" in moved["The app's own wallet is as it was"]
    engine.dispose()


def _by_a_creator(tmp_path: Path) -> Engine:
    return create_engine("sqlite://", creator=lambda: sqlite3.connect(tmp_path / "other.db"))


def _by_attaching(tmp_path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{tmp_path}/main.db")

    @event.listens_for(engine, "connect")
    def attach(driver: Any, record: Any) -> None:
        driver.execute(f"ATTACH DATABASE '{tmp_path}/other.db' AS other")

    return engine


@pytest.mark.parametrize(
    ("make_engine", "said"),
    [
        (_by_a_creator, "a connection that the app makes by itself"),
        (_by_attaching, "a database that the app attaches"),
    ],
)
def test_what_has_no_copy_is_not_opened(
    make_casino: Callable[..., Casino],
    tmp_path: Path,
    make_engine: Callable[[Path], Engine],
    said: str,
) -> None:
    """The balance did not need it; wallet code does. It is refused before it writes."""
    casino = make_casino(POOLED_RETRY_BASE=0.05)
    app = furnish(casino)
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.execute("CREATE TABLE bonus (cents INTEGER)")
    engine = make_engine(tmp_path)

    @pool_win.connect_via(app)
    def bonus(app: Flask, event: Any, session: Any, **extra: Any) -> None:
        with engine.begin() as connection:
            connection.execute(text("INSERT INTO bonus VALUES (1)"))

    problems = {line.name: str(line.problem) for line in rehearse(app).failed}
    assert f"the app used {said}" in problems["Your wallet credits on win"]
    assert "rehearse with --in-place" in problems["Your wallet credits on win"]
    assert not any("INSERT" in row for row in rows_of(tmp_path / "other.db"))
    # It is only the rehearsal that refuses.
    with engine.begin() as writing:
        writing.execute(text("INSERT INTO bonus VALUES (2)"))
    assert any("INSERT" in row for row in rows_of(tmp_path / "other.db"))
    engine.dispose()


def test_what_is_in_memory_is_gone_by_itself(make_app: Callable[..., Flask]) -> None:
    casino = Casino(make_app(SQLALCHEMY_DATABASE_URI="sqlite://", POOLED_DISPATCH="inline"))
    state = state_of(furnish(casino))
    plan = plan_of(casino.app, state.find_rehearsal())
    with isolated(plan, state, in_place=False) as why_not:
        assert (why_not, plan.balance()) == (None, DEPOSIT)
    assert plan.balance() == DEPOSIT
    casino.close()
