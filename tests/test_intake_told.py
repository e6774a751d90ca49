"""What the log and the caller are told while webhooks go to the spool, and when they leave it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from casino import Casino
from casino import win
from sqlalchemy import event

from flask_pooled.events import parse_event
from flask_pooled.inbox.delivery import Recorded
from flask_pooled.inbox.spool import Spool


def _spool(casino: Casino) -> Spool:
    spool = casino.state.inbox.intake.spool
    assert spool is not None
    return spool


@contextmanager
def _no_table(casino: Casino) -> Iterator[None]:
    """The database refuses every delivery meanwhile, at once."""
    casino.sql("ALTER TABLE pooled_event RENAME TO elsewhere")
    yield
    casino.sql("ALTER TABLE elsewhere RENAME TO pooled_event")


Told = list[tuple[int, str, dict[str, Any]]]


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Callable[[], Told]:
    """What was logged of the intake since this was asked last: level, text, and what machines see."""

    def read() -> Told:
        lines = [
            (
                record.levelno,
                record.getMessage(),
                {key: value for key, value in vars(record).items() if key.startswith("pooled_")},
            )
            for record in caplog.records
            if vars(record).get("pooled_news") not in ("event.recorded", "work.failing")
        ]
        caplog.clear()
        return lines

    return read


def _away(error: str, advice: str) -> tuple[int, str, dict[str, Any]]:
    return (
        logging.CRITICAL,
        f"the inbox's database cannot be written ({error}). Webhooks are acknowledged from the spool until it can; "
        f"nobody is paid meanwhile. {advice}",
        {"pooled_news": "database.away"},
    )


_BACK = (
    logging.WARNING,
    "the inbox's database can be written again",
    {"pooled_news": "database.back"},
)


def test_outage_is_told_when_it_begins_and_when_it_ends(
    casino: Casino, told: Callable[[], Told], caplog: pytest.LogCaptureFixture
) -> None:
    advice = "Is it up, and are its tables there (db.create_all() or a migration)?"
    for _ in range(2):
        with _no_table(casino):
            casino.post_all(win(pool_id="1"), win(pool_id="2"))
            [cause] = [record.exc_info[1] for record in caplog.records if record.exc_info]
            assert "no such table" in str(cause)
            assert told() == [_away("OperationalError", advice)]
        casino.state.inbox.intake._probe_at = 0
        casino.post_all(win(pool_id="3"), win(pool_id="4"))
        assert told() == [_BACK]


def test_full_disk_is_told_as_one(casino: Casino, told: Callable[[], Told]) -> None:
    engine = casino.state.inbox.store._database.engine
    engine.dispose()

    @event.listens_for(engine, "connect")
    def leave_no_room(connection: Any, record: Any) -> None:
        # No more pages than there are.
        connection.execute("PRAGMA max_page_count = 1")

    casino.post_all(win(extra="x" * 50_000))
    assert told() == [
        _away("OperationalError", "Probably its disk is full: make room there"),
    ]


def test_what_leaves_the_spool_is_counted(casino: Casino, told: Callable[[], Told]) -> None:
    with _no_table(casino):
        casino.post_all(win(pool_id="1"), win(pool_id="2"))
    told()
    casino.state.inbox.drain_spool()
    assert told() == [
        _BACK,
        (
            logging.WARNING,
            "2 webhook(s) from the spool are in the inbox now",
            {"pooled_news": "spool.drained", "pooled_count": 2},
        ),
    ]
    casino.state.inbox.drain_spool()
    assert told() == []


def test_what_the_inbox_refuses_is_told_with_its_file(
    casino: Casino, told: Callable[[], Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No delivery is known that a database refuses; so the code fails on it."""

    def stumble(delivery: object) -> None:
        raise LookupError

    monkeypatch.setattr(casino.state.inbox.store, "prepare", stumble)
    casino.post_all(win())
    assert told() == []
    casino.state.inbox.drain_spool()
    assert told() == [
        (
            logging.CRITICAL,
            f"the inbox refused 1 webhook(s): they are set aside in {_spool(casino).path}",
            {"pooled_news": "spool.refused", "pooled_count": 1},
        ),
    ]


def test_spool_that_is_stuck_is_told_once_until_it_is_drained(
    casino: Casino, told: Callable[[], Told]
) -> None:
    drain = casino.state.inbox.drain_spool
    for _ in range(2):
        with _no_table(casino):
            casino.post_all(win())
            told()
            assert not drain()
            assert told() == [
                (
                    logging.ERROR,
                    "the spool cannot be drained (OperationalError); trying again",
                    {"pooled_news": "spool.stuck"},
                ),
            ]
            assert not drain()
            assert told() == []
        assert drain()
        told()


def test_caller_is_told_that_it_waits_and_has_no_row(casino: Casino) -> None:
    take = casino.state.inbox.intake.take
    body = json.dumps(win()).encode()
    with _no_table(casino):
        assert take(body) == Recorded(0, "spooled", event=parse_event(body))


def test_something_may_wait_once_something_was_spooled(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino()
    intake = casino.state.inbox.intake
    assert not intake.has_spooled()
    with _no_table(casino):
        casino.post_all(win())
    assert intake.has_spooled()


def test_where_there_is_no_spool_nothing_waits(
    make_casino: Callable[..., Casino], told: Callable[[], Told]
) -> None:
    casino = make_casino(POOLED_SPOOL=False)
    intake = casino.state.inbox.intake
    assert (intake.has_spooled(), intake.oldest_spooled()) == (False, None)
    assert casino.state.inbox.drain_spool()
    assert told() == []


@pytest.mark.parametrize("spool", ["spool.sqlite", False])
def test_time_of_a_delivery_is_kept_in_milliseconds(
    make_casino: Callable[..., Casino], spool: str | bool
) -> None:
    casino = make_casino(POOLED_SPOOL=spool)
    casino.state.inbox.intake._clock = lambda: 1_800_000_000.1239
    casino.post_all(win())
    assert casino.rows("received_at") == [1_800_000_000_123]
