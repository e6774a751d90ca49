"""When an event is tried again after an attempt that did not succeed, and when it must not be."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from casino import Casino
from casino import win
from flask import Flask
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from flask_pooled import pool_win
from flask_pooled import Pooled
from flask_pooled.inbox import processing
from flask_pooled.state import state_of

pytestmark = pytest.mark.both_databases


@pytest.fixture
def time(casino: Casino) -> list[float]:
    """The time by which the casino works, seconds since the epoch; a test sets it."""
    now = [1_000_000.0]
    casino.state.inbox.processor._clock = lambda: now[0]
    return now


def test_pause_begins_when_the_attempt_has_failed(casino: Casino, time: list[float]) -> None:
    @pool_win.connect_via(casino.app)
    def takes_a_minute_and_fails(app: Flask, **extra: Any) -> None:
        time[0] += 60
        raise LookupError

    casino.post_all(win())
    for attempts in (1, 2, 3):
        casino.make_due()
        casino.drain()
        [due] = casino.rows("due_at")
        longest = 2_000 * 2 ** (attempts - 1)
        assert longest / 2 <= due - time[0] * 1000 <= longest


def test_attempt_of_which_nothing_is_heard_is_over_after_its_pause(
    casino: Casino, time: list[float]
) -> None:
    """As if its process had died: nobody has to free anything."""
    casino.post_all(win())
    casino.make_due()
    noted = casino.state.inbox.processor._attempts
    assert len(noted.claim(noted._now(), ())) == 1
    assert casino.drain() == 0
    # The pause after the first attempt, which began with it.
    time[0] += 2
    assert casino.drain() == 1
    assert casino.rows("state", "attempts") == [("done", 2)]


class _Longest(Random):
    """A pause is between half of its length and all of it; here it is all of it."""

    def uniform(self, a: float, b: float) -> float:
        """The end of the range."""
        return b


@pytest.mark.parametrize(
    ("base", "attempts", "pause"),
    [(2, 1, 2_000), (2, 4, 16_000), (3600, 9, 3_600_000), (0.000_001, 1, 1)],
)
def test_length_of_the_pause(
    make_casino: Callable[..., Casino], base: float, attempts: int, pause: int
) -> None:
    claims = make_casino(POOLED_RETRY_BASE=base).state.inbox.processor._claims
    claims._now, claims._rng = lambda: 1_000, _Longest()
    # Never none: what has failed is not due again at once.
    assert claims.next_attempt(attempts) == 1_000 + pause


@pytest.mark.parametrize(("beyond", "done"), [(0, 0), (1, 1)])
def test_longest_pause_is_kept_and_what_is_beyond_it_was_never_one(
    casino: Casino, time: list[float], beyond: int, done: int
) -> None:
    casino.post_all(win())
    due = int(time[0] * 1000) + 3_600_000 + beyond
    casino.sql("UPDATE pooled_event SET due_at = :due", due=due)
    assert casino.drain() == done


@pytest.mark.parametrize("failures", [0, 1, 2])
def test_outage_takes_back_the_attempt_that_it_ended_and_no_other(
    casino: Casino, failures: int
) -> None:
    casino.post_all(win())
    noted = casino.state.inbox.processor._attempts
    for counts in [*[True] * failures, False]:
        casino.make_due()
        [claim] = noted.claim(noted._now(), ())
        noted.fail(claim, LookupError(), counts=counts)
    assert casino.rows("state", "attempts") == [("pending", failures)]


@pytest.fixture
def commits_past_it(make_casino: Callable[..., Casino]) -> Casino:
    """A casino whose receiver ends the transaction of every event, and fails."""
    casino = make_casino()

    @pool_win.connect_via(casino.app)
    def ends_it(app: Flask, session: Any, **extra: Any) -> None:
        session.execute(text("COMMIT"))
        raise LookupError

    return casino


def test_several_are_held_within_one_millisecond(commits_past_it: Casino) -> None:
    casino = commits_past_it
    casino.state.inbox.processor._clock = lambda: 4_000_000_000.0
    casino.post_all(win(pool_id="1"), win(pool_id="2"))
    assert casino.drain() == 0
    assert casino.states() == ["held", "held"]


def test_event_that_does_it_again_is_held_again(commits_past_it: Casino) -> None:
    casino = commits_past_it
    casino.post_all(win())
    [event_id] = casino.rows("id")
    casino.drain()
    casino.state.inbox.decisions.release(event_id, who="Ada")
    assert casino.states() == ["pending"]
    assert casino.drain() == 0
    assert casino.states() == ["held"]


def test_transaction_that_one_of_several_loses_is_nobodys_attempt(
    make_casino: Callable[..., Casino], backend: str, caplog: pytest.LogCaptureFixture
) -> None:
    casino = make_casino()
    processor = casino.state.inbox.processor
    processor._pace.size = 3
    processor._pace._monotonic = lambda: 0.0

    @pool_win.connect_via(casino.app)
    def loses_the_transaction(app: Flask, event: Any, session: Any, **extra: Any) -> None:
        if event.pool_id != "1":
            return
        if backend == "postgresql":
            session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        # SQLite rolls back all of a transaction in which a write is interrupted.
        driver = session.connection().connection.driver_connection
        driver.set_progress_handler(lambda: 1, 1)
        try:
            session.execute(text("INSERT INTO ledger (player, cents, key) VALUES ('p', 1, 'k')"))
        finally:
            driver.set_progress_handler(None, 1)

    casino.post_all(*(win(pool_id=str(number)) for number in range(3)))
    assert casino.drain() == 0
    assert casino.rows("state", "attempts") == [("pending", 0)] * 3
    # What each of them says keeps it from being worked on in company the next time.
    errors = casino.rows("error")
    assert ["loses_the_transaction" in error for error in errors] == [True] * 3
    assert "BrokenBatchError" not in "".join(errors)
    assert "2 events: their transaction failed" in caplog.text


@pytest.mark.parametrize(("elsewhere", "attempts"), [(False, 1), (True, 0)])
def test_without_a_shared_transaction_an_outage_elsewhere_is_no_attempt_either(
    make_app: Callable[..., Flask], elsewhere: bool, attempts: int
) -> None:
    app = make_app()
    Pooled(app)
    inbox = state_of(app).inbox

    @pool_win.connect_via(app)
    def fails(app: Flask, **extra: Any) -> None:
        raise PoolTimeoutError if elsewhere else LookupError

    inbox.record(json.dumps(win()).encode())
    assert inbox.run() == 0
    with inbox.processor._database.read() as connection:
        rows = connection.execute(text("SELECT state, attempts FROM pooled_event")).all()
    assert [tuple(row) for row in rows] == [("pending", attempts)]


@pytest.mark.parametrize(("error", "attempts"), [(PoolTimeoutError, 0), (LookupError, 1)])
def test_commit_of_one_that_cannot_reach_the_database_is_no_attempt(
    casino: Casino, monkeypatch: pytest.MonkeyPatch, error: type[Exception], attempts: int
) -> None:
    def fail(connection: Connection) -> None:
        connection.rollback()
        raise error

    casino.post_all(win())
    monkeypatch.setattr(processing, "commit", fail)
    assert casino.drain() == 0
    assert casino.movements() == []
    assert casino.rows("state", "attempts") == [("pending", attempts)]
