"""What the log, the row and its trail say of a person's decision, and who is woken by it."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from casino import Casino
from casino import entry
from casino import refund
from casino import win

from flask_pooled import InboxError
from flask_pooled.inbox.audit import check_actor
from flask_pooled.inbox.decisions import Decisions

pytestmark = pytest.mark.both_databases

#: When it is decided, milliseconds since the epoch.
_NOW = 2_000_000_000_500


@pytest.fixture
def woken(casino: Casino) -> list[tuple[int, str]]:
    """Who is woken by a decision, and what others see of it then; from now on it is :data:`_NOW`."""
    woken: list[tuple[int, str]] = []

    def wake(event_id: int) -> None:
        [row] = casino.sql("SELECT state FROM pooled_event WHERE id = :id", id=event_id)
        woken.append((event_id, row.state))

    decisions = casino.state.inbox.decisions
    decisions._clock, decisions._wake = lambda: _NOW / 1000, wake
    return woken


def _decide(casino: Casino) -> Decisions:
    return casino.state.inbox.decisions


def _event(casino: Casino, state: str) -> int:
    """An event that is to be decided about; every column that a decision touches has a value."""
    if state == "waiting":
        casino.post_all(entry(), refund(), refund())
        return int(casino.rows("id")[-1])
    casino.post_all(win(amount=0))
    casino.sql(
        "UPDATE pooled_event SET state = :state, attempts = 7, settled_at = 5, due_at = 6",
        state=state,
    )
    return int(casino.rows("id")[0])


def _row(casino: Casino, event_id: int) -> tuple[Any, ...]:
    [row] = casino.sql(
        "SELECT state, reason, waits_on, attempts, due_at, settled_at FROM pooled_event WHERE id = :id",
        id=event_id,
    )
    return tuple(row)


@pytest.mark.parametrize("state", ["held", "waiting"])
def test_released_event_begins_anew(
    casino: Casino, woken: list[tuple[int, str]], state: str
) -> None:
    event_id = _event(casino, state)
    _decide(casino).release(event_id, who="dana", why="checked")
    settled = 5 if state == "held" else None
    assert _row(casino, event_id) == ("pending", None, None, 0, _NOW, settled)
    assert woken == [(event_id, "pending")]


@pytest.mark.parametrize("state", ["held", "dead", "waiting"])
def test_discarded_event_is_settled(
    casino: Casino, woken: list[tuple[int, str]], state: str
) -> None:
    event_id = _event(casino, state)
    _, reason, _, attempts, *_ = _row(casino, event_id)
    _decide(casino).discard(event_id, who="dana", why="no")
    assert _row(casino, event_id) == ("discarded", reason, None, attempts, None, _NOW)
    assert woken == []


@pytest.mark.parametrize("state", ["dead", "pending"])
def test_event_that_is_tried_again_begins_anew(
    casino: Casino, woken: list[tuple[int, str]], state: str
) -> None:
    event_id = _event(casino, state)
    _decide(casino).retry(event_id, who="dana")
    assert _row(casino, event_id) == ("pending", None, None, 0, _NOW, None)
    assert woken == [(event_id, "pending")]


def test_refund_for_which_there_is_room_now_is_woken_as_well(
    casino: Casino, woken: list[tuple[int, str]]
) -> None:
    casino.post_all(refund(), refund(), entry(slots_filled=1))
    casino.post_all(entry(slots_filled=2, user_id="other"), entry(slots_filled=2))
    _, waiting, *_, held = casino.rows("id")
    [promoted] = _decide(casino).release(held, who="dana")
    assert promoted.id == waiting
    assert woken == [(held, "pending"), (waiting, "pending")]


_DECISIONS = pytest.mark.parametrize(
    ("action", "state", "new"),
    [
        ("release", "held", "pending"),
        ("discard", "held", "discarded"),
        ("retry", "dead", "pending"),
    ],
)


@_DECISIONS
def test_trail_tells_who_decided_when_and_why(
    casino: Casino, woken: list[tuple[int, str]], action: str, state: str, new: str
) -> None:
    event_id = _event(casino, state)
    getattr(_decide(casino), action)(event_id, who="dana", why="checked")
    assert casino.sql(
        "SELECT event_id, at, actor, action, from_state, to_state, reason FROM pooled_audit"
    ) == [(event_id, _NOW, "dana", action, state, new, "checked")]


@_DECISIONS
def test_log_tells_who_decided(
    casino: Casino, caplog: pytest.LogCaptureFixture, action: str, state: str, new: str
) -> None:
    event_id = _event(casino, state)
    caplog.set_level(logging.INFO, "flask_pooled")
    caplog.clear()
    getattr(_decide(casino), action)(event_id, who="dana@casino.example", why="checked")
    [record] = caplog.records
    assert record.getMessage() == f"event {event_id}: {action} by '(email)', it is {new} now"
    told = {key: value for key, value in vars(record).items() if key.startswith("pooled_")}
    assert told == {
        "pooled_news": "event.decided",
        "pooled_id": event_id,
        "pooled_action": action,
        "pooled_who": "(email)",
        "pooled_state": new,
    }


@pytest.mark.parametrize(
    ("action", "state", "what"),
    [
        (
            "release",
            "dead",
            "only a held event, or a refund that waits for an entry, can be released",
        ),
        (
            "release",
            "done",
            "only a held event, or a refund that waits for an entry, can be released",
        ),
        (
            "discard",
            "pending",
            "only a held or dead event, or a refund that waits for an entry, can be discarded",
        ),
        ("retry", "held", "only a dead or pending event can be tried again"),
    ],
)
def test_refusal_says_what_can_be_decided(
    casino: Casino, action: str, state: str, what: str
) -> None:
    event_id = _event(casino, state)
    with pytest.raises(InboxError) as told:
        getattr(_decide(casino), action)(event_id, who="dana", why="because")
    assert str(told.value) == f"event {event_id} is {state}: {what}"


def test_other_refusals_say_what_to_do(casino: Casino) -> None:
    event_id = _event(casino, "held")
    decide = _decide(casino)
    for decision in (decide.release, decide.discard, decide.retry):
        with pytest.raises(InboxError) as told:
            decision(event_id, who="dana", why="because", state="dead")
        assert str(told.value) == (
            f"event {event_id} is held, and was dead when it was decided about: look at it again"
        )
    with pytest.raises(InboxError) as told:
        decide.release(999_999, who="dana")
    assert str(told.value) == ("there is no event 999999: look its number up in the list of events")
    with pytest.raises(InboxError) as told:
        decide.discard(event_id, who="dana", why=" ")
    assert str(told.value) == "say why the event is discarded: somebody will ask"
    with pytest.raises(InboxError) as told:
        decide.release(event_id, who=" ")
    assert str(told.value) == "say who decides, in at most 255 characters"
    check_actor("x" * 255, "decides")
    casino.sql("UPDATE pooled_event SET body = :body", body=b"{}")
    with pytest.raises(InboxError) as told:
        decide.release(event_id, who="dana")
    assert str(told.value) == (
        f"the body of event {event_id} cannot be read by this version: install the one that recorded it, or "
        "discard the event"
    )


def test_twin_that_was_released_is_named(casino: Casino) -> None:
    """Two contradictions with the same content that came in at the same moment: neither knew of the other."""
    casino.post_all(win(), win(winner_id="other"), win(winner_id="other"))
    _, released, twin = casino.rows("id")
    casino.sql(
        "UPDATE pooled_event SET state = 'held', reason = 'conflict', original_id = "
        "(SELECT min(id) FROM pooled_event), body = (SELECT body FROM pooled_event WHERE id = :released) "
        "WHERE id = :twin",
        released=released,
        twin=twin,
    )
    _decide(casino).release(released, who="dana", state="held")
    with pytest.raises(InboxError) as told:
        _decide(casino).release(twin, who="dana")
    assert str(told.value) == (
        f"event {twin} says the same as event {released}, which was released already and is pending: discard it"
    )
