"""Refunds that are paid are written by a few statements for all, and nothing comes of it but what the rules say."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from casino import accepted
from casino import Casino
from casino import entry
from casino import refund
from casino import TENANT_ID
from casino import win
from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st

from flask_pooled import PoolRefund
from flask_pooled.events import parse_event
from flask_pooled.inbox.delivery import Recorded
from flask_pooled.inbox.identity import event_identity
from flask_pooled.inbox.refund_batch import record_paid

pytestmark = pytest.mark.both_databases


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many refunds each transaction wrote together."""
    counts: list[int] = []

    def counting(*args: Any) -> dict[str, Recorded]:
        recorded = record_paid(*args)
        counts.append(len(recorded))
        return recorded

    monkeypatch.setattr("flask_pooled.inbox.recording.record_paid", counting)
    return counts


@pytest.fixture
def limited(make_casino: Callable[..., Casino]) -> Callable[[str | None], Casino]:
    """Casinos with a daily limit, or none: one of each."""
    return cache(lambda limit: make_casino(POOLED_HOLD_DAILY_OVER=limit))


def _entries(*players: str) -> list[dict[str, Any]]:
    return [entry(user_id=player, tx_id=f"tx-{number}") for number, player in enumerate(players)]


def test_refunds_with_room_are_written_together(casino: Casino, together: list[int]) -> None:
    casino.post_all(*_entries("a", "a", "b"))
    together.clear()
    deliveries = accepted(*(refund(user_id=player) for player in "aba"))
    recorded = casino.state.inbox.store.record(deliveries)
    assert together == [3]
    assert casino.sql(
        "SELECT id, receipt, state, player_id, ordinal FROM pooled_event "
        "WHERE kind = 'pool.refund' ORDER BY receipt"
    ) == [
        (each.id, delivery.receipt, each.state, player, ordinal)
        for each, delivery, player, ordinal in zip(
            recorded, deliveries, "aba", (1, 1, 2), strict=True
        )
    ]
    assert all(each.new and each.reason is None and each.alarm is None for each in recorded)
    assert [each.event for each in recorded] == [delivery.event for delivery in deliveries]
    accounts = "SELECT player_id, entries, paid FROM pooled_account ORDER BY player_id"
    assert casino.sql(accounts) == [("a", 2, 2), ("b", 1, 1)]
    assert casino.sql("SELECT outcome FROM pooled_pool") == [("refunded",)]
    assert casino.drain() == 6
    assert casino.balance("a") == casino.balance("b") * 2


def test_what_is_beyond_the_entries_is_told_apart_in_the_same_transaction(
    casino: Casino, together: list[int]
) -> None:
    casino.post_all(*_entries("a"))
    together.clear()
    refunds = [refund(user_id=player) for player in ("a", "a", "stranger", "stranger")]
    recorded = casino.state.inbox.store.record(accepted(*refunds))
    assert together == [2]
    assert [(each.state, each.reason, each.alarm) for each in recorded] == [
        ("pending", None, None),
        ("duplicate", "surplus", "surplus"),
        ("pending", None, None),
        ("held", "no_entries", None),
    ]


def test_each_has_the_identity_of_its_ordinal(casino: Casino, together: list[int]) -> None:
    casino.post_all(*_entries("a", "a"))
    together.clear()
    casino.state.inbox.store.record(accepted(*[refund(user_id="a")] * 2))
    assert together == [2]
    event = parse_event(json.dumps(refund(user_id="a")).encode())
    assert isinstance(event, PoolRefund)
    expected = [event_identity("royal-casino", event.with_ordinal(number)) for number in (1, 2)]
    assert casino.rows("identity")[2:] == expected


def test_only_one_of_them_has_room(casino: Casino, together: list[int]) -> None:
    casino.post_all(*_entries("a"))
    together.clear()
    recorded = casino.state.inbox.store.record(accepted(*[refund(user_id="a")] * 2))
    assert together == [1]
    assert [each.state for each in recorded] == ["pending", "duplicate"]


@pytest.mark.parametrize(
    "other",
    [win(pool_id="another"), refund(refund_amount=2), {"event": "pool.refund"}],
    ids=["win", "wrong amount", "rejected"],
)
def test_company_has_all_of_them_recorded_one_by_one(
    casino: Casino, together: list[int], other: dict[str, Any]
) -> None:
    casino.post_all(*_entries("a", "a"))
    together.clear()
    recorded = casino.state.inbox.store.record(
        accepted(refund(user_id="a"), refund(user_id="a"), other)
    )
    assert together == [0]
    assert [each.state for each in recorded[:2]] == ["pending", "pending"]


def test_pool_that_was_won_gives_nothing_back(casino: Casino, together: list[int]) -> None:
    casino.post_all(*_entries("a", "a"), win())
    together.clear()
    refunds = accepted(refund(user_id="a"), refund(user_id="a"))
    assert [each.reason for each in casino.state.inbox.store.record(refunds)] == ["pool_won"] * 2
    assert together == [0]


