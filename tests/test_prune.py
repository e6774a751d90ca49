"""Prune: what is forgotten, what never is, and that nothing is paid again because of it."""

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
from pruning import prune
from pruning import pruner_of

from flask_pooled import InboxError
from flask_pooled import pool_event
from flask_pooled import pool_win

pytestmark = pytest.mark.both_databases


def _decide(casino: Casino, action: str, state: str) -> None:
    [event_id] = [row[0] for row in casino.rows("id", "state") if row[1] == state]
    getattr(casino.state.inbox.decisions, action)(event_id, who="dana", why="looked at")


def test_settled_events_go_and_are_known_when_they_come_again(casino: Casino) -> None:
    casino.post_all(win(), entry(pool_id="pool-2"), win())
    casino.drain()
    ids = casino.rows("id")
    pruned = prune(casino)
    assert (pruned.states, pruned.events) == ({"done": 2, "duplicate": 1}, 3)
    assert casino.rows("id") == []
    casino.post_all(win(), entry(pool_id="pool-2"))
    assert casino.drain() == 0
    assert casino.rows("state", "reason", "original_id") == [
        ("duplicate", "repeat", ids[0]),
        ("duplicate", "repeat", ids[1]),
    ]
    assert casino.balance() == 100_000
    # And once more, with the repeats gone as well.
    prune(casino)
    casino.post_all(win(), entry(pool_id="pool-2"))
    assert (casino.drain(), casino.balance()) == (0, 100_000)


def test_contradiction_of_a_pruned_event_is_held_once(casino: Casino) -> None:
    casino.post_all(win(), entry())
    casino.drain()
    first, second = casino.rows("id")
    prune(casino)
    casino.post_all(win(winner_id="other"), win(winner_id="other"), win(), entry(user_id="other"))
    assert casino.rows("state", "reason") == [
        ("held", "conflict"),
        ("duplicate", "repeat"),
        ("duplicate", "repeat"),
        ("held", "conflict"),
    ]
    told, *_ = casino.rows("id")
    assert casino.rows("original_id") == [first, told, first, second]
    assert casino.drain() == 0


def test_settled_contradiction_is_known_as_well(casino: Casino) -> None:
    casino.post_all(win(), win(winner_id="other"))
    _decide(casino, "release", "held")
    casino.drain()
    assert prune(casino).states == {"done": 2}
    casino.post_all(win(winner_id="other"), win(), win(winner_id="third"))
    assert casino.states() == ["duplicate", "duplicate", "held"]
    casino.drain()
    assert [casino.balance(who) for who in ("player_abc123", "other", "third")] == [
        *(100_000, 100_000, 0)
    ]


def test_original_is_told_from_what_contradicted_it(casino: Casino) -> None:
    """So many contradictions that it would be by chance if what came first were found first."""
    casino.post_all(win(), *(win(winner_id=f"other-{number}") for number in range(9)))
    first, *others = casino.rows("id")
    for event_id in others:
        casino.state.inbox.decisions.discard(event_id, who="dana", why="looked at")
    casino.drain()
    prune(casino)
    casino.post_all(win(winner_id="one more"), win())
    assert casino.rows("state", "original_id") == [("held", first), ("duplicate", first)]


def test_contradiction_is_known_while_its_original_still_stands(casino: Casino) -> None:
    @pool_win.connect_via(casino.app)
    def fails(app: Flask, event: Any, **extra: Any) -> None:
        if event.winner_id == "player_abc123":
            raise LookupError

    casino.post_all(win(), win(winner_id="other"))
    _decide(casino, "release", "held")
    casino.drain()
    assert casino.states() == ["pending", "done"]
    assert prune(casino).states == {"done": 1}
    casino.post_all(win(winner_id="other"), win(winner_id="third"))
    assert casino.states() == ["pending", "duplicate", "held"]


def test_contradiction_whose_twin_was_paid_and_pruned_cannot_be_released(casino: Casino) -> None:
    casino.post_all(win(), win(winner_id="other"), win(winner_id="other"))
    first, paid, twin = casino.rows("id")
    casino.state.inbox.decisions.release(paid, who="dana")
    casino.drain()
    # As if both had come in at one moment, when neither was known.
    casino.sql(
        "UPDATE pooled_event SET state = 'held', reason = 'conflict', original_id = :first,"
        " body = (SELECT body FROM pooled_event WHERE id = :paid) WHERE id = :twin",
        first=first,
        paid=paid,
        twin=twin,
    )
    assert prune(casino).states == {"done": 2}
    with pytest.raises(InboxError, match="settled long ago and pruned: discard it"):
        casino.state.inbox.decisions.release(twin, who="dana")
    assert casino.drain() == 0
    casino.state.inbox.decisions.discard(twin, who="dana", why="paid already")


