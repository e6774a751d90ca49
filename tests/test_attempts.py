"""What is written down about attempts, when the database itself fails at the worst moment."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable
from typing import Any

import pytest
from casino import Casino
from casino import win
from flask import Flask
from forks import start
from forks import was_killed
from sqlalchemy import create_engine
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import SQLAlchemyError

from flask_pooled import event_held
from flask_pooled import pool_win

pytestmark = pytest.mark.both_databases

_INSERT = text("INSERT INTO ledger (player, cents, key) VALUES ('p', 1, 'past')")


def _lose(casino: Casino) -> None:
    casino.sql("ALTER TABLE pooled_event RENAME TO elsewhere")


def _find(casino: Casino) -> None:
    casino.sql("ALTER TABLE elsewhere RENAME TO pooled_event")


def test_hold_that_could_not_be_written_is_written_before_anything_else(
    make_casino: Callable[..., Casino], caplog: pytest.LogCaptureFixture
) -> None:
    casino = make_casino()
    told: list[str | None] = []
    event_held.connect_via(casino.app)(lambda app, event, reason: told.append(reason))

    @pool_win.connect_via(casino.app)
    def bypasses(app: Flask, session: Any, **extra: Any) -> None:
        session.execute(_INSERT)
        session.execute(text("ALTER TABLE pooled_event RENAME TO elsewhere"))
        session.execute(text("COMMIT"))
        raise LookupError

    casino.post_all(win())
    for _ in range(2):
        with pytest.raises(SQLAlchemyError):
            casino.drain()
    assert "written down as soon as" in caplog.text
    _find(casino)
    casino.make_due()
    assert casino.drain() == 0
    assert casino.rows("state", "reason") == [("held", "bypass")]
    assert (casino.balance("p"), told) == (1, ["bypass"])


def test_hold_whose_answer_got_lost_takes_no_release_back(
    make_casino: Callable[..., Casino], monkeypatch: pytest.MonkeyPatch
) -> None:
    casino = make_casino()
    paid = 0

    @pool_win.connect_via(casino.app)
    def bypasses_once(app: Flask, session: Any, **extra: Any) -> None:
        nonlocal paid
        paid += 1
        if paid == 1:
            session.execute(_INSERT)
            session.execute(text("COMMIT"))
            raise LookupError

    noted = casino.state.inbox.processor._attempts
    write = noted._write

    def lose_the_answer(note: Any) -> None:
        write(note)
        monkeypatch.undo()
        raise OperationalError("COMMIT", None, Exception("no answer"))

    monkeypatch.setattr(noted, "_write", lose_the_answer)
    casino.post_all(win())
    assert casino.drain(1) == 0
    assert casino.rows("state", "reason") == [("held", "bypass")]
    [event_id] = casino.rows("id")
    casino.state.inbox.decisions.release(event_id, who="dana")
    # Not what the first attempt has left to be written, but what dana says.
    assert casino.drain() == 1
    assert (casino.states(), paid) == (["done"], 2)


@pytest.mark.parametrize(("counts", "attempts"), [(True, 1), (False, 0)])
def test_outage_at_the_time_of_a_failure_costs_nothing_more(
    casino: Casino, counts: bool, attempts: int
) -> None:
    casino.post_all(win())
    noted = casino.state.inbox.processor._attempts
    [claim] = noted.claim(noted._now(), ())
    _lose(casino)
    noted.fail(claim, LookupError("no such player"), counts=counts)
    _find(casino)
    assert casino.rows("attempts", "error") == [(1, None)]
    casino.drain()
    [(state, counted, error)] = casino.rows("state", "attempts", "error")
    assert (state, counted) == ("pending", attempts)
    assert "no such player" in error
    casino.make_due()
    assert casino.drain() == 1
    assert casino.balance() == 100_000


def test_late_note_leaves_a_newer_attempt_alone(casino: Casino) -> None:
    casino.post_all(win())
    noted = casino.state.inbox.processor._attempts
    [claim] = noted.claim(noted._now(), ())
    casino.make_due()
    assert len(noted.claim(noted._now(), ())) == 1
    due = casino.rows("due_at")
    noted.fail(claim, LookupError("the first"), counts=True)
    assert casino.rows("attempts", "error") == [(2, None)]
    assert casino.rows("due_at") == due


def _assert_held_after_a_crash(casino: Casino) -> None:
    """A win whose receiver commits and kills its process is held, and what it committed stays."""
    casino.post_all(win())
    assert was_killed(start(casino.drain))
    casino.make_due()
    assert casino.drain() == 0
    assert casino.rows("state", "reason") == [("held", "bypass")]
    assert casino.balance("p") == 1
    trail = "SELECT action FROM pooled_audit ORDER BY id"
    assert [action for (action,) in casino.sql(trail)] == ["bypass", "hold"]


def test_commit_past_the_transaction_is_held_even_if_the_process_dies(
    make_casino: Callable[..., Casino], backend: str
) -> None:
    if backend == "sqlite":
        # There nobody can commit past the transaction, see test_bypass.py.
        return
    casino = make_casino()
    deadly = True

    @pool_win.connect_via(casino.app)
    def bypasses(app: Flask, **extra: Any) -> None:
        with casino.db.engine.begin() as connection:
            connection.execute(_INSERT)
        if deadly:
            os.kill(os.getpid(), signal.SIGKILL)

    _assert_held_after_a_crash(casino)
    # A person has looked into the wallet and taken the payment back.
    casino.sql("DELETE FROM ledger")
    casino.state.inbox.decisions.release(casino.rows("id")[0], who="Ada")
    deadly = False
    assert casino.drain() == 1
    assert casino.balance("p") == 1


@pytest.mark.parametrize("commit", ["COMMIT", "/* at once */ end", "SELECT 1; commit", None])
def test_commit_of_the_very_transaction_is_held_even_if_the_process_dies(
    make_casino: Callable[..., Casino], backend: str, commit: str | None
) -> None:
    if backend == "sqlite" and commit is not None and ";" in commit:
        # One statement at a time.
        return
    casino = make_casino()

    @pool_win.connect_via(casino.app)
    def ends_it(app: Flask, session: Any, **extra: Any) -> None:
        session.execute(_INSERT)
        connection = session.connection()
        if commit is None:
            connection.commit()
        else:
            connection.exec_driver_sql(commit)
        os.kill(os.getpid(), signal.SIGKILL)

    _assert_held_after_a_crash(casino)


@pytest.mark.parametrize("statement", ["INSERT INTO ledger (key) VALUES (NULL)", "COMMITTED"])
def test_statement_that_ends_no_transaction_leaves_no_note(casino: Casino, statement: str) -> None:
    @pool_win.connect_via(casino.app)
    def fails(app: Flask, session: Any, **extra: Any) -> None:
        session.connection().exec_driver_sql(statement)

    casino.post_all(win())
    assert casino.drain() == 0
    assert casino.states() == ["pending"]
    assert casino.sql("SELECT action FROM pooled_audit") == []


def test_nothing_is_committed_past_the_transaction_that_cannot_be_foreseen(
    make_casino: Callable[..., Casino], backend: str
) -> None:
    if backend == "sqlite":
        return
    casino = make_casino()
    refused: list[str] = []

    @pool_win.connect_via(casino.app)
    def bypasses(app: Flask, **extra: Any) -> None:
        try:
            with casino.db.engine.begin() as connection:
                connection.execute(_INSERT)
        except SQLAlchemyError as error:
            refused.append(str(error))
            raise

    casino.post_all(win())
    casino.sql("ALTER TABLE pooled_audit RENAME TO elsewhere")
    assert casino.drain() == 0
    assert len(refused) == 1
    assert casino.balance("p") == 0
    assert casino.states() == ["pending"]


def test_statement_that_takes_too_long_is_an_attempt(
    make_casino: Callable[..., Casino], backend: str
) -> None:
    if backend == "sqlite":
        # It has no such timeout.
        return
    casino = make_casino()

    @pool_win.connect_via(casino.app)
    def dawdles(app: Flask, session: Any, **extra: Any) -> None:
        session.execute(text("SET LOCAL statement_timeout = 20"))
        session.execute(text("SELECT pg_sleep(10)"))

    casino.post_all(win())
    casino.drain()
    assert casino.rows("state", "attempts") == [("pending", 1)]


def test_other_database_out_of_reach_is_no_attempt(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino()

    @pool_win.connect_via(casino.app)
    def asks_elsewhere(app: Flask, **extra: Any) -> None:
        # Nobody listens on port 1.
        engine = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/nowhere?connect_timeout=2")
        engine.connect()

    casino.post_all(win())
    casino.drain()
    assert casino.rows("state", "attempts") == [("pending", 0)]


def test_wallet_that_hides_the_loss_of_its_connection_is_no_attempt(
    make_casino: Callable[..., Casino], backend: str
) -> None:
    if backend == "sqlite":
        return
    casino = make_casino()

    @pool_win.connect_via(casino.app)
    def hides(app: Flask, session: Any, **extra: Any) -> None:
        try:
            session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        except SQLAlchemyError:
            raise LookupError("the wallet is not well") from None

    casino.post_all(win())
    casino.drain()
    assert casino.rows("state", "attempts") == [("pending", 0)]


def _fill(session: Any) -> None:
    # So little of it is kept in memory that SQLite has to write, fails, and rolls back all of it by itself.
    session.execute(text("PRAGMA cache_size = 2"))
    session.execute(text("CREATE TABLE filler (content BLOB)"))
    for _ in range(100):
        session.execute(text("INSERT INTO filler VALUES (zeroblob(5000))"))


def _fill_by_the_driver(session: Any) -> None:
    driver = session.connection().connection.driver_connection
    driver.execute("PRAGMA cache_size = 2")
    driver.execute("CREATE TABLE filler (content BLOB)")
    driver.executemany("INSERT INTO filler VALUES (zeroblob(?))", [(5000,)] * 100)


def _fill_and_explain(session: Any) -> None:
    try:
        _fill(session)
    except SQLAlchemyError as error:
        raise LookupError("the wallet is not well") from error


def _fill_and_stumble(session: Any) -> None:
    try:
        _fill(session)
    except SQLAlchemyError:
        raise LookupError("the wallet is not well")  # noqa: B904  # as it happens


@pytest.mark.parametrize("fill", [_fill, _fill_by_the_driver, _fill_and_explain, _fill_and_stumble])
def test_disk_that_is_full_in_a_receiver_is_an_outage(
    make_casino: Callable[..., Casino], backend: str, fill: Callable[[Any], None]
) -> None:
    if backend == "postgresql":
        # The server's disk is not ours to fill.
        return
    casino = make_casino()
    full = True

    @pool_win.connect_via(casino.app)
    def fills(app: Flask, event: Any, session: Any, **extra: Any) -> None:
        casino.credit(session, event)
        session.commit()
        if full:
            fill(session)

    casino.post_all(win())
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with casino.app.app_context():
        size = os.path.getsize(str(casino.db.engine.url.database))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50_000, before[1]))
    try:
        assert casino.drain() == 0
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    casino.drain()
    assert casino.rows("state", "attempts") == [("pending", 0)]
    full = False
    casino.make_due()
    assert casino.drain() == 1
    assert casino.balance() == 100_000
