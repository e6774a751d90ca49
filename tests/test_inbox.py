"""The front of the inbox hands on what it is given, and tells those who must know."""

from __future__ import annotations

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
