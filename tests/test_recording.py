"""What the inbox makes of each delivery: new, repeated, contradicting, or waiting for a person."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from casino import Casino
from casino import entry
from casino import refund
from casino import TENANT_ID
from casino import win
from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st

from flask_pooled import event_held
from flask_pooled.inbox.delivery import accept

pytestmark = pytest.mark.both_databases


def test_repeat_is_a_duplicate_whatever_its_spelling(casino: Casino) -> None:
    plain = json.dumps(win())
    spellings = [
        plain,
        json.dumps(win(), indent=2),
        plain.replace('"amount": 1000', '"amount": 1000.00'),
        plain.replace('"amount": 1000', '"amount": 1E3'),
        plain.replace('"pool_size": 1000', '"pool_size": 1000.0'),
        json.dumps(win(winner_name="J.", extra=1)),
    ]
    for body in spellings:
        assert casino.post(body.encode()).status_code == 200
    assert casino.states() == ["pending"] + ["duplicate"] * 5
    assert casino.originals() == [None, 0, 0, 0, 0, 0]
    casino.drain()
    assert casino.balance() == 100_000


def test_body_of_a_repeat_is_kept_only_where_it_differs(casino: Casino) -> None:
    other = json.dumps(win(), indent=2).encode()
    casino.post_all(win(), win())
    casino.post(other)
    assert casino.rows("body") == [json.dumps(win()).encode(), None, other]


@pytest.mark.parametrize(
    "change", [{"winner_id": "player_2"}, {"amount": 999}, {"pool_size": 10_000}]
)
def test_contradiction_is_held_with_both_bodies(casino: Casino, change: dict[str, Any]) -> None:
    held: list[Any] = []
    event_held.connect(lambda app, event, reason: held.append((event.raw, reason)))
    casino.post_all(win(), win(**change), win(**change), win())
    assert casino.rows("state", "reason") == [
        ("pending", None),
        ("held", "conflict"),
        ("duplicate", "repeat"),
        ("duplicate", "repeat"),
    ]
    assert casino.originals() == [None, 0, 1, 0]
    assert casino.rows("body")[1] == json.dumps(win(**change)).encode()
    assert held == [(json.loads(json.dumps(win(**change))), "conflict")]
    casino.drain()
    assert casino.movements() == [("player_abc123", 100_000, casino.seen[0].idempotency_key)]


def test_conflicting_entry_is_held(casino: Casino) -> None:
    casino.post_all(entry(), entry(user_id="player_2"))
    assert casino.rows("state", "reason") == [("pending", None), ("held", "conflict")]


def test_entries_of_a_bundle_share_a_transaction_and_all_count(casino: Casino) -> None:
    casino.post_all(*(entry(entry_type="bundle", slots_filled=slot) for slot in (1, 2, 3)))
    assert casino.states() == ["pending"] * 3
    assert casino.sql("SELECT entries, paid FROM pooled_account") == [(3, 0)]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (win(amount=0), "wrong_amount"),
        (win(amount=-1), "wrong_amount"),
        (win(amount=1000.01), "wrong_amount"),
        (win(amount=1_000_001, pool_size=10_000_000), "wrong_amount"),
        (win(amount=10.005), "wrong_amount"),
        (refund(refund_amount=1.01), "wrong_amount"),
        (refund(refund_amount=0.99), "wrong_amount"),
        (refund(refund_amount=0), "wrong_amount"),
        (refund(entry_type="bundle", refund_amount=1.51), "wrong_amount"),
        (refund(entry_type="bundle", refund_amount=0), "wrong_amount"),
        (refund(entry_type="bundle", refund_amount=0.995), "wrong_amount"),
        (refund(entry_type="credit"), "wrong_amount"),
    ],
)
def test_undocumented_amount_is_held(casino: Casino, event: dict[str, Any], reason: str) -> None:
    casino.post_all(event)
    assert casino.rows("state", "reason") == [("held", reason)]
    assert casino.drain() == 0


@pytest.mark.parametrize(
    "event",
    [
        win(amount=1000.00),
        win(amount=0.01),
        win(amount=1_000_000, pool_size=1_000_000),
        refund(entry_type="bundle", refund_amount=1.50),
        refund(entry_type="bundle", refund_amount=0.83),
        refund(refund_amount=1),
    ],
)
def test_documented_amount_is_paid_to_the_cent(casino: Casino, event: dict[str, Any]) -> None:
    casino.post_all(event)
    assert casino.drain() == 1
    amount = event.get("amount", event.get("refund_amount"))
    assert casino.balance() == Decimal(str(amount)) * 100


def test_win_above_the_hold_limit_waits(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino(POOLED_HOLD_OVER=500)
    casino.post_all(win(pool_id="a", amount=500), win(pool_id="b", amount=500.01))
    assert casino.rows("state", "reason") == [("pending", None), ("held", "over_limit")]


def test_credits_of_a_day_above_the_limit_wait(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino(POOLED_HOLD_DAILY_OVER="1001")
    casino.post_all(
        win(pool_id="a"),
        refund(pool_id="b"),
        refund(pool_id="c"),
        win(pool_id="a"),
        entry(pool_id="b", slots_filled=1),
        entry(pool_id="b", slots_filled=2),
    )
    assert casino.rows("kind", "state", "reason") == [
        ("pool.win", "pending", None),
        ("pool.refund", "pending", None),
        ("pool.refund", "held", "daily_limit"),
        ("pool.win", "duplicate", "repeat"),
        ("pool.entry", "pending", None),
        ("pool.entry", "pending", None),
    ]


def test_promotion_into_the_daily_limit_is_told(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino(POOLED_HOLD_DAILY_OVER=1)
    told: list[Any] = []
    event_held.connect(lambda app, event, reason: told.append((event.kind, reason)))
    casino.post_all(refund(), refund(), entry(slots_filled=1))
    told.clear()
    casino.post_all(entry(slots_filled=2))
    assert casino.rows("state", "reason")[1] == ("held", "daily_limit")
    assert told == [("pool.refund", "daily_limit")]


def test_daily_limit_looks_back_one_day(make_casino: Callable[..., Casino]) -> None:
    casino = make_casino(POOLED_HOLD_DAILY_OVER=1500)
    hour = 3_600_000
    now = 1_800_000_000_000

    def record(pool: str, at: int) -> str:
        body = json.dumps(win(pool_id=pool)).encode()
        return casino.state.inbox.store.record([accept(body, at)])[0].state

    assert record("a", now) == "pending"
    assert record("b", now + 23 * hour) == "held"
    assert record("c", now + 26 * hour) == "pending"


def test_event_of_another_tenant_is_held_and_touches_no_books(
    make_casino: Callable[..., Casino],
) -> None:
    casino = make_casino(POOLED_TENANT_ID=TENANT_ID.upper())
    other = "11111111-2222-3333-4444-555555555555"
    casino.post_all(
        win(),
        win(tenant_id=other),
        entry(tenant_id=other),
        refund(tenant_id=other),
        {"event": "pool.unheard", "tenant_id": other},
        {"event": "pool.unheard"},
    )
    assert casino.states() == ["pending", "held", "held", "held", "held", "pending"]
    assert set(casino.rows("reason")) == {None, "foreign_tenant"}
    assert casino.sql("SELECT count(*) FROM pooled_account") == [(0,)]
    assert casino.sql("SELECT count(*) FROM pooled_pool") == [(1,)]


@pytest.mark.parametrize(
    ("policy", "seed", "state"),
    [
        ("deliver", "wrong", "pending"),
        ("deliver", None, "pending"),
        ("hold", "wrong", "held"),
        ("hold", None, "held"),
        ("hold", "a3f8c2d1", "pending"),
    ],
)
def test_unfair_seed(
    make_casino: Callable[..., Casino], policy: str, seed: str | None, state: str
) -> None:
    casino = make_casino(POOLED_UNFAIR=policy)
    casino.post_all(win(seed=seed))
    assert casino.rows("state", "fairness") == [
        (state, {"wrong": "none", None: None}.get(seed, "text"))
    ]


def test_pool_is_either_won_or_refunded(casino: Casino) -> None:
    casino.post_all(
        win(pool_id="a"),
        refund(pool_id="a"),
        refund(pool_id="b"),
        win(pool_id="b"),
        refund(pool_id="c"),
    )
    assert casino.rows("state", "reason") == [
        ("pending", None),
        ("held", "pool_won"),
        ("pending", None),
        ("held", "pool_refunded"),
        ("pending", None),
    ]


def test_three_entries_three_refunds_two_repeats_pay_three_dollars_in_any_order(
    make_casino: Callable[..., Casino],
) -> None:
    casino = make_casino()
    casino.connect()
    entries = [entry(slots_filled=slot) for slot in (1, 2, 3)]
    refunds = [refund()] * 5
    orders = list(set(itertools.permutations("EEERRRRR")))
    random.Random(7).shuffle(orders)
    for number, order in enumerate(orders[:25]):
        pool = {"pool_id": f"pool-{number}"}
        waiting = {"E": iter(entries), "R": iter(refunds)}
        for kind in order:
            casino.post_all(next(waiting[kind]) | pool)
            if random.Random(number).random() < 0.3:
                casino.drain()
        casino.drain()
        assert casino.balance() == 300 * (number + 1), order
    keys = [key for _, _, key in casino.movements()]
    assert len(keys) == len(set(keys))


def test_refunds_beyond_the_entries_alarm_once_for_each_pool(
    casino: Casino, caplog: pytest.LogCaptureFixture
) -> None:
    casino.post_all(*(refund(pool_id=pool) for pool in ("a", "b") for _ in range(4)))
    casino.post_all(entry(pool_id="c"), refund(pool_id="c"), refund(pool_id="c"))
    alarms = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert ["no entry" in alarm for alarm in alarms] == [True, True, False]
    assert casino.rows("reason")[-1] == "surplus"


def test_promoted_refund_leaves_a_trail(casino: Casino) -> None:
    casino.post_all(refund(), refund(), entry(slots_filled=1), entry(slots_filled=2))
    assert casino.rows("kind", "state", "ordinal", "reason", "waits_on") == [
        ("pool.refund", "pending", 1, None, None),
        ("pool.refund", "pending", 2, None, None),
        ("pool.entry", "pending", None, None, None),
        ("pool.entry", "pending", None, None, None),
    ]
    assert casino.sql("SELECT event_id, action, from_state, to_state, actor FROM pooled_audit") == [
        (casino.rows("id")[1], "promote", "held", "pending", None)
    ]


def test_delivery_with_a_known_receipt_is_recorded_once(casino: Casino) -> None:
    store = casino.state.inbox.store
    for event in (win(pool_id="a"), refund(pool_id="b"), entry(pool_id="b"), {"event": "x"}, {}):
        body = json.dumps(event).encode()
        deliveries = [accept(body, 1_800_000_000_000) for _ in range(2)]
        first = store.record(deliveries)
        again = store.record(deliveries)
        assert [each.id for each in again] == [each.id for each in first]
        assert not any(each.new for each in again)
    assert casino.sql("SELECT entries, paid FROM pooled_account") == [(1, 1)]


_ORIGINALS = """
    SELECT event.kind, event.state, event.reason, event.ordinal, original.body
    FROM pooled_event AS event LEFT JOIN pooled_event AS original ON original.id = event.original_id
