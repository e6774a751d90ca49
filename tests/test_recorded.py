"""What recording tells of each delivery, field by field, and the row that it leaves."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from casino import Casino
from casino import entry
from casino import refund
from casino import win
from pruning import prune

from flask_pooled import PoolRefund
from flask_pooled.inbox.delivery import accept
from flask_pooled.inbox.delivery import Delivery
from flask_pooled.inbox.delivery import Recorded

_AT = 1_800_000_000_000


def _delivery(event: dict[str, Any] | bytes, at: int = _AT) -> Delivery:
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    return accept(body, at)


def _record(casino: Casino, *deliveries: Delivery) -> list[Recorded]:
    """Each in a transaction of its own."""
    return [casino.state.inbox.store.record([delivery])[0] for delivery in deliveries]


def _one_by_one(casino: Casino, *deliveries: Delivery) -> list[Recorded]:
    """All in one transaction, as an import does."""
    return casino.state.inbox.store.record_noting(deliveries, lambda *_: None)


def test_new_win(casino: Casino) -> None:
    delivery = _delivery(win())
    [recorded] = _record(casino, delivery)
    [row] = casino.sql("SELECT * FROM pooled_event")
    assert recorded == Recorded(row.id, "pending", None, delivery.event)
    assert (row.receipt, row.received_at, row.due_at) == (delivery.receipt, _AT, _AT)
    assert (row.attempts, row.kind, row.cents, row.pool_size) == (0, "pool.win", 100_000, 1000)
    assert (row.entry_type, row.original_id, row.waits_on, row.ordinal) == (None, None, None, None)


def test_new_entry_whichever_way_it_comes(casino: Casino) -> None:
    first, second = _delivery(entry(slots_filled=1)), _delivery(entry(slots_filled=2))
    recorded = [*_record(casino, first), *_one_by_one(casino, second)]
    ids = casino.rows("id")
    assert recorded == [
        Recorded(ids[0], "pending", event=first.event),
        Recorded(ids[1], "pending", event=second.event),
    ]
    assert casino.rows("entry_type") == ["paid", "paid"]
    assert casino.sql("SELECT entries, paid FROM pooled_account") == [(2, 0)]


def test_repeat_and_contradiction(casino: Casino) -> None:
    deliveries = [
        _delivery(event)
        for event in (win(), win(), win(amount=3), win(amount=3), win(winner_id="w"))
    ]
    recorded = _record(casino, *deliveries)
    ids = casino.rows("id")
    repeat, conflict = ("duplicate", "repeat"), ("held", "conflict")
    events = [delivery.event for delivery in deliveries]
    assert recorded == [
        Recorded(ids[0], "pending", None, events[0]),
        Recorded(ids[1], *repeat, events[1], original_id=ids[0]),
        Recorded(ids[2], *conflict, events[2], original_id=ids[0], alarm="conflict"),
        # The same contradiction again is news to nobody.
        Recorded(ids[3], *repeat, events[3], original_id=ids[2]),
        Recorded(ids[4], *conflict, events[4], original_id=ids[0], alarm="conflict"),
    ]
    assert casino.rows("due_at") == [_AT, None, None, None, None]


def test_same_delivery_again_is_the_same_row_and_nothing_new(casino: Casino) -> None:
    events = (win(), win(), win(amount=2), entry(), refund(pool_id="expired"))
    deliveries = [_delivery(event) for event in events]
    first = _record(casino, *deliveries)
    again = _one_by_one(casino, *deliveries)
    assert again == [
        Recorded(
            each.id,
            each.state,
            each.reason,
            each.event,
            original_id=each.original_id,
            new=False,
        )
        for each in first
    ]
    assert len(casino.rows("id")) == len(events)


def test_body_that_is_no_event(casino: Casino) -> None:
    delivery, other = _delivery(b"[]"), _delivery(b"{}")
    recorded = _record(casino, delivery, other, _delivery(b"[]"), delivery)
    ids = casino.rows("id")
    assert recorded == [
        Recorded(ids[0], "rejected", alarm="rejected"),
        Recorded(ids[1], "rejected", alarm="rejected"),
        Recorded(ids[0], "rejected", new=False),
        Recorded(ids[0], "rejected", new=False),
    ]
    [row, _] = casino.sql("SELECT * FROM pooled_event ORDER BY id")
    assert (row.kind, row.state, row.attempts, row.due_at) == ("rejected", "rejected", 0, None)
    assert row.error == "the body is not a JSON object but an array"


def test_rejected_body_whose_receipt_is_known_otherwise(casino: Casino) -> None:
    """An older version could not read it, and its row was made an event since."""
    delivery = _delivery(win())
    [recorded] = _record(casino, delivery)
    old = Delivery(delivery.receipt, _AT, b"unreadable", None, "what is that?")
    assert _record(casino, old) == [Recorded(recorded.id, "rejected", new=False)]


def test_refunds_beyond_the_entries(casino: Casino) -> None:
    deliveries = [_delivery(refund(), _AT + number) for number in range(3)]
    recorded = _record(casino, *deliveries)
    ids = casino.rows("id")
    events = [delivery.event for delivery in deliveries]
    held = ("held", "no_entries")
    assert recorded == [
        Recorded(ids[0], "pending", None, events[0]),
        Recorded(ids[1], *held, events[1], alarm="no_entries"),
        # Once for each pool.
        Recorded(ids[2], *held, events[2]),
    ]
    assert casino.sql("SELECT surplus_alarm_at FROM pooled_pool") == [(_AT + 1,)]
    assert casino.rows("ordinal") == [1, None, None]
    waiting = casino.rows("waits_on")
    assert waiting[0] is None
    assert waiting[1] == waiting[2] is not None


@pytest.mark.parametrize("record", [_record, _one_by_one])
def test_entry_that_makes_room_tells_which_refund_it_pays(
    casino: Casino, record: Callable[..., list[Recorded]]
) -> None:
    _record(casino, *(_delivery(refund()) for _ in range(4)))
    ids = casino.rows("id")
    first, second = _delivery(entry(slots_filled=1)), _delivery(entry(slots_filled=2))
    # The first entry is the one of the refund that was paid already.
    assert record(casino, first)[0].promoted == ()
    [recorded] = record(casino, second)
    [promoted] = recorded.promoted
    refunded = promoted.event
    assert (promoted.id, promoted.state, promoted.reason) == (ids[1], "pending", None)
    assert (promoted.new, promoted.alarm) == (False, None)
    assert isinstance(refunded, PoolRefund)
    assert refunded.ordinal == 2
    assert casino.sql("SELECT entries, paid FROM pooled_account") == [(2, 2)]
    assert casino.sql("SELECT action, reason FROM pooled_audit") == [
        ("promote", "an entry made room")
    ]
    assert casino.rows("state")[:4] == ["pending", "pending", "held", "held"]


def test_batch_of_entries_promotes_the_oldest_of_each_account(casino: Casino) -> None:
    players = ("anna", "bert")
    for _ in range(3):
        _record(casino, *(_delivery(refund(user_id=player)) for player in players))
    ids = casino.rows("id")
    batch = [
        _delivery(entry(user_id=player, slots_filled=slot))
        for slot, player in enumerate([*players] * 3)
    ]
    recorded = casino.state.inbox.store.record(batch)
    promoted = [each.id for entered in recorded for each in entered.promoted]
    assert sorted(promoted) == sorted(ids[2:])
    assert casino.sql("SELECT entries, paid FROM pooled_account") == [(3, 3), (3, 3)]


def test_promotion_above_the_limit_of_a_day_is_held(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino(POOLED_HOLD_DAILY_OVER="2.00")
    _record(casino, *(_delivery(refund()) for _ in range(4)))
    ids = casino.rows("id")
    entries = [_delivery(entry(slots_filled=slot)) for slot in range(3)]
    told = [each for recorded in _record(casino, *entries) for each in recorded.promoted]
    assert [(each.id, each.state, each.reason, each.alarm, each.new) for each in told] == [
        (ids[1], "pending", None, None, False),
        (ids[2], "held", "daily_limit", "daily_limit", False),
    ]
    [row] = casino.sql(f"SELECT ordinal, waits_on, due_at FROM pooled_event WHERE id = {ids[2]}")
    assert (row.ordinal, row.waits_on, row.due_at) == (None, None, None)
    assert casino.sql("SELECT reason FROM pooled_audit ORDER BY id") == [
        ("an entry made room",),
        ("daily_limit",),
    ]


def test_what_was_pruned_is_known(casino: Casino) -> None:
    now = int(casino.state.inbox.clock() * 1000)
    bodies = (win(pool_id="won"), entry(pool_id="entered"))
    before = _record(casino, *(_delivery(event, now) for event in bodies))
    assert casino.drain() == 2
    prune(casino)
    assert casino.rows("id") == []
    ids = [each.id for each in before]
    for record in (_record, _one_by_one):
        again = record(casino, *(_delivery(event, now) for event in bodies))
        assert [(each.state, each.reason, each.original_id) for each in again] == [
            ("duplicate", "repeat", number) for number in ids
        ]
        [conflict] = record(casino, _delivery(win(pool_id="won", amount=2), now))
        assert conflict.original_id in {ids[0], *casino.rows("id")}
    assert casino.states().count("held") == 1
    assert casino.sql("SELECT entries FROM pooled_account") == [(1,)]


def test_kinds_of_hold(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino(POOLED_UNFAIR="hold", POOLED_HOLD_OVER="500")
    odd = win(seed="seed", seed_commit="0" * 64, amount=1)
    deliveries = [
        _delivery(odd),
        _delivery(win(pool_id="large", seed="seed", seed_commit="0" * 64)),
        _delivery(win(pool_id="zero", amount=0)),
    ]
    assert [(each.state, each.reason, each.alarm) for each in _record(casino, *deliveries)] == [
        ("held", reason, reason) for reason in ("unfair", "unfair", "wrong_amount")
    ]


def test_tenants_of_one_database_know_nothing_of_each_other(
    make_casino: Callable[..., Casino],
) -> None:
    casino = make_casino(POOLED_HOLD_DAILY_OVER="1002")
    other = make_casino(POOLED_TENANT="other-casino", POOLED_HOLD_DAILY_OVER="1002")
    events: list[dict[str, Any] | bytes] = [
        *(win(), refund(pool_id="p"), refund(pool_id="p")),
        *(entry(pool_id="p"), entry(pool_id="p", slots_filled=2), b"[]", {"event": "pool.unheard"}),
        win(),
    ]
    # By chance even their receipts are the same.
    deliveries = [*map(_delivery, events)]
    told = []
    for each in (casino, other):
        recorded = _record(each, *deliveries)
        assert all(one.new for one in recorded)
        told.append([(one.state, one.reason, one.alarm, one.promoted != ()) for one in recorded])
    assert told[0] == told[1]
    assert [states[0] for states in told[0]] == [
        *("pending", "pending", "held", "pending", "pending", "rejected", "pending", "duplicate"),
    ]
    tenants = casino.sql("SELECT tenant, count(*) FROM pooled_event GROUP BY tenant")
    assert sorted(tenants) == [("other-casino", 8), ("royal-casino", 8)]
    assert casino.sql("SELECT entries, paid FROM pooled_account") == [(2, 2), (2, 2)]


def test_day_that_is_looked_back_on_has_24_to_25_hours(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino(POOLED_HOLD_DAILY_OVER="1.50")
    hour = 3_600_000
    began = _AT // hour * hour

    def state(pool_id: str, at: int) -> str:
        return _record(casino, _delivery(win(pool_id=pool_id, amount=1), at))[0].state

    assert state("first", began) == "pending"
    # A day later, and nearly an hour more, it still counts.
    assert state("second", began + 25 * hour - 1) == "held"
    assert state("third", began + 25 * hour) == "pending"
    # To the cent, and not one more: half a dollar fits beside the third.
    half = _delivery(win(pool_id="fourth", amount=0.5), began + 25 * hour)
    assert _record(casino, half)[0].state == "pending"
    cent = _delivery(win(pool_id="fifth", amount=0.01), began + 25 * hour)
    assert _record(casino, cent)[0].reason == "daily_limit"


def test_what_one_transaction_has_credited_counts_in_it(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino(POOLED_HOLD_DAILY_OVER="2.50")
    wins = [_delivery(win(pool_id=pool, amount=1)) for pool in "abc"]
    recorded = casino.state.inbox.store.record(wins)
    assert [each.reason for each in recorded] == [None, None, "daily_limit"]


def test_surplus_of_one_transaction_alarms_once(casino: Casino) -> None:
    recorded = casino.state.inbox.store.record([_delivery(refund()) for _ in range(4)])
    assert [each.alarm for each in recorded] == [None, "no_entries", None, None]


def test_same_contradiction_in_two_pools_is_two(casino: Casino) -> None:
    pools = ("one", "two")
    told = [
        _record(casino, *(_delivery(win(pool_id=pool, amount=amount)) for amount in (2, 3, 3)))
        for pool in pools
    ]
    for recorded in told:
        assert [each.state for each in recorded] == ["pending", "held", "duplicate"]
        assert recorded[2].original_id == recorded[1].id


def test_pool_of_the_same_name_of_somebody_else_is_another(casino: Casino) -> None:
    recorded = _record(casino, *map(_delivery, (win(), refund(tenant_id="another"))))
    assert [each.state for each in recorded] == ["pending", "pending"]
