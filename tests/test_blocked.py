"""Events that wait for a programmer: which, and how often it is said."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from casino import Casino
from casino import entry
from casino import refund
from casino import win
from flask import Flask

from flask_pooled import pool_event
from flask_pooled import pool_refund
from flask_pooled import pool_win
from flask_pooled.inbox.blocked import Blocked

Told = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Callable[[], Told]:
    """The alarms since this was asked last, with what machines see of them."""

    def read() -> Told:
        found = [
            (
                record.getMessage(),
                {key: value for key, value in vars(record).items() if key.startswith("pooled_")},
            )
            for record in caplog.records
            if record.levelno == logging.CRITICAL
        ]
        caplog.clear()
        return found

    return read


def _no_receiver(event_id: int, kind: str) -> tuple[str, dict[str, Any]]:
    name = kind.replace(".", "_")
    return (
        f"event {event_id} and perhaps more ({kind}) must wait: no receiver is connected to {name}. "
        f"Connect one with @{name}.connect in a module that is imported at startup",
        {"pooled_news": "event.blocked", "pooled_id": event_id, "pooled_kind": kind},
    )


def test_each_kind_is_told_once_a_minute(
    make_casino: Callable[..., Casino], told: Callable[[], Told]
) -> None:
    casino = make_casino()
    now = [1_800_000_000.0]
    casino.state.inbox.processor._clock = lambda: now[0]
    assert casino.drain() == 0
    casino.post_all(entry(), win(pool_id="won"), refund(pool_id="expired"), win(pool_id="2"))
    assert told() == []
    both = [_no_receiver(2, "pool.win"), _no_receiver(3, "pool.refund")]
    for seconds, alarms in (
        (0, both),
        (0, []),
        (0.5, []),
        (59.4, []),
        (0.1, both),
        # A clock that was set back.
        (-3600, both),
        (59.9, []),
    ):
        now[0] += seconds
        casino.drain()
        assert told() == alarms
    assert casino.states() == ["done", "pending", "pending", "pending"]


@pytest.mark.parametrize(
    ("took", "pause"), [(-1, 0), (0.049, 0), (0.0501, 5.01), (0.25, 25), (5, 60)]
)
def test_look_that_finds_nothing_is_made_again_in_proportion(
    make_casino: Callable[..., Casino], monkeypatch: pytest.MonkeyPatch, took: float, pause: float
) -> None:
    """It goes through all that is pending: with a million events, it may not come with every few of them."""
    casino = make_casino()
    now, looks = [1_800_000_000.0], [0]
    one_of = Blocked._one_of

    def slow(self: Blocked, kind: str) -> int | None:
        looks[0] += 1
        if kind == "pool.win":
            now[0] += took
        return one_of(self, kind)

    monkeypatch.setattr(Blocked, "_one_of", slow)
    casino.state.inbox.processor._clock = lambda: now[0]
    began = now[0]
    casino.drain()
    each, looks[0] = looks[0], 0
    assert each >= 2
    if pause:
        now[0] = began + pause - 0.001
        casino.drain()
        assert looks == [0]
    now[0] = began + pause + 0.001
    casino.drain()
    assert looks == [each]


def test_those_behind_are_found_seldom_and_worked_on_at_once(
    make_casino: Callable[..., Casino], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million refunds without a receiver are no obstacle for the others, nor for those who write."""
    casino = make_casino()
    now, looks = [1_800_000_000.0], [0]
    find_first = Blocked._find_first

    def slow(self: Blocked, *args: Any) -> int:
        looks[0] += 1
        now[0] += 0.25
        return find_first(self, *args)

    monkeypatch.setattr(Blocked, "_find_first", slow)
    casino.state.inbox.processor._clock = lambda: now[0]
    casino.post_all(refund(), entry(tx_id="1"))
    casino.sql("UPDATE pooled_event SET due_at = 100000 WHERE id = 2")
    assert casino.drain() == 1
    found_at = now[0]
    casino.post_all(*(entry(tx_id=name) for name in "234"))
    # What was not committed yet when somebody looked, and what has waited in the spool.
    casino.sql("UPDATE pooled_event SET due_at = 40000 WHERE id = 4")
    casino.sql("UPDATE pooled_event SET due_at = 39999 WHERE id = 5")
    now[0] = found_at + 24.7
    assert casino.drain() == 2
    assert casino.states() == ["pending", "done", "done", "done", "pending"]
    assert looks == [1]
    now[0] = found_at + 24.8
    assert casino.drain() == 1
    assert looks == [2]

    @pool_refund.connect_via(casino.app)
    def give_back(app: Flask, event: Any, **extra: Any) -> None:
        pass

    # Nothing holds any longer when others wait.
    assert casino.drain() == 1
    assert casino.states() == ["done"] * 5