"""


def test_batch_is_recorded_as_one_by_one(make_casino: Callable[..., Casino]) -> None:
    events = [
        refund(),
        entry(slots_filled=1),
        entry(slots_filled=1),
        entry(slots_filled=7, entry_type="bundle"),
        entry(pool_id="of another", slots_filled=9),
        win(pool_id="w"),
        refund(),
        win(pool_id="w"),
        entry(slots_filled=2),
        win(),
        {"event": "pool.unheard"},
        {},
        refund(pool_id="w"),
    ]
    bodies = [json.dumps(event).encode() for event in events]
    casino = make_casino()
    batch = casino.state.inbox.store.record([accept(body, 1_800_000_000_000) for body in bodies])
    in_batch = sorted(casino.sql(_ORIGINALS), key=repr)
    accounts = sorted(casino.sql("SELECT entry_type, entries, paid FROM pooled_account"))
    casino.sql("DELETE FROM pooled_event")
    casino.sql("DELETE FROM pooled_account")
    casino.sql("DELETE FROM pooled_pool")
    # What comes at the same time has no order, and entries are taken first.
    for body in sorted(bodies, key=lambda body: b"pool.entry" not in body):
        casino.state.inbox.store.record([accept(body, 1_800_000_000_000)])
    assert sorted(casino.sql(_ORIGINALS), key=repr) == in_batch
    assert sorted(casino.sql("SELECT entry_type, entries, paid FROM pooled_account")) == accounts
    assert accounts == [("bundle", 1, 0), ("paid", 0, 0), ("paid", 1, 0), ("paid", 2, 2)]
    states = [each.state for each in batch]
    assert states[:6] == ["pending", "pending", "duplicate", "pending", "pending", "pending"]


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["entry", "refund", "win", "repeat", "drain", "conflict"]),
        st.sampled_from(["a", "b"]),
        st.sampled_from(["p", "q"]),
    ),
    max_size=25,
)


@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(steps=_STEPS)
def test_books_always_balance(make_casino: Callable[..., Casino], steps: Any) -> None:
    casino = make_casino()
    casino.connect()
    for table in ("pooled_event", "pooled_account", "pooled_pool", "ledger"):
        casino.sql(f"DELETE FROM {table}")
    entries: dict[tuple[str, str], int] = {}
    refunds: dict[tuple[str, str], int] = {}
    ends: dict[str, str] = {}
    winners: dict[str, str] = {}
    sent: list[dict[str, Any]] = []
    for number, (step, pool, player) in enumerate(steps):
        names = {"pool_id": pool, "user_id": player}
        if step == "entry":
            entries[pool, player] = entries.get((pool, player), 0) + 1
            sent.append(entry(slots_filled=number, **names))
            casino.post_all(sent[-1])
        elif step == "refund":
            # Every refund that Pooled sends counts; only those in a won pool are held.
            if ends.setdefault(pool, "refunded") == "refunded":
                refunds[pool, player] = refunds.get((pool, player), 0) + 1
            casino.post_all(refund(**names))
        elif step == "win":
            if ends.setdefault(pool, "won") == "won":
                winners.setdefault(pool, player)
            casino.post_all(win(pool_id=pool, winner_id=player))
        elif step == "repeat" and sent:
            casino.post_all(sent[number % len(sent)])
        elif step == "conflict" and sent:
            casino.post_all(sent[number % len(sent)] | {"pool_size": 100})
        elif step == "drain":
            casino.drain()
    casino.drain()
    owed = {"p": 0, "q": 0}
    for (pool, player), count in refunds.items():
        owed[player] += 100 * min(count, max(entries.get((pool, player), 0), 1))
    for winner in winners.values():
        owed[winner] += 100_000
    assert {player: casino.balance(player) for player in owed} == owed
    casino.close()
