"""Players, money and time: what an entry, a draw and an expiry do, and which webhooks they send."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from sandbox_parts import Clock
from sandbox_parts import JWT_SECRET
from sandbox_parts import NOW
from sandbox_parts import parts
from sandbox_parts import sandbox
from sandbox_parts import token

from flask_pooled.sandbox.errors import Refusal
from flask_pooled.sandbox.errors import SandboxError
from flask_pooled.sandbox.pools import EntryType
from flask_pooled.sandbox.records import Guest
from flask_pooled.sandbox.records import Result
from flask_pooled.sandbox.state import Sandbox
from flask_pooled.sandbox.tokens import check_token
from flask_pooled.sandbox.tokens import Visitor

SLUG = "royal-casino"


def visitor(sub: str = "ann", **changes: Any) -> Visitor:
    return check_token(token(sub=sub, **changes), [JWT_SECRET], NOW)


def made(**options: Any) -> Sandbox:
    return parts(sandbox(**options))


def pool_id(box: Sandbox, size: int = 100) -> str:
    with box.world.house(SLUG) as house:
        return house.pools[size].pool_id


def enter(
    box: Sandbox, who: Visitor | None = None, kind: EntryType = "paid", size: int = 100
) -> list[int]:
    entries = box.world.enter(SLUG, who or visitor(), pool_id(box, size), kind, NOW)
    return [entry.ticket for entry in entries]


def guest(box: Sandbox, sub: str = "ann") -> Guest:
    with box.world.house(SLUG) as house:
        return house.guests[sub]


def events(box: Sandbox) -> list[dict[str, Any]]:
    assert box.courier.wait_idle(60)
    return [json.loads(attempt.request_body) for attempt in reversed(box.courier.attempts())]


def test_an_entry_costs_a_dollar_fifty_and_is_reported() -> None:
    box = made()
    enter(box)
    assert guest(box).balance_cents == 25000 - 150
    (event,) = events(box)
    assert event["event"] == "pool.entry"
    assert event["user_id"] == "ann"
    assert event["entry_type"] == "paid"
    with box.world.house(SLUG) as house:
        assert event["tenant_id"] == house.tenant.tenant_id
        assert event["slots_filled"] == house.pools[100].filled
    assert event["slots_total"] == 100


def test_a_bundle_is_five_entries_with_one_tx_id_for_five_dollars() -> None:
    box = made()
    assert len(enter(box, kind="bundle")) == 5
    assert guest(box).balance_cents == 25000 - 500
    sent = events(box)
    assert {event["entry_type"] for event in sent} == {"bundle"}
    assert len({event["tx_id"] for event in sent}) == 1
    assert len({event["slots_filled"] for event in sent}) == 5


def test_each_purchase_has_a_tx_id_of_its_own() -> None:
    box = made()
    enter(box)
    enter(box)
    one, two = events(box)
    assert one["tx_id"] != two["tx_id"]


def test_one_credit_is_free_and_there_is_no_second() -> None:
    box = made()
    enter(box, kind="credit")
    assert guest(box).balance_cents == 25000
    with pytest.raises(Refusal) as caught:
        enter(box, kind="credit")
    assert caught.value.code == "no_credit"


@pytest.mark.parametrize("kind", ["paid", "bundle", "credit"])
@pytest.mark.parametrize(
    ("changes", "code"),
    [({"verified": False}, "not_verified"), ({"balance": 1.49}, "balance_too_low")],
)
def test_who_may_not_enter(kind: EntryType, changes: dict[str, Any], code: str) -> None:
    box = made()
    with pytest.raises(Refusal) as caught:
        enter(box, visitor(**changes), kind)
    assert caught.value.code == code
    assert events(box) == []


def test_a_dollar_fifty_is_enough_for_one_entry_and_not_for_a_bundle() -> None:
    box = made()
    poor = visitor(balance=1.50)
    with pytest.raises(Refusal):
        enter(box, poor, "bundle")
    enter(box, poor)
    assert guest(box).balance_cents == 0


@pytest.mark.parametrize("unknown", ["", "nonsense"])
def test_only_open_pools_can_be_entered(unknown: str) -> None:
    box = made()
    with pytest.raises(Refusal) as caught:
        box.world.enter(SLUG, visitor(), unknown, "paid", NOW)
    assert caught.value.code == "pool_closed"


def test_a_new_token_brings_the_casinos_balance_and_a_known_one_does_not() -> None:
    box = made()
    enter(box)
    box.world.arrive(SLUG, visitor())
    assert guest(box).balance_cents == 24850, "the same token: a reload"
    box.world.arrive(SLUG, visitor(balance=300))
    assert guest(box).balance_cents == 30000
    enter(box, visitor(balance=300))
    box.world.arrive(SLUG, visitor(balance=300, exp=int(NOW) + 99))
    assert guest(box).balance_cents == 30000, "a new token with the same balance"


def test_players_and_tenants_are_apart() -> None:
    box = made()
    enter(box, visitor("ann"))
    box.world.arrive(SLUG, visitor("ben"))
    box.world.arrive("demo", visitor("ann"))
    assert guest(box, "ben").balance_cents == 25000
    with box.world.house("demo") as demo:
        assert demo.guests["ann"].balance_cents == 25000
        assert all(not pool.entries for pool in demo.pools.values())


def test_a_win_pays_the_prize_and_reports_it() -> None:
    box = made()
    (ticket,) = enter(box)
    with box.world.house(SLUG) as house:
        sealed = house.pools[100].seed_commit
    draw = box.world.draw(SLUG, pool_id(box), NOW)
    assert draw.winning_ticket == ticket, "the first draw is won"
    assert draw.seed_commit == sealed
    assert guest(box).balance_cents == 25000 - 150 + 10000
    entry, win = events(box)
    assert win["event"] == "pool.win"
    assert win["pool_id"] == entry["pool_id"]
    assert (win["winner_id"], win["winner_name"], win["amount"]) == ("ann", "Jordan S.", 100)
    assert (win["seed"], win["seed_commit"], win["entry_count"]) == (draw.seed, sealed, 100)
    (result,) = guest(box).results
    assert (result.outcome, result.amount_cents, result.draw) == ("won", 10000, draw)


def test_a_lost_draw_reports_nothing_and_pays_nothing() -> None:
    box = made(lucky=0)
    enter(box)
    draw = box.world.draw(SLUG, pool_id(box), NOW)
    assert draw.winner_sub is None
    assert [event["event"] for event in events(box)] == ["pool.entry"]
    assert guest(box).balance_cents == 24850
    assert guest(box).results[0].outcome == "lost"


def test_an_expired_pool_refunds_a_dollar_per_paid_entry() -> None:
    box = made()
    enter(box)
    enter(box, kind="bundle")
    enter(box, kind="credit")
    enter(box, visitor("ben"))
    box.world.expire(SLUG, pool_id(box), NOW)
    refunds = [event for event in events(box) if event["event"] == "pool.refund"]
    assert Counter((e["user_id"], e["entry_type"]) for e in refunds) == {
        ("ann", "paid"): 1,
        ("ann", "bundle"): 5,
        ("ben", "paid"): 1,
    }
    assert guest(box).balance_cents == 25000 - 150 - 500 + 600
    assert guest(box, "ben").balance_cents == 25000 - 150 + 100
    assert guest(box).results[0].outcome == "refunded"


def test_a_pool_that_is_over_makes_room_for_a_new_one() -> None:
    box = made()
    before = pool_id(box)
    box.world.draw(SLUG, before, NOW)
    assert pool_id(box) != before
    with pytest.raises(SandboxError, match="look it up"):
        box.world.draw(SLUG, before, NOW)


def test_time_fills_draws_and_reopens() -> None:
    clock = Clock()
    box = made(clock=clock)
    enter(box)
    before = pool_id(box)
    box.world.advance(NOW + 20)
    with pytest.raises(Refusal):
        enter(box)
    with pytest.raises(SandboxError, match="cannot expire"):
        box.world.expire(SLUG, before, NOW + 21)
    assert pool_id(box) == before, "the pause before the draw"
    box.world.advance(NOW + 23)
    assert pool_id(box) != before
    assert guest(box).results[0].outcome == "won"


def test_time_expires_what_does_not_fill() -> None:
    box = made(fill_seconds=100, lifetime_seconds=60)
    enter(box)
    before = pool_id(box)
    box.world.advance(NOW + 59)
    assert pool_id(box) == before
    box.world.advance(NOW + 60)
    assert pool_id(box) != before
    assert [event["event"] for event in events(box)] == ["pool.entry", "pool.refund"]


def test_the_first_win_survives_a_pool_that_expired() -> None:
    box = made(lucky=0.001)
    enter(box)
    box.world.expire(SLUG, pool_id(box), NOW)
    enter(box)
    box.world.draw(SLUG, pool_id(box), NOW)
    assert [result.outcome for result in guest(box).results] == ["won", "refunded"]


@pytest.mark.parametrize(("lucky", "least", "most"), [(0.0, 0, 0), (1.0, 200, 200), (0.5, 80, 120)])
def test_luck_is_as_often_as_it_says(lucky: float, least: int, most: int) -> None:
    box = made(lucky=lucky)
    rich = visitor(balance=10_000)
    for _ in range(200):
        enter(box, rich)
        enter(box, rich)  # more entries do not make more luck
        box.world.draw(SLUG, pool_id(box), NOW)
    assert guest(box).draws == 200
    wins = sum(event["event"] == "pool.win" for event in events(box))
    assert least <= wins <= most


def test_a_rehearsal_chooses_the_winner() -> None:
    box = made()
    enter(box, visitor("ann"))
    enter(box, visitor("ben"))
    draw = box.world.draw(SLUG, pool_id(box), NOW, winner="ben", forced=True)
    assert draw.winner_sub == "ben"
    assert guest(box, "ann").results[0].outcome == "lost"


def test_a_rehearsal_that_names_a_stranger_changes_nothing() -> None:
    box = made()
    enter(box)
    before = pool_id(box)
    with pytest.raises(SandboxError, match="enter first"):
        box.world.draw(SLUG, before, NOW, winner="ben", forced=True)
    assert pool_id(box) == before
    with box.world.house(SLUG) as house:
        assert not house.pools[100].is_full


def test_results_are_new_until_the_page_has_shown_them() -> None:
    box = made()
    enter(box)
    box.world.draw(SLUG, pool_id(box), NOW)
    result: Result = guest(box).results[0]
    assert guest(box).unseen == {result.number}
    box.world.acknowledge(SLUG, visitor(), result.number)
    box.world.acknowledge(SLUG, visitor(), 12345)
    assert guest(box).unseen == set()


def test_one_seed_repeats_a_whole_run() -> None:
    def run(seed: int) -> list[dict[str, Any]]:
        box = made(seed=seed)
        for size in (100, 1000):
            enter(box, size=size)
            box.world.draw(SLUG, pool_id(box, size), NOW)
        return events(box)

    assert run(3) == run(3)
    assert run(3) != run(4)