def test_contradiction_of_what_was_paid_and_pruned_can_be_released(casino: Casino) -> None:
    casino.post_all(win())
    casino.drain()
    prune(casino)
    casino.post_all(win(winner_id="other"))
    _decide(casino, "release", "held")
    casino.drain()
    assert [casino.balance(), casino.balance("other")] == [100_000, 100_000]


def test_contradiction_that_cannot_be_read_any_more_is_kept(casino: Casino) -> None:
    """Only its body tells what it contradicts, and so how it would be known again."""
    casino.post_all(win(), win(winner_id="other"))
    _, contradiction = casino.rows("id")
    _decide(casino, "discard", "held")
    casino.drain()
    casino.sql("UPDATE pooled_event SET body = :body WHERE state = 'discarded'", body=b"{}")
    assert prune(casino).states == {"done": 1}
    assert casino.rows("id") == [contradiction]


def test_discarded_win_is_never_paid(casino: Casino) -> None:
    casino.post_all(win(amount=0.001))
    _decide(casino, "discard", "held")
    assert prune(casino).states == {"discarded": 1}
    casino.post_all(win(amount=0.001), win(amount=1000))
    assert casino.rows("state", "reason") == [("duplicate", "repeat"), ("held", "conflict")]
    assert casino.drain() == 0


def test_unknown_event_comes_once(casino: Casino) -> None:
    seen = []
    pool_event.connect_via(casino.app)(lambda app, event, **extra: seen.append(event.kind))
    strange = {"event": "pool.unheard", "tenant_id": "t"}
    casino.post_all(strange)
    casino.drain()
    prune(casino)
    casino.post_all(strange)
    casino.drain()
    assert seen == ["pool.unheard"]
    assert casino.rows("state", "reason") == [("duplicate", "repeat")]


def test_accounts_of_refunds_outlive_them(casino: Casino) -> None:
    entries = [entry(slots_filled=slot) for slot in range(3)]
    casino.post_all(*entries, refund(), refund(), refund())
    casino.drain()
    assert prune(casino).states == {"done": 6}
    # The account knows the refunds.
    assert casino.sql("SELECT count(*) FROM pooled_known") == [(3,)]
    casino.post_all(*entries, refund(), refund(), refund())
    casino.drain()
    assert casino.balance() == 300
    assert casino.rows("kind", "state") == [
        *[("pool.entry", "duplicate")] * 3,
        *[("pool.refund", "duplicate")] * 3,
    ]
    assert casino.sql("SELECT entries, paid FROM pooled_account") == [(3, 3)]


def test_refunded_pool_cannot_be_won_afterwards(casino: Casino) -> None:
    casino.post_all(refund(), win(pool_id="pool-2"))
    casino.drain()
    prune(casino)
    casino.post_all(win(), refund(pool_id="pool-2"))
    assert casino.rows("state", "reason") == [("held", "pool_refunded"), ("held", "pool_won")]


