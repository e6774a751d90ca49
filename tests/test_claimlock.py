"""Where no lock of the database can make the claim, a lock on a file does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from casino import win
from flask import Flask

from flask_pooled import pool_win
from flask_pooled import Pooled
from flask_pooled.inbox.claimlock import ClaimLock
from flask_pooled.inbox.inbox import Inbox
from flask_pooled.state import state_of


@pytest.fixture
def seen() -> list[Any]:
    """The events that the receiver was called with."""
    return []


@pytest.fixture
def inbox(make_app: Callable[..., Flask], seen: list[Any]) -> Inbox:
    """An embedded inbox with three wins."""
    app = make_app()
    Pooled(app)
    pool_win.connect_via(app)(lambda app, event, **extra: seen.append(event))
    inbox = state_of(app).inbox
    for number in range(3):
        inbox.record(json.dumps(win(pool_id=str(number))).encode())
    return inbox


def test_nothing_is_done_while_somebody_else_holds_it(inbox: Inbox, seen: list[Any]) -> None:
    lock = inbox.processor._lock
    assert lock is not None
    with lock.attempt() as taken:
        assert taken
        assert inbox.run() == 0
        assert seen == []
    assert inbox.run() == 3
    assert len(seen) == 3


def test_limit_holds_under_the_lock(inbox: Inbox) -> None:
    assert [inbox.run(2), inbox.run(2), inbox.run(2)] == [2, 1, 0]


def test_other_lock_is_held_for_a_while(inbox: Inbox, tmp_path: Path) -> None:
    lock = inbox.processor._lock
    assert lock is not None
    with lock.attempt(), inbox.processor.claiming_by(ClaimLock(tmp_path / "other")):
        assert inbox.run(1) == 1
    assert inbox.processor._lock is lock
