"""What a person decides: release, discard, retry, with a trail that nothing overwrites."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from casino import Casino
from casino import entry
from casino import refund
from casino import TENANT_ID
from casino import win
from flask import Flask

from flask_pooled import InboxError
from flask_pooled import pool_refund
from flask_pooled import pool_win
from flask_pooled.inbox.decisions import Decisions

pytestmark = pytest.mark.both_databases


def _decide(casino: Casino) -> Decisions:
    return casino.state.inbox.decisions


def _id(casino: Casino, state: str) -> int:
    [event_id] = [row[0] for row in casino.rows("id", "state") if row[1] == state]
    return int(event_id)


@pytest.mark.parametrize(
    ("more", "events"),
    [
        ({"POOLED_HOLD_OVER": 5}, [win()]),
        ({"POOLED_HOLD_DAILY_OVER": 5}, [win()]),
        ({"POOLED_UNFAIR": "hold"}, [win(seed="x")]),
        ({"POOLED_TENANT_ID": TENANT_ID}, [win(tenant_id="another")]),
        ({}, [refund(user_id="other"), win()]),
        ({}, [win(amount=1000.009, pool_size=10_000)]),
    ],
)
def test_released_win_is_paid_once(
    make_casino: Callable[..., Casino], more: dict[str, Any], events: list[dict[str, Any]]
) -> None:
    casino = make_casino(**more)
    casino.connect()
    casino.post_all(*events)
    casino.drain()
    assert casino.balance() == 0
    held = _id(casino, "held")
    _decide(casino).release(held, who="dana", why="checked by phone")
    casino.drain()
    casino.post_all(events[-1])
    casino.drain()
    assert casino.balance() == 100_000
    assert casino.sql(
        "SELECT event_id, actor, action, from_state, to_state, reason FROM pooled_audit"
    ) == [(held, "dana", "release", "held", "pending", "checked by phone")]


def test_released_contradiction_is_paid_under_a_key_of_its_own(casino: Casino) -> None:
    casino.post_all(win(), win(winner_id="other"))
    _decide(casino).release(_id(casino, "held"), who="dana")
    assert casino.drain() == 2
    assert [casino.balance(), casino.balance("other")] == [100_000, 100_000]
    assert len({key for _, _, key in casino.movements()}) == 2
    # Both are known now, whoever repeats them.
    casino.post_all(win(), win(winner_id="other"))
    assert casino.drain() == 0
    assert casino.states() == ["done", "done", "duplicate", "duplicate"]


def test_released_refund_counts_as_paid(casino: Casino) -> None:
    casino.post_all(refund(), refund(), refund())
    casino.drain()
    _decide(casino).release(casino.rows("id")[1], who="dana")
    casino.drain()
    assert casino.balance() == 200
    # Two entries are given back already, the third makes room for the one that still waits.
    casino.post_all(entry(slots_filled=1), entry(slots_filled=2))
    casino.drain()
    assert casino.balance() == 200
    casino.post_all(entry(slots_filled=3))
    casino.drain()
    assert casino.balance() == 300
    assert casino.sql("SELECT entries, paid FROM pooled_account") == [(3, 3)]


def test_release_of_a_win_decides_about_no_other_event_of_its_pool(casino: Casino) -> None:
    """A pool that was refunded remains one: other players get their entries back, another win is held."""
    casino.post_all(entry(), entry(user_id="other", tx_id="2"), refund(), win())
    _decide(casino).release(_id(casino, "held"), who="dana", why="checked with Pooled")
    casino.post_all(refund(), refund(user_id="other"), win(winner_id="other"))
    casino.drain()
    assert casino.rows("kind", "state", "reason")[2:] == [
        ("pool.refund", "done", None),
        ("pool.win", "done", None),
        ("pool.refund", "duplicate", "surplus"),
        ("pool.refund", "done", None),
        ("pool.win", "held", "conflict"),
    ]
    assert [casino.balance(), casino.balance("other")] == [100_100, 100]


def test_release_of_a_refund_decides_about_no_other_event_of_its_pool(casino: Casino) -> None:
    """A pool that was won remains one: each further refund is held for a person."""
    casino.post_all(win(), refund())
    _decide(casino).release(_id(casino, "held"), who="dana", why="as a courtesy")
    casino.post_all(refund(), refund(user_id="other"), win())
    casino.drain()
    assert casino.rows("kind", "state", "reason")[1:] == [
        ("pool.refund", "done", None),
        ("pool.refund", "held", "pool_won"),
        ("pool.refund", "held", "pool_won"),
        ("pool.win", "duplicate", "repeat"),
    ]
    assert [casino.balance(), casino.balance("other")] == [100_100, 0]


def test_surplus_refund_can_be_released(casino: Casino) -> None:
    casino.post_all(entry(), refund(), refund())
    _decide(casino).release(_id(casino, "duplicate"), who="dana")
    casino.drain()
    assert casino.balance() == 200


def test_discarded_refund_is_never_promoted(casino: Casino) -> None:
    casino.post_all(refund(), refund(), refund())
    second, third = casino.rows("id")[1:]
    _decide(casino).discard(second, who="dana", why="sent by mistake")
    casino.post_all(entry(slots_filled=1), entry(slots_filled=2), entry(slots_filled=3))
    casino.drain()
    assert casino.balance() == 200
    assert casino.rows("state")[:3] == ["done", "discarded", "done"]
    assert third != second


def test_released_entry_makes_room(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino(POOLED_TENANT_ID=TENANT_ID)
    casino.connect()
    casino.post_all(refund(), refund(), entry(slots_filled=1))
    casino.post_all(entry(slots_filled=1, user_id="other"))
    assert casino.states() == ["pending", "held", "pending", "held"]
    promoted = _decide(casino).release(casino.rows("id")[3], who="dana")
    assert promoted == ()
    casino.post_all(refund(user_id="other"))
    casino.drain()
    assert [casino.balance(), casino.balance("other")] == [100, 100]


def test_release_after_a_bypass_counts_nothing_twice(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino()
    fail = [True]

    @pool_refund.connect_via(casino.app)
    def commits_by_itself(app: Flask, event: Any, session: Any, **extra: Any) -> None:
        if fail:
            fail.pop()
            session.connection().commit()
            raise LookupError
        casino.credit(session, event)

    casino.post_all(refund())
    casino.drain()
    assert casino.states() == ["held"]
    _decide(casino).release(_id(casino, "held"), who="dana", why="the wallet shows nothing")
    assert casino.drain() == 1
    assert casino.balance() == 100
    assert casino.sql("SELECT entries, paid FROM pooled_account") == [(0, 1)]


def test_dead_event_gets_all_its_attempts_again(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino(POOLED_MAX_ATTEMPTS=1)
    casino.connect()
    broken = [True]

    @pool_win.connect_via(casino.app)
    def fails(app: Flask, **extra: Any) -> None:
        if broken:
            raise LookupError

    casino.post_all(win())
    casino.drain()
    assert casino.states() == ["dead"]
    broken.clear()
    _decide(casino).retry(_id(casino, "dead"), who="dana", why="the receiver was mended")
    assert casino.drain() == 1
    assert casino.balance() == 100_000
    assert [row[0] for row in casino.sql("SELECT action FROM pooled_audit ORDER BY id")] == [
        "die",
        "retry",
    ]


def test_retry_of_a_pending_event_is_at_once(casino: Casino) -> None:
    fail = [True]

    @pool_win.connect_via(casino.app)
    def fails_once(app: Flask, **extra: Any) -> None:
        if fail:
            fail.pop()
            raise LookupError

    casino.post_all(win())
    assert casino.drain() == 0
    assert casino.drain() == 0
    _decide(casino).retry(_id(casino, "pending"), who="dana")
    assert casino.drain() == 1


def test_what_cannot_be_decided_says_why(casino: Casino) -> None:
    casino.post_all(win(), win())
    casino.post(b"no event")
    casino.drain()
    done, duplicate, rejected = casino.rows("id")
    decide = _decide(casino)
    for call in (decide.release, decide.discard, decide.retry):
        for event_id in (done, duplicate, rejected):
            with pytest.raises(InboxError, match=f"event {event_id} is "):
                call(event_id, who="dana", why="because")
        with pytest.raises(InboxError, match="no event 999999"):
            call(999_999, who="dana", why="because")
        for nobody in ("", " ", "x" * 256):
            with pytest.raises(InboxError, match="who decides"):
                call(done, who=nobody, why="because")
    for nothing in ("", "  "):
        with pytest.raises(InboxError, match="say why"):
            decide.discard(done, who="dana", why=nothing)
    assert casino.sql("SELECT count(*) FROM pooled_audit") == [(0,)]


def test_another_tenants_event_is_out_of_reach(make_casino: Callable[..., Casino]) -> None:
    first = make_casino()
    second = make_casino(first.db, POOLED_TENANT="noble-casino")
    first.post_all(win(amount=0))
    with pytest.raises(InboxError, match="there is no event"):
        _decide(second).release(_id(first, "held"), who="dana")


def test_two_people_at_once_release_it_once(casino: Casino) -> None:
    casino.post_all(win(amount=0.001))
    held = _id(casino, "held")
    start = threading.Barrier(6)
    outcomes: list[str] = []

    def release() -> None:
        start.wait()
        try:
            _decide(casino).release(held, who="dana")
            outcomes.append("released")
        except InboxError:
            outcomes.append("refused")

    _run(*[release] * 6)
    assert sorted(outcomes) == ["refused"] * 5 + ["released"]


def test_entries_refunds_and_releases_race_to_the_right_sum(casino: Casino) -> None:
    """Ten entries, fourteen refunds and two releases, all at once: twelve dollars."""
    casino.post_all(*(refund() for _ in range(3)))
    waiting = casino.rows("id")[1:3]
    work: list[Callable[[], object]] = [
        *(lambda slot=slot: casino.post_all(entry(slots_filled=slot)) for slot in range(10)),
        *(lambda: casino.post_all(refund()) for _ in range(11)),
        *(lambda: casino.drain() for _ in range(2)),
    ]
    released: list[int] = []

    def release(event_id: int) -> None:
        try:
            _decide(casino).release(event_id, who="dana")
            released.append(event_id)
        except InboxError:
            # An entry was faster.
            pass

    _run(*work, *(lambda event_id=event_id: release(event_id) for event_id in waiting))
    casino.drain()
    [(entries, paid)] = casino.sql("SELECT entries, paid FROM pooled_account")
    assert entries == 10
    assert 10 <= paid <= 10 + len(released)
    assert casino.balance() == 100 * paid
    ordinals = [each for each in casino.rows("ordinal") if each is not None]
    assert sorted(ordinals) == list(range(1, paid + 1))


def _run(*work: Callable[[], object]) -> None:
    threads = [threading.Thread(target=each) for each in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_body_that_cannot_be_read_any_more_is_discarded_and_not_released(casino: Casino) -> None:
    casino.post_all(win(amount=0))
    casino.sql("UPDATE pooled_event SET body = :body", body=b"{}")
    decisions, [event_id] = casino.state.inbox.decisions, casino.rows("id")
    with pytest.raises(InboxError, match="cannot be read"):
        decisions.release(event_id, who="Ada")
    decisions.discard(event_id, who="Ada", why="it is no event")
    assert casino.states() == ["discarded"]