def test_what_waits_for_somebody_is_never_pruned(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino(POOLED_MAX_ATTEMPTS=1)

    @pool_win.connect_via(casino.app)
    def fails(app: Flask, event: Any, **extra: Any) -> None:
        raise LookupError

    casino.post_all(win(), refund(pool_id="pool-2"), win(amount=0, pool_id="pool-3"))
    casino.drain()
    # A refund that no entry is known for, and one beyond the entries that are.
    casino.post_all(refund(pool_id="pool-2"), entry(pool_id="pool-4"))
    casino.post_all(refund(pool_id="pool-4"), refund(pool_id="pool-4"))
    before = casino.rows("state")
    assert before == ["dead", "pending", "held", "held", "pending", "pending", "duplicate"]
    assert pruner_of(casino).prune(dry_run=True).states == {}
    assert prune(casino).states == {}
    assert casino.rows("state") == before
    # The entry that was missing still pays it.
    casino.post_all(entry(pool_id="pool-4", slots_filled=2))
    assert casino.rows("state", "ordinal")[6] == ("pending", 2)


def test_rejected_bodies_go(casino: Casino) -> None:
    assert casino.post(b"[]").status_code == 400
    assert prune(casino).states == {"rejected": 1}
    assert casino.post(b"[]").status_code == 400
    assert casino.states() == ["rejected"]


def test_age_counts_from_the_day_on_which_it_was_settled(casino: Casino) -> None:
    casino.post_all(win())
    casino.drain()
    assert prune(casino, days=399.9).states == {}
    # It came long before it was settled, say by a person.
    casino.sql("UPDATE pooled_event SET received_at = 0, receipt = '000000000000'")
    assert prune(casino, days=399.9).states == {}
    assert prune(casino, days=400.1).states == {"done": 1}


def test_days_are_those_of_the_setting_or_as_given(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino(POOLED_KEEP_DAYS=10)
    casino.connect()
    casino.post_all(win())
    casino.drain()
    assert prune(casino, days=9).events == 0
    assert pruner_of(casino, days=20).prune(30).events == 0
    assert pruner_of(casino, days=20).prune(19, dry_run=True).events == 1
    assert casino.states() == ["done"]
    assert prune(casino, days=11).events == 1
    assert casino.state.inbox.prune().events == 0


def test_other_tenants_are_left_alone(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino()
    casino.connect()
    other = make_casino(casino.db, POOLED_TENANT="other-casino")
    pool_win.connect_via(other.app)(lambda app, **extra: None)
    for each in (casino, other):
        each.post_all(win())
        each.drain()
    assert pruner_of(casino).prune(dry_run=True).events == 1
    assert prune(casino).events == 1
    assert casino.rows("tenant") == ["other-casino"]
    # The same pool of another tenant is another event.
    casino.post_all(win())
    other.post_all(win())
    assert casino.rows("tenant", "state") == [
        *(("other-casino", "done"), ("royal-casino", "duplicate"), ("other-casino", "duplicate"))
    ]


def test_trail_goes_with_its_event(casino: Casino) -> None:
    casino.post_all(win(amount=0.001), win(amount=0, pool_id="pool-2"))
    casino.state.inbox.decisions.discard(casino.rows("id")[0], who="dana", why="no")
    casino.state.inbox.decisions.discard(casino.rows("id")[1], who="dana", why="no")
    kept = casino.rows("id")[1]
    casino.sql("UPDATE pooled_event SET settled_at = settled_at + 86400000 WHERE id = :id", id=kept)
    prune(casino, days=400.5)
    assert casino.sql("SELECT event_id FROM pooled_audit") == [(kept,)]


def test_no_number_is_given_twice(casino: Casino) -> None:
    casino.post_all(win())
    casino.drain()
    [first] = casino.rows("id")
    prune(casino)
    casino.post_all(win(pool_id="pool-2"))
    assert casino.rows("id")[0] > first


def test_hours_of_the_daily_limit_go_after_their_day(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino(POOLED_HOLD_DAILY_OVER=1500, POOLED_KEEP_DAYS=1)
    casino.connect()
    hour = int(time.time()) // 3600
    casino.post_all(win())
    casino.drain()
    for old in (hour - 200, hour - 30):
        casino.sql("INSERT INTO pooled_credit VALUES ('royal-casino', :hour, 1)", hour=old)
    casino.sql("INSERT INTO pooled_credit VALUES ('noble-casino', :hour, 1)", hour=hour - 200)
    pruner_of(casino, days=0).prune()
    # Those of another tenant are its own.
    assert casino.sql("SELECT hour FROM pooled_credit WHERE tenant = 'noble-casino'") == [
        (hour - 200,)
    ]
    casino.sql("DELETE FROM pooled_credit WHERE tenant = 'noble-casino'")
    hours = [row.hour - hour for row in casino.sql("SELECT hour FROM pooled_credit ORDER BY hour")]
    assert hours[1] == -30
    assert 0 <= hours[2] <= 1
    casino.post_all(win(pool_id="pool-2"))
    assert casino.states() == ["done", "held"]


def test_dry_run_changes_nothing(casino: Casino) -> None:
    casino.post_all(win(), win(), entry(pool_id="pool-2"))
    casino.drain()
    before = casino.rows("id", "state", "body")
    pruner = pruner_of(casino)
    assert pruner.prune(dry_run=True).states == {"done": 2, "duplicate": 1}
    assert casino.rows("id", "state", "body") == before
    assert casino.sql("SELECT * FROM pooled_known") == []
    assert pruner.prune().events == 3
