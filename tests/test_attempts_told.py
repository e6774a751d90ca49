"""What the log, the row and its trail say of attempts that did not succeed."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from casino import Casino
from casino import win
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from flask_pooled import pool_win
from flask_pooled.inbox import batches
from flask_pooled.inbox.bypass import WHAT_NOW

pytestmark = pytest.mark.both_databases

_DIED = "its process ended in the middle of an attempt"


def _told(caplog: pytest.LogCaptureFixture, level: int) -> list[tuple[str, dict[str, Any]]]:
    """What was logged on a level: the text, and what machines see."""
    return [
        (
            record.getMessage(),
            {key: value for key, value in vars(record).items() if key.startswith("pooled_")},
        )
        for record in caplog.records
        if record.levelno == level
    ]


def _causes(caplog: pytest.LogCaptureFixture) -> list[BaseException | None]:
    return [record.exc_info[1] for record in caplog.records if record.exc_info]


def _trail(casino: Casino) -> list[Any]:
    return casino.sql(
        "SELECT action, from_state, to_state, reason, actor FROM pooled_audit ORDER BY id"
    )


def _claim(casino: Casino) -> Any:
    """The attempt of the only event, as if a worker had begun it."""
    casino.make_due()
    noted = casino.state.inbox.processor._attempts
    [claim] = noted.claim(noted._now(), ())
    return claim


def test_failure_is_told_with_its_cause(
    make_casino: Callable[..., Casino], caplog: pytest.LogCaptureFixture
) -> None:
    casino = make_casino(POOLED_MAX_ATTEMPTS=3)
    error = LookupError("no such player")

    @pool_win.connect_via(casino.app)
    def fails(app: Flask, **extra: Any) -> None:
        raise error

    casino.post_all(win())
    [event_id] = casino.rows("id")
    casino.drain()
    facts = {"pooled_news": "event.failed", "pooled_id": event_id, "pooled_attempts": 1}
    assert _told(caplog, logging.WARNING) == [
        (f"event {event_id}: attempt 1 of 3 failed", facts),
    ]
    assert _causes(caplog) == [error]
    assert casino.rows("error") == ["".join(traceback.format_exception(error))]


def test_end_of_a_long_traceback_is_kept(casino: Casino) -> None:
    casino.post_all(win())
    casino.state.inbox.processor._attempts.fail(
        _claim(casino), LookupError("x" * 10_000 + " and so on"), counts=True
    )
    [kept] = casino.rows("error")
    assert len(kept) == 8_000
    assert kept.endswith("xxx and so on\n")


def test_outage_is_told_as_one(casino: Casino, caplog: pytest.LogCaptureFixture) -> None:
    casino.post_all(win())
    casino.state.inbox.processor._attempts.fail(
        _claim(casino), ConnectionError("gone"), counts=False
    )
    [event_id] = casino.rows("id")
    assert [words for words, _ in _told(caplog, logging.WARNING)] == [
        f"event {event_id}: attempt 1 of 12 failed for want of the database and is not counted"
    ]


def test_hold_is_told_with_what_the_receiver_did(
    make_casino: Callable[..., Casino], caplog: pytest.LogCaptureFixture
) -> None:
    casino = make_casino()

    @pool_win.connect_via(casino.app)
    def ends_it(app: Flask, session: Any, **extra: Any) -> None:
        session.execute(text("COMMIT"))
        raise LookupError("after the commit")

    casino.post_all(win())
    casino.drain()
    [event_id] = casino.rows("id")
    [cause] = _causes(caplog)
    assert [words for words, _ in _told(caplog, logging.WARNING)] == [
        f"event {event_id}: attempt 1 of 12 failed"
    ]
    assert [words for words, _ in _told(caplog, logging.CRITICAL)] == [
        f"event {event_id} is held: {cause}"
    ]
    foreseen = "a receiver commits past the transaction of its event"
    assert _trail(casino) == [
        ("bypass", "pending", "pending", foreseen, None),
        ("hold", "pending", "held", str(cause), None),
    ]
    [error] = casino.rows("error")
    assert "LookupError: after the commit" in error


def test_bypass_whose_process_died_is_told_as_one(
    casino: Casino, caplog: pytest.LogCaptureFixture
) -> None:
    casino.post_all(win())
    processor = casino.state.inbox.processor
    claim = _claim(casino)
    with processor._database.begun() as connection:
        row = processor._claims.lock(connection, claim)
    assert row is not None
    processor._attempts.foresee_bypass(row, None)
    casino.make_due()
    assert casino.drain() == 0
    reason = f"an attempt that did not succeed has committed past its transaction. {WHAT_NOW}"
    assert casino.rows("state", "reason", "error") == [("held", "bypass", _DIED)]
    assert _trail(casino)[1:] == [("hold", "pending", "held", reason, None)]
    assert [words for words, _ in _told(caplog, logging.CRITICAL)] == [
        f"event {claim.id} is held: {reason}"
    ]


def test_receiver_that_locks_itself_out_is_told_why(
    make_casino: Callable[..., Casino], backend: str
) -> None:
    if backend == "postgresql":
        # There other rows can be written meanwhile.
        return
    casino = make_casino(SQLALCHEMY_ENGINE_OPTIONS={"connect_args": {"timeout": 0.1}})

    @pool_win.connect_via(casino.app)
    def writes_beside_it(app: Flask, **extra: Any) -> None:
        with casino.db.engine.begin() as connection:
            connection.execute(text("INSERT INTO ledger (player, cents, key) VALUES ('p', 1, 'k')"))

    casino.post_all(win())
    casino.drain()
    [(attempts, error)] = casino.rows("attempts", "error")
    assert attempts == 1
    assert "database is locked" in error
    assert error.endswith(
        "\nflask_pooled.errors.InboxError: a receiver found the database locked, most likely by its own event: "
        "it wrote on another connection to the same SQLite file. Write through session or db.session\n"
    )


def test_body_that_cannot_be_read_any_more_is_told_with_the_reason(casino: Casino) -> None:
    casino.post_all(win())
    casino.sql("UPDATE pooled_event SET body = :body", body=b"{}")
    casino.drain()
    [(attempts, error)] = casino.rows("attempts", "error")
    assert attempts == 1
    assert "PayloadError" in error


def test_event_that_is_done_is_told(casino: Casino, caplog: pytest.LogCaptureFixture) -> None:
    casino.post_all(win())
    caplog.set_level(logging.INFO, "flask_pooled")
    casino.drain()
    [event_id] = casino.rows("id")
    facts = {"pooled_news": "event.done", "pooled_id": event_id, "pooled_kind": "pool.win"}
    assert _told(caplog, logging.INFO) == [(f"event {event_id} ('pool.win') is done", facts)]


@pytest.mark.parametrize("failed_before", [False, True])
def test_death_without_a_word_is_told_as_such(
    make_casino: Callable[..., Casino], failed_before: bool
) -> None:
    casino = make_casino(POOLED_MAX_ATTEMPTS=2)
    casino.connect()
    casino.post_all(win())
    claim = _claim(casino)
    if failed_before:
        casino.state.inbox.processor._attempts.fail(claim, LookupError("the first"), counts=True)
    _claim(casino)
    casino.make_due()
    assert casino.drain() == 0
    [(state, attempts, error)] = casino.rows("state", "attempts", "error")
    assert (state, attempts) == ("dead", 2)
    assert error == ("LookupError: the first\n" if failed_before else _DIED)
    assert _trail(casino) == [("die", "pending", "dead", error, None)]


def test_transaction_of_several_that_failed_is_told_once(
    casino: Casino, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    error = OperationalError("COMMIT", None, ConnectionError("gone"))

    def fail(connection: Any) -> None:
        connection.rollback()
        raise error

    casino.post_all(*(win(pool_id=str(number)) for number in range(3)))
    processor = casino.state.inbox.processor
    processor._pace.size = 3
    processor._pace._monotonic = lambda: 0.0
    monkeypatch.setattr(batches, "commit", fail)
    assert casino.drain() == 0
    assert _told(caplog, logging.WARNING) == [
        (
            "3 events: their transaction failed, nothing of it was written, and no attempt of theirs is counted",
            {"pooled_news": "events.failed", "pooled_count": 3},
        )
    ]
    assert _causes(caplog) == [error]
    assert casino.rows("error") == ["".join(traceback.format_exception(error))] * 3
    # What it says keeps each of them from being worked on in company.
    casino.make_due()
    for _ in range(3):
        assert len(processor._attempts.claim(processor._now(), (), 3)) == 1


def test_note_that_cannot_be_written_is_told(
    casino: Casino, caplog: pytest.LogCaptureFixture
) -> None:
    casino.post_all(win())
    claim = _claim(casino)
    casino.sql("ALTER TABLE pooled_event RENAME TO elsewhere")
    casino.state.inbox.processor._attempts.fail(claim, LookupError("no player"), counts=True)
    assert _told(caplog, logging.ERROR) == [
        (
            f"event {claim.id}: what became of its attempt is written down as soon as the database can be written",
            {"pooled_news": "event.unwritten", "pooled_id": claim.id},
        )
    ]
    [_, cause] = _causes(caplog)
    assert "pooled_event" in str(cause)
