"""The front of the inbox hands on what it is given, and tells those who must know."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from casino import Casino
from casino import entry
from casino import win
from flask import Flask

from flask_pooled import event_held
from flask_pooled.errors import PayloadError
from flask_pooled.inbox import delivery


def test_so_many_events_are_worked_on(casino: Casino) -> None:
    casino.post_all(*(entry(tx_id=str(number)) for number in range(4)))
    inbox = casino.state.inbox
    with casino.app.app_context():
        assert inbox.run(stop=lambda: True) == 0
        assert inbox.run(3) == 3
        assert inbox.run() == 1


def test_prune_does_as_it_is_told(casino: Casino) -> None:
    casino.post_all(entry())
    casino.drain()
    progress: list[float] = []
    inbox = casino.state.inbox
    assert inbox.prune(1).events == 0
    assert inbox.prune(0, dry_run=True).events == 1
    assert casino.states() == ["done"]
    assert inbox.prune(0, progress=progress.append).events == 1
    assert casino.states() == []
    assert progress


def test_reparse_tells_of_what_is_held_and_of_nothing_else(
    casino: Casino, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []

    @event_held.connect_via(casino.app)
    def note(app: Flask, event: Any, reason: str | None, **extra: Any) -> None:
        told.append(event.pool_id)

    def parse_nothing(body: bytes) -> Any:
        raise PayloadError("what is that?")

    with monkeypatch.context() as older:
        older.setattr(delivery, "parse_event", parse_nothing)
        for event in (win(pool_id="odd", amount=0), entry(pool_id="right")):
            assert casino.post(event).status_code == 400
    caplog.clear()
    casino.state.inbox.reparse(who="dana")
    assert told == ["odd"]
    assert [record.pooled_news for record in caplog.records] == ["event.unpaid"]  # type: ignore[attr-defined]


Told = tuple[int, str, dict[str, Any]]


def _told(caplog: pytest.LogCaptureFixture) -> list[Told]:
    found = []
    for record in caplog.records:
        facts = {key[7:]: value for key, value in vars(record).items() if key.startswith("pooled_")}
        found.append((record.levelno, record.getMessage(), facts))
    caplog.clear()
    return found


def _line(level: int, said: str, news: str, number: int, *facts: str | None, **more: str) -> Told:
    kind, player, pool, state = facts
    names = {"kind": kind, "player": player, "pool": pool, "state": state}
    return level, said, {"news": news, "id": number, **names, **more}


def test_log_says_what_became_of_each_delivery(
    casino: Casino, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "flask_pooled")
    unfair = win(pool_id="unfair", winner_id="somebody@example.com", seed="another")
    casino.post_all(entry(), win(pool_id="odd", amount=0), unfair)
    assert _told(caplog) == [
        _line(
            logging.INFO,
            "event 1 ('pool.entry', player 'player_abc123', pool 'pool-1') is pending",
            "event.recorded",
            *(1, "pool.entry", "player_abc123", "pool-1", "pending"),
        ),
        _line(
            logging.ERROR,
            "event 2 ('pool.win', player 'player_abc123', pool 'odd') is held, not paid: the amount is none that "
            "Pooled documents",
            "event.unpaid",
            *(2, "pool.win", "player_abc123", "odd", "held"),
            reason="wrong_amount",
        ),
        _line(
            logging.INFO,
            "event 3 ('pool.win', player '(email)', pool 'unfair') is pending",
            "event.recorded",
            *(3, "pool.win", "(email)", "unfair", "pending"),
        ),
        _line(
            logging.ERROR,
            "event 3: the seed does not match its commitment",
            "event.unfair",
            *(3, "pool.win", "(email)", "unfair", "pending"),
        ),
    ]
    casino.post(b"[]")
    assert _told(caplog) == [
        (
            logging.ERROR,
            "event 4: a body that Pooled signed is no event we can read. It is kept as rejected",
            {"news": "event.rejected", "id": 4},
        )
    ]
    casino.post(b"[]")
    assert [said for _, said, _ in _told(caplog)] == [
        "event 4 ('rejected', player None, pool None) is rejected"
    ]
    # What is unfair was told before.
    casino.post_all(unfair, {"event": "pool.\n"})
    assert [(level, said) for level, said, _ in _told(caplog)] == [
        (logging.INFO, "event 7 ('pool.win', player '(email)', pool 'unfair') is duplicate"),
        (logging.INFO, r"event 8 ('pool.\n', player None, pool None) is pending"),
    ]


def test_log_without_details_says_what_is_wrong_alone(
    casino: Casino, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "flask_pooled")
    casino.post_all(entry(), win(seed="another"))
    assert [said for _, said, _ in _told(caplog)] == [
        "event 2: the seed does not match its commitment"
    ]