@pytest.mark.parametrize("first", [0, 1], ids=["first", "second"])
def test_known_delivery_is_recorded_once(casino: Casino, together: list[int], first: int) -> None:
    casino.post_all(*_entries("a", "a", "a"))
    store = casino.state.inbox.store
    both = accepted(refund(user_id="a"), refund(user_id="a"))
    [known] = store.record([both[first]])
    together.clear()
    recorded = store.record(both)
    assert together == [0]
    assert (recorded[first].id, recorded[first].new) == (known.id, False)
    assert casino.sql("SELECT ordinal FROM pooled_event WHERE ordinal > 0 ORDER BY id") == [
        (1,),
        (2,),
    ]


def test_delivery_that_comes_twice_is_recorded_once(casino: Casino) -> None:
    casino.post_all(*_entries("a", "a"))
    [one] = accepted(refund(user_id="a"))
    assert [each.new for each in casino.state.inbox.store.record([one, one])] == [True, False]
    assert casino.sql("SELECT paid FROM pooled_account") == [(1,)]


@pytest.mark.parametrize(
    ("limit", "written", "states"),
    [("3.00", 3, ["pending"] * 3), ("2.99", 0, ["pending", "pending", "held"])],
)
def test_daily_limit_counts_all_of_them(
    make_casino: Callable[..., Casino],
    together: list[int],
    limit: str,
    written: int,
    states: list[str],
) -> None:
    casino = make_casino(POOLED_HOLD_DAILY_OVER=limit)
    casino.post_all(*_entries("a", "a", "a"))
    together.clear()
    recorded = casino.state.inbox.store.record(accepted(*(refund(user_id="a") for _ in range(3))))
    assert together == [written]
    assert [each.state for each in recorded] == states
    cents = 100 * states.count("pending")
    assert casino.sql("SELECT sum(cents) FROM pooled_credit") == [(cents,)]


_EVENTS = st.one_of(
    st.builds(
        lambda player, kind, pool: refund(user_id=player, entry_type=kind, pool_id=pool),
        st.sampled_from(["a", "b"]),
        st.sampled_from(["paid", "bundle"]),
        st.sampled_from(["pool-1", "pool-1", "pool-2"]),
    ),
    st.builds(
        lambda player, tx: entry(user_id=player, tx_id=tx),
        st.sampled_from(["a", "b"]),
        st.sampled_from(["tx-1", "tx-2", "tx-3", "tx-4"]),
    ),
    st.sampled_from([win(pool_id="pool-2"), refund(tenant_id=TENANT_ID.replace("0", "1"))]),
)
_BATCHES = st.lists(
    st.one_of(
        st.lists(_EVENTS, min_size=1, max_size=5),
        st.lists(st.builds(refund, user_id=st.sampled_from(["a", "b"])), min_size=2, max_size=6),
    ),
    max_size=8,
)


@settings(
    max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(batches=_BATCHES, limit=st.sampled_from([None, None, "3.00"]))
def test_together_is_as_one_by_one(
    limited: Callable[[str | None], Casino],
    batches: list[list[dict[str, Any]]],
    limit: str | None,
) -> None:
    by_one_statement = _history(limited(limit), batches)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flask_pooled.inbox.one_statement.can_be_quick", lambda *args: False)
        together = _history(limited(limit), batches)
        patch.setattr("flask_pooled.inbox.recording.record_paid", lambda *args: {})
        one_by_one = _history(limited(limit), batches)
    assert by_one_statement == one_by_one
    assert together == one_by_one


def _history(casino: Casino, batches: list[list[dict[str, Any]]]) -> Any:
    told, first = [], 0
    for table in ("event", "account", "pool", "audit", "credit"):
        casino.sql(f"DELETE FROM pooled_{table}")
    for events in batches:
        deliveries = accepted(*events, first=first)
        first += len(events)
        for each in casino.state.inbox.store.record(deliveries):
            [receipt] = casino.sql("SELECT receipt FROM pooled_event WHERE id = :id", id=each.id)
            told.append((receipt, each.state, each.reason, each.new, each.event, each.alarm))
    rows = casino.sql(
        """SELECT event.receipt, event.kind, event.state, event.reason, event.identity, event.content, event.waits_on,
                  event.player_id, event.entry_type, event.cents, event.ordinal, event.due_at, event.body,
                  original.receipt AS original
           FROM pooled_event AS event LEFT JOIN pooled_event AS original ON original.id = event.original_id
           ORDER BY event.receipt"""
    )
    books = [
        sorted(casino.sql(f"SELECT * FROM pooled_{table}"), key=repr)
        for table in ("account", "pool", "credit")
    ]
    return told, rows, books