def test_first_that_need_not_wait(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino()
    casino.post_all(*(entry(tx_id=name) for name in "abcd"), refund())
    # A refund waits; the events of another tenant and those that are done are none of the work.
    for number, due in enumerate((32, 31, 20, 20, 20), 1):
        casino.sql("UPDATE pooled_event SET due_at = :due WHERE id = :id", due=due, id=number)
    casino.sql("UPDATE pooled_event SET tenant = 'another-casino' WHERE id = 3")
    casino.sql("UPDATE pooled_event SET state = 'done' WHERE id = 4")
    blocked = casino.state.inbox.processor._blocked

    def first(until: int) -> int:
        bound: Any = blocked.others({"pool.refund": "no receiver"}, until)[-1]
        value: int = bound.right.value
        return value

    assert [first(until) for until in (29, 30, 31, 32, 100)] == [30, 31, 31, 31, 31]
    assert blocked.others({}, 100) == []


def test_what_is_put_off_too_far_is_found_behind_those_that_wait(
    make_casino: Callable[..., Casino],
) -> None:
    casino = make_casino()
    casino.post_all(refund(), entry())
    # By a clock that has been set back since.
    casino.sql("UPDATE pooled_event SET due_at = due_at + 86400000 WHERE id = 2")
    assert casino.drain() == 1
    assert casino.states() == ["pending", "done"]


def test_what_nobody_waits_for_is_not_told(
    make_casino: Callable[..., Casino], told: Callable[[], Told]
) -> None:
    casino = make_casino(POOLED_HOLD_OVER=500)
    # What is held waits for a person, and not for a programmer.
    casino.post_all(win())
    casino.drain()
    casino.sql("UPDATE pooled_event SET tenant = 'another-casino', state = 'pending', due_at = 1")
    casino.drain()
    assert told() == []


def test_unknown_events_wait_where_their_receiver_is_connected_twice(
    make_casino: Callable[..., Casino], told: Callable[[], Told]
) -> None:
    casino = make_casino()
    casino.connect()
    for _ in range(2):

        @pool_event.connect_via(casino.app)
        def note(app: Flask, event: Any, **extra: Any) -> None:
            raise AssertionError

    casino.post_all(win(), {"event": "pool.unheard"})
    assert casino.drain() == 1
    assert casino.states() == ["done", "pending"]
    [(text, seen)] = told()
    assert text.startswith("event 2 and perhaps more (other) must wait: ")
    assert "is connected twice to pool_event" in text
    assert seen["pooled_kind"] == "other"


def test_one_kind_waits_for_no_other(
    make_casino: Callable[..., Casino], told: Callable[[], Told]
) -> None:
    casino = make_casino()
    for _ in range(2):

        @pool_win.connect_via(casino.app)
        def credit(app: Flask, event: Any, **extra: Any) -> None:
            raise AssertionError

    casino.post_all(win(), entry(pool_id="2"), {"event": "pool.unheard"})
    assert casino.drain() == 2
    assert casino.states() == ["pending", "done", "done"]
    assert [seen["pooled_id"] for _, seen in told()] == [1]
