"""The wall clock is set forward or back by hours: nothing is lost, paid twice, or left to wait for hours."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from casino import Casino
from casino import entry
from casino import refund
from casino import win
from flask import Flask

from flask_pooled import pool_win

_HOUR = 3600

pytestmark = pytest.mark.both_databases


class _Clock:
    """A clock that somebody sets."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


@pytest.fixture
def casino(make_casino: Callable[..., Casino], clock: _Clock) -> Casino:
    """A casino whose inbox goes by the clock; a receiver fails while there is anything in ``casino.failing``."""
    casino = make_casino()
    inbox = casino.state.inbox
    inbox.intake._clock = inbox.processor._clock = inbox.decisions._clock = clock

    @pool_win.connect_via(casino.app)
    def fail(app: Flask, event: Any, **extra: Any) -> None:
        if event.winner_id == "unlucky":
            raise LookupError

    casino.connect()
    return casino


@pytest.mark.parametrize("hours", [-48, -5, -1.01, 5, 48])
def test_pending_events_do_not_wait_for_the_clock_to_come_back(
    casino: Casino, clock: _Clock, hours: float
) -> None:
    casino.post_all(win(pool_id="before"), refund(pool_id="refunded"))
    clock.now += hours * _HOUR
    casino.post_all(win(pool_id="after"), entry(pool_id="refunded"))
    assert casino.drain() == 4
    assert casino.balance() == 200_100
    assert casino.drain() == 0
    assert len(casino.movements()) == 3


def test_clock_that_was_wrong_for_a_while(casino: Casino, clock: _Clock) -> None:
    clock.now += 10 * _HOUR
    casino.post_all(win(pool_id="in the future"))
    clock.now -= 10 * _HOUR
    casino.post_all(win(pool_id="now"))
    assert casino.drain() == 2
    clock.now -= 10 * _HOUR
    casino.post_all(win(pool_id="in the past"))
    clock.now += 10 * _HOUR
    assert casino.drain() == 1
    assert len(casino.movements()) == 3


def test_little_is_waited_for(casino: Casino, clock: _Clock) -> None:
    """What a pause might be is taken for one; it is over when the clock has come back."""
    casino.post_all(win())
    clock.now -= _HOUR / 2
    assert casino.drain() == 0
    clock.now += _HOUR / 2
    assert casino.drain() == 1


@pytest.mark.parametrize("hours", [-5, 5])
def test_pause_after_a_failure_is_kept_within_bounds(
    casino: Casino, clock: _Clock, hours: float
) -> None:
    casino.post_all(win(winner_id="unlucky"))
    assert casino.drain() == 0
    assert casino.rows("attempts") == [1]
    assert casino.drain() == 0
    assert casino.rows("attempts") == [1]
    clock.now += hours * _HOUR
    # At once, once, and then after a pause again.
    for _ in range(3):
        assert casino.drain() == 0
    assert casino.rows("state", "attempts") == [("pending", 2)]


def test_facts_are_never_of_the_future(casino: Casino, clock: _Clock) -> None:
    casino.post_all(win())
    clock.now -= 5 * _HOUR
    with casino.app.app_context():
        stats = casino.pooled.stats()
    assert stats["oldest_pending_seconds"] >= 0
    assert all(worker["seen_seconds"] >= 0 for worker in stats["workers"])


def test_limit_of_a_day_counts_what_was_paid_under_the_wrong_date(
    make_casino: Callable[..., Casino], clock: _Clock
) -> None:
    casino = make_casino(POOLED_HOLD_DAILY_OVER=1500)
    casino.state.inbox.intake._clock = clock
    casino.post_all(win(pool_id="1"))
    clock.now -= 5 * _HOUR
    casino.post_all(win(pool_id="2"))
    assert sorted(casino.states()) == ["held", "pending"]
